package redis

import "sync/atomic"

// Stats are the tier's counters since it was made. Open and Connections are as they are now; the others only
// grow. They are read one after the other, not all at one moment.
type Stats struct {
	Operations [ops][results]uint64 // by Op and Result
	RoundTrips uint64               // to Redis, without probes

	Open   bool   // the breaker is open: Redis is not asked; in a cluster, some part of it
	Opened uint64 // how often a breaker opened
	Closed uint64 // how often one closed again

	Connections Connections
}

// Connections are those to Redis; in a cluster, to all of its nodes.
type Connections struct {
	Total    uint32 // now open
	Idle     uint32 // of these, waiting for work
	Timeouts uint64 // waits for a free connection that ended without one
	Stale    uint64 // found dead before use
}

// Stats returns the counters.
func (t *Tier) Stats() Stats {
	var s Stats
	for op := range s.Operations {
		for r := range s.Operations[op] {
			s.Operations[op][r] = t.counters.operations[op][r].Load()
		}
	}
	s.RoundTrips = t.counters.roundTrips.Load()
	for _, l := range t.route.all() {
		state := l.breaker.state.Load()
		s.Open = s.Open || state&1 == 1
		s.Opened += (state + 1) / 2
		s.Closed += state / 2
	}
	for _, client := range t.clients {
		p := client.PoolStats()
		s.Connections.Total += p.TotalConns
		s.Connections.Idle += p.IdleConns
		s.Connections.Timeouts += uint64(p.Timeouts)
		s.Connections.Stale += uint64(p.StaleConns)
	}
	return s
}

type counters struct {
	operations [ops][results]atomic.Uint64
	roundTrips atomic.Uint64
}

func (c *counters) count(op Op, r Result) { c.operations[op][r].Add(1) }
