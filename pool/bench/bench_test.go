// Package bench compares pool with other worker pools: the same job, the same
// number of workers, the same number of jobs executed. It is a module of its
// own, so that nobody who uses pool depends on the others.
package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/alitto/pond/v2"
	"github.com/nearside-cache/nearside/pool"
	"github.com/panjf2000/ants/v2"
	conc "github.com/sourcegraph/conc/pool"
)

const (
	workers = 8
	queue   = 4096
)

// count is the job, small so that what is measured is the pools.
type count struct{ n atomic.Int64 }

func (c *count) Execute(context.Context) error {
	c.n.Add(1)
	return nil
}

// A contender's submit hands over the job once, trying again while its pool
// refuses; stop releases the pool when all jobs were executed.
type contender struct {
	name string
	make func(job *count) (submit func(), stop func())
}

// Pools that take functions get one function, made before the clock starts, so
// that none of them is charged for a closure per job.
func asFunc(job *count) func() {
	ctx := context.Background()
	return func() { _ = job.Execute(ctx) }
}

// retry makes a submit function of one that may refuse with busy.
func retry(busy error, try func() error) func() {
	return func() {
		for {
			err := try()
			if err == nil {
				return
			}
			if !errors.Is(err, busy) {
				panic(err)
			}
			runtime.Gosched()
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var contenders = []contender{
	{"nearside", func(job *count) (func(), func()) {
		p := pool.New(pool.Config{Workers: workers, Queue: queue})
		p.Start(context.Background())
		return retry(pool.ErrFull, func() error { return p.Submit(job) }),
			func() { _ = p.Stop(context.Background()) }
	}},
	{"ants", func(job *count) (func(), func()) { // as it comes: Submit waits for a worker
		p, f := must(ants.NewPool(workers)), asFunc(job)
		return func() { _ = p.Submit(f) }, p.Release
	}},
	{"ants-nonblocking", func(job *count) (func(), func()) { // no queue: refuses when all workers are busy
		p, f := must(ants.NewPool(workers, ants.WithNonblocking(true), ants.WithPreAlloc(true))), asFunc(job)
		return retry(ants.ErrPoolOverload, func() error { return p.Submit(f) }), p.Release
	}},
	{"pond", func(job *count) (func(), func()) { // as it comes: the queue has no bound
		p, f := pond.NewPool(workers), asFunc(job)
		return func() { _ = p.Go(f) }, p.StopAndWait
	}},
	{"pond-nonblocking", func(job *count) (func(), func()) { // the same bound and manners as ours
		p, f := pond.NewPool(workers, pond.WithQueueSize(queue), pond.WithNonBlocking(true)), asFunc(job)
		return retry(pond.ErrQueueFull, func() error { return p.Go(f) }), p.StopAndWait
	}},
	{"conc", func(job *count) (func(), func()) { // Go waits for a worker
		p, f := conc.New().WithMaxGoroutines(workers), asFunc(job)
		return func() { p.Go(f) }, p.Wait
	}},
	{"channel", func(job *count) (func(), func()) { // by hand: no counters, no panics, no concurrent stop
		jobs := make(chan interface{ Execute(context.Context) error }, queue)
		for range workers {
			go func() {
				for j := range jobs {
					_ = j.Execute(context.Background())
				}
			}()
		}
		return func() { jobs <- job }, func() { close(jobs) }
	}},
}

// cpuTime is what this process has used of all CPUs, in nanoseconds. Unlike the
// time of day it does not count what else the machine was doing.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkSubmit reports the time from the first submit until the last job was
// executed, per job, and the CPU time spent meanwhile.
func BenchmarkSubmit(b *testing.B) {
	for _, submitters := range []int{1, 8, 1000} {
		for _, c := range contenders {
			b.Run(fmt.Sprintf("submitters=%d/pool=%s", submitters, c.name), func(b *testing.B) {
				job := new(count)
				submit, stop := c.make(job)
				b.ReportAllocs()
				began := cpuTime()
				b.ResetTimer()
				var wg sync.WaitGroup
				for i := range submitters {
					wg.Go(func() {
						for n := i; n < b.N; n += submitters {
							submit()
						}
					})
				}
				wg.Wait()
				for job.n.Load() < int64(b.N) {
					runtime.Gosched()
				}
				b.StopTimer()
				b.ReportMetric(float64(cpuTime()-began)/float64(b.N), "cpu-ns/op")
				stop()
			})
		}
	}
}
