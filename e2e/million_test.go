package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// A million responses of 1 KiB in L1: the process stays within 1.25 times L1_MAX_BYTES and 64 MB, also when others have taken
// their place, and hits are about as fast as with a thousand, while others are fetched and stored.
func TestMillion(t *testing.T) {
	alone(t)
	n, clients := full(1_000_000, 2_000), full(64, 16)
	budget := full(int64(1600), 3) << 20
	o := slowOrigin(t, 0)
	start := func(budget int64, n int) *sidecar {
		s := nearside(t, "UPSTREAM_URL=http://"+o, fmt.Sprint("L1_MAX_BYTES=", budget))
		new(paced).storm(t, s.addr, clients, 0, n)
		s.settled()
		equal(t, "responses in L1", s.metric("l1_entries"), n-s.fills("dropped")-s.fills("no-room"))
		return s
	}
	within := func(s *sidecar, what string) {
		t.Logf("%s: %d responses in L1, of %d bytes each; RSS %d MB of %d", what, s.metric("l1_entries"),
			s.metric("l1_bytes")/s.metric("l1_entries"), s.rss()/1e6, (budget+budget/4)/1e6+64)
		if figures && s.rss() > budget+budget/4+64e6 {
			t.Errorf("%s: RSS %d", what, s.rss())
		}
		if int64(s.metric("l1_bytes")) > budget {
			t.Errorf("%s: L1 uses %d bytes of %d", what, s.metric("l1_bytes"), budget)
		}
	}
	few, many := start(64<<20, n/1000), start(budget, n)
	within(many, "filled")

	rounds := full(9, 1) // so long that the heap of many is collected
	var fewTook, manyTook []time.Duration
	for i := range rounds {
		fewTook = append(fewTook, hitsAmongMisses(t, few, n/1000, n+i*n/50)...)
		manyTook = append(manyTook, hitsAmongMisses(t, many, n, n+i*n/50)...)
	}
	slices.Sort(fewTook)
	slices.Sort(manyTook)
	at := func(took []time.Duration, q float64) time.Duration { return took[int(q*float64(len(took)-1))] }
	for _, q := range []float64{0.5, 0.99, 0.999} {
		t.Logf("hits: p%v is %v with %d responses, %v with %d", 100*q, at(fewTook, q), n/1000, at(manyTook, q), n)
	}
	if figures && at(manyTook, 0.999) > 2*at(fewTook, 0.999) {
		t.Error("hits have a longer tail with more responses")
	}

	new(paced).storm(t, many.addr, clients, 2*n, 3*n)
	many.settled()
	within(many, "others in their place")
	if many.metric(`l1_evictions_total{reason="size"}`) == 0 {
		t.Error("nothing was evicted")
	}
}

// hitsAmongMisses asks for stored targets, at random among the first n, while others ask for what is not, from a number on.
// It returns how long the hits took.
func hitsAmongMisses(t *testing.T, s *sidecar, n, from int) []time.Duration {
	t.Helper()
	long := full(10*time.Second, 200*time.Millisecond)
	item := func(i int) (target, want string) {
		target = fmt.Sprint("/item/", i)
		return target, kilobyte(target)
	}
	var misses *paced
	var wg sync.WaitGroup
	wg.Go(func() {
		misses = pace(t, s, 8, full(1000, 100), long, func(i int) (string, string) { return item(from + i) })
	})
	hits := pace(t, s, 16, full(2000, 200), long, func(int) (string, string) { return item(rand.IntN(n)) })
	wg.Wait()
	if len(hits.wrong)+len(misses.wrong) > 0 || hits.waited > len(hits.took)/1000 { // a few made room for what was fetched
		t.Errorf("%d were no hits; wrong: %q", hits.waited, append(hits.wrong, misses.wrong...))
	}
	return hits.took
}
