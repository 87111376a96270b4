package proxy

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/nearside-cache/nearside/pool"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
)

// budget bounds the bodies that wait in queues and flights.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take reserves n bytes, and tells whether there was room.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// fill is the Job that writes one entry to L1 and then to L2. It holds reserved bytes of the budget until it has run, or
// was dropped, and the flight that brought the entry until L1 has it: so nobody finds neither of them.
type fill struct {
	h        *Handler
	entry    *tiers.Entry
	reserved int64
	flight   *flight // nil = none
}

// Execute implements [pool.Job]. That L1 refuses an entry is its own affair, and counted there, unless it is the
// only tier.
func (f *fill) Execute(ctx context.Context) error {
	defer f.h.budget.give(f.reserved)
	defer f.h.flights.end(f.flight)
	outcome := tiers.ClaimUnshared
	defer func() { f.h.yieldNow(ctx, f.flight, outcome) }()
	keepNear, keepFar := f.h.Invalidation.Keeps(f.entry.AsOf)
	switch {
	case !keepNear || f.h.Stack.Near == nil && !keepFar:
		f.h.counters.fillsUntrusted.Add(1)
		return errUntrusted
	case f.purged(): // it would only take the place of what came later
		f.h.counters.fillsPurged.Add(1)
		outcome = tiers.ClaimStored // for a moment only: the fleet's next fetch can be shared
		return nil
	}
	near := f.h.Stack.PutNear(ctx, f.entry)
	if f.h.Stack.Near != nil && near == nil {
		f.h.flights.end(f.flight)
	}
	err := near
	if f.h.Stack.Far != nil && keepFar && !f.purged() {
		if err = f.h.Stack.PutFar(ctx, f.entry); err == nil {
			outcome = tiers.ClaimStored
		}
	}
	if err != nil {
		f.h.counters.fillsFailed.Add(1)
		return err
	}
	f.h.counters.fillsStored.Add(1)
	return nil
}

// purged tells whether the entry was purged since its request began.
func (f *fill) purged() bool {
	return f.h.Invalidation.Check(f.entry, tiers.Now()) == invalidation.Gone
}

var errUntrusted = errors.New("fill: not in contact with the invalidation log")

// Drop is called in place of Execute when the pool gives the job up.
func (f *fill) Drop() {
	f.h.budget.give(f.reserved)
	f.h.land(f.flight)
	f.h.counters.fillsDropped.Add(1)
}

// submitFill hands e, whose body has reserved bytes of the budget, to the fills, and tells whether they
// took it. The flight, if there is one, is over when e is in L1, or was refused.
func (h *Handler) submitFill(e *tiers.Entry, reserved int64, of *flight) bool {
	f := &fill{h, e, reserved, of}
	if h.Fills.Submit(f) != nil {
		f.Drop()
		return false
	}
	return true
}

// Dropped tells a job of this package that it will never run. It is for a pool's OnDrop.
func Dropped(job pool.Job) {
	if d, ok := job.(interface{ Drop() }); ok {
		d.Drop()
	}
}
