package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// A client that takes nothing for clientStall is given up, and so is one that sends nothing of its content for that long.
// Whether it has taken anything is looked at every stallLook: the kernel wakes a writer only when much of its buffer is
// free, for which a slow client may need minutes.
const (
	clientStall = time.Minute
	stallLook   = 5 * time.Second
)

// client is the connection of a client.
type client struct {
	net.Conn
	look time.Time // until when writes may wait, by the deadline that was set last
}

// Write implements [net.Conn]. However much there is to write, and however long there was nothing, only a client that does
// not take it is given up.
func (c *client) Write(p []byte) (n int, err error) {
	taken := time.Now()
	for now := taken; ; {
		if c.look.Sub(now) < stallLook/2 { // most writes find a deadline that will do
			c.look = now.Add(stallLook)
			if err = c.Conn.SetWriteDeadline(c.look); err != nil {
				return n, err
			}
		}
		m, err := c.Conn.Write(p[n:])
		n += m
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		now = time.Now()
		switch {
		case m > 0:
			taken = now
		case now.Sub(taken) >= clientStall:
			return n, err
		}
	}
}

// SetDeadline implements [net.Conn]: fasthttp takes all deadlines away before it hands a connection over.
func (c *client) SetDeadline(t time.Time) error {
	c.look = time.Time{}
	return c.Conn.SetDeadline(t)
}

// ReadFrom implements [io.ReaderFrom]: fasthttp would copy in small pieces otherwise.
func (c *client) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// cut ends the connection in a way that tells the client that content is missing.
func (c *client) cut() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) //nolint:errcheck // it is closed all the same
	}
	_ = c.Close() //nolint:errcheck // it is
}

// client is the connection that x came on; nil = it is none that this server accepted.
func (x *exchange) client() *client {
	switch c := x.ctx.Conn().(type) {
	case *parkable:
		return c.client
	case *client:
		return c
	}
	return nil
}
