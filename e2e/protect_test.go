package e2e

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A few requests wait for a connection to the origin; the others hear at once that it is busy, or get a stale response
// where that is allowed.
func TestUpstreamQueue(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	held, release := gate(t)
	o.on("*", func(c *call) {
		<-held
		c.say(reply(item(c.target), "Cache-Control: no-store"))
	})
	o.says("/stale", reply("old", "Cache-Control: max-age=60, stale-if-error=600", "Age: 60"))
	s := nearside(t, o.env(), "UPSTREAM_MAX_CONNS=1", "UPSTREAM_MAX_WAITING=2", "UPSTREAM_CONNECT_TIMEOUT=15s")
	s.get("/stale")
	s.settled()
	busy := s.begin(request("GET /0"))
	eventually(t, "the only connection is busy", func() bool { return o.count("/0") == 1 })
	waiting := s.begin(request("GET /1"), request("GET /2"))
	eventually(t, "two wait", func() bool { return s.metric("upstream_waiting") == 2 })
	begun := time.Now()
	for i := range 5 {
		r := s.get(fmt.Sprintf("/more/%d", i))
		equal(t, "status", r.status, 503)
		equal(t, "Retry-After", r.field("Retry-After"), "1")
		equal(t, "Cache-Status", r.cache(), "fwd=uri-miss; detail=no-conn")
	}
	s.get("/stale").wants(200, "fwd=stale; detail=stale-if-error", "old")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v, so somebody waited", took)
	}
	release()
	busy.wants(200, "fwd=uri-miss; fwd-status=200; detail=no-store", item("/0"))
	waiting.wg.Wait()
	for i, r := range waiting.answers {
		equal(t, "body", r.body, item(fmt.Sprintf("/%d", i+1)))
	}
}

// An origin that gives no answers is left alone, but for one request a second; stale responses stand in, and the rest
// hears 503. When it answers again all is as before.
func TestUpstreamBreaker(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	var down atomic.Bool
	o.on("*", func(c *call) {
		if c.done = down.Load(); !c.done {
			c.say(reply("body", "Cache-Control: no-store"))
		}
	})
	o.on("/stale", func(c *call) {
		if c.done = down.Load(); !c.done {
			c.say(reply(fmt.Sprint("answer ", c.nth), "Cache-Control: max-age=60, stale-if-error=600", "Age: 60"))
		}
	})
	s := nearside(t, o.env(), "UPSTREAM_BREAKER_FAILURES=3")
	s.get("/stale").wants(200, "fwd=uri-miss; fwd-status=200; stored", "answer 1")
	s.settled()
	down.Store(true)
	for range 3 {
		equal(t, "status", s.get("/x").status, 502)
	}
	equal(t, "breaker", s.metric("upstream_breaker_open"), 1)
	before, begun, refused := len(o.requests("")), time.Now(), 0
	for time.Since(begun) < 2500*time.Millisecond {
		r := s.get("/x")
		if r.status == 503 && r.cache() == "fwd=uri-miss; detail=breaker-open" && r.field("Retry-After") == "1" {
			refused++
		} else if r.status != 502 { // the probe
			t.Fatalf("%d %s", r.status, r.cache())
		}
		if r := s.get("/stale"); r.status != 200 || r.body != "answer 1" || !strings.Contains(r.cache(), "detail=stale-if-error") {
			t.Fatalf("%d %s %s", r.status, r.cache(), r.body)
		}
	}
	seconds := int(time.Since(begun)/time.Second) + 1
	if n := len(o.requests("")) - before; n > seconds || refused == 0 {
		t.Errorf("%d requests at the origin in %d s, %d refused", n, seconds, refused)
	}
	down.Store(false)
	eventually(t, "it is asked again", func() bool { return s.get("/x").status == 200 })
	s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; detail=no-store", "body")
	equal(t, "breaker", s.metric("upstream_breaker_open"), 0)
	equal(t, "opened", s.metric("upstream_breaker_opened_total"), 1)
}

// A read that takes long is sent a second time; the first answer counts.
func TestHedge(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	held, release := gate(t)
	o.says("/quick", reply("quick", "Cache-Control: no-store"))
	o.on("/slow", func(c *call) {
		if c.nth == 1 {
			<-held
		}
		c.say(reply(fmt.Sprint("answer ", c.nth), "Cache-Control: max-age=60"))
	})
	s := nearside(t, o.env(), "HEDGE_AFTER=50ms")
	for range 20 {
		s.get("/quick")
	}
	s.get("/slow").wants(200, "fwd=uri-miss; fwd-status=200; stored", "answer 2")
	release()
	s.settled()
	s.get("/slow").wants(200, "hit; detail=L1", "answer 2")
	equal(t, "requests at the origin", o.count("/slow"), 2)
	equal(t, "won", s.metric(`upstream_hedges_total{result="won"}`), 1)
}
