package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// parkAfter is how long a connection waits for its next request with all that serving one takes (50 KiB). After that it is
// parked: taken from fasthttp, as if it had ended, until its next request begins. New connections are parked, too.
const parkAfter = 250 * time.Millisecond

// lot is a listener whose connections are accepted when a request begins after they were parked.
type lot struct {
	net.Listener
	ready chan arrival
	done  chan struct{} // closed by Close

	mu     sync.Mutex
	parked map[*parkable]struct{} // nil once closed
}

// arrival is what Accept returns.
type arrival struct {
	conn net.Conn
	err  error
}

func newLot(ln net.Listener) *lot {
	l := &lot{Listener: ln, ready: make(chan arrival), done: make(chan struct{}), parked: map[*parkable]struct{}{}}
	go l.acceptNew()
	return l
}

// acceptNew parks new connections.
func (l *lot) acceptNew() {
	for {
		conn, err := l.Listener.Accept()
		if err == nil {
			c := &parkable{client: &client{Conn: conn}, lot: l, until: time.Now().Add(headerTimeout)}
			c.parks.Store(true)
			_ = c.Close() //nolint:errcheck // it is parked, or the listener is closed
		} else if !l.pass(arrival{err: err}) {
			return
		}
	}
}

// pass has Accept return a, and returns false when the listener is closed.
func (l *lot) pass(a arrival) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.done:
		if a.conn != nil {
			_ = a.conn.Close() //nolint:errcheck // nobody is there who could answer
		}
		return false
	}
}

// Accept returns a connection that is new, or whose next request has begun.
func (l *lot) Accept() (net.Conn, error) {
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close closes the listener and the parked connections.
func (l *lot) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parked == nil {
		return nil
	}
	close(l.done)
	for c := range l.parked {
		_ = c.Conn.Close() //nolint:errcheck // its request had not begun
	}
	l.parked = nil
	return l.Listener.Close()
}

// enter notes that c is parked, and leave that it is not. They return false when the listener is closed.
func (l *lot) enter(c *parkable) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parked == nil {
		return false
	}
	l.parked[c] = struct{}{}
	return true
}

func (l *lot) leave(c *parkable) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.parked, c)
	return l.parked != nil
}

// parkable is a client's connection.
type parkable struct {
	*client
	lot *lot

	idle  bool        // between two requests
	until time.Time   // when the idle timeout ends
	parks atomic.Bool // it is to be parked when fasthttp closes it

	first   [1]byte // of the request that ended the parking
	pending bool    // first was not read yet
}

// noteState tells a connection whether it is between two requests. It is fasthttp's ConnState.
func noteState(conn net.Conn, state fasthttp.ConnState) {
	if c, ok := conn.(*parkable); ok && (state == fasthttp.StateIdle || state == fasthttp.StateActive) {
		c.idle = state == fasthttp.StateIdle
	}
}

// SetReadDeadline sets it; that of an idle connection is reached by parking.
func (c *parkable) SetReadDeadline(t time.Time) error {
	if c.idle {
		c.until = t
		if early := time.Now().Add(parkAfter); early.Before(t) {
			t = early
		}
	}
	return c.Conn.SetReadDeadline(t)
}

// Read reads. It says that the connection has ended when it has to be parked.
func (c *parkable) Read(b []byte) (int, error) {
	if c.pending && len(b) > 0 {
		c.pending = false
		b[0] = c.first[0]
		return 1, nil
	}
	n, err := c.Conn.Read(b)
	if n == 0 && c.idle && errors.Is(err, os.ErrDeadlineExceeded) {
		c.parks.Store(true)
		err = io.EOF
	}
	return n, err
}

// Close closes the connection, or parks it.
func (c *parkable) Close() error {
	if !c.parks.CompareAndSwap(true, false) || !c.lot.enter(c) {
		return c.Conn.Close()
	}
	go c.park()
	return nil
}

// park waits for the first byte of the next request.
func (c *parkable) park() {
	err := c.Conn.SetReadDeadline(c.until)
	if err == nil {
		_, err = io.ReadFull(c.Conn, c.first[:])
	}
	if !c.lot.leave(c) || err != nil {
		_ = c.Conn.Close() //nolint:errcheck // the client is gone, or has been idle for too long
		return
	}
	c.idle, c.pending = false, true
	c.lot.pass(arrival{conn: c})
}
