package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slowOrigin answers each request after a while with 1 KiB that names its target, and can take a storm.
func slowOrigin(t *testing.T, after time.Duration) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				c := call{conn: conn}
				for b := make([]byte, 4096); ; {
					n, err := conn.Read(b) // the head in one piece, as it was written
					if err != nil {
						return
					}
					_, rest, _ := strings.Cut(string(b[:n]), " ")
					target, _, _ := strings.Cut(rest, " ")
					time.Sleep(after)
					c.say(reply(kilobyte(target), "Date:", "Cache-Control: max-age=86400"))
				}
			})
		}
	})
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// kilobyte is the body that belongs to a target.
func kilobyte(target string) string { return target + strings.Repeat(".", 1024-len(target)) }

// storm has clients ask for the targets of some numbers, once each, as fast as they are answered.
func (p *paced) storm(t *testing.T, addr string, clients, from, to int) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		c := dial(t, addr)
		wg.Go(func() {
			defer c.conn.Close()
			for i := from + int(next.Add(1)) - 1; i < to; i = from + int(next.Add(1)) - 1 {
				target := fmt.Sprint("/item/", i)
				sent := time.Now()
				r, err := c.exchange(request("GET " + target))
				if p.note(time.Since(sent), r, err, kilobyte(target)); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// stutter has the server hang for most of the time, so that each answer takes about 40 ms, until the test calls what it returns.
func (r *redisServer) stutter() (end func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			r.Hang()
			time.Sleep(40 * time.Millisecond)
			r.Resume()
			select {
			case <-over:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() { close(over); <-ended }
}

// A storm of misses while Redis hangs, is slow, or well. Clients see the origin's latency, L1 gets all but what is counted as
// dropped, and memory stays within its bounds. Where Redis is well, look-ups and fills share round trips.
func TestStorm(t *testing.T) {
	alone(t)
	for _, row := range []struct {
		name string
		n    int
		harm func(*redisServer) (mend func())
	}{
		{"hung", 50_000, func(r *redisServer) func() { r.Hang(); return r.Resume }},
		{"slow", 10_000, (*redisServer).stutter},
		{"well", 50_000, func(*redisServer) func() { return func() {} }},
	} {
		t.Run(row.name, func(t *testing.T) {
			alone(t)
			n, clients, rounds := full(row.n, 800), full(256, 32), full(5, 1)
			o := slowOrigin(t, full(100*time.Millisecond, 0))
			r := newRedis(t)
			s := nearside(t, "UPSTREAM_URL=http://"+o, r.env(), "L1_MAX_BYTES=96MiB", "L2_TIMEOUT=50ms", full("POOL_QUEUE=4096", "POOL_QUEUE=16"))
			s.get("/item/first")
			s.settled()
			mend := row.harm(r)
			var through, straight paced
			for i := range rounds {
				straight.storm(t, o, clients, i*n/rounds, (i+1)*n/rounds)
				through.storm(t, s.addr, clients, i*n/rounds, (i+1)*n/rounds)
			}
			t.Logf("straight: %v", &straight)
			t.Logf("through:  %v", &through)
			if through.waited != n || len(through.wrong)+len(straight.wrong) > 0 {
				t.Errorf("%d misses; wrong: %q", through.waited, append(through.wrong, straight.wrong...))
			}
			if figures && row.name != "slow" && (through.quantile(0.5) > straight.quantile(0.5)*12/10 || through.quantile(0.99) > straight.quantile(0.99)*12/10) {
				t.Error("clients see more than the origin's latency")
			}
			eventually(t, "the fills of L1 are over", func() bool {
				m := s.metrics()
				return m[`nearside_pool_queued{pool="fill"}`]+m[`nearside_pool_running{pool="fill"}`] == 0
			})
			lost := s.fills("dropped") + s.fills("no-room")
			equal(t, "responses in L1", s.metric("l1_entries"), n+1-lost)
			mend()
			s.settled()
			trips := float64(s.metric("l2_round_trips_total")) / float64(n)
			if figures && trips > 1.0/8 {
				t.Errorf("%.3f round trips for each", trips)
			}
			m := s.metrics()
			stored, failed, near := s.fills("stored"), s.fills("failed"), s.fills("l1-only")
			t.Logf("%d fills: %d in both tiers, %d that L2 refused, %d that it had no room for, %d dropped; %.3f round trips for each; RSS at most %d MiB",
				n, stored, failed, near, lost, trips, s.peak()>>20)
			equal(t, "all fills", stored+failed+near+lost, n+1)
			if keys := r.keys(); keys < stored || keys > stored+failed {
				t.Errorf("%d keys in Redis, %d fills stored and %d failed", keys, stored, failed)
			}
			equal(t, "bodies waiting", m["nearside_queued_bytes"], 0)
			if most := int64(96+96/4+64+64) << 20; figures && s.peak() > most { // L1, and a full POOL_QUEUE_BYTES
				t.Errorf("RSS was %d", s.peak())
			}
			hits := s.metric(`requests_total{outcome="hit",tier="L1"}`)
			new(paced).storm(t, s.addr, clients, 0, n)
			equal(t, "hits of L1", s.metric(`requests_total{outcome="hit",tier="L1"}`)-hits, n-lost)
		})
	}
}
