package memory

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// shard holds a part of the keys within its share of the bytes.
type shard struct {
	ledger *ledger       // of the adaptive policy; without one hits go through the lock
	era    atomic.Uint32 // the ledger's, on the line that hits read anyway
	index  index

	mu     sync.Mutex
	policy policy
	order  int64 // bytes that a node takes in the policy's lists, where that is more than bookkeeping has
	max    int64
	hand   int // the bucket of the index that sweep looks at next
	counts counts
	_      [64]byte
}

func (s *shard) init(policy Policy, maxBytes int64) {
	s.index.init()
	s.max = maxBytes
	switch policy {
	case LRU:
		s.policy, s.order = newLRU(), bookkeepingLRU
	default:
		s.ledger = newLedger(maxBytes, &s.era)
		s.policy = newAdaptive(maxBytes, s.ledger)
	}
}

// get returns the entry that sel selects, or nil; then other tells whether there are other variants.
func (s *shard) get(h uint64, key tiers.Key, sel tiers.Selector, now tiers.Instant) (e *tiers.Entry, other bool) {
	n := s.look(h, key)
	if n == nil {
		return nil, false
	}
	if e = n.pick(sel, now); e == nil {
		return nil, !n.dead(now)
	}
	s.hit(n)
	return e, false
}

// look finds the node for key, or nil.
func (s *shard) look(h uint64, key tiers.Key) *node {
	n, certain := s.index.find(h, key)
	if !certain {
		s.mu.Lock()
		n, _ = s.index.find(h, key)
		s.mu.Unlock()
	}
	return n
}

func (s *shard) hit(n *node) {
	if s.ledger != nil {
		s.mark(n)
		return
	}
	s.mu.Lock()
	if n.in != nowhere {
		s.policy.touch(n)
	}
	s.mu.Unlock()
}

// mark counts a use of n. Two at the same time may count as one.
func (s *shard) mark(n *node) {
	old, now := n.mark.Load(), s.era.Load()
	if old == markOf(now, maxHits) {
		return
	}
	if n.mark.CompareAndSwap(old, markOf(now, min(old&maxHits+1, maxHits))) && old>>2 != now {
		s.ledger.hit(old>>2, now, n.cost())
	}
}

func (s *shard) put(h uint64, e *tiers.Entry, now tiers.Instant, maxTTL time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	n, _ := s.index.find(h, e.Key)
	fits := cost(e)+s.order+bookkeepingVariant <= s.max/2 && e.Expires() > now
	switch {
	case n == nil && fits:
		n = s.add(h, e, now, maxTTL)
	case n == nil:
		return false
	case fits:
		s.replace(n, e, now, maxTTL)
	default:
		s.forget(n, &s.counts.replaced, func(old *tiers.Entry, _ tiers.Instant) bool {
			return old.Vary == e.Vary && old.Variant == e.Variant
		})
		return false
	}
	if n == nil {
		return false
	}
	s.counts.stored.Add(1)
	for s.counts.bytes.Load() > s.max && s.evict(n, now) {
	}
	return true
}

// add makes a node for e, or returns nil when the policy refuses it.
func (s *shard) add(h uint64, e *tiers.Entry, now tiers.Instant, maxTTL time.Duration) *node {
	n := &node{hash: h}
	n.entry.Store(e)
	if maxTTL > 0 {
		n.set.Store(&variants{list: []*variant{newVariant(e, now, maxTTL)}})
	}
	n.size = n.cost() + s.order
	if !s.policy.add(n, s.counts.bytes.Load()+n.size > s.max) {
		return nil
	}
	s.index.insert(n)
	s.counts.entries.Add(1)
	s.counts.bytes.Add(n.size)
	return n
}

// replace stores e in n. That is a use of n: somebody asked for it.
func (s *shard) replace(n *node, e *tiers.Entry, now tiers.Instant, maxTTL time.Duration) {
	before := n.entries()
	replaced, dropped := n.put(e, now, maxTTL, s.max/2)
	s.counts.replaced.Add(int64(replaced))
	s.counts.size.Add(int64(dropped))
	s.counts.entries.Add(int64(n.entries() - before))
	s.resize(n)
	if s.ledger != nil {
		s.mark(n)
	}
	s.policy.touch(n)
}

// evict makes room by one node that is not keep, and tells whether there was one.
func (s *shard) evict(keep *node, now tiers.Instant) bool {
	n := s.policy.victim(keep, now)
	if n == nil {
		return false
	}
	reason := &s.counts.size
	if n.dead(now) {
		reason = &s.counts.expired
	}
	reason.Add(int64(n.entries()))
	s.unlink(n)
	return true
}

func (s *shard) delete(h uint64, key tiers.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, _ := s.index.find(h, key); n != nil {
		s.forget(n, &s.counts.deleted, func(*tiers.Entry, tiers.Instant) bool { return true })
	}
}

// sweep drops what is dead in one bucket, the next with each call, so that a dead entry stays for no more
// than about as many calls as there are nodes.
func (s *shard) sweep(now tiers.Instant) {
	table := *s.index.table.Load()
	if s.hand++; s.hand >= len(table) {
		s.hand = 0
	}
	for n := table[s.hand].Load(); n != nil; n = n.next.Load() {
		s.forget(n, &s.counts.expired, func(_ *tiers.Entry, dead tiers.Instant) bool { return dead <= now })
	}
}

// forget drops the responses in n that match, for the reason that counts them, and n when none is left.
func (s *shard) forget(n *node, reason *atomic.Int64, match func(e *tiers.Entry, dead tiers.Instant) bool) {
	dropped, empty := n.without(match)
	if dropped == 0 {
		return
	}
	reason.Add(int64(dropped))
	if empty {
		s.policy.remove(n)
		s.unlink(n)
		return
	}
	s.counts.entries.Add(int64(-dropped))
	s.resize(n)
}

// unlink makes n, which the policy forgot, unknown to readers.
func (s *shard) unlink(n *node) {
	s.index.remove(n)
	s.counts.entries.Add(int64(-n.entries()))
	s.counts.bytes.Add(-n.size)
}

// resize counts n's size anew.
func (s *shard) resize(n *node) {
	size := n.cost() + s.order
	delta := size - n.size
	n.size = size
	s.counts.bytes.Add(delta)
	s.policy.resized(n, delta)
}
