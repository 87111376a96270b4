//go:build !race

package pool_test

import (
	"runtime"
	"testing"

	"github.com/nearside-cache/nearside/pool"
)

func TestNoAllocations(t *testing.T) {
	noLeak(t)
	p := pool.New(pool.Config{Workers: 2, Queue: 16})
	p.Start(background)
	job := new(number)
	sent := int64(0)
	allocs := testing.AllocsPerRun(1000, func() {
		for p.Submit(job) != nil { // accepted and refused alike
		}
		for sent++; sent%16 == 0 && job.n.Load() < sent; {
			runtime.Gosched()
		}
		_ = p.Stats()
	})
	if allocs != 0 {
		t.Errorf("%v allocations per job", allocs)
	}
	stop(t, p)
}
