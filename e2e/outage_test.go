package e2e

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is traffic: clients that ask for items, one after the other, and check each answer.
type load struct {
	t    *testing.T
	stop chan struct{}
	wait sync.WaitGroup

	requests, fromL1, fromL2 atomic.Int64
	slowest                  atomic.Int64 // request, in nanoseconds
	mu                       sync.Mutex
	failures                 []string
}

// item is the body that belongs to a target. It names it, and differs from others throughout.
func item(target string) string {
	return strings.Repeat(target+"\n", 20+len(target)) + "end of " + target
}

// items has an origin answer everything with the item of its target.
func (o *origin) items(fields ...string) {
	o.on("*", func(c *call) { c.say(reply(item(c.target), fields...)) })
}

// traffic starts n clients at s, over targets that pick chooses by a running number.
func traffic(t *testing.T, s *sidecar, n int, pick func(int64) string) *load {
	l := &load{t: t, stop: make(chan struct{})}
	var next atomic.Int64
	for range n {
		l.wait.Add(1)
		go func() {
			defer l.wait.Done()
			l.run(s.addr, func() string { return pick(next.Add(1)) })
		}()
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) run(addr string, pick func() string) {
	c, err := connect(addr)
	if err != nil {
		l.fail("connect: " + err.Error())
		return
	}
	defer c.conn.Close()
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		target, begun := pick(), time.Now()
		r, err := c.exchange(request("GET " + target))
		if err != nil {
			l.fail(target + ": " + err.Error())
			return
		}
		l.check(target, r)
		l.slowest.Store(max(l.slowest.Load(), int64(time.Since(begun))))
	}
}

func (l *load) check(target string, r *response) {
	l.requests.Add(1)
	switch r.cache() {
	case "hit; detail=L1":
		l.fromL1.Add(1)
	case "hit; detail=L2":
		l.fromL2.Add(1)
	}
	if r.status != 200 || r.body != item(target) || r.cut != nil {
		l.fail(fmt.Sprintf("%s: %d, cut: %v, %s", target, r.status, r.cut, short(r.body)))
	}
}

func (l *load) fail(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, what)
}

// more waits until n more have been counted.
func (l *load) more(what string, counter *atomic.Int64, n int64) {
	l.t.Helper()
	goal := counter.Load() + n
	eventually(l.t, fmt.Sprintf("%d more %s", n, what), func() bool { return counter.Load() >= goal })
}

// end stops the clients; each failure of a request is one of the test.
func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.wait.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, f := range l.failures {
		if i == 5 {
			l.t.Errorf("… and %d more", len(l.failures)-i)
			break
		}
		l.t.Error(f)
	}
	l.failures = nil
}

// Redis dies or hangs under traffic, and comes back: no client notices, and L2 serves again afterwards.
func TestRedisOutage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		harm, mend func(*redisServer)
	}{
		{"killed", (*redisServer).Kill, (*redisServer).Start},
		{"hung", (*redisServer).Hang, (*redisServer).Resume},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o, r := newOrigin(t), newRedis(t)
			o.items("Cache-Control: max-age=600")
			s := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=0", "L2_TIMEOUT=50ms")
			l := traffic(t, s, 8, func(n int64) string { return fmt.Sprintf("/item/%d", n%20) })
			l.more("hits of L2", &l.fromL2, 100)
			equal(t, "breaker before", s.metric("l2_breaker_open"), 0)

			row.harm(r)
			eventually(t, "breaker opens", func() bool { return s.metric("l2_breaker_open") == 1 })
			l.more("requests without Redis", &l.requests, 300)
			status, _ := ask(t, s.admin, "/readyz")
			equal(t, "readiness without Redis", status, 200)

			row.mend(r)
			l.more("hits of L2 after the outage", &l.fromL2, 100)
			equal(t, "breaker after", s.metric("l2_breaker_open"), 0)
			l.end()
			// Each request may lose one L2_TIMEOUT of 50ms before the breaker opens, and after it next to nothing.
			if slowest := time.Duration(l.slowest.Load()); slowest > 3*time.Second {
				t.Errorf("a request took %v", slowest)
			}
		})
	}
}

// While Redis is away, L1 goes on: what is there needs no origin, and what is fetched gets there.
func TestL1DuringOutage(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.items("Cache-Control: max-age=600")
	s := nearside(t, o.env(), r.env(), "L2_TIMEOUT=50ms")
	for i := range 20 {
		s.get(fmt.Sprintf("/item/%d", i))
	}
	s.settled()
	failed := s.fills("failed")
	r.Hang()
	for i := range 20 {
		target := fmt.Sprintf("/item/%d", i)
		s.get(target).wants(200, "hit; detail=L1", item(target))
	}
	equal(t, "requests at the origin", o.count(""), 20)

	s.get("/cold").wants(200, "fwd=uri-miss; fwd-status=200; stored", item("/cold"))
	s.settled()
	s.get("/cold").wants(200, "hit; detail=L1", item("/cold"))
	equal(t, "requests for the cold item", o.count("/cold"), 1)
	equal(t, "responses stored in L1", s.metric("l1_entries"), 21)
	equal(t, "fills that a tier refused", s.fills("failed"), failed+1)
}

// Redis is not there at the start: the sidecar is ready all the same, and uses it as soon as it comes.
func TestRedisAbsentAtStart(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), noRedis(t)
	o.items("Cache-Control: max-age=600")
	s := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=0")
	status, _ := ask(t, s.admin, "/readyz")
	equal(t, "readiness", status, 200)
	for range 3 {
		r := s.get("/a")
		equal(t, "status", r.status, 200)
		equal(t, "body", r.body, item("/a"))
		s.settled() // until then whoever comes shares it
	}
	equal(t, "requests at the origin", o.count("/a"), 3)

	r.Start()
	eventually(t, "a hit of L2", func() bool { return s.get("/a").cache() == "hit; detail=L2" })
}

// Clients that ask for more than L1 can hold, with Redis behind it, never get another's body.
func TestEvictionUnderTraffic(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.items("Cache-Control: max-age=600", "Vary: Accept")
	s := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=64KiB")
	l := traffic(t, s, 8, func(n int64) string { return fmt.Sprintf("/item/%d", n*n%211) })
	l.more("hits of L1", &l.fromL1, 500)
	l.more("hits of L2", &l.fromL2, 500)
	l.end()
	if used := s.metric("l1_bytes"); used > 64<<10 {
		t.Errorf("L1 uses %d bytes of 64 KiB", used)
	}
	if s.metric(`l1_evictions_total{reason="size"}`) == 0 {
		t.Error("nothing was evicted")
	}
}
