package upstream

import "sync/atomic"

// Stats is a snapshot of an Origin's counters. Every number but Open and Idle
// only grows. The numbers are read one by one, so they may be a request apart.
type Stats struct {
	Requests  uint64            // calls of Do
	Responses [6]uint64         // final responses by class: [2] counts 2xx; [0] those above 599
	Errors    [kindCount]uint64 // by Kind, errors in the midst of a body included
	Dialed    uint64            // connections established
	Stale     uint64            // idle connections found dead or poisoned before use, and thrown away
	Retries   uint64            // requests sent a second time
	Hedges    uint64            // second requests sent because the first took long
	HedgesWon uint64            // of those, how many were answered first
	Broken    bool              // the breaker is open
	Opened    uint64            // how often it opened
	Waiting   int64             // requests that wait for a connection now
	Open      int64             // connections now, idle ones included
	Idle      int64             // connections now that carry no request
}

type counters struct {
	requests  atomic.Uint64
	responses [6]atomic.Uint64
	errors    [kindCount]atomic.Uint64
	dialed    atomic.Uint64
	stale     atomic.Uint64
	retries   atomic.Uint64
	open      atomic.Int64
}

// Stats returns the counters as they are now. It does not block requests.
func (o *Origin) Stats() Stats {
	s := Stats{
		Requests:  o.counters.requests.Load(),
		Dialed:    o.counters.dialed.Load(),
		Stale:     o.counters.stale.Load(),
		Retries:   o.counters.retries.Load(),
		Hedges:    o.hedges.sent.Load(),
		HedgesWon: o.hedges.won.Load(),
		Broken:    o.breaker.open.Load(),
		Opened:    o.breaker.opened.Load(),
		Waiting:   max(0, o.leases.Load()-int64(o.client.MaxConns)),
		Open:      o.counters.open.Load(),
		Idle:      int64(o.client.IdleConnsCount()),
	}
	for i := range s.Responses {
		s.Responses[i] = o.counters.responses[i].Load()
	}
	for i := range s.Errors {
		s.Errors[i] = o.counters.errors[i].Load()
	}
	return s
}

func (c *counters) response(status int) {
	class := status / 100
	if class >= len(c.responses) {
		class = 0
	}
	c.responses[class].Add(1)
}

func (c *counters) error(e *Error) { c.errors[e.Kind].Add(1) }
