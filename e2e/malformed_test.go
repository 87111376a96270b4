package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// What is not HTTP is refused here, and none of it reaches the origin.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) { c.say(reply("x", "Cache-Control: no-store")) })
	s := nearside(t, o.env())
	const line, host, end = "GET /x HTTP/1.1\r\n", "Host: client.test\r\n", "\r\n"
	for _, row := range []struct {
		name, raw string
		status    int
	}{
		{"obs-fold", line + host + "A: 1\r\n 2\r\n" + end, 400},
		{"obs-fold with a tab", line + host + "A: 1\r\n\t2\r\n" + end, 400},
		{"obs-fold in the first line", line + " A: 1\r\n" + host + end, 400},
		{"space in a name", line + host + "A B: 1\r\n" + end, 400},
		{"space before the colon", line + host + "A : 1\r\n" + end, 400},
		{"no colon", line + host + "A\r\n" + end, 400},
		{"no name", line + host + ": 1\r\n" + end, 400},
		{"NUL in a value", line + host + "A: \x00\r\n" + end, 400},
		{"CR in a value", line + host + "A: 1\r2\r\n" + end, 400},
		{"CL and TE", "POST /x HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"two lengths", "POST /x HTTP/1.1\r\n" + host + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400},
		{"length with a sign", "POST /x HTTP/1.1\r\n" + host + "Content-Length: +4\r\n\r\nabcd", 400},
		{"negative length", "POST /x HTTP/1.1\r\n" + host + "Content-Length: -4\r\n\r\nabcd", 400},
		{"length in words", "POST /x HTTP/1.1\r\n" + host + "Content-Length: four\r\n\r\nabcd", 400},
		{"unknown coding", "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\nabcd", 0},
		{"coding twice", "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{"xchunked", "POST /x HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0},
		{"coding in HTTP/1.0", "POST /x HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"HTTP/2.0", "GET /x HTTP/2.0\r\n" + host + end, 505},
		{"HTTP/1.2", "GET /x HTTP/1.2\r\n" + host + end, 505},
		{"HTTP/0.9", "GET /x\r\n\r\n", 0},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
		{"no Host", line + end, 400},
		{"empty Host", line + "Host:\r\n" + end, 0},
		{"two Hosts", line + host + host + end, 400},
		{"user in Host", line + "Host: user@client.test\r\n" + end, 400},
		{"path in Host", line + "Host: client.test/x\r\n" + end, 400},
		{"space in Host", line + "Host: client.test x\r\n" + end, 400},
		{"comma in Host", line + "Host: a.test, b.test\r\n" + end, 400},
		{"target without slash", "GET x HTTP/1.1\r\n" + host + end, 400},
		{"asterisk for GET", "GET * HTTP/1.1\r\n" + host + end, 400},
		{"fragment", "GET /x#y HTTP/1.1\r\n" + host + end, 400},
		{"space in the target", "GET /x y HTTP/1.1\r\n" + host + end, 400},
		{"tab in the target", "GET /x\ty HTTP/1.1\r\n" + host + end, 400},
		{"NUL in the target", "GET /x\x00y HTTP/1.1\r\n" + host + end, 400},
		{"other scheme", "GET ftp://client.test/x HTTP/1.1\r\n" + host + end, 400},
		{"no authority", "GET http:///x HTTP/1.1\r\n" + host + end, 400},
		{"user in the target", "GET http://user@client.test/x HTTP/1.1\r\n" + host + end, 400},
		{"no method", " /x HTTP/1.1\r\n" + host + end, 400},
		{"method that is no token", "G@T /x HTTP/1.1\r\n" + host + end, 400},
		{"method with a colon", "GET: /x HTTP/1.1\r\n" + host + end, 400},
		{"bad chunk size", "POST /begun HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 0},
		{"header of 40 KB", line + host + "A: " + strings.Repeat("a", 40_000) + "\r\n" + end, 431},
		{"4,000 fields", line + host + strings.Repeat("A: 12345\r\n", 4_000) + end, 431},
		{"target of 40 KB", "GET /" + strings.Repeat("a", 40_000) + " HTTP/1.1\r\n" + host + end, 431},
	} {
		before := len(o.requests("")) - o.count("/begun") // that one is on its way before it shows
		c := dial(t, s.addr)
		r, err := c.exchange(row.raw)
		switch {
		case err != nil && row.status != 0:
			t.Errorf("%s: no answer: %v", row.name, err)
		case err != nil:
		case row.status != 0 && r.status != row.status, r.status < 400 || r.status > 599:
			t.Errorf("%s: status %d, want %d", row.name, r.status, row.status)
		case r.status != 431 && !c.ended():
			t.Errorf("%s: the connection goes on", row.name)
		}
		if n := len(o.requests("")) - o.count("/begun") - before; n != 0 {
			t.Errorf("%s: %d requests at the origin: %q", row.name, n, o.requests("")[before].head)
		}
		c.conn.Close()
	}
	equal(t, "status of a proper request afterwards", s.get("/fine").status, 200)
}

// A large header that is within the limit goes through, and so does a large one of the origin's.
func TestLargeHeaders(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	cookie := strings.Repeat("c", 24_000)
	o.says("/x", reply("body", "Cache-Control: max-age=60", "X-Large: "+strings.Repeat("l", 50_000)))
	for i := range 3 {
		r := s.get("/x", "Cookie: "+cookie)
		equal(t, "status", r.status, 200)
		equal(t, "X-Large", len(r.field("X-Large")), 50_000)
		equal(t, "Cookie at the origin", o.last("/x").field("Cookie"), cookie)
		s.settled()
		equal(t, "hit", strings.HasPrefix(r.cache(), "hit"), i > 0)
	}
	o.says("/y", reply("body", "X-Large: "+strings.Repeat("l", 70_000)))
	equal(t, "status when the origin's header is too large", s.get("/y").status, 502)
}

// Smuggled requests: whatever a front end might take for content, exactly one request goes upstream or none.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.readBody()
		c.say(reply("x", "Cache-Control: no-store"))
	})
	s := nearside(t, o.env())
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: client.test\r\n\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(smuggled))
	for _, framing := range []string{
		length,
		length + "Transfer-Encoding: identity\r\n",
		"Transfer-Encoding: chunked\r\n" + length,
		length + "Transfer-Encoding : chunked\r\n",
		length + "Transfer-Encoding:\tchunked\r\n",
		length + " Transfer-Encoding: chunked\r\n",
		length + "Transfer-Encoding\r\n: chunked\r\n",
		length + "X: y\r\n Transfer-Encoding: chunked\r\n",
		length + "Transfer-Encoding: xchunked\r\n",
		length + "Transfer-Encoding: chunked, identity\r\n",
		length + "Transfer_Encoding: chunked\r\n",
		length + "Content-Length: 0\r\n",
		"Content-Length: 0\r\n" + length,
		"Content-Length: 0x10\r\n",
		"Content_Length: 0\r\n" + length,
		"X: \nContent-Length: 0\r\n" + length,
	} {
		c := dial(t, s.addr)
		_, _ = c.exchange("POST /front HTTP/1.1\r\nHost: client.test\r\n" + framing + "\r\n" + smuggled) // whatever the answer
		c.conn.Close()
		equal(t, fmt.Sprintf("%q: smuggled requests", framing), o.count("/smuggled"), 0)
	}
}
