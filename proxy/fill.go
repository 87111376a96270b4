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

// fill is one entry on its way into the tiers: the Job that writes it to L1 and hands it on, as a farFill. It holds
// reserved bytes of the budget until it is written or dropped, and the flight that brought the entry until L1 has it: so
// nobody finds neither of them.
type fill struct {
	h        *Handler
	entry    *tiers.Entry
	reserved int64
	flight   *flight // nil = none
	near     bool    // L1 has it
}

// farFill is a fill that L1 is done with: the Job that writes it to L2. It has a pool of its own, whose workers wait for
// Redis, so that whatever Redis does costs L1 nothing.
type farFill fill

// submitFill hands e, whose body has reserved bytes of the budget, to the fills, and tells whether they
// took it. The flight, if there is one, is over when e is in L1, or was refused.
func (h *Handler) submitFill(e *tiers.Entry, reserved int64, of *flight) bool {
	f := &fill{h: h, entry: e, reserved: reserved, flight: of}
	if h.Stack.Near == nil {
		return f.handOn()
	}
	if h.Fills.Submit(f) != nil {
		f.Drop()
		return false
	}
	return true
}

// Execute implements [pool.Job]. That L1 refuses an entry is its own affair, and counted there, unless it is the
// only tier.
func (f *fill) Execute(ctx context.Context) error {
	outcome, handedOn := tiers.ClaimUnshared, false
	defer func() {
		if !handedOn {
			f.end(outcome)
		}
	}()
	keepNear, keepFar := f.h.Invalidation.Keeps(f.entry.AsOf)
	switch {
	case !keepNear:
		return f.distrusted()
	case f.purged(): // it would only take the place of what came later
		outcome = tiers.ClaimStored // for a moment only: the fleet's next fetch can be shared
		return f.overtaken()
	}
	err := f.h.Stack.PutNear(ctx, f.entry)
	if f.near = err == nil; f.near {
		f.h.flights.end(f.flight)
	}
	switch {
	case f.h.Stack.Far == nil:
		return f.done(err)
	case !keepFar && f.near:
		return f.nearOnly()
	case !keepFar:
		return f.distrusted()
	}
	handedOn = true
	f.handOn()
	return nil
}

// handOn hands the fill to those of L2, unless the bodies that wait there hold more than half of the budget: one may in any
// case. It tells whether they took it.
func (f *fill) handOn() bool {
	h, far := f.h, (*farFill)(f)
	waiting := h.farBytes.Add(f.reserved)
	if h.Stack.Near != nil && waiting > h.budget.limit/2 && waiting > f.reserved || h.FarFills.Submit(far) != nil {
		far.Drop()
		return false
	}
	return true
}

// Execute implements [pool.Job].
func (f *farFill) Execute(ctx context.Context) error {
	of, outcome := (*fill)(f), tiers.ClaimUnshared
	defer func() {
		f.h.farBytes.Add(-f.reserved)
		f.h.yieldNow(ctx, f.flight, outcome)
		of.end(outcome)
	}()
	_, keep := f.h.Invalidation.Keeps(f.entry.AsOf)
	switch {
	case of.purged():
		outcome = tiers.ClaimStored
		return of.overtaken()
	case !keep && f.near:
		return of.nearOnly()
	case !keep:
		return of.distrusted()
	}
	err := f.h.Stack.PutFar(ctx, f.entry)
	if err == nil {
		outcome = tiers.ClaimStored
	}
	return of.done(err)
}

// purged tells whether the entry was purged since its request began.
func (f *fill) purged() bool {
	return f.h.Invalidation.Check(f.entry, tiers.Now()) == invalidation.Gone
}

// done counts a fill that was written, unless err says that a tier refused it.
func (f *fill) done(err error) error {
	if err != nil {
		f.h.counters.fillsFailed.Add(1)
	} else {
		f.h.counters.fillsStored.Add(1)
	}
	return err
}

// nearOnly counts a fill that L2 does not get.
func (f *fill) nearOnly() error {
	f.h.counters.fillsNearOnly.Add(1)
	return nil
}

// overtaken counts a fill that was purged.
func (f *fill) overtaken() error {
	f.h.counters.fillsPurged.Add(1)
	return nil
}

// distrusted counts a fill that may not be kept.
func (f *fill) distrusted() error {
	f.h.counters.fillsUntrusted.Add(1)
	return errUntrusted
}

var errUntrusted = errors.New("fill: not in contact with the invalidation log")

// end lets go of what the fill holds.
func (f *fill) end(outcome tiers.Claim) {
	f.h.budget.give(f.reserved)
	f.h.flights.end(f.flight)
	f.h.yield(f.flight, outcome)
}

// Drop is called in place of Execute when the pool gives the job up, or does not take it: no tier gets the entry.
func (f *fill) Drop() {
	f.h.counters.fillsDropped.Add(1)
	f.end(tiers.ClaimUnshared)
}

// Drop is called in place of Execute when the pool gives the job up, or does not take it: L2 does not get the entry.
func (f *farFill) Drop() {
	f.h.farBytes.Add(-f.reserved)
	if !f.near {
		(*fill)(f).Drop()
		return
	}
	f.h.counters.fillsNearOnly.Add(1)
	(*fill)(f).end(tiers.ClaimUnshared)
}

// Dropped tells a job of this package that it will never run. It is for a pool's OnDrop.
func Dropped(job pool.Job) {
	if d, ok := job.(interface{ Drop() }); ok {
		d.Drop()
	}
}
