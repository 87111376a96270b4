package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What 1,000 purges a second cost the hits of another sidecar, which has a core of its own; and that what they leave
// behind, in its memory and in Redis, is bounded. All else runs on the other core.
func TestPurgeStormFigures(t *testing.T) {
	alone(t)
	pin(t, os.Getpid(), "1")
	o := newOrigin(t)
	o.items("Cache-Control: max-age=3600", "Cache-Tag: a1, a2, a3")
	r := newRedis(t)
	bounds := full(nil, []string{"INVALIDATION_RETENTION=300", "INVALIDATION_INDEX=200"})
	env := append([]string{o.env(), r.env(), "GOMAXPROCS=1"}, bounds...)
	s, other := nearside(t, env...), nearside(t, env...)
	pin(t, s.cmd.Process.Pid, "0")
	h := newHitter(t, s)
	for _, wait := range []string{"0s", "10ms"} {
		var with, without, idle spell
		for range full(6, 1) {
			h.during(&without, full(5*time.Second, 200*time.Millisecond))
			end := storm(t, other, wait)
			h.during(&with, full(5*time.Second, time.Second))
			idle.add(s, full(3*time.Second, 10*time.Millisecond), func() {})
			with.purges += end()
		}
		if figures {
			compare(t, wait, &without, &with, &idle)
		}
	}
	if figures { // the short index has forgotten some
		equal(t, "hits that were none", h.misses.Load(), 0)
	}
	end := storm(t, other, "0s")
	for i := range full(9, 1) {
		t.Logf("after %d more seconds: %s", 30*i, left(t, s, r))
		time.Sleep(full(30*time.Second, time.Second))
	}
	end()
	t.Logf("in the end: %s", left(t, s, r))
	if n := r.client.XLen(context.Background(), logKeys[1]).Val(); n > full(int64(101_000), 300) {
		t.Errorf("%d records in the log", n)
	}
	if n := s.metric("invalidation_index_selectors"); n > full(262144, 200) {
		t.Errorf("%d selectors in the index", n)
	}
}

// compare reports what purges cost hits, by what the sidecar used without purges, with them, and for purges alone.
func compare(t *testing.T, wait string, without, with, idle *spell) {
	t.Helper()
	fixed := idle.cpu.Seconds() / idle.long.Seconds()
	each := (with.cpu.Seconds() - fixed*with.long.Seconds()) / float64(with.hits)
	fall := 1 - (1-fixed)*without.cost()/each
	t.Logf("purges that wait %s: without, %v; with %d, %v; these take %.1f %% of a core, and a hit then %.2f µs: with a core of its own, the sidecar answers %.1f %% less",
		wait, without, with.purges, with, 100*fixed, each*1e6, 100*fall)
	if fall > 0.1 {
		t.Error("want 10 % at most")
	}
}

// left says what purges have left.
func left(t *testing.T, s *sidecar, r *redisServer) string {
	t.Helper()
	info := r.client.Info(context.Background(), "memory").Val()
	_, info, _ = strings.Cut(info, "used_memory:")
	used, _, _ := strings.Cut(info, "\r")
	return fmt.Sprintf("%.1f MB in the sidecar (%d selectors), %s bytes in Redis (%d records)", float64(s.rss())/1e6,
		s.metric("invalidation_index_selectors"), used, r.client.XLen(context.Background(), logKeys[1]).Val())
}

// pin has all threads of a process run on one core, and those it starts; this process's only while the test runs.
func pin(t *testing.T, pid int, core string) {
	t.Helper()
	if !figures {
		return
	}
	taskset := func(cores string) {
		if out, err := exec.Command("taskset", "-a", "-p", "-c", cores, strconv.Itoa(pid)).CombinedOutput(); err != nil {
			t.Fatalf("taskset: %v\n%s", err, out)
		}
	}
	taskset(core)
	if pid == os.Getpid() {
		t.Cleanup(func() { taskset("0-1023") })
	}
}

// storm purges a thousand times a second through a sidecar, each time two selectors that nothing stored has, until it is
// ended; that returns how many there were.
func storm(t *testing.T, s *sidecar, wait string) (end func() int) {
	t.Helper()
	const clients = 16
	var all sync.WaitGroup
	var stop atomic.Bool
	var purges atomic.Int64
	begun := time.Now()
	for range clients {
		c := dial(t, s.admin)
		all.Go(func() {
			for !stop.Load() {
				n := purges.Add(1)
				time.Sleep(time.Until(begun.Add(time.Duration(n) * time.Millisecond)))
				body := fmt.Sprintf(`{"type":"tag","selectors":["x%d","y%d"],"wait":%q}`, n, n, wait)
				if n%2 == 0 {
					body = fmt.Sprintf(`{"type":"uri","selectors":["/x/%d","/y/%d"],"wait":%q}`, n, n, wait)
				}
				if r, err := c.exchange(request("POST /purge", isJSON, fmt.Sprintf("Content-Length: %d", len(body))) + body); err != nil || r.status >= 300 {
					t.Errorf("%v %+v", err, r)
					return
				}
			}
		})
	}
	return func() int {
		stop.Store(true)
		all.Wait()
		return int(purges.Load())
	}
}

// hitter is a client that takes little time of its own: a few connections with several requests at a time each.
type hitter struct {
	t            *testing.T
	s            *sidecar
	clients      []*client
	bursts       [][]byte
	hits, misses atomic.Int64
}

const (
	hitterConns = 8
	burst       = 8 // requests at a time
)

func newHitter(t *testing.T, s *sidecar) *hitter {
	h := &hitter{t: t, s: s}
	for i := range 128 {
		var b bytes.Buffer
		for k := range burst {
			target := fmt.Sprintf("/item/%d", i*burst+k)
			s.get(target)
			b.WriteString(request("GET " + target))
		}
		h.bursts = append(h.bursts, b.Bytes())
	}
	s.settled()
	for range hitterConns {
		h.clients = append(h.clients, dial(t, s.addr))
	}
	return h
}

// spell is what was measured in some time.
type spell struct {
	hits, purges int
	long, cpu    time.Duration
}

// add measures something that s does, or has to suffer, for a while.
func (p *spell) add(s *sidecar, long time.Duration, do func()) {
	cpu, begun := processorTime(s.cmd.Process.Pid), time.Now()
	do()
	time.Sleep(time.Until(begun.Add(long)))
	p.cpu += processorTime(s.cmd.Process.Pid) - cpu
	p.long += time.Since(begun)
}

// cost is the processor time of the sidecar for each hit, in seconds.
func (p *spell) cost() float64 { return p.cpu.Seconds() / float64(p.hits) }

func (p *spell) String() string {
	return fmt.Sprintf("%.0f hits/s in %.0f %% of a core, %.2f µs each", float64(p.hits)/p.long.Seconds(), 100*p.cpu.Seconds()/p.long.Seconds(), 1e6*p.cost())
}

// during has all clients ask for a while, and adds what that came to.
func (h *hitter) during(p *spell, long time.Duration) {
	before, begun := h.hits.Load(), time.Now()
	p.add(h.s, long, func() {
		var all sync.WaitGroup
		for i, c := range h.clients {
			all.Go(func() {
				for ; time.Since(begun) < long; i++ {
					if err := h.burst(c, h.bursts[i%len(h.bursts)]); err != nil {
						h.t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	})
	p.hits += int(h.hits.Load() - before)
}

// burst sends some requests, and reads as many answers.
func (h *hitter) burst(c *client, requests []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.conn.Write(requests); err != nil {
		return err
	}
	for range burst {
		hit, err := skim(c.reader)
		if err != nil {
			return err
		}
		if hit {
			h.hits.Add(1)
		} else {
			h.misses.Add(1)
		}
	}
	return nil
}

// skim reads a response with a Content-Length, and tells whether L1 had it.
func skim(from *bufio.Reader) (hit bool, err error) {
	length := 0
	for {
		line, err := from.ReadSlice('\n')
		switch {
		case err != nil:
			return false, err
		case len(line) == 2:
			_, err = from.Discard(length)
			return hit, err
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			length, _ = strconv.Atoi(string(line[16 : len(line)-2]))
		case bytes.HasPrefix(line, []byte("Cache-Status: ")):
			hit = bytes.Contains(line, []byte("; hit;"))
		}
	}
}
