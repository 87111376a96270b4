package proxy

import (
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Outcome is what became of a request, for metrics and logs.
type Outcome uint8

// The outcomes.
const (
	Hit         Outcome = iota // a fresh stored response
	StaleHit                   // a stale one: while it is refreshed, or because the client allows it
	StaleError                 // a stale one in place of an error
	Revalidated                // a stored one that the origin confirmed
	Miss                       // the origin's response to a request that the store could have answered
	Collapsed                  // what another such request fetched at the same time
	Passed                     // the origin's response to one that it could not
	Refused                    // answered here without looking further: 4xx, 504 for only-if-cached, 508
	Failed                     // no usable answer from the origin: 502, 503, 504
	outcomes
)

// String returns the outcome as it stands in metrics and logs.
func (o Outcome) String() string {
	return [...]string{"hit", "stale", "stale-if-error", "revalidated", "miss", "collapsed", "pass", "refused", "error"}[o]
}

// Buckets are the upper bounds of the duration histograms; one more bucket has no bound.
var Buckets = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Durations is a histogram of how long requests took until their answer was ready to be written.
type Durations struct {
	Counts [len(Buckets) + 1]uint64 // per bucket, not cumulative
	Sum    time.Duration
}

// Stats is a snapshot of the proxy's counters.
type Stats struct {
	// Requests by outcome and by the tier that the answer came from.
	Requests map[Outcome]map[tiers.Source]Durations

	FillsStored, FillsFailed uint64 // fills written to both tiers, and those that a tier refused
	FillsDropped             uint64 // fills that no queue took, or that were not run before the end
	FillsNearOnly            uint64 // fills that L1 has, but that L2's queue did not take, or that were not run before the end
	FillsNoRoom              uint64 // responses not kept because POOL_QUEUE_BYTES was used up
	FillsTooLarge            uint64 // responses of unknown length that came to more than MAX_OBJECT_BYTES
	FillsPurged              uint64 // responses not kept because they were purged while they came
	FillsUntrusted           uint64 // responses not kept for want of contact with the invalidation log
	RefreshesDone            uint64
	RefreshesFailed          uint64
	RefreshesDropped         uint64
	QueuedBytes, QueuedLimit int64  // bodies in queues and flights now, and the most there may be
	Flights                  int64  // fetches under way now that other requests can join
	Followers                int64  // requests that wait for them now
	FollowersReleased        uint64 // requests that waited for a response that they could not share
	FollowersLate            uint64 // requests for which what they waited for was too old: purged before they began
	FollowersTimedOut        uint64 // requests that waited COALESCE_TIMEOUT in vain
	FlightsBarred            uint64 // requests that waited for nobody, as the key's responses could not be shared
	FleetLed, FleetShared    uint64 // fetches for the whole fleet, and those that another sidecar spared
	FleetTimedOut            uint64 // fetches after COALESCE_FLEET_TIMEOUT
	FleetAlone               uint64 // fetches of which the fleet knows nothing: Redis was away, or they could not be shared
	Laggards                 uint64 // clients that were cut as others waited for them
	Panics                   uint64 // requests that ended in a panic; a defect each
	Invalidations            uint64 // target URIs and groups invalidated by unsafe requests
	InvalidationsQueued      uint64 // of those, how many the log did not have when the client was answered
}

// counters are the Stats that are not on the hit path.
type counters struct {
	fillsStored, fillsFailed, fillsDropped, fillsNoRoom atomic.Uint64
	refreshesDone, refreshesFailed, refreshesDropped    atomic.Uint64
	followers                                           atomic.Int64
	followersReleased, followersTimedOut, flightsBarred atomic.Uint64
	fleetLed, fleetShared, fleetTimedOut, fleetAlone    atomic.Uint64
	panics, invalidations, invalidationsQueued          atomic.Uint64
	fillsPurged, fillsUntrusted, fillsNearOnly          atomic.Uint64
	followersLate, laggards, fillsTooLarge              atomic.Uint64
}

// statsShard holds one part of the requests' counters. Exchanges are pooled per core, and each keeps its
// shard, so that cores seldom write to the same cache line.
type statsShard struct {
	cells [outcomes][3]cell
	_     [64]byte
}

type cell struct {
	counts [len(Buckets) + 1]atomic.Uint64
	sum    atomic.Int64
}

const statsShards = 8

// count notes one request.
func (s *statsShard) count(o Outcome, from tiers.Source, took time.Duration) {
	c := &s.cells[o][from]
	c.counts[bucket(took)].Add(1)
	c.sum.Add(int64(took))
}

func bucket(d time.Duration) int {
	for i, limit := range Buckets {
		if d <= limit {
			return i
		}
	}
	return len(Buckets)
}

// Stats returns a snapshot. The counters are read one after the other, while they go on counting.
func (h *Handler) Stats() Stats {
	c := &h.counters
	s := Stats{
		Requests:    map[Outcome]map[tiers.Source]Durations{},
		FillsStored: c.fillsStored.Load(), FillsFailed: c.fillsFailed.Load(),
		FillsDropped: c.fillsDropped.Load(), FillsNearOnly: c.fillsNearOnly.Load(), FillsNoRoom: c.fillsNoRoom.Load(),
		RefreshesDone: c.refreshesDone.Load(), RefreshesFailed: c.refreshesFailed.Load(), RefreshesDropped: c.refreshesDropped.Load(),
		QueuedBytes: h.budget.used.Load(), QueuedLimit: h.budget.limit,
		Flights: h.flights.under.Load(), Followers: c.followers.Load(), FollowersReleased: c.followersReleased.Load(),
		FollowersTimedOut: c.followersTimedOut.Load(), FlightsBarred: c.flightsBarred.Load(),
		FleetLed: c.fleetLed.Load(), FleetShared: c.fleetShared.Load(), FleetTimedOut: c.fleetTimedOut.Load(), FleetAlone: c.fleetAlone.Load(),
		Panics:        c.panics.Load(),
		Invalidations: c.invalidations.Load(), InvalidationsQueued: c.invalidationsQueued.Load(),
		FillsPurged: c.fillsPurged.Load(), FillsUntrusted: c.fillsUntrusted.Load(), FollowersLate: c.followersLate.Load(), Laggards: c.laggards.Load(),
		FillsTooLarge: c.fillsTooLarge.Load(),
	}
	for o := range outcomes {
		s.Requests[o] = map[tiers.Source]Durations{}
		for from := range tiers.Source(3) {
			s.Requests[o][from] = h.durations(o, from)
		}
	}
	return s
}

func (h *Handler) durations(o Outcome, from tiers.Source) (d Durations) {
	for i := range h.shards {
		c := &h.shards[i].cells[o][from]
		for b := range d.Counts {
			d.Counts[b] += c.counts[b].Load()
		}
		d.Sum += time.Duration(c.sum.Load())
	}
	return d
}
