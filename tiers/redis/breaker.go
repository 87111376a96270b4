package redis

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// ErrOpen is what every operation returns while Redis is not asked, because it failed and no probe has
// succeeded since. It costs one atomic load.
var ErrOpen = errors.New("redis: not asked: the breaker is open")

const (
	// So many round trips in a row must fail before Redis is not asked any more. One that is slow by
	// chance is followed by one that is not.
	failuresToOpen = 5

	firstProbe = 25 * time.Millisecond  // after the breaker opened; then twice as long each time
	probeEvery = 400 * time.Millisecond // at most
)

// breaker keeps requests from a Redis that does not answer. It opens after [failuresToOpen] failures in a
// row, and is closed by the prober only: no client request is spent on finding out.
type breaker struct {
	state    atomic.Uint64 // counts transitions, so it is odd while open
	failures atomic.Int32  // in a row
	tripped  chan struct{} // has room for one; filled when the breaker opens
}

func (b *breaker) init() { b.tripped = make(chan struct{}, 1) }

func (b *breaker) isOpen() bool { return b.state.Load()&1 == 1 }

// enter returns the state for report, and whether Redis may be asked.
func (b *breaker) enter() (state uint64, ok bool) {
	state = b.state.Load()
	return state, state&1 == 0
}

// report tells how a round trip ended that began in state. It returns true when it opened the breaker.
// Round trips that began before the last transition prove nothing, and are left out.
func (b *breaker) report(state uint64, failed bool) (opened bool) {
	if !failed {
		if b.failures.Load() != 0 {
			b.failures.Store(0)
		}
		return false
	}
	if b.state.Load() != state || b.failures.Add(1) < failuresToOpen {
		return false
	}
	if !b.state.CompareAndSwap(state, state+1) {
		return false
	}
	select {
	case b.tripped <- struct{}{}:
	default:
	}
	return true
}

// close ends an outage.
func (b *breaker) close() {
	b.failures.Store(0)
	b.state.Add(1)
}

// guard waits for the breaker to open, probes until that succeeds, closes it, and starts over. It returns
// when ctx ends. It calls waiting before each probe, and closed after each outage.
func (b *breaker) guard(ctx context.Context, probe func(context.Context) error, waiting func(), closed func(away time.Duration)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.tripped:
		}
		since := time.Now()
		for wait := firstProbe; ; wait = min(2*wait, probeEvery) {
			waiting()
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			if probe(ctx) == nil {
				break
			}
		}
		b.close()
		closed(time.Since(since))
	}
}
