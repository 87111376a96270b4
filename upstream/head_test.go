package upstream

import (
	"bytes"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"
	"testing"
	"time"
)

func decodeChunks(t *testing.T, chunks string) string {
	t.Helper()
	b, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(chunks)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// answerTo asks an origin that answers once with raw and closes.
func answerTo(t *testing.T, raw string, method ...string) *answer {
	t.Helper()
	o, _ := origin(t, func(p *peer) {
		p.request()
		p.say(raw)
	})
	req := get("/")
	if len(method) > 0 {
		req.Method = []byte(method[0])
	}
	return ask(o, req)
}

func TestHeaderArrivesAsTheOriginWroteIt(t *testing.T) {
	a := answerTo(t, "HTTP/1.1 200 Fine\r\n"+
		"date: Thu, 01 Jan 1970 00:00:00 GMT\r\nETag: \"x\"\r\nContent-Encoding: gzip\r\nset-cookie: a=1\r\ncontent-encoding: br\r\n"+
		"Content-Type: a/b\r\nSet-Cookie: b=2\r\nContent-Type: c/d\r\nServer: me\r\nx-odd_name!: \xff\r\nEmpty:\r\nTight:1\r\nWide: \t 2 \t\r\n"+
		"Content-Length: 2\r\n\r\nok")
	wantBody(t, a, "ok")
	want := header("date: Thu, 01 Jan 1970 00:00:00 GMT", "ETag: \"x\"", "Content-Encoding: gzip", "set-cookie: a=1", "content-encoding: br",
		"Content-Type: a/b", "Set-Cookie: b=2", "Content-Type: c/d", "Server: me", "x-odd_name!: \xff", "Empty: ", "Tight: 1", "Wide: 2")
	if a.Status != 200 || !bytes.Equal(a.Header, want) {
		t.Errorf("got %d, %q", a.Status, a.Header)
	}
	if got := parsed(t, a.Header).Values("set-cookie"); len(got) != 2 {
		t.Errorf("another parser sees %q", got)
	}
}

func TestResponseHygiene(t *testing.T) {
	a := answerTo(t, "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: x-hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n"+
		"Proxy-Authenticate: Basic\r\nProxy-Authentication-Info: x\r\nProxy-Authorization: x\r\nTE: x\r\nTrailer: X-Sum\r\nUpgrade: h2c\r\n"+
		"Proxy-Status: kept\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
	wantBody(t, a, "ok")
	if want := "A: 1\r\nProxy-Status: kept\r\n"; string(a.Header) != want {
		t.Errorf("got %q", a.Header)
	}
}

func TestTolerated(t *testing.T) {
	for raw, want := range map[string]string{
		"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok":                                                                            "",
		"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok":                                                                           "",
		"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok":                                                                         "",
		"HTTP/1.0 200 OK\r\n\r\nok":                                                                                              "",
		"HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\n\t3 \r\nContent-Length: 2\r\n\r\nok":                                                   "A: 1 2 3\r\n",
		"HTTP/1.1 200 OK\r\nA : 1\r\nContent-Length : 2\r\n\r\nok":                                                               "A: 1\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 002\r\n\r\nok":                                                                       "",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=\"b\"\r\nok\r\n000\r\n\r\n":                                    "",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok": "",
	} {
		a := answerTo(t, raw)
		if a.err != nil || a.body != "ok" || a.Status != 200 || string(a.Header) != want {
			t.Errorf("%q: got %d %q %q, %v", raw, a.Status, a.Header, a.body, a.err)
		}
	}
}

func TestBadResponses(t *testing.T) {
	for _, raw := range []string{
		"SSH-2.0-x\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 O\x00K\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nA b: 1\r\n\r\n", "HTTP/1.1 200 OK\r\n A: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: 1\rB: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nA: 1\nB: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \x1b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: 1\r\n \x00\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nA: 1\r\n 2\n\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n 3\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nConnection: " + strings.Repeat("x,", 100) + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", maxHead) + "\r\n\r\n",
		strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxInterim+1) + ok,
	} {
		a := answerTo(t, raw)
		if kindOf(a.err) != "bad-response" {
			t.Errorf("%.80q: got %d %q, %v", raw, a.Status, a.body, a.err)
		}
	}
}

func TestLargeHeader(t *testing.T) {
	value := strings.Repeat("x", 1000)
	var lines []string
	for i := range 60 {
		lines = append(lines, "X-"+strconv.Itoa(i)+": "+value)
	}
	want := header(lines...)
	a := answerTo(t, "HTTP/1.1 200 OK\r\n"+string(want)+"Content-Length: 2\r\n\r\nok")
	wantBody(t, a, "ok")
	if !bytes.Equal(a.Header, want) {
		t.Errorf("%d bytes of %d arrived", len(a.Header), len(want))
	}
}

func TestHeaderInSmallPieces(t *testing.T) {
	const raw = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 2\r\n\r\nok"
	o, _ := origin(t, func(p *peer) {
		p.request()
		for _, c := range raw {
			p.say(string(c))
			time.Sleep(100 * time.Microsecond)
		}
	})
	a := ask(o, get("/"))
	wantBody(t, a, "ok")
	if string(a.Header) != "A: 1\r\n" {
		t.Errorf("got %q", a.Header)
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nConnection: a\r\nContent-Length: 2\r\n\r\n")
	f.Add("HTTP/1.0 200\r\nTransfer-Encoding: chunked\r\n\r\n")
	f.Fuzz(func(t *testing.T, raw string) {
		if !strings.HasSuffix(raw, "\r\n\r\n") || strings.Index(raw, "\r\n\r\n") != len(raw)-4 || !plausible([]byte(raw)) {
			return
		}
		var h head
		out, e := h.parse(nil, []byte(raw))
		if e != nil {
			return
		}
		if bytes.ContainsAny(out, "\x00") || bytes.Count(out, []byte("\r")) != bytes.Count(out, []byte("\n")) {
			t.Fatalf("%q became %q", raw, out)
		}
		for rest := out; len(rest) > 0; {
			name, _, size, ok := cutField(rest)
			if !ok || hopByHop(name) || equalFold(name, "content-length") {
				t.Fatalf("%q became %q", raw, out)
			}
			rest = rest[size:]
		}
	})
}
