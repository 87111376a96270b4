package tiers

import (
	"context"
	"errors"
)

// Source says which tier an entry came from.
type Source uint8

// The sources of an entry.
const (
	None Source = iota
	L1
	L2
)

// String returns "L1", "L2", or "" for None.
func (s Source) String() string { return [...]string{"", "L1", "L2"}[s] }

// Stack is a near tier in front of a far one. Either may be nil, which is a tier that holds nothing.
type Stack struct {
	Near Tier // L1
	Far  Tier // L2

	Admit func(*Entry) bool // tells whether what the far tier has is worth promoting; nil = always
}

// Get asks the near tier, then the far one; what only the far one has is promoted.
func (s *Stack) Get(ctx context.Context, key Key, sel Selector) (*Entry, error) {
	if e, err := s.GetNear(ctx, key, sel); err == nil {
		return e, nil
	}
	return s.GetFar(ctx, key, sel)
}

// GetNear asks the near tier only.
func (s *Stack) GetNear(ctx context.Context, key Key, sel Selector) (*Entry, error) {
	if s.Near == nil {
		return nil, ErrMiss
	}
	return s.Near.Get(ctx, key, sel)
}

// GetFar asks the far tier only, and promotes what it finds: the same entry, so with the lifetime that
// remains, unless Admit is against it. A near tier that refuses it does not matter.
func (s *Stack) GetFar(ctx context.Context, key Key, sel Selector) (*Entry, error) {
	if s.Far == nil {
		return nil, ErrMiss
	}
	e, err := s.Far.Get(ctx, key, sel)
	if err == nil && s.Near != nil && (s.Admit == nil || s.Admit(e)) {
		_ = s.Near.Put(ctx, e) //nolint:errcheck // refused: served all the same
	}
	return e, err
}

// Variants returns the stored responses of all variants under key that the near tier has, or nil when it cannot list
// them. They may be stale.
func (s *Stack) Variants(key Key) []*Entry {
	if near, ok := s.Near.(interface{ Variants(Key) []*Entry }); ok {
		return near.Variants(key)
	}
	return nil
}

// Put writes the near tier first, so that this process has the entry soonest, then the far one.
func (s *Stack) Put(ctx context.Context, e *Entry) error {
	return errors.Join(s.PutNear(ctx, e), s.PutFar(ctx, e))
}

// PutNear writes the near tier only.
func (s *Stack) PutNear(ctx context.Context, e *Entry) error {
	if s.Near == nil {
		return nil
	}
	return s.Near.Put(ctx, e)
}

// PutFar writes the far tier only.
func (s *Stack) PutFar(ctx context.Context, e *Entry) error {
	if s.Far == nil {
		return nil
	}
	return s.Far.Put(ctx, e)
}

// Delete removes key from both tiers, and tries the second when the first failed.
func (s *Stack) Delete(ctx context.Context, key Key) error {
	var near, far error
	if s.Near != nil {
		near = s.Near.Delete(ctx, key)
	}
	if s.Far != nil {
		far = s.Far.Delete(ctx, key)
	}
	return errors.Join(near, far)
}
