package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests of this file are about figures. With FIGURES=1 (make figures) they run at full length with a binary without
// the race detector, and hold the times to what the README says; else they are short, and what can be counted is.
var figures = os.Getenv("FIGURES") != ""

// full is a for figures, else b.
func full[T any](a, b T) T {
	if figures {
		return a
	}
	return b
}

// alone has a test of figures run with no other beside it.
func alone(t *testing.T) {
	if !figures {
		t.Parallel()
	}
}

// paced is what came of requests at a steady rate.
type paced struct {
	mu     sync.Mutex
	took   []time.Duration
	waited int // answers that are not from the store
	wrong  []string
}

// pace asks for targets at a rate, over so many connections, for a while. want is the body; "" for any.
func pace(t *testing.T, s *sidecar, conns, rate int, long time.Duration, pick func(i int) (target, want string)) *paced {
	t.Helper()
	p := &paced{}
	var next atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	every := time.Second / time.Duration(rate)
	for range conns {
		c := dial(t, s.addr)
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				at := time.Duration(i) * every
				if at >= long {
					return
				}
				time.Sleep(at - time.Since(begun))
				target, want := pick(i)
				sent := time.Now()
				r, err := c.exchange(request("GET " + target))
				p.note(time.Since(sent), r, err, want)
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return p
}

func (p *paced) note(took time.Duration, r *response, err error, want string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.wrong = append(p.wrong, err.Error())
	case r.status != 200 || want != "" && r.body != want:
		p.wrong = append(p.wrong, fmt.Sprint(r.status, " ", r.body))
	case !strings.Contains(r.head, "nearside; hit"):
		p.waited++
	}
	p.took = append(p.took, took)
}

// quantile is the time that a part q of the requests did not exceed.
func (p *paced) quantile(q float64) time.Duration {
	slices.Sort(p.took)
	return p.took[min(len(p.took)-1, int(q*float64(len(p.took))))]
}

func (p *paced) String() string {
	return fmt.Sprintf("%d requests, p50 %v, p99 %v, most %v; %d not from the store, %d wrong",
		len(p.took), p.quantile(0.5), p.quantile(0.99), p.quantile(1), p.waited, len(p.wrong))
}

// All who wait for a cold key are answered as soon as the origin has.
func TestStampedeOnAColdKey(t *testing.T) {
	alone(t)
	clients := full(1000, 200)
	o := newOrigin(t)
	var answered atomic.Pointer[time.Time]
	o.on("/x", func(c *call) {
		time.Sleep(500 * time.Millisecond) // an origin that takes its time
		now := time.Now()
		answered.Store(&now)
		c.say(reply(item("/x"), "Cache-Control: max-age=60"))
	})
	s := nearside(t, o.env())
	late := make([]time.Duration, clients)
	var wg sync.WaitGroup
	all := make([]*client, clients)
	for i := range all {
		all[i] = dial(t, s.addr)
	}
	for i, c := range all {
		if err := c.send(request("GET /x")); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			_, err := c.reader.Peek(1) // to read it all is this test's time, not the sidecar's
			late[i] = time.Since(*answered.Load())
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, c := range all {
		if r, err := c.read("GET"); err != nil || r.body != item("/x") {
			t.Errorf("%v %+v", err, r)
		}
	}
	equal(t, "requests at the origin", o.count("/x"), 1)
	slices.Sort(late)
	t.Logf("%d clients: the last was answered %v after the origin had, the median %v", clients, late[clients-1], late[clients/2])
	if figures && late[clients-1] > 50*time.Millisecond {
		t.Errorf("the last was answered %v after the origin had", late[clients-1])
	}
}

// Of those who wait for a response that cannot be shared, nobody waits for more than one other's fetch.
func TestStampedeOnTheUncacheable(t *testing.T) {
	alone(t)
	clients := full(1000, 100)
	const fetch = time.Second
	o := newOrigin(t)
	o.on("/x", func(c *call) {
		time.Sleep(fetch) // an origin that takes its time
		c.say(reply("body", "Cache-Control: no-store"))
	})
	s := nearside(t, o.env(), "UPSTREAM_MAX_CONNS=2000")
	for _, wave := range []struct {
		name    string
		fetches float64
	}{{"first", 2}, {"second", 1}} {
		took := make([]time.Duration, clients)
		var wg sync.WaitGroup
		all := make([]*client, clients)
		for i := range all {
			all[i] = dial(t, s.addr)
		}
		for i, c := range all {
			wg.Go(func() {
				begun := time.Now()
				r, err := c.exchange(request("GET /x"))
				if took[i] = time.Since(begun); err != nil || r.body != "body" {
					t.Errorf("%v %+v", err, r)
				}
			})
		}
		wg.Wait()
		slices.Sort(took)
		t.Logf("%s wave of %d clients: the longest wait was %.2f fetches", wave.name, clients, took[clients-1].Seconds()/fetch.Seconds())
		if figures && took[clients-1].Seconds()/fetch.Seconds() > wave.fetches+0.5 {
			t.Errorf("%s wave: the longest wait was %v", wave.name, took[clients-1])
		}
	}
	equal(t, "requests at the origin", o.count("/x"), 2*clients)
}

// A hot key never makes anybody wait once it is stored, and the origin sees about one request in a lifetime.
func TestStampedeOnAHotKey(t *testing.T) {
	alone(t)
	const lifetime = 2 * time.Second
	long, rate := full(60*time.Second, 5*time.Second), full(5000, 300)
	o := newOrigin(t)
	o.on("/x", func(c *call) {
		time.Sleep(300 * time.Millisecond) // an origin that takes its time
		c.say(reply(item("/x"), "Cache-Control: max-age=2, stale-while-revalidate=5"))
	})
	s := nearside(t, o.env())
	s.get("/x")
	s.settled()
	begun := time.Now()
	p := pace(t, s, 64, rate, long, func(int) (string, string) { return "/x", item("/x") })
	lifetimes := time.Since(begun).Seconds() / lifetime.Seconds()
	t.Logf("%v; %d requests at the origin in %.1f lifetimes", p, o.count("/x"), lifetimes)
	if len(p.wrong) > 0 || p.waited > 0 {
		t.Errorf("%d waited, %d wrong, such as %v", p.waited, len(p.wrong), p.wrong[:min(1, len(p.wrong))])
	}
	if n := float64(o.count("/x")); n > 1.2*lifetimes+1 {
		t.Errorf("%v requests at the origin", n)
	}
}

// While the origin is silent all that stale-if-error allows to be used is served, as fast as ever.
func TestStampedeOnASilentOrigin(t *testing.T) {
	alone(t)
	keys, rate := full(200, 40), full(2000, 200)
	long := full(30*time.Second, 5*time.Second)
	o := newOrigin(t)
	var silent atomic.Bool
	o.on("*", func(c *call) {
		if silent.Load() {
			c.hang()
			return
		}
		c.say(reply(item(c.target), "Cache-Control: max-age=2, stale-if-error=600"))
	})
	s := nearside(t, o.env(), "UPSTREAM_TIMEOUT=500ms")
	pick := func(i int) (string, string) {
		target := fmt.Sprint("/", i%keys)
		return target, item(target)
	}
	normal := pace(t, s, 32, rate, long/3, pick)
	silent.Store(true)
	begun := time.Now()
	var opened time.Time
	var before int
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for time.Since(begun) < long && s.metric("upstream_breaker_open") == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second) // what was on its way has arrived
		before, opened = len(o.requests("")), time.Now()
	}()
	p := pace(t, s, 32, rate, long, pick)
	<-watched
	probes, seconds := len(o.requests(""))-before, time.Since(opened).Seconds()
	t.Logf("normal: %v", normal)
	t.Logf("silent: %v; %d probes in %.1f s", p, probes, seconds)
	if len(p.wrong)+len(normal.wrong) > 0 {
		t.Errorf("%d wrong, such as %v", len(p.wrong), p.wrong[:min(1, len(p.wrong))])
	}
	if float64(probes) > seconds+1 {
		t.Errorf("%d probes in %.1f s", probes, seconds)
	}
	if most := normal.quantile(0.99) * 12 / 10; figures && p.quantile(0.99) > most {
		t.Errorf("p99 %v, want %v at most", p.quantile(0.99), most)
	}
	silent.Store(false)
	eventually(t, "all are fresh again", func() bool {
		for i := range keys {
			target, _ := pick(i)
			if r := s.get(target); r.status != 200 || r.ttl() <= 0 {
				return false
			}
		}
		return true
	})
}
