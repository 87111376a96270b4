package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const upTo = "Cache-Control: max-age=60\r\n"

// A body that breaks off is never answered as if it were whole, and never stored: a small one becomes 502, a large
// one a cut connection.
func TestTruncatedBodies(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	head := "HTTP/1.1 200 OK\r\n" + upTo
	half := pattern(200_000)
	for _, row := range []struct {
		name, raw string
		reset     bool
		status    int // 0: the client's connection is cut
	}{
		{"short of its length", head + "Content-Length: 10\r\n\r\nhalf", false, 502},
		{"short of its length by all", head + "Content-Length: 10\r\n\r\n", false, 502},
		{"reset within its length", head + "Content-Length: 10\r\n\r\nhalf", true, 502},
		{"large and short", head + "Content-Length: 400000\r\n\r\n" + half, false, 0},
		{"large and reset", head + "Content-Length: 400000\r\n\r\n" + half, true, 0},
		{"chunks end early", head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false, 0},
		{"no end of the last chunk", head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", false, 0},
		{"chunk ends early", head + "Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", false, 0},
		{"bad chunk size", head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\nrest\r\n0\r\n\r\n", false, 0},
		{"chunk longer than its size", head + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalfmore\r\n0\r\n\r\n", false, 0},
		{"chunk size that overflows", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhalf", false, 0},
	} {
		target := "/" + strings.ReplaceAll(row.name, " ", "-")
		o.on(target, func(c *call) {
			if c.nth > 1 {
				c.say(reply("whole", "Cache-Control: max-age=60"))
				return
			}
			c.say(row.raw)
			if row.reset {
				c.reset()
			}
			c.done = true
		})
		c := dial(t, s.addr)
		r, err := c.exchange(request("GET " + target))
		switch {
		case row.status != 0 && (err != nil || r.status != row.status || r.cut != nil):
			t.Errorf("%s: %v %+v, want %d", row.name, err, r, row.status)
		case row.status == 0 && err == nil && r.cut == nil && r.status == 200:
			t.Errorf("%s: the client got %d bytes as if they were all", row.name, len(r.body))
		}
		s.settled()
		second := s.get(target)
		equal(t, row.name+": Cache-Status of the next read", second.cache(), "fwd=uri-miss; fwd-status=200; stored")
		equal(t, row.name+": body of the next read", second.body, "whole")
		equal(t, row.name+": requests at the origin", o.count(target), 2)
	}
}

// The same of what is not stored, for whatever reason.
func TestTruncatedUnstored(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env(), "MAX_OBJECT_BYTES=50", "BYPASS_HEADERS=X-Own")
	for i, row := range []struct{ request, cc string }{
		{request("GET /0"), "no-store"},
		{request("GET /1"), "max-age=60"}, // too large
		{request("GET /2", "Authorization: x"), "max-age=60"},
		{request("GET /3", "Cache-Control: no-store"), "max-age=60"},
		{request("GET /4", "X-Own: 1"), "max-age=60"},
		{request("GET /5", "Range: bytes=0-1,5-6"), "max-age=60"},
		{request("POST /6", "Content-Length: 1") + "x", "no-store"},
	} {
		target := fmt.Sprint("/", i)
		o.on(target, func(c *call) {
			c.say("HTTP/1.1 200 OK\r\nCache-Control: " + row.cc + "\r\nContent-Length: 100\r\n\r\nshort")
			c.done = true
		})
		if r, err := dial(t, s.addr).exchange(row.request); err != nil || r.status != 502 || r.cut != nil {
			t.Errorf("%s: %v %+v, want 502", row.request, err, r)
		}
		equal(t, target+": requests at the origin", o.count(target), 1)
	}
}

// A body that ends with the connection is passed on, and not stored: its end and an accident look the same.
func TestCloseDelimitedBody(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	for i, head := range []string{
		"HTTP/1.1 200 OK\r\n" + upTo,
		"HTTP/1.1 200 OK\r\nConnection: close\r\n" + upTo,
		"HTTP/1.0 200 OK\r\n" + upTo,
	} {
		target := fmt.Sprintf("/close/%d", i)
		o.on(target, func(c *call) {
			c.say(head + "\r\nup to the end")
			c.done = true
		})
		for n := range 2 {
			s.get(target).wants(200, "fwd=uri-miss; fwd-status=200; detail=incomplete", "up to the end")
			s.settled()
			equal(t, "requests at the origin", o.count(target), n+1)
		}
	}
}

// What an origin writes behind its answer reaches no other request, whether it comes at once or later.
func TestExtraBytes(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	later := make(chan *call, 1)
	foreign := reply("foreign", "Cache-Control: max-age=60")
	o.on("/at-once", func(c *call) { c.say(reply("own", "Cache-Control: no-store") + foreign) })
	o.on("/later", func(c *call) {
		c.say(reply("own", "Cache-Control: no-store"))
		later <- c
	})
	o.on("/empty", func(c *call) { c.say(reply("", "Status: 304") + foreign) })
	o.on("/next", func(c *call) { c.say(reply("own", "Cache-Control: no-store")) })
	s := nearside(t, o.env(), "UPSTREAM_MAX_CONNS=1")
	c := dial(t, s.addr)
	for range 50 {
		equal(t, "body", c.ask(request("GET /at-once")).body, "own")
		equal(t, "body of the next request", c.ask(request("GET /next")).body, "own")
		equal(t, "status", c.ask(request("GET /empty")).status, 304)
		equal(t, "body of the next request", c.ask(request("GET /next")).body, "own")

		equal(t, "body", c.ask(request("GET /later")).body, "own")
		select {
		case origin := <-later:
			origin.say(foreign)
		case <-time.After(patience):
			t.Fatal("the request did not reach the origin")
		}
		equal(t, "body of the next request", c.ask(request("GET /next")).body, "own")
	}
}

// Interim responses are not the answer.
func TestInterimResponses(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	o.says("/x", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+"HTTP/1.1 102 Processing\r\n\r\n"+"HTTP/1.1 100 Continue\r\n\r\n"+
		reply("final", "Cache-Control: max-age=60"))
	o.says("/switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nbytes")
	c := dial(t, s.addr)
	c.ask(request("GET /x")).wants(200, "fwd=uri-miss; fwd-status=200; stored", "final")
	s.settled()
	r := c.ask(request("GET /x"))
	r.wants(200, "hit; detail=L1", "final")
	equal(t, "Link of the interim response", r.field("Link"), "")
	equal(t, "status when the origin switches protocols unasked", s.get("/switch").status, 502)
}

// Answers that cannot be understood for certain are errors, and not stored.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	for i, raw := range []string{
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + upTo + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/1.1 200 OK\r\n" + upTo + "Content-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + upTo + "Content-Length: 1x\r\n\r\na",
		"HTTP/1.1 200 OK\r\n" + upTo + "A B: 1\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + upTo + "A\x00: 1\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + upTo + "no colon\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n" + upTo + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + upTo + "X: 1\r\n",
	} {
		target := fmt.Sprintf("/bad/%d", i)
		o.on(target, func(c *call) {
			if c.nth > 1 {
				c.say(reply("good", "Cache-Control: max-age=60"))
				return
			}
			c.say(raw)
			c.done = true
		})
		r := s.get(target)
		equal(t, fmt.Sprintf("status for %q", raw), r.status, 502)
		s.settled()
		equal(t, "requests at the origin", o.count(target), 1)
		s.get(target).wants(200, "fwd=uri-miss; fwd-status=200; stored", "good")
	}
}

// Clients that speak HTTP/1.0 get no chunks, and keep their connection only if they ask for that.
func TestHTTP10Clients(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	o.says("/length", reply("length", "Cache-Control: max-age=60"))
	o.says("/chunked", chunked("in chunks", 4, "Cache-Control: no-store"))
	o.says("/stored", chunked("in chunks", 4, "Cache-Control: max-age=60"))
	s.get("/stored")
	s.settled()
	for _, row := range []struct{ target, body string }{
		{"/length", "length"}, {"/chunked", "in chunks"}, {"/stored", "in chunks"},
	} {
		for _, keep := range []bool{false, true} {
			c := dial(t, s.addr)
			raw := "GET " + row.target + " HTTP/1.0\r\nHost: client.test\r\n"
			if keep {
				raw += "Connection: keep-alive\r\n"
			}
			r := c.ask(raw + "\r\n")
			what := fmt.Sprintf("%s, keep-alive %v", row.target, keep)
			equal(t, what+": status", r.status, 200)
			equal(t, what+": body", r.body, row.body)
			equal(t, what+": sent in chunks", r.chunked, false)
			if r.field("Content-Length") != "" && keep {
				equal(t, what+": Connection", strings.ToLower(r.field("Connection")), "keep-alive")
				equal(t, what+": body on the same connection", c.ask(raw+"\r\n").body, row.body)
			} else if !c.ended() {
				t.Errorf("%s: the connection goes on", what)
			}
		}
	}
	equal(t, "protocol at the origin", strings.Contains(o.last("/length").head, " HTTP/1.1\r\n"), true)
	contains(t, "request at the origin", o.last("/length").head, "Via: 1.0 nearside-")
	equal(t, "HTTP/1.0 without Host", s.send("GET /length HTTP/1.0\r\n\r\n").status, 200)
}

// Requests that stand in line on a connection are answered in their order, hits between misses, bodies between
// streams.
func TestPipelining(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.readBody()
		c.say(reply(c.method+" "+c.target+" "+c.body, "Cache-Control: max-age=60"))
	})
	large := pattern(200_000)
	o.says("/large", reply(large, "Cache-Control: no-store"))
	s := nearside(t, o.env())
	s.get("/hit")
	s.settled()
	body := pattern(50_000)
	c := dial(t, s.addr)
	raw := request("GET /hit") + request("GET /miss/1") + request("GET /large") +
		request("POST /p", fmt.Sprintf("Content-Length: %d", len(body))) + body +
		request("GET /hit") + request("HEAD /hit") +
		request("POST /p", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n" + request("GET /miss/2")
	go func() { _ = c.send(raw) }() // an error shows in what comes back
	for i, want := range []string{"GET /hit ", "GET /miss/1 ", large, "POST /p " + body, "GET /hit ", "", "POST /p abc", "GET /miss/2 "} {
		method := "GET"
		if want == "" {
			method = "HEAD"
		}
		r, err := c.read(method)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		equal(t, fmt.Sprintf("answer %d", i), r.body, want)
	}
	equal(t, "requests for the hit", o.count("/hit"), 1)
}
