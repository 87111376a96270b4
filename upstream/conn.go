package upstream

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is one connection to the origin. HostClient keeps it between
// exchanges; during one, exactly one goroutine uses it. It adds three things
// to the net.Conn: a guard that sees what came while it was idle, deadlines
// that move with the bytes, and an end when a Context ends.
type conn struct {
	net.Conn
	raw     syscall.RawConn
	secure  bool
	timeout time.Duration
	born    time.Time
	open    *atomic.Int64
	closed  atomic.Bool

	release, discard func() // give it back to HostClient, for reuse or not

	peek   func(fd uintptr) // peekNow, bound once so that a guard does not allocate
	peeked error            // what it found; nil for bytes or the end of the stream
	probe  [1]byte

	used     bool        // has carried a request
	moving   bool        // each Read may take timeout, instead of all until readBy
	readBy   time.Time   // the read deadline that is set
	readErr  error       // of the last Read that failed
	canceled atomic.Bool // the exchange's Context ended
	forget   func() bool // takes the Context's hold off; nil without one
}

// Close closes the connection; again is allowed.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.open.Add(-1)
	return c.Conn.Close()
}

// begin starts an exchange.
func (c *conn) begin(ctx context.Context) {
	c.used, c.moving, c.readErr = true, false, nil
	if ctx != nil && ctx.Done() != nil {
		c.forget = context.AfterFunc(ctx, c.cancel)
	}
}

// cancel ends the exchange from outside. A deadline in the past would race with the
// ones that move; a closed socket stays closed. Close itself could wait for TLS.
func (c *conn) cancel() {
	c.canceled.Store(true)
	if secure, ok := c.Conn.(interface{ NetConn() net.Conn }); ok {
		_ = secure.NetConn().Close()
		return
	}
	_ = c.Conn.Close()
}

// end ends the exchange, and reports whether no Context can touch it any more.
func (c *conn) end() bool {
	if c.forget == nil {
		return true
	}
	untouched := c.forget()
	c.forget = nil
	return untouched
}

// Read reads with the deadline that is set, or with one that moves.
func (c *conn) Read(p []byte) (int, error) {
	if c.moving {
		c.moveDeadline()
	}
	n, err := c.Conn.Read(p)
	if err != nil {
		c.readErr = err
	}
	return n, err
}

// moveDeadline gives the next Read at least timeout and at most an eighth
// more, so that a fast download sets a deadline now and then only.
func (c *conn) moveDeadline() {
	now := time.Now()
	if c.readBy.Sub(now) >= c.timeout {
		return
	}
	c.readUntil(now.Add(c.timeout + c.timeout/8))
	c.moving = true
}

// readUntil sets one deadline for all that is read from now on.
func (c *conn) readUntil(by time.Time) {
	c.moving, c.readBy = false, by
	_ = c.Conn.SetReadDeadline(by)
}

// stale reports whether anything came that no request asked for: bytes, the
// end of the stream, an error. The request has not been sent yet, so another
// connection can carry it (RFC 9112 §9.3.1, §9.5).
func (c *conn) stale() bool {
	return c.readable() || c.secure && c.decrypted()
}

// readable looks at the socket without waiting and without taking bytes.
func (c *conn) readable() bool {
	if err := c.raw.Control(c.peek); err != nil {
		return true
	}
	return c.peeked != syscall.EAGAIN
}

func (c *conn) peekNow(fd uintptr) {
	for {
		_, _, c.peeked = syscall.Recvfrom(int(fd), c.probe[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if c.peeked != syscall.EINTR {
			return
		}
	}
}

// decrypted reports whether TLS holds bytes that it took off the socket in an
// earlier read. With the deadline in the past, Read gives out nothing else.
func (c *conn) decrypted() bool {
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	_, err := c.Conn.Read(c.probe[:])
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// Writing goes on while bytes move. A write that is stuck is looked at every
// tick: an origin that has answered may have stopped reading for good.
const (
	shortestTick = 5 * time.Millisecond
	longestTick  = 250 * time.Millisecond
)

// tick returns how long one attempt at writing may take. TLS must not be
// interrupted: a record written in part ends the connection.
func (c *conn) tick() time.Duration {
	if c.secure {
		return c.timeout
	}
	return max(shortestTick, min(longestTick, c.timeout/8))
}

// push writes p. It stops early, with answered set, when the origin has
// refused the request before it was complete.
func (c *conn) push(p []byte, br *bufio.Reader) (answered bool, err error) {
	moved := time.Now()
	for now := moved; ; now = time.Now() {
		_ = c.Conn.SetWriteDeadline(now.Add(c.tick()))
		n, err := c.Conn.Write(p)
		p = p[n:]
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return false, err
		}
		if n > 0 {
			moved = time.Now()
		}
		if c.secure || time.Since(moved) >= c.timeout {
			return false, err
		}
		if c.refused(br) {
			return true, nil
		}
	}
}
