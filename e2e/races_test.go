package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// valve is a TCP proxy in front of Redis, for one sidecar: it delays what goes through, and can be shut.
type valve struct {
	addr   string
	target string // a unix socket
	shut   atomic.Bool
	delay  func() time.Duration
}

// newValve opens a valve that leads to the redis-server r.
func newValve(t *testing.T, r *redisServer, delay func() time.Duration) *valve {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	v := &valve{addr: l.Addr().String(), target: r.socket, delay: delay}
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
	var both sync.WaitGroup
	both.Go(func() { v.pump(far, near) })
	both.Go(func() { v.pump(near, far) })
	both.Wait()
}

// pump forwards. What meets a shut valve is held back until it opens, as by a network that drops packets.
func (v *valve) pump(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			time.Sleep(v.delay())
			for v.shut.Load() {
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

// racing is one test of many purges, each among fetches and requests that began before it.
type racing struct {
	t        *testing.T
	versions [16]atomic.Int64 // of each resource, as the origin has it
	due      [16]atomic.Int64 // what a request that is sent now must get at least
	cars     [4]racer

	requests, purges, confirmed, old atomic.Int64
	first                            sync.Once
}

// racer is one of the sidecars, which may be replaced.
type racer struct {
	now   atomic.Pointer[sidecar]
	valve *valve
	start func() *sidecar
}

// newRacing starts an origin that takes its time, a Redis, and four sidecars behind valves.
func newRacing(t *testing.T, env ...string) *racing {
	t.Helper()
	g := &racing{t: t}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(g.answer)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	r := newRedis(t)
	for i := range g.cars {
		c := &g.cars[i]
		c.valve = newValve(t, r, func() time.Duration { return time.Duration(rand.IntN(3000)) * time.Microsecond })
		c.start = func() *sidecar {
			return nearside(t, append([]string{"UPSTREAM_URL=http://" + l.Addr().String(), c.valve.env(), "L2_TIMEOUT=200ms"}, env...)...)
		}
		c.now.Store(c.start())
	}
	return g
}

// answer is the origin: it looks at the version, and answers later. Half of the resources have a validator.
func (g *racing) answer(w http.ResponseWriter, r *http.Request) {
	i, _ := strconv.Atoi(r.URL.Path[len("/k/"):])
	version := g.versions[i].Load()
	long := time.Duration(rand.IntN(30))
	if rand.IntN(4) == 0 { // longer than a purge takes
		long *= 6
	}
	time.Sleep(long * time.Millisecond)
	w.Header().Set("Cache-Control", "max-age=600")
	w.Header().Set("Cache-Tag", fmt.Sprintf("t%d", i))
	tag := fmt.Sprintf(`"%d"`, version)
	if i%2 == 0 {
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	fmt.Fprint(w, version)
}

// client is for one goroutine: a connection to each sidecar, and few at a time.
func (g *racing) client() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
}

// ask requests resource i from sidecar n, and judges the answer by what was due when it was sent.
func (g *racing) ask(c *http.Client, n, i int) {
	s := g.cars[n].now.Load()
	due := g.due[i].Load()
	sent := time.Now()
	resp, err := c.Get(fmt.Sprintf("http://%s/k/%d", s.addr, i))
	if err != nil {
		return // it was killed
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return
	}
	g.requests.Add(1)
	if got, _ := strconv.ParseInt(string(body), 10, 64); got < due {
		g.old.Add(1)
		g.first.Do(func() {
			g.t.Errorf("resource %d from sidecar %d: version %d, sent %v ago, when %d was due; %s", i, n, got,
				time.Since(sent), due, resp.Header.Get("Cache-Status"))
		})
	}
}

// stir sees to it that resource i is being fetched, from everywhere, while it changes.
func (g *racing) stir(wg *sync.WaitGroup, i int) {
	_, _, _ = tellAt(g.cars[rand.IntN(len(g.cars))].now.Load().admin, "POST", "/purge", fmt.Sprintf(`{"type":"tag","selectors":["t%d"],"wait":"0s"}`, i), isJSON) // it may have been killed
	for n := range g.cars {
		wg.Go(func() {
			c := g.client()
			defer c.CloseIdleConnections()
			time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
			g.ask(c, n, i)
		})
	}
}

// change writes resource i, purges it through a sidecar, and when that is confirmed asks all of them.
func (g *racing) change(c *http.Client, i int, wait string) {
	var stirred sync.WaitGroup
	defer stirred.Wait()
	g.stir(&stirred, i)
	time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
	version := g.versions[i].Add(1)
	body := [...]string{
		fmt.Sprintf(`{"type":"uri","selectors":["/k/%d"],"wait":%q}`, i, wait),
		fmt.Sprintf(`{"type":"tag","selectors":["t%d"],"wait":%q}`, i, wait),
		fmt.Sprintf(`{"type":"prefix","selectors":["/k/%d"],"wait":%q}`, i, wait),
	}[rand.IntN(3)]
	g.purges.Add(1)
	_, answer, err := tellAt(g.cars[rand.IntN(len(g.cars))].now.Load().admin, "POST", "/purge", body, isJSON)
	if err != nil || !answer.Confirmed {
		return
	}
	g.confirmed.Add(1)
	g.due[i].Store(version)
	for n := range g.cars {
		g.ask(c, n, i)
	}
}

// race purges until so many purges were confirmed or the time is over, while others ask all the time.
func (g *racing) race(purges int64, atMost time.Duration, wait string) {
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	var all sync.WaitGroup
	for i := range g.versions {
		all.Go(func() { // the only one that changes i
			c := g.client()
			defer c.CloseIdleConnections()
			for ctx.Err() == nil && g.confirmed.Load() < purges {
				g.change(c, i, wait)
			}
			cancel()
		})
	}
	for range 4 {
		all.Go(func() {
			c := g.client()
			defer c.CloseIdleConnections()
			for ctx.Err() == nil {
				g.ask(c, rand.IntN(len(g.cars)), rand.IntN(len(g.versions)))
			}
		})
	}
	all.Wait()
}

// trouble stops, kills or cuts off one sidecar after the other until ctx ends.
func (g *racing) trouble(ctx context.Context, lease time.Duration) {
	for ctx.Err() == nil {
		c := &g.cars[rand.IntN(len(g.cars))]
		s := c.now.Load()
		long := lease/4 + time.Duration(rand.Int64N(int64(lease*3/2)))
		switch rand.IntN(4) {
		case 0:
			s.signal(syscall.SIGSTOP)
			time.Sleep(long)
			s.signal(syscall.SIGCONT)
		case 1:
			s.wantCode = -1
			s.signal(syscall.SIGKILL)
			<-s.exited
			c.now.Store(c.start())
		default:
			c.valve.shut.Store(true)
			time.Sleep(long)
			c.valve.shut.Store(false)
		}
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
	}
}

// judge reports, and fails when too little happened to prove anything.
func (g *racing) judge(least int64) {
	g.t.Helper()
	g.t.Logf("%d purges, %d confirmed, %d requests, %d old responses", g.purges.Load(), g.confirmed.Load(), g.requests.Load(), g.old.Load())
	if g.old.Load() > 0 {
		g.t.Errorf("%d old responses to requests sent after a confirmed purge", g.old.Load())
	}
	if g.confirmed.Load() < least {
		g.t.Errorf("%d purges were confirmed: that proves little", g.confirmed.Load())
	}
}

// races is how many confirmed purges the races below go for, and how long at most: make races has time for all of them.
func races(t *testing.T) (purges int64, atMost time.Duration) {
	if n, err := strconv.ParseInt(os.Getenv("RACES"), 10, 64); err == nil {
		return n, 30 * time.Minute
	}
	return 10_000, 20 * time.Second
}

// After a purge was confirmed, no request that is sent later gets what it purged, from any of four sidecars, whatever was
// under way at the origin and on the way to Redis.
func TestPurgeRaces(t *testing.T) {
	purges, atMost := races(t)
	g := newRacing(t, "COHERENCE_LEASE=2s")
	g.race(purges, atMost, "10s")
	g.judge(50)
}

// The same in strict mode, while sidecars are stopped, killed and restarted, and cut off from Redis.
func TestPurgeRacesInTrouble(t *testing.T) {
	purges, atMost := races(t)
	const lease = time.Second
	g := newRacing(t, "COHERENCE=strict", "COHERENCE_LEASE="+lease.String())
	ctx, cancel := context.WithCancel(t.Context())
	var troubled sync.WaitGroup
	troubled.Go(func() { g.trouble(ctx, lease) })
	g.race(purges, atMost, "10s")
	cancel()
	troubled.Wait()
	g.judge(20)
}
