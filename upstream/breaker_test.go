package upstream

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{threshold: 3}
		silent, other := fail(Refused, nil), fail(Truncated, nil)
		step := func(what string, want pass, e *Error) {
			t.Helper()
			p := b.enter(false)
			if p != want {
				t.Fatalf("%s: %d, want %d", what, p, want)
			}
			if p != barred {
				b.leave(p, e)
			}
		}
		step("1st failure", through, silent)
		step("2nd failure", through, silent)
		step("a response", through, nil)
		step("1st failure", through, silent)
		step("2nd failure", through, silent)
		step("no failure to answer", through, other)
		step("3rd failure", through, silent)
		step("open", barred, nil)
		time.Sleep(probeEvery)
		step("the probe fails", probe, silent)
		step("open", barred, nil)
		time.Sleep(probeEvery)
		if b.enter(false) != probe {
			t.Fatal("no second probe")
		}
		time.Sleep(10 * probeEvery)
		step("one probe at a time", barred, nil)
		b.leave(probe, fail(Canceled, nil))
		step("a probe that says nothing", probe, other)
		time.Sleep(probeEvery)
		step("the probe succeeds", probe, nil)
		step("closed", through, silent)
		if b.open.Load() || b.opened.Load() != 1 {
			t.Errorf("open %v, opened %d times", b.open.Load(), b.opened.Load())
		}
		never := &breaker{}
		for range 100 {
			never.leave(never.enter(false), silent)
		}
		if never.open.Load() {
			t.Error("a breaker that should never open did")
		}
	})
}

// TestBreakerProbesOnceASecond: whatever number of requests come, one a second goes through.
func TestBreakerProbesOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{threshold: 1}
		b.leave(b.enter(false), fail(HeaderTimeout, nil))
		var sent atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 3000 { // 30 s
					if p := b.enter(false); p != barred {
						sent.Add(1)
						time.Sleep(400 * time.Millisecond)
						b.leave(p, fail(HeaderTimeout, nil))
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if n := sent.Load(); n < 25 || n > 32 {
			t.Errorf("%d probes in about 30 s", n)
		}
	})
}

func TestOriginComesBack(t *testing.T) {
	var up atomic.Bool
	o, _ := origin(t, func(p *peer) {
		if up.Load() {
			answering(ok)(p)
		}
	}, func(c *Config) { c.BreakerFailures = 4 })
	for range 4 {
		wantKind(t, ask(o, get("/")).err, Closed)
	}
	if !o.Open() {
		t.Fatal("not open after four failures")
	}
	wantKind(t, ask(o, get("/")).err, Open)
	up.Store(true)
	eventually(t, "it answers again", func() bool { return ask(o, get("/")).body == "ok" })
	if s := o.Stats(); s.Broken || s.Opened != 1 || s.Errors[Closed] < 4 || s.Errors[Open] < 1 {
		t.Errorf("%+v", s)
	}
}

// openOrigin is an origin with an open breaker, in front of script.
func openOrigin(t *testing.T, script func(*peer), change ...func(*Config)) *Origin {
	t.Helper()
	var up atomic.Bool
	o, _ := origin(t, func(p *peer) {
		if up.Load() {
			script(p)
		}
	}, append(change, func(c *Config) { c.BreakerFailures = 1 })...)
	wantKind(t, ask(o, get("/")).err, Closed)
	if !o.Open() {
		t.Fatal("not open")
	}
	up.Store(true)
	return o
}

// held is content of which nothing comes until it is released.
type held struct{ asked, released chan struct{} }

func (h held) Read(p []byte) (int, error) {
	close(h.asked)
	<-h.released
	return len(p), nil
}

// TestUploadAsProbe: while its client takes its time, others find out that the origin is well.
func TestUploadAsProbe(t *testing.T) {
	o := openOrigin(t, answering(ok))
	content := held{make(chan struct{}), make(chan struct{})}
	upload := &Request{Method: []byte("PUT"), Target: []byte("/"), Body: content, ContentLength: 1}
	ended := make(chan error)
	go func() {
		for {
			if err := ask(o, upload).err; kindOf(err) != "breaker-open" {
				ended <- err
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	<-content.asked
	eventually(t, "the origin is asked", func() bool { return ask(o, get("/")).body == "ok" })
	if o.Open() {
		t.Error("still open")
	}
	close(content.released)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestProbePanics: a probe that never came to its end is not the last.
func TestProbePanics(t *testing.T) {
	o := openOrigin(t, answering(ok))
	bad := &Request{Method: []byte("GET"), Target: []byte("/"), Header: header("A: b"), Omit: func([]byte) bool { panic("oh") }}
	eventually(t, "the probe panics", func() (panicked bool) {
		defer func() { panicked = recover() != nil }()
		ask(o, bad)
		return false
	})
	if !o.Open() {
		t.Error("a panic is no answer")
	}
	eventually(t, "there is another", func() bool { return ask(o, get("/")).body == "ok" })
}

// TestProbeIsNotDoubled: one request at a time means one.
func TestProbeIsNotDoubled(t *testing.T) {
	var asked atomic.Int32
	second := make(chan struct{})
	o := openOrigin(t, func(p *peer) {
		if p.request(); asked.Add(1) == 2 {
			close(second)
		}
		select {
		case <-second:
		case <-time.After(20 * soon):
		}
		p.say(ok)
	}, hedging)
	o.hedges.credit.Store(hedgeMost)
	eventually(t, "the probe is answered", func() bool { return ask(o, get("/")).body == "ok" })
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}
