package memory

import (
	"sync/atomic"
	"unsafe"
)

// Stats are the tier's counters since it was made. Entries and Bytes are what it holds now; the others
// only grow. They are read one after the other, not all at one moment.
type Stats struct {
	Entries int64 // stored responses
	Bytes   int64 // what they use, with keys and bookkeeping
	Hits    int64 // Gets that returned an entry
	Misses  int64 // Gets that did not
	Stored  int64 // Puts that were not refused
	Refused int64 // Puts that returned ErrRefused

	// Entries that left, by reason.
	EvictedSize    int64 // to make room
	EvictedExpired int64 // of no more use
	Replaced       int64 // by a Put
	Deleted        int64 // by a Delete
}

// Stats returns the counters. It takes no lock.
func (t *Tier) Stats() Stats {
	var s Stats
	for i := range t.lookups {
		s.Hits += t.lookups[i].hits.Load()
		s.Misses += t.lookups[i].misses.Load()
	}
	s.Refused = t.refused.Load()
	for i := range t.shards {
		c := &t.shards[i].counts
		s.Entries += c.entries.Load()
		s.Bytes += c.bytes.Load()
		s.Stored += c.stored.Load()
		s.EvictedSize += c.size.Load()
		s.EvictedExpired += c.expired.Load()
		s.Replaced += c.replaced.Load()
		s.Deleted += c.deleted.Load()
	}
	return s
}

// counts are written under the shard's lock and read without.
type counts struct {
	entries, bytes                           atomic.Int64
	stored, size, expired, replaced, deleted atomic.Int64
}

const stripes = 256

// lookups counts hits and misses in many places, each on cache lines of its own, because two cores that
// add to one place wait for each other.
type lookups [stripes]struct {
	hits, misses atomic.Int64
	_            [112]byte
}

// mine chooses a place by where the caller's stack lies: goroutines that run at the same time have different
// stacks, and one goroutine mostly stays on its core.
func (l *lookups) mine() int {
	var here byte
	return int(uint64(uintptr(unsafe.Pointer(&here))>>10) * 0x9e3779b97f4a7c15 >> 56)
}
