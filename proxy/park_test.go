package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// parking is a server on a real listener, and a client that it has answered.
type parking struct {
	t    *testing.T
	s    *Server
	lot  *lot
	conn net.Conn
	in   *bufio.Reader
	over chan error
}

func newParking(t *testing.T, idle time.Duration) *parking {
	t.Helper()
	s, l1 := newTestServer(t, nil)
	s.http.IdleTimeout = idle
	putEntry(t, l1, "/a.json?id=17", usualHeader, "content")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &parking{t: t, s: s, lot: newLot(ln), over: make(chan error, 1)}
	go func() { p.over <- s.http.Serve(p.lot) }()
	t.Cleanup(p.stop)
	if p.conn, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.conn.Close() })
	_ = p.conn.SetDeadline(time.Now().Add(time.Minute)) // the reads tell
	p.in = bufio.NewReader(p.conn)
	p.say(usualRequest)
	p.answered()
	return p
}

// stop shuts the server down.
func (p *parking) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.s.Shutdown(ctx, 0); err != nil {
		p.t.Error(err)
	}
	if err := <-p.over; err != nil {
		p.t.Error(err)
	}
	p.over <- nil // for the next call
}

func (p *parking) say(raw string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, raw); err != nil {
		p.t.Fatal(err)
	}
}

// answered reads the answer to one request.
func (p *parking) answered() {
	p.t.Helper()
	r, err := http.ReadResponse(p.in, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err := io.ReadAll(r.Body); r.StatusCode != 200 || string(body) != "content" || err != nil {
		p.t.Fatalf("%d %q %v", r.StatusCode, body, err)
	}
}

// parked waits until the connection is, and fasthttp has none.
func (p *parking) parked() {
	p.t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		p.lot.mu.Lock()
		n := len(p.lot.parked)
		p.lot.mu.Unlock()
		if n == 1 && p.s.http.GetOpenConnectionsCount() == 0 {
			return
		}
		if time.Since(began) > 30*time.Second {
			p.t.Fatalf("%d connections are parked, %d are not", n, p.s.http.GetOpenConnectionsCount())
		}
	}
}

// A connection that was parked serves as before, whatever the pieces in which its next request comes.
func TestParked(t *testing.T) {
	p := newParking(t, time.Minute)
	large := strings.Replace(usualRequest, "User-Agent:", "X: "+strings.Repeat("x", 20<<10)+"\r\nUser-Agent:", 1)
	for _, pieces := range [][]string{
		{usualRequest},
		{usualRequest[:1], usualRequest[1:]},
		{large},
		{usualRequest + usualRequest[:20], usualRequest[20:] + usualRequest},
	} {
		p.parked()
		for _, piece := range pieces {
			p.say(piece)
			time.Sleep(10 * time.Millisecond) // so that it is read alone, mostly
		}
		for range strings.Count(strings.Join(pieces, ""), "GET ") {
			p.answered()
		}
	}
}

// A parked connection ends with the listener, with its client, and when it was idle for too long.
func TestParkedEnds(t *testing.T) {
	gone := func(p *parking) {
		p.t.Helper()
		if _, err := p.in.ReadByte(); err != io.EOF {
			p.t.Errorf("want the connection closed, got %v", err)
		}
		p.lot.mu.Lock()
		defer p.lot.mu.Unlock()
		if len(p.lot.parked) > 0 {
			p.t.Error("it is still parked")
		}
	}
	t.Run("listener", func(t *testing.T) {
		t.Parallel()
		p := newParking(t, time.Minute)
		p.parked()
		p.stop()
		gone(p)
	})
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		p := newParking(t, time.Minute)
		p.parked()
		if err := p.conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		gone(p)
	})
	t.Run("idle timeout", func(t *testing.T) {
		t.Parallel()
		gone(newParking(t, parkAfter+200*time.Millisecond))
	})
}
