package redis

import (
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"time"
)

// dialer makes the client library's connections, as it would by itself, with a look at what the server sends: a reply may
// have values of maxValue bytes.
func dialer(secure *tls.Config, maxValue int64) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if secure != nil {
			conn, err := tls.DialWithDialer(plain, network, addr, secure)
			if err != nil {
				return nil, err
			}
			return &watched{conn, framing{maxValue: maxValue}}, nil
		}
		conn, err := plain.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		w := &watched{conn, framing{maxValue: maxValue}}
		if raw, ok := conn.(syscall.Conn); ok {
			return &watchedRaw{w, raw}, nil
		}
		return w, nil
	}
}

// watched is a connection whose replies are followed. One reads from it at a time.
type watched struct {
	net.Conn
	framing framing
}

// Read implements [io.Reader].
func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if bad := w.framing.follow(b[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

// watchedRaw is one below which there is a socket, where the client library looks whether the server has closed it.
type watchedRaw struct {
	*watched
	syscall.Conn
}
