package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// racing is one test of many purges, each among fetches and requests that began before it.
type racing struct {
	t         *testing.T
	lease     time.Duration
	redis     *redisServer // nil where it is not just one
	cars      [4]racer
	resources [64]resource
	stopAtOld bool // the first old response ends it

	requests, hits, purges, confirmed, writes, old atomic.Int64
	first                                          atomic.Pointer[string] // the first old response
}

// resource is something at the origin. One goroutine changes it.
type resource struct {
	version atomic.Int64
	due     atomic.Int64 // what a request that is sent now must get at least
}

// racer is one of the sidecars. Its process may be replaced.
type racer struct {
	now   atomic.Pointer[racerProcess]
	valve *valve // nil where there is none
	start func() *racerProcess
}

type racerProcess struct {
	*sidecar
	due [64]atomic.Int64 // of each resource, what was written through this process
}

// newRacing starts an origin that takes its time, a Redis, and four sidecars behind valves.
func newRacing(t *testing.T, lease time.Duration, env ...string) *racing {
	t.Helper()
	r := newRedis(t)
	g := newRacingAt(t, lease, func(c *racer) string {
		c.valve = newValve(t, r, func() time.Duration { return rand.N(3 * time.Millisecond) })
		return c.valve.env()
	}, env...)
	g.redis = r
	return g
}

// newRacingAt is newRacing with a Redis that connect has a sidecar use, by the variable that it returns.
func newRacingAt(t *testing.T, lease time.Duration, connect func(*racer) string, env ...string) *racing {
	t.Helper()
	g := &racing{t: t, lease: lease}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(g.answer)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	env = append([]string{"UPSTREAM_URL=http://" + l.Addr().String(), "L2_TIMEOUT=200ms", "COHERENCE_LEASE=" + lease.String()}, env...)
	for i := range g.cars {
		c := &g.cars[i]
		redis := connect(c)
		c.start = func() *racerProcess {
			return &racerProcess{sidecar: nearside(t, append(env[:len(env):len(env)], redis)...)}
		}
		c.now.Store(c.start())
	}
	return g
}

// answer is the origin: it looks at the version, and answers later. Half of the resources have a validator.
func (g *racing) answer(w http.ResponseWriter, r *http.Request) {
	i, _ := strconv.Atoi(r.URL.Path[len("/k/"):])
	if r.Method == http.MethodPut {
		g.resources[i].version.Add(1)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	version := g.resources[i].version.Load()
	long := rand.N(30 * time.Millisecond)
	if rand.IntN(6) == 0 { // longer than a purge takes
		long *= 15
	}
	time.Sleep(long)
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
	_, _ = io.WriteString(w, strconv.FormatInt(version, 10)) // the client tells
}

// asker is a client of one sidecar, for one goroutine.
type asker struct {
	g    *racing
	n    int
	to   *racerProcess
	conn *client
}

// askers returns a client of each sidecar.
func (g *racing) askers() (all [4]*asker) {
	for n := range all {
		all[n] = &asker{g: g, n: n}
	}
	return all
}

// exchange sends a request to the sidecar's process of now. It returns nil when that was killed meanwhile.
func (a *asker) exchange(raw string) *response {
	if s := a.g.cars[a.n].now.Load(); s != a.to || a.conn == nil {
		a.close()
		conn, err := connect(s.addr)
		if err != nil {
			return nil
		}
		a.to, a.conn = s, conn
	}
	r, err := a.conn.exchange(raw)
	if err != nil || r.cut != nil {
		a.close()
		return nil
	}
	return r
}

func (a *asker) close() {
	if a.conn != nil {
		a.conn.conn.Close()
		a.conn = nil
	}
}

// ask requests resource i, and judges the answer by what was due when it was sent.
func (a *asker) ask(i int) {
	due := max(a.g.resources[i].due.Load(), a.g.cars[a.n].now.Load().due[i].Load())
	sent := time.Now()
	r := a.exchange(request("GET /k/" + strconv.Itoa(i)))
	if r == nil || r.status != http.StatusOK {
		return
	}
	a.g.requests.Add(1)
	cache := r.cache()
	if strings.HasPrefix(cache, "hit") {
		a.g.hits.Add(1)
	}
	if got, _ := strconv.ParseInt(r.body, 10, 64); got < due {
		a.g.old.Add(1)
		what := fmt.Sprintf("resource %d from sidecar %d: version %d, sent %v ago, when %d was due: %s", i, a.n, got, time.Since(sent), due, cache)
		a.g.first.CompareAndSwap(nil, &what)
	}
}

// write changes resource i through the sidecar, which must not serve what was there before to whoever asks it later.
func (a *asker) write(i int) {
	a.g.writes.Add(1)
	r := a.exchange(request("PUT /k/"+strconv.Itoa(i), "Content-Length: 0"))
	if r != nil && r.status == http.StatusNoContent {
		a.to.due[i].Store(a.g.resources[i].version.Load())
		a.ask(i)
	}
}

// changer is a client that changes one resource, and those that ask for it meanwhile.
type changer struct {
	g            *racing
	i            int
	before, then [4]*asker
}

// change changes the resource and purges it through a sidecar, and when that is confirmed asks all of them. Half of the
// time it is fetched from everywhere just then, else it is in the stores; the same goes for writes before that.
func (c *changer) change() {
	g, n := c.g, rand.IntN(len(c.g.cars))
	var others sync.WaitGroup
	defer others.Wait()
	if rand.IntN(6) == 0 {
		c.then[n].write(c.i)
	}
	if rand.IntN(2) == 0 {
		c.purge(rand.IntN(len(g.cars)), "0s")
		for _, a := range c.before {
			others.Go(func() {
				time.Sleep(rand.N(10 * time.Millisecond))
				a.ask(c.i)
			})
		}
		time.Sleep(rand.N(8 * time.Millisecond))
	}
	if rand.IntN(6) == 0 {
		c.then[n].write(c.i)
	}
	version := g.resources[c.i].version.Add(1)
	g.purges.Add(1)
	if !c.purge(n, "10s") {
		return
	}
	g.confirmed.Add(1)
	g.resources[c.i].due.Store(version)
	for _, a := range c.then {
		others.Go(func() { a.ask(c.i) })
	}
}

// purge purges the resource in one of three ways, and tells whether that was confirmed in time.
func (c *changer) purge(n int, wait string) bool {
	kind, selector := "tag", fmt.Sprintf("t%d", c.i)
	switch rand.IntN(3) {
	case 0:
		kind, selector = "uri", fmt.Sprintf("/k/%d", c.i)
	case 1:
		kind, selector = "prefix", fmt.Sprintf("/k/%d", c.i)
	}
	body := fmt.Sprintf(`{"type":%q,"selectors":[%q],"wait":%q}`, kind, selector, wait)
	_, answer, err := tellAt(c.g.cars[n].now.Load().admin, "POST", "/purge", body, isJSON)
	return err == nil && answer.Confirmed // else it was killed, or cut off
}

// race changes all resources until so many purges were confirmed or the time is over, while others ask all the time, and
// one sidecar after the other has some trouble of those given.
func (g *racing) race(purges int64, atMost time.Duration, troubles ...trouble) {
	ctx, cancel := context.WithTimeout(g.t.Context(), atMost)
	defer cancel()
	var all, troubled sync.WaitGroup
	if len(troubles) > 0 {
		troubled.Go(func() { g.troubled(ctx, troubles) })
	}
	for i := range g.resources {
		c := &changer{g, i, g.askers(), g.askers()}
		all.Go(func() {
			for ctx.Err() == nil && g.confirmed.Load() < purges && !(g.stopAtOld && g.old.Load() > 0) {
				c.change()
			}
			cancel()
		})
	}
	for range 2 {
		clients := g.askers()
		all.Go(func() {
			for ctx.Err() == nil {
				clients[rand.IntN(len(clients))].ask(rand.IntN(len(g.resources)))
			}
		})
	}
	all.Wait()
	troubled.Wait()
}

// report says what happened.
func (g *racing) report() string {
	return fmt.Sprintf("%d purges, %d confirmed; %d writes; %d requests, %d of them hits; %d old responses", g.purges.Load(), g.confirmed.Load(),
		g.writes.Load(), g.requests.Load(), g.hits.Load(), g.old.Load())
}

// judge reports, and fails when an old response was served, or too little happened to prove anything.
func (g *racing) judge(least int64) {
	g.t.Helper()
	g.t.Log(g.report())
	if first := g.first.Load(); first != nil {
		g.t.Errorf("%d old responses to requests sent later; the first: %s", g.old.Load(), *first)
	}
	if g.confirmed.Load() < least || g.hits.Load() < g.requests.Load()/100 {
		g.t.Error("that proves little")
	}
}
