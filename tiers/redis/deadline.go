package redis

import (
	"context"
	"sync"
	"time"
)

// patience is how long storing may take, the wait for other round trips included, when a look-up may take timeout. A
// Redis that is well, but busy, is slow at times; giving it up then costs the fleet a response, and saves no client
// anything.
func patience(timeout time.Duration) time.Duration { return max(10*timeout, time.Second) }

const (
	byteTime   = 100 * time.Nanosecond // what a byte that is stored may take in addition: 10 MB/s
	mostOfSize = time.Second           // and all of them
)

// writeTime is how long values of so many bytes may take to be stored.
func writeTime(timeout time.Duration, bytes int) time.Duration {
	return patience(timeout) + min(time.Duration(bytes)*byteTime, mostOfSize)
}

// bounded is a context with the deadline of an operation. Most operations are over before anybody waits for the
// deadline, so there is a timer only from the first call of Done.
type bounded struct {
	caller  context.Context
	until   time.Time
	hurried bool // the deadline is the caller's

	mu     sync.Mutex
	timed  context.Context // what Done waits for; nil until it is asked for
	cancel context.CancelFunc
	over   bool
}

// bound limits ctx to d. Whoever calls it calls end.
func bound(ctx context.Context, d time.Duration) *bounded {
	b := &bounded{caller: ctx, until: time.Now().Add(d)}
	if at, ok := ctx.Deadline(); ok && at.Before(b.until) {
		b.until, b.hurried = at, true
	}
	return b
}

// end frees what the context holds. From then on it counts as cancelled.
func (b *bounded) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.cancel != nil {
		b.cancel()
	}
}

// left is the time until the deadline.
func (b *bounded) left() time.Duration { return time.Until(b.until) }

// Deadline implements [context.Context].
func (b *bounded) Deadline() (time.Time, bool) { return b.until, true }

// Done implements [context.Context].
func (b *bounded) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.cancel = context.WithDeadline(b.caller, b.until)
		if b.over {
			b.cancel()
		}
	}
	return b.timed.Done()
}

// Err implements [context.Context].
func (b *bounded) Err() error {
	if err := b.caller.Err(); err != nil {
		return err
	}
	if b.left() <= 0 {
		return context.DeadlineExceeded
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return context.Canceled
	}
	return nil
}

// Value implements [context.Context].
func (b *bounded) Value(key any) any { return b.caller.Value(key) }

// hurried tells whether the caller left less time than an operation may take.
func hurried(ctx context.Context) bool {
	b, ok := ctx.(*bounded)
	return ok && b.hurried
}
