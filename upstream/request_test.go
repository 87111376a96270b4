package upstream

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// sentFor returns what the origin received for a request, head and body.
func sentFor(t *testing.T, req *Request, change ...func(*Config)) string {
	t.Helper()
	got := make(chan string, 1)
	o, s := origin(t, func(p *peer) {
		head, body := p.request()
		got <- head + body
		p.say(ok)
	}, func(c *Config) {
		for _, f := range change {
			f(c)
		}
	})
	wantBody(t, ask(o, req), "ok")
	return strings.ReplaceAll(<-got, s.Addr().String(), "ORIGIN")
}

func TestTargetIsSentByteForByte(t *testing.T) {
	for _, target := range []string{
		"/", "//evil.com/x", "///", "/a//b", "/a/../b", "/./a", "/..", "/%2F%2f", "/a%2Fb", "/a;b=1;c", "/x?", "/x??a=?", "/x?b=2&a=1&b=1",
		"/x?a=%20+%2B", "/x#y", "/ü", "/\xff", "/@:", "/http://x/", "/x?u=http://y/?z",
	} {
		if got := sentFor(t, get(target)); got != "GET "+target+" HTTP/1.1\r\nHost: ORIGIN\r\n\r\n" {
			t.Errorf("%s: got %q", target, got)
		}
	}
}

func TestBasePath(t *testing.T) {
	got := make(chan string, 1)
	s := serve(t, listen(t), func(p *peer) {
		for {
			head, _ := p.request()
			if head == "" {
				return
			}
			got <- strings.Fields(head)[1]
			p.say(ok)
		}
	})
	o := open(t, "http://"+s.Addr().String()+"/base%2F1/")
	for target, want := range map[string]string{"/x?y": "/base%2F1/x?y", "//x": "/base%2F1//x", "/../x": "/base%2F1/../x", "*": "*"} {
		req := get(target)
		if target == "*" {
			req.Method = []byte("OPTIONS")
		}
		wantBody(t, ask(o, req), "ok")
		if sent := <-got; sent != want {
			t.Errorf("%s: sent %s, want %s", target, sent, want)
		}
	}
}

func TestHost(t *testing.T) {
	for _, c := range []struct{ config, client, want string }{
		{"", "Client:1", "ORIGIN"},
		{"api.internal", "Client:1", "api.internal"},
		{"preserve", "Client:1", "Client:1"},
		{"preserve", "", "ORIGIN"},
	} {
		req := get("/")
		req.ClientHost = []byte(c.client)
		req.Header = header("Host: smuggled")
		got := sentFor(t, req, func(config *Config) { config.Host = c.config })
		if got != "GET / HTTP/1.1\r\nHost: "+c.want+"\r\n\r\n" {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestHeaderIsSentInOrder(t *testing.T) {
	req := get("/")
	req.Header = header("cookie: b=2", "X-A: 1", "accept:*/*", "x-a: 2", "Connection: x-hop, close", "X-Hop: 1", "If-None-Match: \"1\"", "Cookie: a=1", "Expect: 100-continue")
	req.Extra = header("Via: 1.1 near", "If-None-Match: \"2\"")
	req.Omit = func(name []byte) bool { return strings.EqualFold(string(name), "if-none-match") }
	want := "GET / HTTP/1.1\r\nHost: ORIGIN\r\n" +
		"cookie: b=2\r\nX-A: 1\r\naccept:*/*\r\nx-a: 2\r\nCookie: a=1\r\nVia: 1.1 near\r\nIf-None-Match: \"2\"\r\n\r\n"
	if got := sentFor(t, req); got != want {
		t.Errorf("got %q", got)
	}
}

// onlyReader hides every other method of a reader.
type onlyReader struct{ io.Reader }

func TestBodyFraming(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 8<<10) // 128 KiB: several pieces
	for _, c := range []struct {
		name, method string
		set          func(*Request)
		want         string // behind Host
	}{
		{"GET without", "GET", func(*Request) {}, "\r\n"},
		{"GET that claims a length", "GET", func(r *Request) { r.Header = header("Content-Length: 5") }, "\r\n"},
		{"POST without", "POST", func(*Request) {}, "Content-Length: 0\r\n\r\n"},
		{"PUT with empty bytes", "PUT", func(r *Request) { r.BodyBytes = []byte{} }, "Content-Length: 0\r\n\r\n"},
		{"DELETE without", "DELETE", func(*Request) {}, "\r\n"},
		{"unknown method without", "PURGE!", func(*Request) {}, "\r\n"},
		{"GET with bytes", "GET", func(r *Request) { r.BodyBytes = []byte("abc") }, "Content-Length: 3\r\n\r\nabc"},
		{"DELETE with bytes", "DELETE", func(r *Request) { r.BodyBytes = []byte("abc") }, "Content-Length: 3\r\n\r\nabc"},
		{"big bytes", "POST", func(r *Request) { r.BodyBytes = []byte(big) }, "Content-Length: 131072\r\n\r\n" + big},
		{"stream with length", "REPORT", func(r *Request) { r.Body, r.ContentLength = strings.NewReader("abcdef"), 4 }, "Content-Length: 4\r\n\r\nabcd"},
		{"big stream with length", "POST", func(r *Request) { r.Body, r.ContentLength = strings.NewReader(big), int64(len(big)) }, "Content-Length: 131072\r\n\r\n" + big},
		{"chunked", "OPTIONS", func(r *Request) { r.Body, r.ContentLength = onlyReader{strings.NewReader("abc")}, -1 }, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
		{"chunked and empty", "POST", func(r *Request) { r.Body, r.ContentLength = strings.NewReader(""), -1 }, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"client framing is not passed on", "POST", func(r *Request) {
			r.Header = header("Transfer-Encoding: chunked", "Content-Length: 9")
			r.BodyBytes = []byte("abc")
		}, "Content-Length: 3\r\n\r\nabc"},
	} {
		req := get("/")
		req.Method = []byte(c.method)
		c.set(req)
		if got := sentFor(t, req); got != c.method+" / HTTP/1.1\r\nHost: ORIGIN\r\n"+c.want {
			t.Errorf("%s: got %.200q", c.name, got)
		}
	}
}

func TestBigChunkedBodyArrivesWhole(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789\n"), 20<<10)
	req := get("/")
	req.Method = []byte("POST")
	req.Body, req.ContentLength = bytes.NewReader(body), -1
	_, chunks, _ := strings.Cut(sentFor(t, req), "\r\n\r\n")
	if got := decodeChunks(t, chunks); got != string(body) {
		t.Errorf("got %d bytes, want %d", len(got), len(body))
	}
}

func TestBadRequestsAreNotSent(t *testing.T) {
	o, s := origin(t, answering(ok))
	for name, req := range map[string]*Request{
		"no method":          {Target: []byte("/")},
		"method with space":  {Method: []byte("GET /x"), Target: []byte("/")},
		"CONNECT":            {Method: []byte("CONNECT"), Target: []byte("/")},
		"no target":          get(""),
		"authority target":   get("x:80"),
		"absolute target":    get("http://x/"),
		"asterisk with GET":  get("*"),
		"space in target":    get("/a b"),
		"CRLF in target":     get("/a\r\nX: y"),
		"NUL in target":      get("/\x00"),
		"CRLF in header":     {Method: []byte("GET"), Target: []byte("/"), Header: []byte("A: 1\r\n\r\nGET /x HTTP/1.1\r\n")},
		"space before colon": {Method: []byte("GET"), Target: []byte("/"), Header: header("Transfer-Encoding : chunked")},
		"obs-fold":           {Method: []byte("GET"), Target: []byte("/"), Header: header("A: 1", " B: 2")},
		"bad extra":          {Method: []byte("GET"), Target: []byte("/"), Extra: []byte("A: 1")},
		"length, no body":    {Method: []byte("GET"), Target: []byte("/"), ContentLength: 3},
	} {
		a := ask(o, req)
		if kindOf(a.err) != "bad-request" {
			t.Errorf("%s: %v", name, a.err)
		}
	}
	preserving := open(t, "http://"+s.Addr().String(), func(c *Config) { c.Host = "preserve" })
	for _, host := range []string{"a b", "a\r\nX: y", "a/b", "a@b", "a,b"} {
		req := get("/")
		req.ClientHost = []byte(host)
		wantKind(t, ask(preserving, req).err, BadRequest)
	}
	if n := s.accepted.Load(); n != 0 {
		t.Errorf("%d connections for requests that cannot be sent", n)
	}
}
