package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// dial makes one connection: the name is looked up anew each time, IPv4 and
// IPv6 race (RFC 8305), and TCP and TLS share one ConnectTimeout.
func (o *Origin) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), o.connectTimeout)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(ctx, o.url.network, o.url.address)
	if err != nil {
		return nil, dialError(err)
	}
	c := &conn{Conn: raw, timeout: o.timeout, born: time.Now(), open: &o.counters.open}
	if c.raw, err = raw.(syscall.Conn).SyscallConn(); err != nil {
		_ = raw.Close()
		return nil, fail(Unreachable, err)
	}
	if o.tls != nil {
		if err := c.handshake(ctx, o.tls); err != nil {
			_ = raw.Close()
			return nil, handshakeError(err)
		}
	}
	c.peek = c.peekNow
	o.counters.dialed.Add(1)
	o.counters.open.Add(1)
	return c, nil
}

func (c *conn) handshake(ctx context.Context, config *tls.Config) error {
	secure := tls.Client(c.Conn, config)
	c.Conn, c.secure = secure, true
	return secure.HandshakeContext(ctx)
}
