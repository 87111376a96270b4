package tiers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/memory"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

func newMemory() *memory.Tier { return memory.New(memory.Config{MaxBytes: 64 << 20}) }

func TestStackContract(t *testing.T) {
	for name, newStack := range map[string]func() *tiers.Stack{
		"both":      func() *tiers.Stack { return &tiers.Stack{Near: newMemory(), Far: newMemory()} },
		"near only": func() *tiers.Stack { return &tiers.Stack{Near: newMemory()} },
		"far only":  func() *tiers.Stack { return &tiers.Stack{Far: newMemory()} },
	} {
		t.Run(name, func(t *testing.T) {
			tierstest.Run(t, func(*testing.T) tiers.Tier { return newStack() })
		})
	}
}

func TestStackOfNothing(t *testing.T) {
	s := &tiers.Stack{}
	ctx := t.Context()
	if err := s.Put(ctx, tierstest.NewEntry("k", "x")); err != nil {
		t.Error(err)
	}
	if e, err := s.Get(ctx, "k", nil); !errors.Is(err, tiers.ErrMiss) || e != nil {
		t.Errorf("Get = %v, %v", e, err)
	}
	if err := s.Delete(ctx, "k"); err != nil {
		t.Error(err)
	}
}

func TestStackPromotes(t *testing.T) {
	near, far := newMemory(), newMemory()
	s := &tiers.Stack{Near: near, Far: far}
	ctx := t.Context()
	e := tierstest.NewEntry("k", "x")
	e.Born = tiers.Now().Add(-59 * time.Minute)
	e.AsOf = tiers.Position{Gen: 1, N: 2}
	if err := s.PutFar(ctx, e); err != nil {
		t.Fatal(err)
	}
	if _, err := s.GetNear(ctx, "k", nil); !errors.Is(err, tiers.ErrMiss) {
		t.Fatalf("the near tier has it already: %v", err)
	}
	if got, err := s.Get(ctx, "k", nil); err != nil || got != e {
		t.Fatalf("Get = %v, %v", got, err)
	}
	if err := far.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(ctx, "k", nil)
	if err != nil {
		t.Fatalf("not promoted: %v", err)
	}
	tierstest.Same(t, got, e)
	if ttl := got.TTL(tiers.Now()); ttl > time.Minute {
		t.Errorf("promoted with %v to live, want the minute that remained", ttl)
	}
}

func TestStackWritesBoth(t *testing.T) {
	s := &tiers.Stack{Near: newMemory(), Far: newMemory()}
	ctx := t.Context()
	if err := s.Put(ctx, tierstest.NewEntry("k", "x")); err != nil {
		t.Fatal(err)
	}
	for name, tier := range map[string]tiers.Tier{"near": s.Near, "far": s.Far} {
		if _, err := tier.Get(ctx, "k", nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	for name, tier := range map[string]tiers.Tier{"near": s.Near, "far": s.Far} {
		if _, err := tier.Get(ctx, "k", nil); !errors.Is(err, tiers.ErrMiss) {
			t.Errorf("%s: %v after Delete", name, err)
		}
	}
}

// broken is a tier whose store is away.
type broken struct{ err error }

func (b broken) Get(context.Context, tiers.Key, tiers.Selector) (*tiers.Entry, error) {
	return nil, b.err
}
func (b broken) Put(context.Context, *tiers.Entry) error { return b.err }
func (b broken) Delete(context.Context, tiers.Key) error { return b.err }

func TestStackFarFails(t *testing.T) {
	away := errors.New("away")
	near := newMemory()
	s := &tiers.Stack{Near: near, Far: broken{away}}
	ctx := t.Context()
	if _, err := s.Get(ctx, "k", nil); !errors.Is(err, away) {
		t.Errorf("Get = %v, want the tier's error", err)
	}
	e := tierstest.NewEntry("k", "x")
	if err := s.Put(ctx, e); !errors.Is(err, away) {
		t.Errorf("Put = %v, want the tier's error", err)
	}
	if got, err := s.Get(ctx, "k", nil); err != nil || got != e {
		t.Errorf("Get = %v, %v, want what the near tier took", got, err)
	}
	if err := s.Delete(ctx, "k"); !errors.Is(err, away) {
		t.Errorf("Delete = %v, want the tier's error", err)
	}
	if _, err := near.Get(ctx, "k", nil); !errors.Is(err, tiers.ErrMiss) {
		t.Errorf("not deleted from the near tier: %v", err)
	}
}

func TestStackNearFails(t *testing.T) {
	full := errors.New("full")
	far := newMemory()
	s := &tiers.Stack{Near: broken{full}, Far: far}
	ctx := t.Context()
	e := tierstest.NewEntry("k", "x")
	if err := s.Put(ctx, e); !errors.Is(err, full) {
		t.Errorf("Put = %v, want the tier's error", err)
	}
	if got, err := s.Get(ctx, "k", nil); err != nil || got != e {
		t.Errorf("Get = %v, %v, want what the far tier took", got, err)
	}
	if err := s.Delete(ctx, "k"); !errors.Is(err, full) {
		t.Errorf("Delete = %v, want the tier's error", err)
	}
	if _, err := far.Get(ctx, "k", nil); !errors.Is(err, tiers.ErrMiss) {
		t.Errorf("not deleted from the far tier: %v", err)
	}
}

func TestSourceString(t *testing.T) {
	if got := tiers.None.String() + tiers.L1.String() + tiers.L2.String(); got != "L1L2" {
		t.Error(got)
	}
}
