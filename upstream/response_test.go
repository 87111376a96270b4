package upstream

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestFramings(t *testing.T) {
	for _, c := range []struct {
		name, method, raw string
		framing           Framing
		length            int64
		body              string
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Length, 3, "abc"},
		{"length 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Length, 0, ""},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", Chunked, -1, "abc"},
		{"chunked beats length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", Chunked, -1, "abc"},
		{"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nabc", UntilClose, -1, "abc"},
		{"until close, empty", "GET", "HTTP/1.0 200 OK\r\n\r\n", UntilClose, -1, ""},
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", None, 9, ""},
		{"HEAD without", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", None, -1, ""},
		{"HEAD chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None, -1, ""},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", None, -1, ""},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", None, 9, ""},
		{"error with body", "GET", "HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nabc", Length, 3, "abc"},
		{"above 599", "GET", "HTTP/1.1 799 No\r\nContent-Length: 3\r\n\r\nabc", Length, 3, "abc"},
	} {
		a := answerTo(t, c.raw, c.method)
		if a.err != nil || a.body != c.body || a.Framing != c.framing || a.ContentLength != c.length {
			t.Errorf("%s: got %v %d %q, %v", c.name, a.Framing, a.ContentLength, a.body, a.err)
		}
	}
}

func TestIncompleteBodies(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for raw, want := range map[string]Kind{
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n":    Truncated,
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc": Truncated,
		chunked:                               Truncated,
		chunked + "3":                         Truncated,
		chunked + "3\r\n":                     Truncated,
		chunked + "3\r\nab":                   Truncated,
		chunked + "3\r\nabc":                  Truncated,
		chunked + "3\r\nabc\r\n":              Truncated,
		chunked + "3\r\nabc\r\n0\r\n":         Truncated,
		chunked + "3\r\nabc\r\n0\r\nX: 1\r\n": Truncated,
		chunked + "x\r\nabc\r\n0\r\n\r\n":     BadChunk,
		chunked + "\r\n":                      BadChunk,
		chunked + "-3\r\nabc\r\n0\r\n\r\n":    BadChunk,
		chunked + "2\r\nabc\r\n0\r\n\r\n":     BadChunk,
		chunked + "3\nabc\r\n0\r\n\r\n":       BadChunk,
		chunked + "ffffffffffffffffff\r\n":    BadChunk,
		chunked + "0\r\nno colon\r\n\r\n":     BadChunk,
	} {
		a := answerTo(t, raw)
		if kindOf(a.err) != want.String() {
			t.Errorf("%q: got %q, %v; want %v", raw, a.body, a.err, want)
		}
		if want == Truncated && !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v is no io.ErrUnexpectedEOF", raw, a.err)
		}
		if n, err := a.Body.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("%q: the next Read gives %d, %v", raw, n, err)
		}
	}
}

func TestResetInTheMidstOfABody(t *testing.T) {
	for _, framing := range []string{"Content-Length: 9", "Transfer-Encoding: chunked", "X: until close"} {
		o, s := origin(t, func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\n" + framing + "\r\n\r\n3\r\nabc")
			time.Sleep(20 * time.Millisecond)
			p.reset()
		})
		wantKind(t, ask(o, get("/")).err, Truncated)
		if n := s.accepted.Load(); n != 1 {
			t.Errorf("%s: %d connections", framing, n)
		}
		if got := o.Stats(); got.Errors[Truncated] != 1 || got.Responses[2] != 1 {
			t.Errorf("%s: %+v", framing, got)
		}
	}
}

func TestSlowSteadyDownloadIsNotCut(t *testing.T) {
	for _, framing := range []string{"Content-Length: 20", "Transfer-Encoding: chunked", "X: until close"} {
		o, _ := origin(t, func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\n" + framing + "\r\n\r\n")
			piece := "x"
			if strings.HasSuffix(framing, "chunked") {
				piece = "1\r\nx\r\n"
			}
			for range 20 {
				time.Sleep(60 * time.Millisecond)
				p.say(piece)
			}
			if piece != "x" {
				p.say("0\r\n\r\n")
			}
		}, timeout(400*time.Millisecond))
		wantBody(t, ask(o, get("/")), strings.Repeat("x", 20))
	}
}

func TestStalledDownloadIsCut(t *testing.T) {
	for _, framing := range []string{"Content-Length: 20", "Transfer-Encoding: chunked", "X: until close"} {
		done := make(chan struct{})
		o, _ := origin(t, func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\r\n" + framing + "\r\n\r\n2\r\nab")
			<-done
		}, timeout(200*time.Millisecond))
		within(t, 200*time.Millisecond, 10*time.Second, func() { wantKind(t, ask(o, get("/")).err, ReadTimeout) })
		close(done)
	}
}

func TestDrippingHeaderMeetsOneDeadline(t *testing.T) {
	o, _ := origin(t, func(p *peer) {
		p.request()
		for p.say("HTTP/1.1 103 Early Hints\r\n\r\n") {
			time.Sleep(30 * time.Millisecond)
		}
	}, timeout(300*time.Millisecond))
	within(t, 300*time.Millisecond, 10*time.Second, func() { wantKind(t, ask(o, get("/")).err, HeaderTimeout) })
}

func TestCloseBeforeTheEndClosesTheConnection(t *testing.T) {
	o, s := origin(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"))
	var r Response
	for range 3 {
		if err := o.Do(get("/"), &r); err != nil {
			t.Fatal(err)
		}
		_, _ = r.Body.Read(make([]byte, 2))
		_ = r.Close()
		if _, err := r.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Fatalf("Read after Close: %v", err)
		}
	}
	if n := s.accepted.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
	if got := o.Stats(); got.Open != 0 || got.Idle != 0 {
		t.Errorf("left open: %+v", got)
	}
}

func TestFullyReadBodyGivesTheConnectionBack(t *testing.T) {
	for _, raw := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
	} {
		o, s := origin(t, answering(raw))
		for range 5 {
			if a := ask(o, get("/")); a.err != nil {
				t.Fatal(a.err)
			}
		}
		if n, got := s.accepted.Load(), o.Stats(); n != 1 || got.Dialed != 1 || got.Open != 1 || got.Idle != 1 {
			t.Errorf("%q: %d connections, %+v", raw, n, got)
		}
	}
}

func TestConnectionsThatMustNotBeReused(t *testing.T) {
	for _, raw := range []string{
		"HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	} {
		o, s := origin(t, answering(raw))
		for range 3 {
			wantBody(t, ask(o, get("/")), "abc")
		}
		if n := s.accepted.Load(); n != 3 {
			t.Errorf("%q: %d connections, want 3", raw, n)
		}
	}
}

func TestCancel(t *testing.T) {
	done := make(chan struct{})
	o, _ := origin(t, func(p *peer) {
		head, _ := p.request()
		if strings.Contains(head, "/body") {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
		}
		<-done
	})
	defer close(done)
	for _, target := range []string{"/header", "/body"} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		req := get(target)
		req.Context = ctx
		within(t, 0, 10*time.Second, func() { wantKind(t, ask(o, req).err, Canceled) })
		wantKind(t, ask(o, req).err, Canceled) // it has ended already
	}
	if got := o.Stats(); got.Open != 0 || got.Errors[Canceled] != 4 {
		t.Errorf("%+v", got)
	}
}

func TestContextThatDoesNotEndLeavesTheConnection(t *testing.T) {
	o, s := origin(t, answering(ok))
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		req := get("/")
		req.Context = ctx
		wantBody(t, ask(o, req), "ok")
		cancel()
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestLargeDownloadIsFlatInMemory(t *testing.T) {
	const size = 256 << 20
	o, _ := origin(t, func(p *peer) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n")
		piece := make([]byte, 1<<20)
		for range size / len(piece) {
			if _, err := p.Write(piece); err != nil {
				return
			}
		}
	})
	var r Response
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := o.Do(get("/"), &r); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r.Body)
	runtime.ReadMemStats(&after)
	if n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("allocated %d bytes on the way", grown)
	}
}

func TestPooledResponses(t *testing.T) {
	o, _ := origin(t, answering("HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 2\r\n\r\nok"))
	for range 100 {
		r := AcquireResponse()
		if err := o.Do(get("/"), r); err != nil || string(r.Header) != "A: 1\r\n" {
			t.Fatalf("%q, %v", r.Header, err)
		}
		b, err := io.ReadAll(r.Body)
		if string(b) != "ok" || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
		r.Release()
	}
}
