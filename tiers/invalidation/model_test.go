package invalidation

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// schedules runs so many, on all cores, and returns the first, as many as are enough, that break the promise, and what was in them.
func schedules(n, enough int, in weather) (broken []string, total world) {
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	for range threads(in) {
		wg.Go(func() {
			for {
				seed := next.Add(1)
				if seed > int64(n) {
					return
				}
				w := run(uint64(seed), in)
				mu.Lock()
				total.requests += w.requests
				total.purges += w.purges
				total.confirmed += w.confirmed
				if len(w.violations) > 0 && len(broken) < enough {
					broken = append(broken, w.violations[0])
				}
				stop := len(broken) == enough
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	wg.Wait()
	return broken, total
}

// check plays schedules, none of which may break the promise.
func check(t *testing.T, n int, in weather) {
	t.Helper()
	broken, total := schedules(n, 3, in)
	for _, b := range broken {
		t.Error(b)
	}
	t.Logf("%d schedules: %d requests, %d purges, %d confirmed", n, total.requests, total.purges, total.confirmed)
	if total.confirmed < total.purges/2 {
		t.Errorf("%d of %d purges were confirmed: that proves little", total.confirmed, total.purges)
	}
}

// threads is how many schedules are played at a time: one, where a hook of the package must know whose it is.
func threads(in weather) int {
	if in.stalls {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

// TestModel plays schedules: a few under the race detector, and together at least 100,000 purges without it.
func TestModel(t *testing.T) {
	for name, row := range map[string]struct {
		share int // of the schedules, in percent
		in    weather
	}{
		"strict, all goes wrong":     {55, weather{strict: true, faults: true, index: 64}},
		"strict, index of 2":         {20, weather{strict: true, faults: true, index: 2}},
		"strict, nothing goes wrong": {10, weather{strict: true, index: 64}},
		"available, only delays":     {15, weather{index: 64}},
	} {
		t.Run(name, func(t *testing.T) { check(t, played*row.share/100, row.in) })
	}
}
