package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/pool"
)

// BenchmarkSubmit is the time from the first Submit until the last job was
// executed, per job. Whom the pool refuses, yields and tries again.
func BenchmarkSubmit(b *testing.B) {
	for _, submitters := range []int{1, 8, 1000} {
		b.Run(fmt.Sprintf("submitters=%d", submitters), func(b *testing.B) {
			p := pool.New(pool.Config{Workers: 8})
			p.Start(background)
			job := new(number)
			b.ReportAllocs()
			b.ResetTimer()
			var users sync.WaitGroup
			for i := range submitters {
				users.Go(func() {
					for n := i; n < b.N; n += submitters {
						for p.Submit(job) != nil {
							runtime.Gosched()
						}
					}
				})
			}
			users.Wait()
			if err := p.Stop(background); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkSubmitToFullQueue is the cost of a refusal.
func BenchmarkSubmitToFullQueue(b *testing.B) {
	p := pool.New(pool.Config{Workers: 1, Queue: 1})
	p.Start(background)
	block := pool.JobFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })
	for p.Stats().Running+p.Stats().Queued < 2 {
		_ = p.Submit(block)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p.Submit(block) != pool.ErrFull {
			b.Fatal("accepted")
		}
	}
	ended, cancel := context.WithCancel(background)
	cancel()
	_ = p.Stop(ended)
}

// BenchmarkSubmitLatency times each Submit alone, clock included, at a pace that
// lets the workers fall idle in between ("idle") or not ("busy").
func BenchmarkSubmitLatency(b *testing.B) {
	for _, bench := range []struct {
		name  string
		pause time.Duration
	}{{"busy", 0}, {"idle", 20 * time.Microsecond}} {
		b.Run(bench.name, func(b *testing.B) {
			p := pool.New(pool.Config{Workers: 8})
			p.Start(background)
			job := new(number)
			took := make([]time.Duration, b.N)
			b.ResetTimer()
			for i := range took {
				began := time.Now()
				_ = p.Submit(job)
				took[i] = time.Since(began)
				for bench.pause > 0 && time.Since(began) < bench.pause {
				}
			}
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
			if err := p.Stop(background); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkStats is the cost of a snapshot.
func BenchmarkStats(b *testing.B) {
	p := pool.New(pool.Config{})
	for b.Loop() {
		_ = p.Stats()
	}
}
