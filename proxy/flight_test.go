package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
)

func TestFlightBeginsOnceAndEnds(t *testing.T) {
	table := newFlights()
	join := func() (*flight, bool) { return table.join("k", false) }
	f, leads := join()
	if g, also := join(); !leads || also || g != f || f.ready == nil {
		t.Fatal("the second request does not follow the first")
	}
	if g, leads := table.join("other", false); !leads || g == f {
		t.Fatal("two keys share a flight")
	}
	e := &tiers.Entry{}
	table.settle(f, result{fate: shared, entry: e})
	table.settle(f, result{fate: failed})
	<-f.ready
	if g, leads := join(); leads || g.result.entry != e || g.result.fate != shared {
		t.Fatal("who comes before the fill does not share")
	}
	table.end(f)
	table.end(f)
	table.end(nil)
	g, leads := join()
	if !leads || g == f || table.under.Load() != 2 {
		t.Fatalf("a flight that is over is joined; %d under way", table.under.Load())
	}
	table.end(f) // again, and late: it must not end the next one
	if _, leads := join(); leads {
		t.Fatal("the end of one flight ended the next")
	}
	table.settle(g, result{fate: released})
	if _, leads := join(); !leads {
		t.Fatal("a flight that brought nothing is joined")
	}
}

// TestOneLeaderAtATime: whatever the schedule, flights for one key follow each other, and nobody waits for ever.
func TestOneLeaderAtATime(t *testing.T) {
	table := newFlights()
	var leading, flown atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 2000 {
				f, leads := table.join("k", false)
				if !leads {
					if f.ready != nil {
						<-f.ready
					}
					continue
				}
				if leading.Add(1) != 1 {
					t.Error("two lead")
				}
				flown.Add(1)
				leading.Add(-1)
				table.settle(f, result{fate: fate(i % 3)})
				table.end(f)
			}
		})
	}
	wg.Wait()
	if table.under.Load() != 0 || flown.Load() == 0 {
		t.Errorf("%d are left of %d", table.under.Load(), flown.Load())
	}
}

func TestUnshared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := new(unshared)
		time.Sleep(time.Second)
		const hash, same = 0x123456789abcdef0, 0xfedcba98_9abcdef0 // in one slot
		if u.has(hash) || u.has(0) {
			t.Fatal("an empty one remembers")
		}
		u.note(hash)
		if !u.has(hash) || u.has(same) || u.has(hash^credentials) {
			t.Fatal("it does not tell keys apart")
		}
		u.forget(same)
		if time.Sleep(unsharedFor - time.Second); !u.has(hash) {
			t.Fatal("forgotten early")
		}
		if time.Sleep(2 * time.Second); u.has(hash) {
			t.Fatal("never forgotten")
		}
		u.note(hash)
		u.forget(hash)
		if u.has(hash) {
			t.Fatal("not forgotten")
		}
		u.note(hash)
		u.note(same)
		if u.has(hash) || !u.has(same) {
			t.Fatal("the later of two in a slot is not the one")
		}
	})
}

// TestHitTouchesNoFlight: a hit is served while every shard of the table is locked.
func TestHitTouchesNoFlight(t *testing.T) {
	s, l1 := newTestServer(t, func(p *Parts) { p.Config.CoalesceTimeout = time.Second })
	putEntry(t, l1, "/a.json?id=17", usualHeader, "content")
	for i := range s.h.flights.shards {
		s.h.flights.shards[i].mu.Lock()
		defer s.h.flights.shards[i].mu.Unlock()
	}
	if got := ask(t, s, usualRequest); !strings.Contains(got, "hit; ttl=3600; detail=L1") {
		t.Error(got)
	}
}

// panics is a far tier that panics when it is asked, once somebody follows.
type panics struct {
	tiers.Tier
	ready chan struct{}
}

func (p panics) Get(context.Context, tiers.Key, tiers.Selector) (*tiers.Entry, error) {
	<-p.ready
	panic("far")
}

// TestLeaderPanics: its followers are let go.
func TestLeaderPanics(t *testing.T) {
	far := panics{ready: make(chan struct{})}
	s, _ := newTestServer(t, func(p *Parts) {
		p.Config.CoalesceTimeout = time.Hour
		p.Stack.Far = far
	})
	var wg sync.WaitGroup
	answers := make([]string, 3)
	for i := range answers {
		wg.Go(func() { answers[i] = ask(t, s, usualRequest) })
	}
	for s.h.Stats().Followers != 2 {
		time.Sleep(time.Millisecond)
	}
	close(far.ready)
	wg.Wait()
	failed := 0
	for _, a := range answers {
		if strings.HasPrefix(a, "HTTP/1.1 500 ") {
			failed++
		} else if !strings.HasPrefix(a, "HTTP/1.1 502 ") { // nothing listens upstream
			t.Errorf("answer %s", a)
		}
	}
	if failed != 1 || s.h.flights.under.Load() != 0 {
		t.Errorf("%d failed, %d flights are left", failed, s.h.flights.under.Load())
	}
}

// missing makes a function that does all that a lone miss has to do with flights: it finds no other, looks at L1 again,
// shares its response with nobody, and ends.
// With a timeout of 0 it does what a miss has to do without flights.
func missing(tb testing.TB, timeout time.Duration) func() {
	s, _ := newTestServer(tb, func(p *Parts) { p.Config.CoalesceTimeout = timeout })
	h := s.h
	ctx := new(fasthttp.RequestCtx)
	header := tiers.Header("Host: 127.0.0.1:8080\r\nAccept: application/json\r\n")
	e := &tiers.Entry{Status: 200, Born: tiers.Now(), Lifetime: time.Hour}
	return func() {
		x := h.begin(ctx)
		x.header = header
		x.route = h.routes.Find([]byte("GET"), []byte("/"))
		x.policy = &x.route.Policy
		x.req.Reset(policy.Get)
		x.keyBuf = append(x.keyBuf[:0], "GET http://127.0.0.1:9/base/v1/foods/17?fields=name,group,energy"...)
		x.decision = policy.Decision{Action: policy.Fetch, Reason: policy.ReasonURIMiss}
		if h.seek(x) || (x.flight == nil) != (timeout == 0) {
			tb.Fatal("it does not lead")
		}
		h.flights.end(h.share(x, e, nil))
		x.release()
	}
}

// BenchmarkLoneMiss: what flights cost a lone miss is the difference of the two.
func BenchmarkLoneMiss(b *testing.B) {
	for name, timeout := range map[string]time.Duration{"without flights": 0, "with": time.Second} {
		b.Run(name, func(b *testing.B) {
			run := missing(b, timeout)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

func BenchmarkFollowers(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := newFlights()
			for b.Loop() {
				f, _ := table.join("k", false)
				var joined, wg sync.WaitGroup
				joined.Add(n)
				for range n {
					wg.Go(func() {
						g, _ := table.join("k", false)
						joined.Done()
						<-g.ready
					})
				}
				joined.Wait()
				table.settle(f, result{fate: shared})
				wg.Wait()
				table.end(f)
			}
		})
	}
}
