package redis

import "sync/atomic"

// Stats are the tier's counters since it was made. Open and Connections are as they are now; the others only
// grow. They are read one after the other, not all at one moment.
type Stats struct {
	Operations [ops][results]uint64 // by Op and Result
	RoundTrips uint64               // to Redis, without probes

	Open   bool   // the breaker is open: Redis is not asked
	Opened uint64 // how often it opened
	Closed uint64 // how often it closed again

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
	state := t.breaker.state.Load()
	s.Open, s.Opened, s.Closed = state&1 == 1, (state+1)/2, state/2
	p := t.client.PoolStats()
	s.Connections = Connections{p.TotalConns, p.IdleConns, uint64(p.Timeouts), uint64(p.StaleConns)}
	return s
}

type counters struct {
	operations [ops][results]atomic.Uint64
	roundTrips atomic.Uint64
}

func (c *counters) count(op Op, r Result) { c.operations[op][r].Add(1) }
