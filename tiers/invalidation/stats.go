package invalidation

import (
	"sync/atomic"

	"github.com/nearside-cache/nearside/tiers"
)

// Stats is a snapshot of the log's counters.
type Stats struct {
	Purges         uint64 // calls of Purge that returned
	Unconfirmed    uint64 // those of them that were not confirmed
	Applied        uint64 // records taken in
	Appended       uint64 // records that this process added
	AppendsFailed  uint64 // attempts to
	Overflows      uint64 // how often everything was purged because too much waited for the log
	Renewals       uint64
	RenewalsFailed uint64
	Generations    uint64             // how often another generation was adopted, the first included
	Gaps           uint64             // how often records could not be read any more
	Unreadable     uint64             // records that stand for a purge of everything, as they cannot be read
	ReadsFailed    uint64             // attempts to read the log
	Verdicts       map[Verdict]uint64 // checks that found a response not valid

	Position  uint64 // what was applied last
	Head      uint64 // the last record that is known to exist
	Floor     uint64 // what is older than this cannot be proved
	Selectors int    // in the index
	Queued    int    // selectors that wait for the log
	Trusted   bool   // what is stored may be served
}

type counters struct {
	applied, appended, appendsFailed, overflows  uint64c
	renewals, renewalsFailed, generations, gaps  uint64c
	unreadable, readsFailed, purges, unconfirmed uint64c
	verdicts                                     [Gone + 1]uint64c
}

type uint64c = atomic.Uint64

// Stats returns a snapshot.
func (l *Log) Stats() Stats {
	c := &l.counters
	s := Stats{
		Applied: c.applied.Load(), Appended: c.appended.Load(), AppendsFailed: c.appendsFailed.Load(), Overflows: c.overflows.Load(),
		Renewals: c.renewals.Load(), RenewalsFailed: c.renewalsFailed.Load(), Generations: c.generations.Load(), Gaps: c.gaps.Load(),
		Unconfirmed: c.unconfirmed.Load(), Purges: c.purges.Load(), // in this order: the difference is shown
		Unreadable: c.unreadable.Load(), ReadsFailed: c.readsFailed.Load(),
		Verdicts: map[Verdict]uint64{}, Trusted: l.trusted(tiers.Now()),
	}
	for v := Stale; v <= Gone; v++ {
		s.Verdicts[v] = c.verdicts[v].Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.current.Load()
	ix := g.index.Load()
	s.Position, s.Head, s.Floor = g.applied.Load(), g.head.Load(), ix.floor
	s.Selectors, s.Queued = ix.newer.used+ix.older.used, l.queue.size
	return s
}
