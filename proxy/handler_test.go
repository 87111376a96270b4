package proxy

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/pool"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/tiers/memory"
	"github.com/nearside-cache/nearside/upstream"
)

// newTestServer makes a Server with an L1, in front of an upstream that nothing listens at.
func newTestServer(tb testing.TB, change func(*Parts)) (*Server, *memory.Tier) {
	tb.Helper()
	l1 := memory.New(memory.Config{MaxBytes: 64 << 20})
	p := Parts{
		Config:    Config{RewriteLocation: true, MaxObjectBytes: 8 << 20, QueueBytes: 64 << 20},
		Stack:     &tiers.Stack{Near: l1},
		Upstream:  upstream.Config{Timeout: time.Second, ConnectTimeout: time.Second, MaxConns: 8},
		Fills:     pool.New(pool.Config{Name: "fill"}),
		FarFills:  pool.New(pool.Config{Name: "fill-l2"}),
		Refreshes: pool.New(pool.Config{Name: "refresh"}),
		Log:       slog.New(slog.DiscardHandler),
	}
	if err := p.Upstream.URL.UnmarshalText([]byte("http://127.0.0.1:9/base")); err != nil {
		tb.Fatal(err)
	}
	p.Invalidation = purged
	if change != nil {
		change(&p)
	}
	var err error
	if p.Origin, err = upstream.New(p.Upstream); err != nil {
		tb.Fatal(err)
	}
	return NewServer(New(p)), l1
}

// purged is the log of the tests' servers.
var purged = invalidation.New(invalidation.Config{Index: 1000}, nil, slog.New(slog.DiscardHandler))

func putEntry(tb testing.TB, l1 *memory.Tier, target, header, body string) *tiers.Entry {
	tb.Helper()
	e := &tiers.Entry{
		Key: tiers.Key("GET http://127.0.0.1:9/base" + target), Status: 200,
		Header: tiers.Header(header), Body: []byte(body), Born: tiers.Now(), Lifetime: time.Hour,
	}
	purged.Stamp(e, purged.Now())
	if err := l1.Put(tb.Context(), e); err != nil {
		tb.Fatal(err)
	}
	return e
}

// script is a client's connection that sends the same request n times and counts what it gets back.
type script struct {
	net.Conn
	request []byte
	left    int
	unread  []byte
	got     bytes.Buffer
	keep    bool
	sent    int64
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.unread) == 0 {
		if s.left == 0 {
			return 0, io.EOF
		}
		s.left--
		s.unread = s.request
	}
	n := copy(p, s.unread)
	s.unread = s.unread[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.sent += int64(len(p))
	if s.keep {
		s.got.Write(p)
	}
	return len(p), nil
}

func (*script) Close() error                     { return nil }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }
func (*script) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (*script) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// ask sends raw on a connection of its own and returns what comes back.
func ask(tb testing.TB, s *Server, raw string) string {
	tb.Helper()
	c := &script{request: []byte(raw), left: 1, keep: true}
	if err := s.http.ServeConn(c); err != nil && err != io.EOF {
		tb.Logf("connection ended: %v", err)
	}
	return c.got.String()
}

const usualHeader = "Server: nginx/1.22.1\r\nContent-Type: application/json\r\nDate: Mon, 23 Nov 2026 22:53:46 GMT\r\n" +
	"Last-Modified: Mon, 23 Nov 2026 22:53:45 GMT\r\nETag: \"6b04c3f9-400\"\r\nCache-Control: public, max-age=3600\r\nAccept-Ranges: bytes\r\n"

const usualRequest = "GET /a.json?id=17 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: test/1.0\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n\r\n"

func TestHitKeepsEveryField(t *testing.T) {
	s, l1 := newTestServer(t, nil)
	putEntry(t, l1, "/a.json?id=17", usualHeader+"X-two: 1\r\nX-Two: 2\r\nSet-Cookie: a=b\r\n", "content")
	got := ask(t, s, usualRequest)
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	for _, want := range []string{
		"HTTP/1.1 200 OK\r\n", "\r\nDate: Mon, 23 Nov 2026 22:53:46 GMT\r\n", "\r\nETag: \"6b04c3f9-400\"\r\n",
		"\r\nX-two: 1\r\nX-Two: 2\r\n", "\r\nSet-Cookie: a=b", "\r\nAge: 0\r\n", "\r\nContent-Length: 7\r\n",
		"\r\nCache-Status: nearside; hit; ttl=3600; detail=L1", "\r\nVia: 1.1 nearside-",
	} {
		if !strings.Contains(head+"\r\n", want) {
			t.Errorf("no %q in\n%s", want, head)
		}
	}
	if body != "content" {
		t.Errorf("body %q", body)
	}
	if n := strings.Count(head, "\r\nDate:"); n != 1 {
		t.Errorf("%d Date lines", n)
	}
}

// TestRequestsRefused has one raw request a row, and the status code that it must get without anything going upstream.
func TestRequestsRefused(t *testing.T) {
	s, _ := newTestServer(t, nil)
	loop := "Via: 1.1 " + string(s.h.pseudonym) + "\r\n"
	for _, row := range []struct{ name, request, want string }{
		{"connect", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405"},
		{"trace", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "405"},
		{"version 2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
		{"user in host", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400"},
		{"obs-fold", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", "400"},
		{"space in name", "GET / HTTP/1.1\r\nHost: h\r\nX Y: a\r\n\r\n", "400"},
		{"space before colon", "GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n", "400"},
		{"length and coding", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "400"},
		{"fragment", "GET /#a HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
		{"no path", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
		{"star for GET", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
		{"other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
		{"expectation", "GET / HTTP/1.1\r\nHost: h\r\nExpect: much\r\n\r\n", "417"},
		{"loop", "GET / HTTP/1.1\r\nHost: h\r\n" + loop + "\r\n", "508"},
		{"last hop", "OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n", "200"},
		{"only if cached", "GET / HTTP/1.1\r\nHost: h\r\nCache-Control: only-if-cached\r\n\r\n", "504"},
		{"long header", "GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("a", maxHeaderBytes) + "\r\n\r\n", "431"},
	} {
		got := ask(t, s, row.request)
		if !strings.HasPrefix(got, "HTTP/1.1 "+row.want+" ") {
			t.Errorf("%s: want %s, got %.60q", row.name, row.want, got)
		}
	}
	if n := s.h.Origin.Stats().Requests; n != 0 {
		t.Errorf("%d requests went upstream", n)
	}
}

func TestUpstreamAway(t *testing.T) {
	s, _ := newTestServer(t, nil)
	if got := ask(t, s, usualRequest); !strings.HasPrefix(got, "HTTP/1.1 502 ") || !strings.Contains(got, "fwd=uri-miss; detail=refused") {
		t.Errorf("got %s", got)
	}
}

func BenchmarkHit(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, l1 := newTestServer(b, nil)
			putEntry(b, l1, "/a.json?id=17", usualHeader, strings.Repeat("x", size))
			c := &script{request: []byte(usualRequest), left: b.N}
			b.ReportAllocs()
			b.ResetTimer()
			_ = s.http.ServeConn(c)
			if c.sent < int64(size*b.N) {
				b.Fatal("not all hits were served")
			}
		})
	}
}
