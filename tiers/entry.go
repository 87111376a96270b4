package tiers

import (
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// Entry is a stored response (RFC 9111 §3). It is immutable once it was handed to a Tier: whoever holds
// the pointer may read it for as long as they like, and nobody may write to it or to the bytes it refers to.
//
// What the caching rules made of the response's fields stands here as numbers, so that serving it parses
// nothing.
type Entry struct {
	Key    Key
	Status int    // final status code
	Header Header // end-to-end fields as they came, without Age and without framing
	Body   []byte // the complete content

	// Vary lists the request fields that selected this response: lower-case names, sorted, joined by
	// commas; empty when there are none. Variant is what [Selector.Variant] gave for the request that
	// fetched it.
	Vary    string
	Variant string

	Born     Instant       // when the response's age was 0 (RFC 9111 §4.2.3)
	Lifetime time.Duration // freshness lifetime (§4.2.1); 0 = stale from the start

	// How long after it became stale the response may still be used: served while it is refreshed or
	// instead of an error (RFC 5861), or kept as the base of a conditional request.
	StaleWhileRevalidate time.Duration
	StaleIfError         time.Duration
	Keep                 time.Duration

	// Tags are the names under which the response can be purged beside its target URI, each followed by a line
	// end; empty when there are none.
	Tags string

	FetchTime time.Duration // from the request to the response's header; 0 = not known

	Flags Flags
	AsOf  Position // the log position that was applied when the request for it began
	Proof *Proof   // what was found out about AsOf since; nil = nothing, and nothing can be noted
}

// Proof notes how far the invalidation log was compared with one Entry, so that a hit need not do it again. It
// belongs to that Entry alone: what is derived from one, by a 304 or a further part, needs its own. It is the
// only part of a published Entry that changes, and of no meaning to other processes.
type Proof struct {
	Checked atomic.Uint64         // the version of the log's state at which nothing was found; 0 = never
	Proven  atomic.Uint64         // the position up to which nothing was found
	Names   atomic.Pointer[Names] // what the log knows the Entry by; nil until that was asked for
}

// Names are what invalidations can know a stored response by.
type Names struct {
	URI    string   // normalised
	Hashes []uint64 // of the URI, then of each tag
	Bits   uint64   // for each of Hashes the bit that its last six bits number: what has none of them is not among them
}

// Flags are the yes-or-no facts of an Entry. They travel in the codec: never renumber them.
type Flags uint8

const (
	// NoCache: validate before each reuse, fresh or not (RFC 9111 §5.2.2.4).
	NoCache Flags = 1 << iota
	// MustRevalidate: never reuse stale, not even when the origin is away or the client allows it (§5.2.2.2).
	MustRevalidate
	// HasLocation: the response has a Location field, which may need mapping for the client.
	HasLocation
	// Heuristic: the lifetime was not given by the origin (§4.2.2).
	Heuristic
)

// Age is the response's current age at now (RFC 9111 §4.2.3), never negative.
func (e *Entry) Age(now Instant) time.Duration {
	return max(0, now.Sub(e.Born))
}

// TTL is the freshness that is left at now; zero or negative when the response is stale.
func (e *Entry) TTL(now Instant) time.Duration {
	return e.Lifetime - e.Age(now)
}

// Expires is when the response is of no more use to anyone, fresh or stale.
func (e *Entry) Expires() Instant {
	return e.Born.Add(e.Lifetime + max(e.StaleWhileRevalidate, e.StaleIfError, e.Keep))
}

// proofSize is what a Proof takes with the Names of a response without tags; each tag adds a hash.
const (
	hashSize  = 8
	proofSize = int(unsafe.Sizeof(Proof{})+unsafe.Sizeof(Names{})) + hashSize
)

// Size is the memory that the entry holds, in bytes: content, fields, key and the struct itself, with what its Proof will
// take once something was purged.
func (e *Entry) Size() int {
	n := int(unsafe.Sizeof(*e)) + len(e.Key) + cap(e.Header) + cap(e.Body) + len(e.Vary) + len(e.Variant) + len(e.Tags)
	if e.Proof != nil {
		n += proofSize + hashSize*strings.Count(e.Tags, "\n")
	}
	return n
}

// Instant is a time on this process's monotonic clock, in nanoseconds since it started. It means
// nothing to another process, and a change of the wall clock does not move it.
type Instant int64

var started = time.Now()

// Now reads the clock.
func Now() Instant { return Instant(time.Since(started)) }

// Sub returns the time from u to t.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

// Add returns the instant d after t, at most the last one there is.
func (t Instant) Add(d time.Duration) Instant {
	s := t + Instant(d)
	if d > 0 && s < t {
		return Instant(1<<63 - 1)
	}
	return s
}
