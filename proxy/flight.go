package proxy

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nearside-cache/nearside/tiers"
)

// flight is the one way upstream that all take who ask for the same at the same time (RFC 9111 §4, collapsed
// requests). The request that began it leads; those that come while it lasts follow. It is settled when it is known what
// the followers get, and over when whoever comes later finds that in L1, or when there is nothing to be had.
type flight struct {
	key   tiers.Key
	home  *flightShard
	begun tiers.Instant // before anybody was asked for it

	refresh bool // it renews what can still be served, for a while

	found   *tiers.Entry // what the leader found in the tiers and could not serve, or nil; set before it settles
	foundIn tiers.Source

	claim atomic.Pointer[claim] // on behalf of the fleet; nil = none, or yielded

	// Guarded by home.mu until settled, and never changed afterwards.
	settled bool
	result  result
	ready   chan struct{} // closed when settled; made by the first follower
}

// fate says what a flight brought its followers.
type fate uint8

const (
	released fate = iota // nothing they may share: each goes its own way
	shared               // a stored response, or one that is on its way into the store
	failed               // the origin failed
	again                // nothing, and the next flight may bring more
)

// result is how a flight ended for its followers.
type result struct {
	fate     fate
	entry    *tiers.Entry // what they share; nil for the other fates
	source   tiers.Source // the tier that had it; None when it was fetched
	arriving *stream      // entry's content where that is still on its way, else nil
	status   int          // the origin's status code, 0 when there is none
	err      error        // why the origin failed, where it gave no response
}

// flights is the table of what is under way. A request that L1 answers never touches it.
type flights struct {
	seed   maphash.Seed
	under  atomic.Int64 // flights that are not over
	shards [64]flightShard
}

type flightShard struct {
	mu  sync.Mutex
	all map[tiers.Key]*flight
	_   [48]byte
}

func newFlights() *flights { return &flights{seed: maphash.MakeSeed()} }

func (t *flights) hash(key tiers.Key) uint64 { return maphash.String(t.seed, string(key)) }

// join returns the flight for key, and whether it begins with this call: then the caller leads it, and must settle it.
// The bytes of key are not kept. refresh says of a flight that begins that it is in the background.
func (t *flights) join(key tiers.Key, refresh bool) (f *flight, leads bool) {
	s := &t.shards[t.hash(key)%uint64(len(t.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.all[key]; f != nil {
		if !f.settled && f.ready == nil {
			f.ready = make(chan struct{})
		}
		return f, false
	}
	f = &flight{key: tiers.Key(strings.Clone(string(key))), home: s, begun: tiers.Now(), refresh: refresh}
	if s.all == nil {
		s.all = map[tiers.Key]*flight{}
	}
	s.all[f.key] = f
	t.under.Add(1)
	return f, true
}

// settle lets the followers go, with r. Only the first call counts. A flight whose followers share a response goes on
// until it is ended, any other is over.
func (t *flights) settle(f *flight, r result) {
	f.home.mu.Lock()
	defer f.home.mu.Unlock()
	if f.settled {
		return
	}
	f.settled, f.result = true, r
	if f.ready != nil {
		close(f.ready)
	}
	if r.fate != shared {
		t.remove(f)
	}
}

// end makes sure that nobody joins f any more: who asks for the same from now on begins another flight. It may be
// called again, with nil, and by followers.
func (t *flights) end(f *flight) {
	if f == nil {
		return
	}
	f.home.mu.Lock()
	defer f.home.mu.Unlock()
	t.remove(f)
}

func (t *flights) remove(f *flight) {
	if f.home.all[f.key] == f {
		delete(f.home.all, f.key)
		t.under.Add(-1)
	}
}
