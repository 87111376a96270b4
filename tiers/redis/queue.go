package redis

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// So many operations make their round trips side by side. With more than these at once it costs less to
	// send them together, although each then waits for the round trip before its own.
	sideBySide = 4

	// Round trips go on being shared until they carry less than this on average.
	worthSharing = 2.5

	maxBatch      = 256     // operations in a round trip
	maxBatchBytes = 1 << 20 // of values sent in one

	// How long operations are still collected in vain until they go side by side again.
	linger = 200 * time.Microsecond
)

// queue sends operations of one kind to one server: each in a round trip of its own while there are few, and
// together while there are many. It has a goroutine only while there are many.
type queue struct {
	// trip makes a round trip that carries so many operations. Its error concerns all of them; an error of
	// one stands in its command.
	trip func(ctx context.Context, cmds []goredis.Cmder, jobs int) error
	base context.Context               // ends when the tier is closed
	wait func(bytes int) time.Duration // for a shared round trip that sends values of so many bytes
	crew *crew

	mu      sync.Mutex
	direct  int // operations in a round trip of their own
	sharing bool
	waiting []*job
	wake    chan struct{} // has room for one

	free sync.Pool // of jobs
}

// job is an operation that waits for a shared round trip, or is in one.
type job struct {
	cmds  []goredis.Cmder
	bytes int // of the values to be sent
	err   error
	done  chan struct{} // has room for one
	timer *time.Timer
	gone  atomic.Bool // nobody waits for it any more
}

func newQueue(base context.Context, crew *crew, wait func(int) time.Duration, trip func(context.Context, []goredis.Cmder, int) error) *queue {
	q := &queue{trip: trip, base: base, wait: wait, crew: crew, wake: make(chan struct{}, 1)}
	q.free.New = func() any { return &job{done: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)} }
	return q
}

// do sends cmds in one round trip and waits until they are answered or ctx ends. When it returns because ctx
// ended, cmds are not the caller's any more: they may still be sent, and their replies written.
func (q *queue) do(ctx *bounded, cmds []goredis.Cmder, bytes int) error {
	q.mu.Lock()
	if !q.sharing && q.direct < sideBySide {
		q.direct++
		q.mu.Unlock()
		err := q.trip(ctx, cmds, 1)
		q.mu.Lock()
		q.direct--
		q.mu.Unlock()
		return err
	}
	j := q.free.Get().(*job)
	j.cmds, j.bytes = cmds, bytes
	q.waiting = append(q.waiting, j)
	if !q.sharing {
		q.sharing = q.crew.hire(q.share)
	}
	sharing := q.sharing
	q.mu.Unlock()
	if !sharing {
		return goredis.ErrClosed
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return q.await(ctx, j)
}

// await waits until j is done or ctx ends.
func (q *queue) await(ctx *bounded, j *job) (err error) {
	j.timer.Reset(ctx.left())
	select {
	case <-j.done:
		j.timer.Stop()
		err, j.err, j.cmds = j.err, nil, nil
		q.free.Put(j)
		return err
	case <-j.timer.C:
		err = context.DeadlineExceeded
	case <-ctx.caller.Done():
		err = ctx.caller.Err()
	}
	j.gone.Store(true)
	return err
}

// share makes shared round trips until they are not worth it.
func (q *queue) share() {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	average := float64(sideBySide)
	for {
		runtime.Gosched() // who can run may have something to send, too
		batch := q.take()
		if len(batch) == 0 {
			if q.collect(timer) {
				return
			}
			continue
		}
		q.send(batch)
		average += (float64(len(batch)) - average) / 8
		if average < worthSharing && q.end() {
			return
		}
		timer.Reset(linger)
	}
}

// collect waits for a job, and returns true when there came none and sharing has ended.
func (q *queue) collect(timer *time.Timer) bool {
	select {
	case <-q.wake:
		return false
	case <-timer.C:
		return q.end()
	}
}

// end ends sharing unless somebody waits.
func (q *queue) end() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		return false
	}
	q.sharing = false
	return true
}

// take removes the jobs of the next round trip from the queue.
func (q *queue) take() []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < len(q.waiting) && n < maxBatch && (n == 0 || bytes+q.waiting[n].bytes <= maxBatchBytes) {
		bytes += q.waiting[n].bytes
		n++
	}
	batch := q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return batch
}

// send makes one round trip for those of the batch who still wait.
func (q *queue) send(batch []*job) {
	cmds := make([]goredis.Cmder, 0, 2*len(batch))
	live, bytes := batch[:0], 0
	for _, j := range batch {
		if !j.gone.Load() {
			live, cmds, bytes = append(live, j), append(cmds, j.cmds...), bytes+j.bytes
		}
	}
	if len(live) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(q.base, q.wait(bytes))
	defer cancel()
	err := q.trip(ctx, cmds, len(live))
	for _, j := range live {
		j.err = err
		j.done <- struct{}{}
	}
}
