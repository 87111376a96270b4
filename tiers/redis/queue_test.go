package redis

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// wire is a server that takes some time, and remembers how many operations each round trip carried.
type wire struct {
	takes time.Duration
	err   error

	mu    sync.Mutex
	trips []int
	most  int // round trips at once
	now   int
}

func (w *wire) trip(ctx context.Context, _ []goredis.Cmder, jobs int) error {
	w.mu.Lock()
	w.trips = append(w.trips, jobs)
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}()
	select {
	case <-time.After(w.takes):
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func inBubble(t *testing.T, test func(t *testing.T, w *wire, q *queue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		base, cancel := context.WithCancel(t.Context())
		var crew crew
		w := &wire{takes: time.Millisecond}
		q := newQueue(base, &crew, func(int) time.Duration { return 50 * time.Millisecond }, w.trip)
		test(t, w, q)
		cancel()
		crew.dismiss()
		if len(q.waiting) > 0 || q.direct != 0 {
			t.Errorf("%d still wait, %d under way", len(q.waiting), q.direct)
		}
	})
}

func sharing(q *queue) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.sharing
}

// loop lets so many callers make operations one after the other, for some time.
func loop(q *queue, callers int, d time.Duration) (done int64) {
	var n atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(d)
	for range callers {
		all.Go(func() {
			for time.Now().Before(end) {
				if q.do(bound(context.Background(), time.Hour), nil, 1000) == nil {
					n.Add(1)
				}
			}
		})
	}
	all.Wait()
	return n.Load()
}

// TestQueueFew: few callers have a round trip each.
func TestQueueFew(t *testing.T) {
	inBubble(t, func(t *testing.T, w *wire, q *queue) {
		n := loop(q, sideBySide, 100*time.Millisecond)
		if int64(len(w.trips)) != n || w.most != sideBySide || sharing(q) {
			t.Errorf("%d operations in %d round trips, %d at once", n, len(w.trips), w.most)
		}
	})
}

// TestQueueMany: many callers share round trips, one after the other; when there are few again each has its own.
func TestQueueMany(t *testing.T) {
	inBubble(t, func(t *testing.T, w *wire, q *queue) {
		n := loop(q, 64, 100*time.Millisecond)
		if per := float64(n) / float64(len(w.trips)); per < 16 || w.most > sideBySide+1 {
			t.Errorf("%.1f operations in a round trip, %d round trips at once", per, w.most)
		}
		time.Sleep(time.Second)
		if sharing(q) {
			t.Error("still sharing although nobody asks")
		}
		loop(q, 16, 20*time.Millisecond)
		loop(q, 2, 100*time.Millisecond)
		if sharing(q) {
			t.Error("still sharing with two callers")
		}
	})
}

// TestQueueBytes: large values are not all sent at once.
func TestQueueBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *wire, q *queue) {
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { _ = q.do(bound(context.Background(), time.Hour), nil, 300<<10) })
		}
		all.Wait()
		for _, jobs := range w.trips {
			if jobs > 3 {
				t.Errorf("a round trip with %d values of 300 KiB", jobs)
			}
		}
	})
}

// TestQueueAbandoned: who has no more time does not wait for the others, and is not sent any more.
func TestQueueAbandoned(t *testing.T) {
	inBubble(t, func(t *testing.T, w *wire, q *queue) {
		w.takes = 40 * time.Millisecond
		var all sync.WaitGroup
		for range sideBySide + 1 {
			all.Go(func() { _ = q.do(bound(context.Background(), time.Hour), nil, 0) })
		}
		synctest.Wait() // all are under way
		began := time.Now()
		if err := q.do(bound(context.Background(), 10*time.Millisecond), nil, 0); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		all.Wait()
		time.Sleep(time.Second)
		if len(w.trips) != sideBySide+1 {
			t.Errorf("%d round trips, want %d", len(w.trips), sideBySide+1)
		}
	})
}

// TestQueueFails: the error of a shared round trip reaches all that were in it.
func TestQueueFails(t *testing.T) {
	inBubble(t, func(t *testing.T, w *wire, q *queue) {
		w.err = errors.New("broken")
		if n := loop(q, 64, 20*time.Millisecond); n != 0 {
			t.Errorf("%d succeeded", n)
		}
	})
}

// TestQueueHung: a shared round trip ends in the time that it has, and so do those who wait for the next one.
func TestQueueHung(t *testing.T) {
	inBubble(t, func(t *testing.T, w *wire, q *queue) {
		w.takes = time.Hour
		var all sync.WaitGroup
		began := time.Now()
		for range 100 {
			all.Go(func() {
				if q.do(bound(context.Background(), 50*time.Millisecond), nil, 0) == nil {
					t.Error("no error")
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took != 50*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}
