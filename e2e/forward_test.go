package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// The target goes upstream byte for byte, behind the base path.
func TestExactTargets(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) { c.say(reply("x", "Cache-Control: no-store")) })
	for _, base := range []string{"", "/base", "/a%2Fb/"} {
		s := nearside(t, "UPSTREAM_URL="+o.url(base))
		c := dial(t, s.addr)
		for _, target := range exactTargets {
			equal(t, "status of "+target, c.ask(request("GET "+target)).status, 200)
			calls := o.requests("")
			line, _, _ := strings.Cut(calls[len(calls)-1].head, "\r\n")
			equal(t, "request line at the origin", line, "GET "+strings.TrimSuffix(base, "/")+target+" HTTP/1.1")
		}
		s.stop()
	}
}

// The absolute-form is taken apart: its authority is the Host, the rest is the target (RFC 9112 §3.2.2).
func TestAbsoluteForm(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) { c.say(reply(c.target+" at "+c.field("Host"), "Cache-Control: max-age=60")) })
	s := nearside(t, o.env(), "UPSTREAM_HOST=preserve")
	for _, row := range []struct{ target, want string }{
		{"http://other.test/x?y", "/x?y at other.test"},
		{"http://other.test", "/ at other.test"},
		{"http://other.test?y", "/?y at other.test"},
		{"HTTP://other.test:81//x", "//x at other.test:81"},
		{"https://other.test/%2F", "/%2F at other.test"},
	} {
		s.get(row.target).wants(200, "fwd=uri-miss; fwd-status=200; stored", row.want)
	}
	s.settled()
	s.get("/x?y", "Host: other.test").wants(200, "hit; detail=L1", "/x?y at other.test")

	r := s.do("OPTIONS http://other.test")
	equal(t, "asterisk-form from a URL without path", r.body, "* at other.test")
}

// UPSTREAM_HOST chooses the Host that the origin sees; where it is the client's, it belongs to the key.
func TestUpstreamHost(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.say(reply(strings.Join(fieldValues(c.head, "Host"), ","), "Cache-Control: max-age=60"))
	})
	for _, row := range []struct{ setting, a, b string }{
		{"", o.addr(), o.addr()},
		{"preserve", "A.test:80", "b.test"},
		{"api.internal:9000", "api.internal:9000", "api.internal:9000"},
	} {
		s := nearside(t, o.env(), "UPSTREAM_HOST="+row.setting)
		equal(t, row.setting+": Host at the origin", s.get("/x", "Host: A.test:80").body, row.a)
		s.settled()
		r := s.get("/x", "Host: b.test")
		equal(t, row.setting+": Host at the origin", r.body, row.b)
		equal(t, row.setting+": hit", strings.HasPrefix(r.cache(), "hit"), row.a == row.b)
		s.stop()
	}
}

// Fields go on in both directions as they are, but for those that are about one connection (RFC 9110 §7.6.1).
func TestHopByHopFields(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	o.says("/x", reply("body", "Cache-Control: max-age=60", "Connection: X-Secret, Keep-Alive", "X-Secret: 1", "x-secret: 2",
		"Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Proxy-Connection: keep-alive", "Upgrade: h2c", "Trailer: X-Sum",
		"X-Kept: a", "Via: 1.1 inner", "X-Kept: b", "x-Odd_Name: v", "WWW-Authenticate: Basic"))
	got := s.get("/x", "Connection: X-Drop, close", "Connection: x-Also", "X-Drop: 1", "x-drop: 2", "X-ALSO: 3",
		"Keep-Alive: timeout=5", "TE: trailers", "Trailer: X-Sum", "Upgrade: websocket", "Proxy-Connection: keep-alive",
		"Proxy-Authorization: Basic x", "HTTP2-Settings: x", "X-Kept: a", "Via: 1.0 app", "x-kEPT: b", "X-Forwarded-For: 192.0.2.1",
		"Cookie: a=1", "Cookie: b=2", "X-Empty:", "User-Agent: test/1", "X-Utf8: ä")

	sent := o.last("/x")
	equal(t, "names of the fields at the origin", fieldNames(strings.SplitN(sent.head, "\r\n", 2)[1]),
		"Cookie Cookie Host User-Agent Via Via X-Empty X-Forwarded-For X-Kept X-Utf8 x-kEPT")
	contains(t, "request at the origin", sent.head, "X-Kept: a\r\n", "x-kEPT: b\r\n", "Cookie: a=1\r\nCookie: b=2\r\n",
		"X-Forwarded-For: 192.0.2.1\r\n", "Via: 1.0 app\r\n", "Via: 1.1 nearside-", "X-Utf8: ä\r\n", "User-Agent: test/1\r\n")

	equal(t, "connection ended as the client asked", got.field("Connection"), "close")
	s.get("/x") // nothing was stored: the request named fields that are not in the key
	s.settled()
	for _, r := range []*response{got, s.get("/x")} {
		equal(t, "X-Kept", r.field("X-Kept"), "a, b")
		equal(t, "x-Odd_Name", strings.Contains(r.head, "x-Odd_Name: v\r\n"), true)
		contains(t, "Via", r.field("Via"), "1.1 inner, 1.1 nearside-")
		for _, name := range []string{"X-Secret", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Upgrade", "Trailer"} {
			equal(t, name+" at the client", r.field(name), "")
		}
		equal(t, "WWW-Authenticate", r.field("WWW-Authenticate"), "Basic")
	}
	equal(t, "requests at the origin", o.count("/x"), 2)
	equal(t, "User-Agent where the client sent none", o.last("/x").field("User-Agent"), "")
}

// An Upgrade is ignored: the request goes on as the plain one that it also is (RFC 9110 §7.8).
func TestUpgradeIsStripped(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.says("/ws", reply("plain", "Cache-Control: no-store"))
	s := nearside(t, o.env())
	r := s.get("/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
	equal(t, "status", r.status, 200)
	equal(t, "body", r.body, "plain")
	equal(t, "Upgrade at the origin", o.last("/ws").field("Upgrade"), "")
	equal(t, "Connection at the origin", o.last("/ws").field("Connection"), "")
}

// All methods go on, with their content. (TestQuery is about QUERY.)
func TestMethods(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.readBody()
		c.say(reply(c.method+" "+c.target+" "+c.body, "Cache-Control: max-age=60"))
	})
	s := nearside(t, o.env())
	c := dial(t, s.addr)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "PURGE", "FROB", "get", "M-SEARCH", "X"} {
		for range 2 {
			r := c.ask(request(method+" /x", "Content-Length: 4") + "data")
			equal(t, method, r.body, method+" /x data")
			equal(t, method+": Cache-Status", withoutDetail(r.cache(), "fwd="), "fwd=method; fwd-status=200")
			r = c.ask(request(method+" /x", "Transfer-Encoding: chunked") + "4\r\nmore\r\n4\r\ndata\r\n0\r\n\r\n")
			equal(t, method+" in chunks", r.body, method+" /x moredata")
		}
	}
	for range 2 { // a GET with content is a request that the store has nothing to do with
		c.ask(request("GET /x", "Content-Length: 4")+"data").wants(200, "fwd=bypass; fwd-status=200", "GET /x data")
	}
	r := c.ask(request("OPTIONS *"))
	equal(t, "OPTIONS *", r.body, "OPTIONS * ")
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		c.ask(request(method+" /empty", "Content-Length: 0"))
		equal(t, method+" without content: Content-Length at the origin", o.last("/empty").field("Content-Length"), "0")
	}
	equal(t, "responses stored", s.metric("l1_entries"), 0)
}

// What this hop answers itself.
func TestAnsweredHere(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	for _, row := range []struct {
		line, field string
		status      int
	}{
		{"TRACE /x", "", 405},
		{"CONNECT x.test:443", "", 405},
		{"CONNECT /x", "", 405},
		{"OPTIONS /x", "Max-Forwards: 0", 200},
		{"OPTIONS *", "Max-Forwards: 0", 200},
		{"GET /x", "Expect: the-unexpected", 417},
	} {
		r := s.do(row.line, append(fields(row.field), "X-A: 1")...)
		equal(t, row.line+": status", r.status, row.status)
		equal(t, row.line+": requests at the origin", len(o.requests("")), 0)
		if r.status == 405 && r.field("Allow") == "" {
			t.Errorf("%s: no Allow", row.line)
		}
	}
	s.do("GET /x", "Max-Forwards: 0")
	equal(t, "Max-Forwards means nothing for GET", o.count("/x"), 1)
	s.do("OPTIONS /x", "Max-Forwards: 5")
	equal(t, "Max-Forwards of OPTIONS, one hop later", o.last("/x").field("Max-Forwards"), "4") // RFC 9110 §7.6.2
}

// Expect: 100-continue: the client is asked for its content, and the origin gets it.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.readBody()
		c.say(reply(fmt.Sprint(len(c.body)), "Cache-Control: no-store"))
	})
	s := nearside(t, o.env())
	for _, size := range []int{5, 300_000} {
		c := dial(t, s.addr)
		if err := c.send(request("PUT /up", "Expect: 100-continue", fmt.Sprintf("Content-Length: %d", size))); err != nil {
			t.Fatal(err)
		}
		interim, err := c.readAnyHead()
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "interim status", interim.status, 100)
		r := c.ask(pattern(size))
		equal(t, "status", r.status, 200)
		equal(t, "bytes at the origin", r.body, fmt.Sprint(size))
		equal(t, "content at the origin", o.last("/up").body, pattern(size))
		equal(t, "Expect at the origin", o.last("/up").field("Expect"), "")
	}
}

// A request whose Via names this process has been here before.
func TestLoop(t *testing.T) {
	t.Parallel()
	addr := freePort(t)
	s := nearside(t, "LISTEN_ADDR="+addr, "UPSTREAM_URL=http://"+addr)
	r := s.get("/x")
	equal(t, "status", r.status, 508)
	equal(t, "requests sent upstream", s.metric("upstream_requests_total"), 1)
	equal(t, "status again", s.get("/x").status, 508)

	o := newOrigin(t)
	o.says("/x", reply("body", "Cache-Control: max-age=60"))
	back := nearside(t, o.env())
	front := nearside(t, "UPSTREAM_URL=http://"+back.addr)
	r = front.get("/x", "Via: 1.1 nearside-00000000") // another's name is no loop
	equal(t, "status through two sidecars", r.status, 200)
	equal(t, "names in Via through two", len(fieldValues(o.last("/x").head, "Via")), 3)
	equal(t, "lines of Cache-Status through two", len(fieldValues(r.head, "Cache-Status")), 2)
	r.wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
}

// Location fields that point at the upstream lead through the sidecar.
func TestLocation(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	sidecars := map[string]*sidecar{}
	for _, base := range []string{"", "/base"} {
		for _, rewrite := range []string{"true", "false"} {
			sidecars[base+rewrite] = nearside(t, "UPSTREAM_URL="+o.url(base), "REWRITE_LOCATION="+rewrite)
		}
	}
	host, port, _ := strings.Cut(o.addr(), ":")
	upper := strings.ToUpper("http") + "://" + o.addr()
	for i, row := range []struct{ base, location, on string }{
		{"", o.url("/new?x#f"), "http://app.test:8080/new?x#f"},
		{"", o.url(""), "http://app.test:8080/"},
		{"", o.url("?x"), "http://app.test:8080/?x"},
		{"", upper + "/new", "http://app.test:8080/new"},
		{"", "//" + o.addr() + "/new", "http://app.test:8080/new"},
		{"", "/new", "/new"},
		{"", "new", "new"},
		{"", "../new?x", "../new?x"},
		{"", "http://other.test/new", "http://other.test/new"},
		{"", "https://" + o.addr() + "/new", "https://" + o.addr() + "/new"},
		{"", "http://" + host + "/new", "http://" + host + "/new"},
		{"", "http://" + host + "1:" + port + "/new", "http://" + host + "1:" + port + "/new"},
		{"", "http://user@" + o.addr() + "/new", "http://user@" + o.addr() + "/new"},
		{"", "mailto:a@b.test", "mailto:a@b.test"},
		{"/base", o.url("/base/new"), "http://app.test:8080/new"},
		{"/base", o.url("/base"), "http://app.test:8080/"},
		{"/base", o.url("/base?x"), "http://app.test:8080/?x"},
		{"/base", o.url("/basement"), o.url("/basement")},
		{"/base", o.url("/other"), o.url("/other")},
		{"/base", "/base/new", "/new"},
		{"/base", "/base", "/"},
		{"/base", "/base?x", "/?x"},
		{"/base", "/other", "/other"},
		{"/base", "/basement", "/basement"},
		{"/base", "new", "new"},
	} {
		for _, rewrite := range []string{"true", "false"} {
			target := fmt.Sprintf("/%d?%s", i, rewrite)
			o.says(row.base+target, reply("", "Status: 302", "Cache-Control: max-age=60", "Location: "+row.location))
			want := row.location
			if rewrite == "true" {
				want = row.on
			}
			s := sidecars[row.base+rewrite]
			for _, host := range []string{"app.test:8080", "app.test:8080", "second.test"} {
				r := s.get(target, "Host: "+host)
				s.settled()
				equal(t, fmt.Sprintf("base %q, %s, rewrite %s: Location", row.base, row.location, rewrite),
					r.field("Location"), strings.ReplaceAll(want, "app.test:8080", host))
			}
			equal(t, "requests at the origin", o.count(row.base+target), 1)
		}
	}
}
