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
// row, and is closed by mend only: no client request is spent on finding out. The zero breaker is closed.
type breaker struct {
	state    atomic.Uint64 // counts transitions, so it is odd while open
	failures atomic.Int32  // in a row
}

func (b *breaker) isOpen() bool { return b.state.Load()&1 == 1 }

// enter returns the state for report, and whether Redis may be asked.
func (b *breaker) enter() (state uint64, ok bool) {
	state = b.state.Load()
	return state, state&1 == 0
}

// succeeded tells that a round trip was answered.
func (b *breaker) succeeded() {
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}

// failed tells that a round trip failed that began in state, and how many failures it counts for. It returns
// true when it opened the breaker; somebody must mend it then. Round trips that began before the last
// transition prove nothing, and are left out.
func (b *breaker) failed(state uint64, weight int32) (opened bool) {
	if b.state.Load() != state || b.failures.Add(weight) < failuresToOpen {
		return false
	}
	return b.state.CompareAndSwap(state, state+1)
}

// close ends an outage.
func (b *breaker) close() {
	b.failures.Store(0)
	b.state.Add(1)
}

// errGone is what a probe returns when there is nothing to be probed any more.
var errGone = errors.New("redis: the node has left")

// mend probes until that succeeds, closes the breaker, and returns how long it took. It returns false when
// ctx ends or a probe says errGone. It calls waiting before each probe.
func (b *breaker) mend(ctx context.Context, probe func(context.Context) error, waiting func()) (away time.Duration, ok bool) {
	since := time.Now()
	for wait := firstProbe; ; wait = min(2*wait, probeEvery) {
		waiting()
		select {
		case <-ctx.Done():
			return 0, false
		case <-time.After(wait):
		}
		switch err := probe(ctx); {
		case err == nil:
			b.close()
			return time.Since(since), true
		case errors.Is(err, errGone):
			return 0, false
		}
	}
}
