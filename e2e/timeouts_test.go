package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// An upstream that does not answer in time is 504, one that is not there 502, and neither is asked twice.
func TestUpstreamAway(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("/hang", (*call).hang)
	o.on("/head", func(c *call) { c.say("HTTP/1.1 200 OK\r\nX-A: 1\r\n"); c.hang() })
	o.on("/small", func(c *call) { c.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"); c.hang() })
	s := nearside(t, o.env(), "UPSTREAM_TIMEOUT=300ms")
	for _, row := range []struct{ target, detail string }{
		{"/hang", "header-timeout"}, {"/head", "header-timeout"},
	} {
		begun := time.Now()
		r := s.get(row.target)
		took := time.Since(begun)
		equal(t, row.target+": status", r.status, 504)
		equal(t, row.target+": Cache-Status", r.cache(), "fwd=uri-miss; detail="+row.detail)
		contains(t, row.target, r.field("Via"), "nearside")
		equal(t, row.target+": requests at the origin", o.count(row.target), 1)
		if took < 300*time.Millisecond || took > 5*time.Second {
			t.Errorf("%s: 504 after %v", row.target, took)
		}
	}
	o.on("/storable", func(c *call) {
		c.say("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf")
		c.hang()
	})
	equal(t, "status of a small body that stands still", s.get("/storable").status, 504)

	o.close()
	r := s.get("/hang")
	equal(t, "status when refused", r.status, 502)
	equal(t, "Cache-Status when refused", r.cache(), "fwd=uri-miss; detail=refused")
	m := s.metrics()
	equal(t, "upstream errors: refused", m[`nearside_upstream_errors_total{kind="refused"}`], 1)
	equal(t, "upstream errors: header-timeout", m[`nearside_upstream_errors_total{kind="header-timeout"}`], 2)
	equal(t, "upstream errors: read-timeout", m[`nearside_upstream_errors_total{kind="read-timeout"}`], 1)
}

// A POST is sent once, whatever happens to it; a GET on a connection that died idle is sent again.
func TestRetries(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.readBody()
		c.say(reply("ok", "Cache-Control: no-store"))
		c.done = strings.HasPrefix(c.target, "/last")
	})
	o.on("/drop", func(c *call) { c.readBody(); c.done = true })
	s := nearside(t, o.env(), "UPSTREAM_MAX_CONNS=1")
	for i := range 20 {
		equal(t, "status on a connection that the origin closes", s.get(fmt.Sprintf("/last/%d", i)).status, 200)
		equal(t, "status of the POST behind it", s.send(request(fmt.Sprintf("POST /post/%d", i), "Content-Length: 1")+"x").status, 200)
		equal(t, "requests at the origin", o.count(fmt.Sprintf("/post/%d", i)), 1)
	}
	equal(t, "status of a POST that the origin drops", s.send(request("POST /drop", "Content-Length: 1")+"x").status, 502)
	equal(t, "times it was sent", o.count("/drop"), 1)
}

// A download that takes longer than UPSTREAM_TIMEOUT, but keeps moving, is never cut; one that stands still is.
func TestSlowDownload(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	const steps, step = 15, 10_000
	slowly := func(c *call, write func(part string)) {
		for range steps {
			write(pattern(step))
			time.Sleep(100 * time.Millisecond) // an origin that is slow
		}
	}
	o.on("/length", func(c *call) {
		c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", steps*step))
		slowly(c, c.say)
	})
	o.on("/chunked", func(c *call) {
		c.say("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n")
		slowly(c, func(part string) { c.say(fmt.Sprintf("%x\r\n%s\r\n", len(part), part)) })
		c.say("0\r\n\r\n")
	})
	o.on("/still", func(c *call) {
		c.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + pattern(500_000))
		c.hang()
	})
	s := nearside(t, o.env(), "UPSTREAM_TIMEOUT=700ms")
	want := strings.Repeat(pattern(step), steps)
	for _, target := range []string{"/length", "/chunked"} {
		begun := time.Now()
		r := s.get(target)
		equal(t, target+": body", r.body, want)
		if took := time.Since(begun); took < 1400*time.Millisecond {
			t.Errorf("%s: took %v: not slow enough to tell", target, took)
		}
	}
	if r := s.get("/still"); r.cut == nil {
		t.Error("a download that stands still came whole")
	}
}

// An upload that takes longer than UPSTREAM_TIMEOUT, but keeps moving, arrives.
func TestSlowUpload(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("/up", func(c *call) {
		c.readBody()
		c.say(reply(fmt.Sprint(len(c.body))))
	})
	s := nearside(t, o.env(), "UPSTREAM_TIMEOUT=500ms")
	c := dial(t, s.addr)
	if err := c.send(request("PUT /up", "Content-Length: 150000")); err != nil {
		t.Fatal(err)
	}
	for range 15 {
		if err := c.send(pattern(10_000)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // a client that is slow
	}
	r, err := c.read("PUT")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "bytes at the origin", r.body, "150000")
}

// Every connection is busy: a request waits for UPSTREAM_CONNECT_TIMEOUT, and is then told so. A hit is not.
func TestUpstreamFull(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	held, release := gate(t)
	o.on("/busy", func(c *call) { <-held; c.say(reply("late")) })
	o.says("/hit", reply("hit", "Cache-Control: max-age=60"))
	s := nearside(t, o.env(), "UPSTREAM_MAX_CONNS=1", "UPSTREAM_CONNECT_TIMEOUT=300ms")
	s.get("/hit")
	s.settled()
	busy := dial(t, s.addr)
	if err := busy.send(request("GET /busy")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the only connection is busy", func() bool { return o.count("/busy") == 1 })
	r := s.get("/other")
	equal(t, "status", r.status, 503)
	equal(t, "Retry-After", r.field("Retry-After"), "1")
	equal(t, "Cache-Status", r.cache(), "fwd=uri-miss; detail=no-conn")
	s.get("/hit").wants(200, "hit; detail=L1", "hit")
	release()
	late, err := busy.read("GET")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the request that kept it busy", late.body, "late")
	equal(t, "status afterwards", s.get("/other").status, 404)
}

// An upstream that takes no connection: what cannot be reached is 502 or 504 within the time for connecting.
func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Nobody accepts. TLS needs an answer: with it a connection is not established.
	s := nearside(t, "UPSTREAM_URL=https://"+l.Addr().String(), "UPSTREAM_CONNECT_TIMEOUT=300ms")
	begun := time.Now()
	r := s.get("/x")
	equal(t, "status", r.status, 504)
	equal(t, "Cache-Status", r.cache(), "fwd=uri-miss; detail=connect-timeout")
	if took := time.Since(begun); took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
