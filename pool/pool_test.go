package pool_test

import (
	"context"
	"errors"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/nearside-cache/nearside/pool"
)

var background = context.Background()

func nothing(context.Context) error { return nil }

// submit fails the test unless the pool accepts the job.
func submit(t *testing.T, p *pool.Pool, job pool.JobFunc) {
	t.Helper()
	if err := p.Submit(job); err != nil {
		t.Fatalf("Submit: %v", err)
	}
}

func stop(t *testing.T, p *pool.Pool) {
	t.Helper()
	if err := p.Stop(background); err != nil {
		t.Fatalf("Stop: %v", err)
	}
}

// counts are the parts of Stats that most tests look at.
type counts struct{ submitted, rejected, done, failed, panicked, dropped, queued, running int }

func check(t *testing.T, p *pool.Pool, want counts) {
	t.Helper()
	s := p.Stats()
	got := counts{
		int(s.Submitted), int(s.Rejected), int(s.Done), int(s.Failed),
		int(s.Panicked), int(s.Dropped), s.Queued, s.Running,
	}
	if got != want {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// noLeak fails the test if it leaves goroutines behind. In a synctest bubble
// there is no need: there the test fails by itself.
func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("goroutines left behind:\n%s", stacks[:runtime.Stack(stacks, true)])
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func TestJobsRunInOrder(t *testing.T) {
	noLeak(t)
	for _, size := range []int{1, 2, 3, 64} {
		p := pool.New(pool.Config{Workers: 1, Queue: size})
		p.Start(background)
		var got []int
		for i := range 1000 {
			job := pool.JobFunc(func(context.Context) error { got = append(got, i); return nil })
			for errors.Is(p.Submit(job), pool.ErrFull) {
				runtime.Gosched()
			}
		}
		stop(t, p)
		if len(got) != 1000 || !slices.IsSorted(got) {
			t.Errorf("queue of %d: %d jobs, in order: %v", size, len(got), slices.IsSorted(got))
		}
	}
}

func TestSubmitOutsideStartAndStop(t *testing.T) {
	noLeak(t)
	p := pool.New(pool.Config{})
	if err := p.Submit(pool.JobFunc(nothing)); err != pool.ErrStopped {
		t.Errorf("before Start: %v", err)
	}
	p.Start(background)
	submit(t, p, nothing)
	stop(t, p)
	if err := p.Submit(pool.JobFunc(nothing)); err != pool.ErrStopped {
		t.Errorf("after Stop: %v", err)
	}
	check(t, p, counts{submitted: 1, rejected: 2, done: 1})
}

func TestSubmitToFullQueue(t *testing.T) {
	for _, size := range []int{1, 2, 3, 100} {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(pool.Config{Workers: 1, Queue: size})
			p.Start(background)
			release := make(chan struct{})
			block := func(context.Context) error { <-release; return nil }
			for lap := range 3 {
				submit(t, p, block)
				synctest.Wait() // the worker has it, the queue is empty
				for range size {
					submit(t, p, block)
				}
				for range 5 {
					if err := p.Submit(pool.JobFunc(block)); err != pool.ErrFull {
						t.Fatalf("queue of %d, lap %d: %v", size, lap, err)
					}
				}
				check(t, p, counts{
					submitted: (lap + 1) * (size + 1), rejected: (lap + 1) * 5,
					done: lap * (size + 1), queued: size, running: 1,
				})
				for range size + 1 {
					release <- struct{}{}
				}
				synctest.Wait()
			}
			stop(t, p)
		})
	}
}

func TestIdleWorkersAllComeForABurst(t *testing.T) {
	for _, workers := range []int{1, 2, 8, 100} {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(pool.Config{Workers: workers})
			p.Start(background)
			for round := range 3 {
				synctest.Wait() // all idle
				for range workers + 5 {
					submit(t, p, func(context.Context) error { time.Sleep(time.Second); return nil })
				}
				synctest.Wait()
				if s := p.Stats(); s.Running != workers || s.Queued != 5 {
					t.Errorf("%d workers, round %d: %d running, %d queued", workers, round, s.Running, s.Queued)
				}
				time.Sleep(10 * time.Second)
			}
			stop(t, p)
		})
	}
}

func TestStartTwiceStartsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(pool.Config{Workers: 2})
		p.Start(background)
		p.Start(background)
		for range 5 {
			submit(t, p, func(context.Context) error { time.Sleep(time.Second); return nil })
		}
		synctest.Wait()
		if got := p.Stats().Running; got != 2 {
			t.Errorf("%d running", got)
		}
		stop(t, p)
	})
}

func TestErrorsAreCountedAndReported(t *testing.T) {
	noLeak(t)
	boom := errors.New("boom")
	var got error
	p := pool.New(pool.Config{Workers: 1, OnError: func(job pool.Job, err error) {
		if job == nil {
			t.Error("no job")
		}
		got = err
	}})
	p.Start(background)
	submit(t, p, func(context.Context) error { return boom })
	submit(t, p, nothing)
	stop(t, p)
	if got != boom {
		t.Errorf("OnError got %v", got)
	}
	check(t, p, counts{submitted: 2, done: 1, failed: 1})
}

func brokenJob(context.Context) error { panic("broken") }

func TestPanicsCostNoWorker(t *testing.T) {
	tests := []struct {
		name  string
		job   pool.Job
		value string // in what OnPanic is given
		stack string
	}{
		{"panic", pool.JobFunc(brokenJob), "broken", "brokenJob"},
		{"nil panic", pool.JobFunc(func(context.Context) error { panic(nil) }), "nil", "TestPanicsCostNoWorker"},
		{"goexit", pool.JobFunc(func(context.Context) error { runtime.Goexit(); return nil }), "Goexit", "TestPanicsCostNoWorker"},
		{"nil job", nil, "nil pointer", "pool"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noLeak(t)
			calls := 0
			p := pool.New(pool.Config{Workers: 1, OnPanic: func(_ pool.Job, value any, stack []byte) {
				calls++
				text := ""
				switch v := value.(type) {
				case error:
					text = v.Error()
				case string:
					text = v
				}
				if !strings.Contains(text, tt.value) {
					t.Errorf("value %v", value)
				}
				if !strings.Contains(string(stack), tt.stack) {
					t.Errorf("stack %s", stack)
				}
			}})
			p.Start(background)
			for range 10 {
				if err := p.Submit(tt.job); err != nil {
					t.Fatal(err)
				}
				submit(t, p, nothing)
			}
			stop(t, p)
			check(t, p, counts{submitted: 20, done: 10, panicked: 10})
			if calls != 10 {
				t.Errorf("OnPanic called %d times", calls)
			}
		})
	}
}

func TestHooksThatMisbehave(t *testing.T) {
	noLeak(t)
	p := pool.New(pool.Config{
		Workers: 1,
		OnError: func(pool.Job, error) { panic("in OnError") },
		OnPanic: func(pool.Job, any, []byte) { runtime.Goexit() },
	})
	p.Start(background)
	submit(t, p, func(context.Context) error { return errors.New("failed") })
	submit(t, p, brokenJob)
	submit(t, p, nothing)
	stop(t, p)
	check(t, p, counts{submitted: 3, done: 1, panicked: 2})
}

func TestStopDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(pool.Config{Workers: 2})
		p.Start(background)
		for range 10 {
			submit(t, p, func(ctx context.Context) error { time.Sleep(time.Second); return ctx.Err() })
		}
		began := time.Now()
		var stops sync.WaitGroup
		for range 4 {
			stops.Go(func() {
				ctx, cancel := context.WithTimeout(background, 6*time.Second)
				defer cancel()
				if err := p.Stop(ctx); err != nil {
					t.Errorf("Stop: %v", err)
				}
				if got := time.Since(began); got != 5*time.Second {
					t.Errorf("Stop took %v", got)
				}
			})
		}
		stops.Wait()
		stop(t, p)
		check(t, p, counts{submitted: 10, done: 10})
	})
}

func TestStopGivesUpWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dropped []pool.Job
		p := pool.New(pool.Config{Workers: 2, OnDrop: func(job pool.Job) { dropped = append(dropped, job) }})
		p.Start(background)
		began := time.Now()
		for range 2 {
			submit(t, p, func(ctx context.Context) error {
				<-ctx.Done()
				if got := time.Since(began); got != time.Second {
					t.Errorf("context ended after %v", got)
				}
				time.Sleep(3 * time.Second) // to clean up
				return ctx.Err()
			})
		}
		synctest.Wait()
		queued := []pool.Job{new(number), new(number), new(number)}
		for _, job := range queued {
			if err := p.Submit(job); err != nil {
				t.Fatal(err)
			}
		}

		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if err := p.Stop(ctx); err != context.DeadlineExceeded {
			t.Errorf("first Stop: %v", err)
		}
		if got := time.Since(began); got != time.Second {
			t.Errorf("first Stop took %v", got)
		}
		check(t, p, counts{submitted: 5, dropped: 3, running: 2})
		if !slices.Equal(dropped, queued) {
			t.Errorf("OnDrop got %v, want %v", dropped, queued)
		}

		if err := p.Stop(background); err != context.DeadlineExceeded {
			t.Errorf("second Stop: %v", err)
		}
		if got := time.Since(began); got != 4*time.Second {
			t.Errorf("second Stop returned after %v", got)
		}
		check(t, p, counts{submitted: 5, failed: 2, dropped: 3})
	})
}

// A worker that comes back while the queue is being dropped takes nothing more,
// and the pool has not stopped before OnDrop has heard of all.
func TestDroppedJobsDoNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(background)
		p := pool.New(pool.Config{Workers: 1, OnDrop: func(pool.Job) { time.Sleep(time.Second) }})
		p.Start(ctx)
		submit(t, p, func(ctx context.Context) error { <-ctx.Done(); return nil })
		synctest.Wait()
		for range 10 {
			submit(t, p, nothing)
		}
		began := time.Now()
		cancel()
		synctest.Wait()
		if err := p.Stop(background); err != context.Canceled {
			t.Errorf("Stop: %v", err)
		}
		if got := time.Since(began); got != 10*time.Second {
			t.Errorf("stopped after %v", got)
		}
		check(t, p, counts{submitted: 11, done: 1, dropped: 10})
	})
}

type number struct{ n atomic.Int64 }

func (j *number) Execute(context.Context) error { j.n.Add(1); return nil }

func TestStopOfAnIdlePoolIgnoresLateDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(pool.Config{})
		p.Start(background)
		stop(t, p)
		ended, cancel := context.WithCancel(background)
		cancel()
		for range 100 { // as select chooses at random
			if err := p.Stop(ended); err != nil {
				t.Fatalf("Stop of a pool that has stopped: %v", err)
			}
		}
	})
}

func TestEndOfStartContextStopsThePool(t *testing.T) {
	for range 200 { // as contexts tell those that watch them in random order
		synctest.Test(t, endOfStartContext)
	}
}

func endOfStartContext(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(background, key{}, "value"))
	drops := 0
	p := pool.New(pool.Config{Workers: 1, OnDrop: func(pool.Job) { drops++ }})
	p.Start(ctx)
	submit(t, p, func(ctx context.Context) error {
		if ctx.Value(key{}) != "value" {
			t.Error("jobs do not get the values of Start's context")
		}
		<-ctx.Done()
		return ctx.Err()
	})
	synctest.Wait()
	submit(t, p, nothing)
	submit(t, p, nothing)
	cancel()
	synctest.Wait()
	check(t, p, counts{submitted: 3, failed: 1, dropped: 2})
	if drops != 2 {
		t.Errorf("OnDrop called %d times", drops)
	}
	if err := p.Submit(pool.JobFunc(nothing)); err != pool.ErrStopped {
		t.Errorf("Submit: %v", err)
	}
	if err := p.Stop(background); err != context.Canceled {
		t.Errorf("Stop: %v", err)
	}
}

func TestContextOfJobsEndsWithThePool(t *testing.T) {
	noLeak(t)
	p := pool.New(pool.Config{})
	p.Start(background)
	var kept context.Context
	submit(t, p, func(ctx context.Context) error { kept = ctx; return ctx.Err() })
	stop(t, p)
	check(t, p, counts{submitted: 1, done: 1})
	if kept.Err() == nil {
		t.Error("still alive")
	}
}

func TestStopWithoutStart(t *testing.T) {
	noLeak(t)
	p := pool.New(pool.Config{})
	stop(t, p)
	stop(t, p)
	p.Start(background)
	if err := p.Submit(pool.JobFunc(nothing)); err != pool.ErrStopped {
		t.Errorf("Submit: %v", err)
	}
}

func TestJobsMaySubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(pool.Config{Workers: 2, Queue: 2})
		p.Start(background)
		var job pool.JobFunc
		left := 100
		job = func(context.Context) error {
			if left--; left > 0 {
				return p.Submit(job)
			}
			return nil
		}
		submit(t, p, job)
		synctest.Wait()
		check(t, p, counts{submitted: 100, done: 100})
		stop(t, p)
	})
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(pool.Config{Workers: 1})
		p.Start(background)
		for range 15 {
			submit(t, p, func(context.Context) error { time.Sleep(time.Second); return nil })
		}
		stop(t, p)
		// Timed are jobs 0, 7 and 14, which waited for as many others.
		s := p.Stats()
		if s.Timed != 3 || s.TimeQueued != 21*time.Second || s.TimeRun != 3*time.Second {
			t.Errorf("%d jobs waited %v and ran %v", s.Timed, s.TimeQueued, s.TimeRun)
		}
	})
}

func TestJobsAreForgotten(t *testing.T) {
	noLeak(t)
	p := pool.New(pool.Config{Workers: 1})
	p.Start(background)
	var jobs []weak.Pointer[number]
	for range 3 {
		job := &number{}
		jobs = append(jobs, weak.Make(job))
		if err := p.Submit(job); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for i := range jobs {
		for jobs[i].Value() != nil {
			if time.Now().After(deadline) {
				t.Fatalf("job %d is still held", i)
			}
			runtime.GC()
		}
	}
	stop(t, p)
}

func TestStoppedPoolsAreForgotten(t *testing.T) {
	noLeak(t)
	ctx, cancel := context.WithCancel(background) // one that outlives the pool
	defer cancel()
	p := pool.New(pool.Config{})
	p.Start(ctx)
	stop(t, p)
	held := weak.Make(p)
	deadline := time.Now().Add(5 * time.Second)
	for held.Value() != nil {
		if time.Now().After(deadline) {
			t.Fatal("the context given to Start still holds the pool")
		}
		runtime.GC()
	}
}

func TestZeroConfig(t *testing.T) {
	for _, n := range []int{0, -1} {
		s := pool.New(pool.Config{Name: "zero", Workers: n, Queue: n}).Stats()
		if s.Name != "zero" || s.Workers != max(64, 8*runtime.GOMAXPROCS(0)) || s.Capacity != 4096 {
			t.Errorf("%d: %+v", n, s)
		}
	}
}

func TestConfigTags(t *testing.T) {
	for f := range reflect.TypeFor[pool.Config]().Fields() {
		env, ok := f.Tag.Lookup("env")
		if !ok {
			t.Errorf("%s has no env tag", f.Name)
		}
		if env == "-" {
			continue
		}
		for _, tag := range []string{"envDefault", "min", "doc"} {
			if f.Tag.Get(tag) == "" {
				t.Errorf("%s has no %s tag", f.Name, tag)
			}
		}
	}
}

// The folder can be lifted out only as long as it needs nothing else.
func TestImportsOnlyTheStandardLibrary(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if deps := strings.Fields(string(out)); len(deps) != 1 {
		t.Errorf("not of the standard library: %v", deps)
	}
}
