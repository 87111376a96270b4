package e2e

import (
	"bufio"
	"net"
	"testing"
	"time"
)

// Connections that wait for their next request take little memory, and are served as soon as it comes.
func TestIdleConnections(t *testing.T) {
	alone(t)
	n := full(10_000, 200)
	o := slowOrigin(t, 0)
	s := nearside(t, "UPSTREAM_URL=http://"+o, "L1_MAX_BYTES=0")
	raw, want := request("GET /item/1"), kilobyte("/item/1")
	s.get("/item/1")
	s.settled()
	before := s.rss()
	all := make([]net.Conn, n)
	serve := func(what string) {
		for i, conn := range all {
			c := &client{conn: conn, reader: bufio.NewReader(conn)}
			if r, err := c.exchange(raw); err != nil || r.body != want {
				t.Fatalf("%s: connection %d: %v %+v", what, i, err, r)
			}
		}
	}
	for i := range all {
		all[i] = dial(t, s.addr).conn
	}
	serve("fresh")
	time.Sleep(full(2*time.Second, 500*time.Millisecond)) // by then they are parked
	each := (s.rss() - before) / int64(n)
	t.Logf("%d idle connections, of %d bytes each", n, each)
	if figures && each > 10_000 {
		t.Error("want 10,000 at most")
	}
	serve("idle")
}
