package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/pool"
)

// A traced job knows what became of it.
type traced struct {
	kind              int
	accepted          bool
	executed, dropped atomic.Int32
}

var errTraced = errors.New("traced")

func (j *traced) Execute(ctx context.Context) error {
	j.executed.Add(1)
	switch j.kind {
	case 0:
		panic(errTraced)
	case 1:
		runtime.Goexit()
	case 2:
		return errTraced
	case 3:
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Microsecond):
		}
	}
	return nil
}

// Pools of random sizes are stopped at random moments, in random ways, while
// others submit. Every job must have ended as Submit said, exactly once, and
// the counters must agree with the jobs.
func TestSubmitAgainstStop(t *testing.T) {
	noLeak(t)
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	gaveUp := 0
	for range rounds {
		if stopAtRandom(t) {
			gaveUp++
		}
		if t.Failed() {
			return
		}
	}
	if gaveUp == 0 || gaveUp == rounds {
		t.Errorf("%d of %d rounds dropped jobs: the test does not test both", gaveUp, rounds)
	}
}

func stopAtRandom(t *testing.T) (dropped bool) {
	const submitters, jobs = 4, 100
	p := pool.New(pool.Config{
		Workers: 1 + rand.IntN(6),
		Queue:   1 + rand.IntN(40),
		OnDrop:  func(job pool.Job) { job.(*traced).dropped.Add(1) },
	})
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	p.Start(ctx)

	var all [submitters][jobs]traced
	var submitted, progress atomic.Int64
	var users sync.WaitGroup
	for i := range submitters {
		users.Go(func() {
			for n := range all[i] {
				job := &all[i][n]
				job.kind = rand.IntN(20)
				job.accepted = p.Submit(job) == nil
				if job.accepted {
					submitted.Add(1)
				}
				progress.Add(1)
				if rand.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	moment := rand.Int64N(submitters * jobs)
	for range 2 {
		users.Go(func() {
			for progress.Load() < moment {
				runtime.Gosched()
			}
			switch rand.IntN(4) {
			case 0:
				cancel() // the context given to Start
			case 1:
				soon, end := context.WithTimeout(background, time.Duration(rand.IntN(200))*time.Microsecond)
				defer end()
				_ = p.Stop(soon)
			default:
				_ = p.Stop(background)
			}
		})
	}
	users.Wait()
	err := p.Stop(background)

	var want counts
	for i := range all {
		for n := range all[i] {
			job := &all[i][n]
			executed, dropped := int(job.executed.Load()), int(job.dropped.Load())
			ends := 0
			if job.accepted {
				ends = 1
				want.submitted++
			} else {
				want.rejected++
			}
			if executed+dropped != ends {
				t.Errorf("accepted %v, executed %d times, dropped %d times", job.accepted, executed, dropped)
			}
			want.dropped += dropped
			switch {
			case executed == 0:
			case job.kind <= 1:
				want.panicked++
			case job.kind == 2:
				want.failed++
			default:
				want.done++
			}
		}
	}
	check(t, p, want)
	if err == nil && want.dropped > 0 {
		t.Errorf("Stop returned nil, and %d jobs were dropped", want.dropped)
	}
	return want.dropped > 0
}

// Whoever looks, whenever they look, sees counters that add up and never fall.
func TestStatsAddUpAtEveryMoment(t *testing.T) {
	noLeak(t)
	p := pool.New(pool.Config{Workers: 3, Queue: 10})
	p.Start(background)
	var users sync.WaitGroup
	var over atomic.Bool
	for range 3 {
		users.Go(func() {
			for !over.Load() {
				if p.Submit(&traced{kind: 2 + rand.IntN(100)}) != nil {
					runtime.Gosched()
				}
			}
		})
	}
	defer func() {
		over.Store(true)
		users.Wait()
		stop(t, p)
	}()
	last := p.Stats()
	deadline := time.Now().Add(10 * time.Second)
	for looks := 0; last.Done < 2000 || last.Failed == 0 || last.Rejected == 0; looks++ {
		if time.Now().After(deadline) {
			t.Fatalf("too little happened: %+v", last)
		}
		if looks%64 == 0 {
			runtime.Gosched()
		}
		s := p.Stats()
		if sum := s.Done + s.Failed + s.Panicked + s.Dropped + uint64(s.Queued) + uint64(s.Running); sum != s.Submitted {
			t.Fatalf("sum %d: %+v", sum, s)
		}
		if s.Queued < 0 || s.Running < 0 || s.Running > s.Workers {
			t.Fatalf("impossible: %+v", s)
		}
		if s.Submitted < last.Submitted || s.Rejected < last.Rejected || s.Done < last.Done || s.Failed < last.Failed {
			t.Fatalf("fell from %+v to %+v", last, s)
		}
		last = s
	}
}

// Many submitters and many workers on a small queue: each job runs once.
func TestNoJobIsLostOrRunTwice(t *testing.T) {
	noLeak(t)
	const submitters, jobs = 8, 50_000
	p := pool.New(pool.Config{Workers: 8, Queue: 64})
	p.Start(background)
	counters := make([]number, submitters)
	var users sync.WaitGroup
	for i := range counters {
		users.Go(func() {
			for range jobs {
				for p.Submit(&counters[i]) != nil {
					runtime.Gosched()
				}
			}
		})
	}
	users.Wait()
	stop(t, p)
	for i := range counters {
		if got := counters[i].n.Load(); got != jobs {
			t.Errorf("submitter %d: %d of %d jobs", i, got, jobs)
		}
	}
}

// One job at a time, each at the moment when the worker is about to sleep after
// the one before: no Submit may be overheard.
func TestNoSubmitIsOverheard(t *testing.T) {
	noLeak(t)
	p := pool.New(pool.Config{Workers: 1})
	p.Start(background)
	job := new(number)
	enough := time.Now().Add(10 * time.Second) // on a slow machine fewer jobs must do
	for n := int64(1); n <= 200_000 && time.Now().Before(enough); n++ {
		if err := p.Submit(job); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(20 * time.Second)
		for spins := 0; job.n.Load() < n; spins++ {
			if spins%1024 != 1023 {
				continue
			}
			if runtime.Gosched(); time.Now().After(deadline) {
				t.Fatalf("job %d waits and nobody comes", n)
			}
		}
		for range rand.IntN(100) { // the worker is on its way to sleep
		}
	}
	stop(t, p)
}
