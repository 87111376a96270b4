package memory

import (
	"errors"

	"github.com/nearside-cache/nearside/tiers"
)

// Policy is how a tier decides what to evict. The zero value is Adaptive.
type Policy uint8

const (
	// Adaptive keeps new entries apart from proven ones, and shifts the room between them towards where
	// it saves more misses. Hits never wait for each other. See adaptive.go.
	Adaptive Policy = iota
	// LRU evicts strictly the least recently used entry of the shard. Each hit takes the shard's lock.
	LRU
)

// String returns the policy's name in the configuration.
func (p Policy) String() string { return [...]string{"adaptive", "lru"}[p] }

// MarshalText writes the name.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name.
func (p *Policy) UnmarshalText(text []byte) error {
	for _, known := range []Policy{Adaptive, LRU} {
		if string(text) == known.String() {
			*p = known
			return nil
		}
	}
	return errors.New("not a policy; want adaptive or lru")
}

// policy keeps a shard's nodes in order. All its methods need the shard's lock.
type policy interface {
	// add takes a new node, or refuses it. full tells whether others must leave for it.
	add(n *node, full bool) bool
	// touch is told that n was used, where a mark on n does not suffice.
	touch(n *node)
	// resized is told that n's size changed by delta.
	resized(n *node, delta int64)
	// remove forgets n.
	remove(n *node)
	// victim chooses the node that leaves next and forgets it; nil when there is none but keep.
	victim(keep *node, now tiers.Instant) *node
}
