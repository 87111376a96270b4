package redis_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

// traffic asks a tier at a steady rate from many goroutines, and judges every answer.
type traffic struct {
	tier    *redis.Tier
	stop    context.CancelFunc
	workers sync.WaitGroup

	hits, misses, open, failed atomic.Int64
	wrong                      atomic.Int64 // bodies of another key
	mu                         sync.Mutex
	times                      []time.Duration // of what neither hit nor missed
}

const (
	trafficWorkers = 8
	trafficKeys    = 50
	trafficPause   = 16 * time.Millisecond // of each worker: 500 look-ups a second in all
)

func trafficKey(i int) tiers.Key {
	return tiers.Key("GET http://origin.test/" + strings.Repeat("x", i))
}

// startTraffic fills the tier and begins to ask.
func startTraffic(t *testing.T, tier *redis.Tier) *traffic {
	t.Helper()
	for i := range trafficKeys {
		key := trafficKey(i)
		eventually(t, 5*time.Second, "fill", func() bool { return tier.Put(t.Context(), tierstest.NewEntry(key, string(key))) == nil })
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &traffic{tier: tier, stop: stop}
	for w := range trafficWorkers {
		r.workers.Go(func() {
			tick := time.NewTicker(trafficPause)
			defer tick.Stop()
			for i := w; ; i++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					r.ask(trafficKey(i % trafficKeys))
				}
			}
		})
	}
	t.Cleanup(r.end)
	eventually(t, 5*time.Second, "hits", func() bool { return r.hits.Load() > 50 })
	return r
}

func (r *traffic) ask(key tiers.Key) {
	began := time.Now()
	e, err := r.tier.Get(context.Background(), key, tierstest.Request{})
	took := time.Since(began)
	switch {
	case err == nil && string(e.Body) != string(key):
		r.wrong.Add(1)
	case err == nil:
		r.hits.Add(1)
	case errors.Is(err, tiers.ErrMiss):
		r.misses.Add(1)
	default:
		if errors.Is(err, redis.ErrOpen) {
			r.open.Add(1)
		} else {
			r.failed.Add(1)
		}
		r.mu.Lock()
		r.times = append(r.times, took)
		r.mu.Unlock()
	}
}

func (r *traffic) end() {
	r.stop()
	r.workers.Wait()
}

// worst returns the longest and the middle time of what failed.
func (r *traffic) worst() (longest, middle time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.times) == 0 {
		return 0, 0
	}
	slices.Sort(r.times)
	return r.times[len(r.times)-1], r.times[len(r.times)/2]
}

// outage breaks a server under traffic, mends it, and checks what it cost.
func outage(t *testing.T, tier *redis.Tier, log *lines, breakIt, mend func()) {
	t.Helper()
	r := startTraffic(t, tier)
	breakIt()
	opened := eventually(t, 5*time.Second, "the breaker opens", func() bool { return tier.Stats().Open })
	failed, trips := r.failed.Load(), tier.Stats().RoundTrips
	time.Sleep(2 * time.Second) // in which the log has room for a line about it

	// Those that were on their way when it opened may still fail; nothing else does, and nothing is sent.
	if n := r.failed.Load() - failed; n > trafficWorkers {
		t.Errorf("%d look-ups failed after the breaker was open", n)
	}
	if n := tier.Stats().RoundTrips - trips; n > trafficWorkers {
		t.Errorf("%d round trips after the breaker was open", n)
	}
	if failed > 5+3*trafficWorkers { // the third shared round trip that fails opens it
		t.Errorf("%d look-ups failed until the breaker was open", failed)
	}
	open := r.open.Load()
	if open == 0 {
		t.Error("no look-up found the breaker open")
	}
	if n := count(tier, redis.OpGet, redis.Open); int64(n) < open {
		t.Errorf("%d counted as open, want at least %d", n, open)
	}
	longest, middle := r.worst()
	if longest > 500*time.Millisecond || middle > 5*time.Millisecond {
		t.Errorf("failing took up to %v, mostly %v", longest, middle)
	}
	mend()
	back := eventually(t, 10*time.Second, "the breaker closes", func() bool { return !tier.Stats().Open })
	hits := r.hits.Load() + r.misses.Load()
	eventually(t, 5*time.Second, "answers", func() bool { return r.hits.Load()+r.misses.Load() > hits+100 })
	r.end()
	if n := r.wrong.Load(); n > 0 {
		t.Errorf("%d wrong bodies", n)
	}
	t.Logf("opened after %v and %d failures, failing took %v at most and %v mostly, back after %v", opened, failed, longest, middle, back)
	wantQuiet(t, log, 8)
}

// wantQuiet fails when there are more lines than seconds.
func wantQuiet(t *testing.T, log *lines, seconds int) {
	t.Helper()
	if all := log.all(); len(all) > seconds {
		t.Errorf("%d lines in about %d seconds:\n%s", len(all), seconds, text(all))
	}
}

func TestKilled(t *testing.T) {
	s := redistest.Start(t)
	log := new(lines)
	outage(t, openLogged(t, config(s.URL()), log), log, s.Kill, s.Start)
	if all := text(log.all()); !strings.Contains(all, "L2 is away") || !strings.Contains(all, "L2 is back") {
		t.Errorf("the log does not tell of it:\n%s", all)
	}
}

func TestHung(t *testing.T) {
	s := redistest.Start(t)
	log := new(lines)
	outage(t, openLogged(t, config("unix://"+s.Socket()), log), log, s.Hang, s.Resume)
}

// TestHungBeforeTheFirstConnection: a server that takes connections and never says a word.
func TestHungBeforeTheFirstConnection(t *testing.T) {
	s := redistest.Start(t)
	s.Hang()
	tier := open(t, config(s.URL()))
	for range 20 {
		began := time.Now()
		if _, err := tier.Get(t.Context(), "k", nil); err == nil || errors.Is(err, tiers.ErrMiss) {
			t.Fatalf("Get = %v", err)
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("a look-up took %v", took)
		}
	}
	if timeouts, skipped := count(tier, redis.OpGet, redis.Timeout), count(tier, redis.OpGet, redis.Open); timeouts != 5 || skipped != 15 {
		t.Errorf("%d timeouts, %d not asked; want 5 and 15", timeouts, skipped)
	}
	s.Resume()
	eventually(t, 10*time.Second, "the breaker closes", func() bool { return !tier.Stats().Open })
}

// TestRefused: Redis is not there when the tier is made, and comes later.
func TestRefused(t *testing.T) {
	s := redistest.Start(t)
	s.Kill()
	tier := open(t, config(s.URL()))
	e := tierstest.NewEntry(tierstest.NewKey(), "x")
	for range 20 {
		if _, err := tier.Get(t.Context(), e.Key, nil); err == nil || errors.Is(err, tiers.ErrMiss) {
			t.Fatalf("Get = %v", err)
		}
	}
	if down, skipped := count(tier, redis.OpGet, redis.Down), count(tier, redis.OpGet, redis.Open); down != 5 || skipped != 15 {
		t.Errorf("%d found it down, %d did not ask; want 5 and 15", down, skipped)
	}
	for name, err := range map[string]error{"Put": tier.Put(t.Context(), e), "Delete": tier.Delete(t.Context(), e.Key)} {
		if !errors.Is(err, redis.ErrOpen) {
			t.Errorf("%s = %v, want ErrOpen", name, err)
		}
	}
	s.Start()
	eventually(t, 10*time.Second, "the breaker closes", func() bool { return !tier.Stats().Open })
	if err := tier.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, err := tier.Get(t.Context(), e.Key, nil); err != nil {
		t.Error(err)
	}
}

// delay is a TCP proxy that passes everything on after a while.
type delay struct {
	ln  net.Listener
	by  atomic.Int64
	all sync.WaitGroup
}

func startDelay(t *testing.T, to string) *delay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &delay{ln: ln}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = ln.Close(); d.all.Wait() })
	d.all.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			context.AfterFunc(ctx, func() { _ = client.Close(); _ = server.Close() })
			d.all.Go(func() { d.pass(server, client); _ = server.Close() })
			d.all.Go(func() { d.pass(client, server); _ = client.Close() })
		}
	})
	return d
}

func (d *delay) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		time.Sleep(time.Duration(d.by.Load()))
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestSlow(t *testing.T) {
	s := redistest.Start(t)
	d := startDelay(t, s.Addr())
	log := new(lines)
	tier := openLogged(t, config("redis://"+d.ln.Addr().String()), log)
	outage(t, tier, log, func() { d.by.Store(int64(100 * time.Millisecond)) }, func() { d.by.Store(0) })
}

// TestOneSlow: one slow answer among quick ones does not open the breaker.
func TestOneSlow(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, config(s.URL()))
	eventually(t, 5*time.Second, "fill", func() bool { return tier.Put(t.Context(), tierstest.NewEntry("k", "x")) == nil })
	for range 6 {
		s.Hang()
		_, err := tier.Get(t.Context(), "k", nil)
		wantResult(t, err, redis.Timeout)
		s.Resume()
		eventually(t, 5*time.Second, "a hit", func() bool {
			_, err := tier.Get(t.Context(), "k", nil)
			return err == nil
		})
	}
	if opened := tier.Stats().Opened; opened != 0 {
		t.Errorf("the breaker opened %d times", opened)
	}
}

// TestPatientPut: storing waits for a Redis that is slow for a while, longer than a look-up would, but not for one that hangs.
func TestPatientPut(t *testing.T) {
	s := redistest.Start(t)
	cfg := config(s.URL())
	cfg.Timeout = 300 * time.Millisecond
	tier := open(t, cfg)
	e := tierstest.NewEntry(tierstest.NewKey(), "x")
	put := func() error { return tier.Put(t.Context(), e) }
	if err := put(); err != nil {
		t.Fatal(err)
	}
	s.Hang()
	late := make(chan error)
	go func() { late <- put() }()
	time.Sleep(2 * cfg.Timeout)
	s.Resume()
	if err := <-late; err != nil {
		t.Error(err)
	}
	s.Hang()
	defer s.Resume()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := put(); err == nil {
				t.Error("stored by a Redis that hangs")
			}
		})
	}
	all.Wait()
	eventually(t, 10*time.Second, "the breaker opens", func() bool { return tier.Stats().Open })
}

// TestTooSlow: what is too large to be read in time is left out, what is small is asked for again.
func TestTooSlow(t *testing.T) {
	s := redistest.Start(t)
	cfg := config(s.URL())
	cfg.Timeout = 300 * time.Millisecond
	tier := open(t, cfg)
	large := tierstest.NewEntry(tierstest.NewKey(), strings.Repeat("x", 100_000))
	small := tierstest.NewEntry(tierstest.NewKey(), "x")
	for _, e := range []*tiers.Entry{large, small} {
		if err := tier.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		s.Hang()
		_, err := tier.Get(t.Context(), e.Key, nil)
		s.Resume()
		wantResult(t, err, redis.Timeout)
	}
	trips := tier.Stats().RoundTrips
	_, err := tier.Get(t.Context(), large.Key, nil)
	wantResult(t, err, redis.TooLarge)
	wantResult(t, tier.Put(t.Context(), large), redis.TooLarge)
	if n := tier.Stats().RoundTrips - trips; n > 0 {
		t.Errorf("%d round trips for what is left out", n)
	}
	eventually(t, 10*time.Second, "a hit", func() bool {
		_, err := tier.Get(t.Context(), small.Key, nil)
		return err == nil
	})
}

// TestHurried: a caller with less time than the timeout gets its answer in that time, and says nothing
// about Redis by it.
func TestHurried(t *testing.T) {
	s := redistest.Start(t)
	cfg := config(s.URL())
	cfg.Timeout = 5 * time.Second
	tier := open(t, cfg)
	if err := tier.Put(t.Context(), tierstest.NewEntry("k", "x")); err != nil {
		t.Fatal(err)
	}
	s.Hang()
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		began := time.Now()
		_, err := tier.Get(ctx, "k", nil)
		cancel()
		wantResult(t, err, redis.Timeout)
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("took %v", took)
		}
	}
	s.Resume()
	if tier.Stats().Opened != 0 {
		t.Error("the breaker opened")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tier.Get(ctx, "k", nil)
	wantResult(t, err, redis.Cancelled)
}

// TestFull: a Redis without memory refuses what is written and serves what it has.
func TestFull(t *testing.T) {
	s := redistest.Start(t, "--maxmemory-policy", "noeviction")
	log := new(lines)
	tier := openLogged(t, patient(config(s.URL())), log)
	e := tierstest.NewEntry(tierstest.NewKey(), "x")
	varied := tierstest.NewVariant(tierstest.NewKey(), "x", "accept", tierstest.Request{})
	for _, e := range []*tiers.Entry{e, varied} {
		if err := tier.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	s.Do("config", "set", "maxmemory", "1mb")
	for range 10 {
		wantResult(t, tier.Put(t.Context(), e), redis.Full)
		wantResult(t, tier.Put(t.Context(), varied), redis.Full)
	}
	for range 10 {
		for _, e := range []*tiers.Entry{e, varied} {
			got, err := tier.Get(t.Context(), e.Key, tierstest.Request{})
			if err != nil {
				t.Fatalf("reads suffer: %v", err)
			}
			tierstest.Same(t, got, e)
		}
	}
	if n := count(tier, redis.OpPut, redis.Full); n != 20 {
		t.Errorf("%d counted as full, want 20", n)
	}
	if err := tier.Delete(t.Context(), e.Key); err != nil {
		t.Errorf("Delete = %v", err)
	}
	s.Do("config", "set", "maxmemory", "0")
	if err := tier.Put(t.Context(), e); err != nil {
		t.Error(err)
	}
	wantQuiet(t, log, 3)
}

// TestReplica: a replica refuses what is written and serves what it has.
func TestReplica(t *testing.T) {
	master := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	writer := open(t, patient(config(master.URL())))
	e := tierstest.NewEntry(tierstest.NewKey(), "x")
	varied := tierstest.NewVariant(tierstest.NewKey(), "x", "accept", tierstest.Request{})
	for _, e := range []*tiers.Entry{e, varied} {
		if err := writer.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	s := redistest.Start(t, "--replicaof", "127.0.0.1 "+master.Port)
	log := new(lines)
	tier := openLogged(t, patient(config(s.URL())), log)
	eventually(t, 20*time.Second, "a hit on the replica", func() bool {
		_, err := tier.Get(t.Context(), e.Key, nil)
		return err == nil
	})
	for range 10 {
		wantResult(t, tier.Put(t.Context(), e), redis.ReadOnly)
		wantResult(t, tier.Put(t.Context(), varied), redis.ReadOnly)
		wantResult(t, tier.Delete(t.Context(), e.Key), redis.ReadOnly)
		for _, e := range []*tiers.Entry{e, varied} {
			got, err := tier.Get(t.Context(), e.Key, tierstest.Request{})
			if err != nil {
				t.Fatalf("reads suffer: %v", err)
			}
			tierstest.Same(t, got, e)
		}
	}
	if tier.Stats().Opened != 0 {
		t.Error("the breaker opened")
	}
	wantQuiet(t, log, 5)
}

// TestLoading: a Redis that reads its data is left alone until it has.
func TestLoading(t *testing.T) {
	s := redistest.Start(t)
	s.Do("debug", "populate", "8000", "key", "100")
	s.Do("save")
	// A quarter of a millisecond a key, with a look at the clients after each kilobyte.
	s.Args = []string{"--key-load-delay", "250", "--loading-process-events-interval-bytes", "1024"}
	tier := open(t, patient(config(s.URL())))
	s.Kill()
	s.Start()
	var loading int
	eventually(t, 10*time.Second, "Redis is loading", func() bool {
		_, err := tier.Get(t.Context(), "k", nil)
		var failure *redis.Error
		if errors.As(err, &failure) && failure.Result == redis.Loading {
			loading++
		}
		return tier.Stats().Open
	})
	if loading == 0 {
		t.Error("no look-up was told that Redis is loading")
	}
	eventually(t, 30*time.Second, "the breaker closes", func() bool { return !tier.Stats().Open })
	if err := tier.Put(t.Context(), tierstest.NewEntry("k", "x")); err != nil {
		t.Error(err)
	}
}

// TestClose: operations after Close fail, and closing does not wait for a hung Redis.
func TestClose(t *testing.T) {
	s := redistest.Start(t)
	tier, err := redis.New(config(s.URL()), new(lines).logger())
	if err != nil {
		t.Fatal(err)
	}
	if err := tier.Put(t.Context(), tierstest.NewEntry("k", "x")); err != nil {
		t.Fatal(err)
	}
	s.Hang()
	defer s.Resume()
	for range 10 {
		_, _ = tier.Get(t.Context(), "k", nil)
	}
	began := time.Now()
	tier.Close()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("Close took %v", took)
	}
	if _, err := tier.Get(t.Context(), "k", nil); err == nil || errors.Is(err, tiers.ErrMiss) {
		t.Errorf("Get = %v after Close", err)
	}
}
