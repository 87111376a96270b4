package memory

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// maxVariants bounds the stored responses of one key. The least recently used one makes room.
const maxVariants = 32

// node is what a shard keeps under one key: usually one stored response, sometimes several that differ in
// what they vary on. Readers take no lock, so what they read is atomic or never changes; size and in are the
// shard's, under its lock.
type node struct {
	next  atomic.Pointer[node] // in the index's chain
	hash  uint64
	entry atomic.Pointer[tiers.Entry] // the most recently stored one
	set   atomic.Pointer[variants]    // all of them; nil while there is just one, without a limit of its own
	size  int64                       // bytes that count for it

	// The adaptive policy's:
	block   *block        // of its queue
	mark    atomic.Uint32 // the era of the last use, and in the last two bits the hits, at most maxHits
	place   uint8         // in the block
	rounded bool          // it went round its queue once

	in segment
}

// segment is where the policy keeps a node.
type segment uint8

const (
	nowhere segment = iota // it was dropped
	small                  // new nodes of the adaptive policy
	main                   // its proven ones, and all of the lru policy
)

// variants are the stored responses of one key, the most recently stored first. The slice never changes
// once it is published.
type variants struct {
	list []*variant
	puts uint32 // how many were stored under this key
}

// variant is one stored response among several.
type variant struct {
	entry *tiers.Entry
	dead  tiers.Instant // when it is of no more use here
	used  atomic.Uint32 // variants.puts when it was last served: recency that many hits need not write
}

func (n *node) key() tiers.Key { return n.entry.Load().Key }

// pick returns the most recently stored response that sel selects and that is not dead at now, or nil.
func (n *node) pick(sel tiers.Selector, now tiers.Instant) *tiers.Entry {
	set := n.set.Load()
	if set == nil {
		if e := n.entry.Load(); e.Expires() > now && e.Selects(sel) {
			return e
		}
		return nil
	}
	for _, v := range set.list {
		if v.dead > now && v.entry.Selects(sel) {
			if v.used.Load() != set.puts {
				v.used.Store(set.puts)
			}
			return v.entry
		}
	}
	return nil
}

// all returns the responses that are not dead at now.
func (n *node) all(now tiers.Instant) (entries []*tiers.Entry) {
	set := n.set.Load()
	if set == nil {
		if e := n.entry.Load(); e.Expires() > now {
			entries = append(entries, e)
		}
		return entries
	}
	for _, v := range set.list {
		if v.dead > now {
			entries = append(entries, v.entry)
		}
	}
	return entries
}

// markOf is the mark of a node that was last used in an era.
func markOf(era, hits uint32) uint32 { return era<<2 | hits }

// era is when n was used last.
func (n *node) era() uint32 { return n.mark.Load() >> 2 }

// hits is how many hits of n the policy has not spent yet.
func (n *node) hits() uint32 { return n.mark.Load() & maxHits }

func (n *node) setHits(hits uint32) { n.mark.Store(markOf(n.era(), hits)) }

// dead tells whether no response is of use any more at now.
func (n *node) dead(now tiers.Instant) bool {
	set := n.set.Load()
	if set == nil {
		return n.entry.Load().Expires() <= now
	}
	for _, v := range set.list {
		if v.dead > now {
			return false
		}
	}
	return true
}

// without drops the responses that match, and tells how many they were and whether none is left; the last
// ones stay readable. It needs the shard's lock.
func (n *node) without(match func(e *tiers.Entry, dead tiers.Instant) bool) (dropped int, empty bool) {
	set := n.set.Load()
	if set == nil {
		if e := n.entry.Load(); match(e, e.Expires()) {
			return 1, true
		}
		return 0, false
	}
	kept := make([]*variant, 0, len(set.list))
	for _, v := range set.list {
		if !match(v.entry, v.dead) {
			kept = append(kept, v)
		}
	}
	dropped = len(set.list) - len(kept)
	if dropped > 0 && len(kept) > 0 {
		n.publish(&variants{list: kept, puts: set.puts})
	}
	return dropped, len(kept) == 0
}

// put stores e in front, in place of the response with the same Vary and Variant, and returns how many that
// replaced, and how many it dropped to stay within maxVariants and most bytes. It needs the shard's lock.
func (n *node) put(e *tiers.Entry, now tiers.Instant, maxTTL time.Duration, most int64) (replaced, dropped int) {
	set := n.set.Load()
	if set == nil {
		old := n.entry.Load()
		if old.Vary == e.Vary && old.Variant == e.Variant {
			n.entry.Store(e)
			return 1, 0
		}
		set = &variants{list: []*variant{{entry: old, dead: old.Expires()}}}
	}
	added := &variants{puts: set.puts + 1, list: make([]*variant, 1, len(set.list)+1)}
	added.list[0] = newVariant(e, now, maxTTL)
	added.list[0].used.Store(added.puts)
	for _, v := range set.list {
		if v.entry.Vary == e.Vary && v.entry.Variant == e.Variant {
			replaced++
			continue
		}
		added.list = append(added.list, v)
	}
	for len(added.list) > maxVariants || len(added.list) > 1 && added.cost() > most {
		coldest := added.coldest()
		added.list = slices.Delete(added.list, coldest, coldest+1)
		dropped++
	}
	n.publish(added)
	return replaced, dropped
}

func newVariant(e *tiers.Entry, now tiers.Instant, maxTTL time.Duration) *variant {
	v := &variant{entry: e, dead: e.Expires()}
	if maxTTL > 0 {
		v.dead = min(v.dead, now.Add(maxTTL))
	}
	return v
}

// coldest returns the place of the least recently used response but for the newest.
func (s *variants) coldest() int {
	last := len(s.list) - 1
	for i := last - 1; i > 0; i-- {
		if s.list[i].used.Load() < s.list[last].used.Load() {
			last = i
		}
	}
	return last
}

// publish makes set what readers see. The entry changes last: a reader that finds the old one beside the
// new set reads the set only.
func (n *node) publish(set *variants) {
	n.set.Store(set)
	n.entry.Store(set.list[0].entry)
}

// entries is how many responses there are.
func (n *node) entries() int {
	if set := n.set.Load(); set != nil {
		return len(set.list)
	}
	return 1
}

// bookkeeping is what a node costs beside its entry, bookkeepingLRU how much more it does with the lru policy, and
// bookkeepingVariant what each of a set of variants does: heap bytes measured, with the tables and their growth (see
// TestBookkeeping).
const (
	bookkeeping        = 104
	bookkeepingLRU     = 80
	bookkeepingVariant = 48
)

// cost is the bytes that count for n.
func (n *node) cost() int64 {
	if set := n.set.Load(); set != nil {
		return set.cost()
	}
	return cost(n.entry.Load())
}

// cost is the bytes that count for an entry that is alone under its key.
func cost(e *tiers.Entry) int64 { return bookkeeping + int64(e.Size()) }

func (s *variants) cost() int64 {
	c := int64(bookkeeping)
	for _, v := range s.list {
		c += bookkeepingVariant + int64(v.entry.Size())
	}
	return c
}
