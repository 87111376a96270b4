package e2e

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// valve is a TCP proxy in front of Redis, for one sidecar: it delays what goes through, and can be shut.
type valve struct {
	addr   string
	target string // a unix socket
	delay  func() time.Duration
	shut   atomic.Bool // nothing goes through
	deaf   atomic.Bool // what was purged does not come through; all else does
}

// newValve opens a valve that leads to the redis-server r.
func newValve(t *testing.T, r *redisServer, delay func() time.Duration) *valve {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	v := &valve{addr: l.Addr().String(), target: r.Socket(), delay: delay}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go v.serve(c)
		}
	}()
	return v
}

func (v *valve) env() string { return "REDIS_URL=redis://" + v.addr }

func (v *valve) serve(near net.Conn) {
	far, err := net.Dial("unix", v.target)
	if err != nil {
		near.Close()
		return
	}
	var reads atomic.Bool // the log: what was asked last on this connection
	var both sync.WaitGroup
	both.Go(func() {
		v.pump(far, near, func(b []byte) bool {
			reads.Store(bytes.Contains(b, []byte("xread")))
			return false
		})
	})
	both.Go(func() { v.pump(near, far, func([]byte) bool { return v.deaf.Load() && reads.Load() }) })
	both.Wait()
}

// pump forwards. What meets a shut valve, or is held, is kept back until that ends, as by a network that drops packets.
func (v *valve) pump(to, from net.Conn, held func([]byte) bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			time.Sleep(v.delay())
			for v.shut.Load() || held(b[:n]) {
				time.Sleep(time.Millisecond)
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
