package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// wave is requests that are in the sidecar at the same time.
type wave struct {
	t       *testing.T
	s       *sidecar
	answers []*response // nil: none came
	wg      sync.WaitGroup
}

// begin sends raw requests, each over a connection of its own.
func (s *sidecar) begin(raw ...string) *wave {
	s.t.Helper()
	w := &wave{t: s.t, s: s, answers: make([]*response, len(raw))}
	for i := range raw {
		c := dial(s.t, s.addr)
		if err := c.send(raw[i]); err != nil {
			s.t.Fatal(err)
		}
		method, _, _ := strings.Cut(raw[i], " ")
		w.wg.Go(func() { w.answers[i], _ = c.read(method) })
	}
	return w
}

// follow sends raw requests and waits until all of them wait for a fetch that is under way.
func (s *sidecar) follow(raw ...string) *wave {
	s.t.Helper()
	before := s.metric("followers")
	w := s.begin(raw...)
	eventually(s.t, "all follow", func() bool { return s.metric("followers") == before+len(raw) })
	return w
}

// wants waits for all answers and checks each.
func (w *wave) wants(status int, cache, body string) {
	w.t.Helper()
	w.wg.Wait()
	for i, r := range w.answers {
		if r == nil {
			w.t.Errorf("no answer to request %d", i)
			continue
		}
		r.t = w.t
		r.wants(status, cache, body)
	}
}

func times(n int, raw string) []string {
	return strings.Split(strings.Repeat(raw+"\x00", n-1)+raw, "\x00")
}

// Of many who ask for the same at the same time one goes to L2 and to the origin, and all get its answer; who comes
// when it is there gets a hit.
func TestOneFlight(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		held, release := gate(t)
		o.on("/x", func(c *call) {
			<-held
			c.say(reply("body", "Cache-Control: max-age=60"))
		})
		s := nearside(t, append(env, o.env())...)
		leader := s.begin(request("GET /x"))
		eventually(t, "the leader is at the origin", func() bool { return o.count("/x") == 1 })
		followers := s.follow(times(100, request("GET /x"))...)
		equal(t, "flights", s.metric("flights"), 1)
		s.get("/x", "Cache-Control: only-if-cached").wants(504, "detail=only-if-cached", "nearside: Nothing usable is stored, and the request asks for stored responses only.\n")
		release()
		leader.wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
		followers.wants(200, "fwd=uri-miss; fwd-status=200; collapsed", "body")
		s.settled()
		s.get("/x").wants(200, "hit; detail="+tier, "body")
		equal(t, "requests at the origin", o.count("/x"), 1)
		if tier == "L2" {
			equal(t, "look-ups in L2", s.metric(`l2_operations_total{operation="get",result="miss"}`), 2) // one is only-if-cached
		}
		equal(t, "collapsed", s.metric(`requests_total{outcome="collapsed",tier=""}`), 100)
		equal(t, "flights", s.metric("flights"), 0)
	})
}

// What L2 has is fetched from there once for all.
func TestOneLookUpInL2(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.says("/x", reply("body", "Cache-Control: max-age=60"))
	other := nearside(t, o.env(), r.env())
	other.get("/x")
	other.settled()
	s := nearside(t, o.env(), r.env(), "L2_TIMEOUT=15s")
	r.Hang()
	first := s.begin(request("GET /x"))
	eventually(t, "a flight", func() bool { return s.metric("flights") == 1 })
	rest := s.follow(times(50, request("GET /x"))...)
	r.Resume()
	first.wants(200, "hit; detail=L2", "body")
	rest.wants(200, "hit; detail=L2", "body")
	equal(t, "look-ups in L2", s.metric(`l2_operations_total{operation="get",result="hit"}`), 1)
	equal(t, "requests at the origin", o.count("/x"), 1)
}

// Who may not share is let go at once, and all go in parallel; the next wave waits for nobody, until a response can be
// shared again.
func TestUnshareable(t *testing.T) {
	t.Parallel()
	const n = 20
	for name, answer := range map[string]string{
		"private":  "Cache-Control: private",
		"no-store": "Cache-Control: no-store",
		"cookie":   "Set-Cookie: a=b",
		"star":     "Vary: *",
		"no-cache": `ETag: "1" | Cache-Control: no-cache`,
		"silent":   "",
		"stale":    `ETag: "1" | Cache-Control: max-age=0`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			first, open := gate(t)
			rest, openRest := gate(t)
			o.on("/x", func(c *call) {
				switch {
				case c.nth == 1:
					<-first
				case c.nth <= 2*n:
					<-rest
				default:
					c.say(reply("body", "Cache-Control: max-age=60"))
					return
				}
				c.say(reply("body", append(fields(answer), "X-N: "+fmt.Sprint(c.nth))...))
			})
			s := nearside(t, o.env())
			leader := s.begin(request("GET /x"))
			eventually(t, "the leader is at the origin", func() bool { return o.count("/x") == 1 })
			followers := s.follow(times(n-1, request("GET /x"))...)
			open()
			eventually(t, "all are at the origin", func() bool { return o.count("/x") == n })
			leader.wg.Wait()
			s.settled()
			next := s.begin(times(n, request("GET /x"))...)
			eventually(t, "the next wave is, too", func() bool { return o.count("/x") == 2*n })
			openRest()
			seen := map[string]bool{}
			for _, w := range []*wave{leader, followers, next} {
				w.wg.Wait()
				for _, r := range w.answers {
					if r == nil || r.status != 200 || r.body != "body" || seen[r.field("X-N")] {
						t.Fatalf("answer %+v", r)
					}
					seen[r.field("X-N")] = true
				}
			}
			equal(t, "released", s.metric(`followers_total{result="released"}`), n-1)
			equal(t, "barred", s.metric(`followers_total{result="barred"}`), n)
		})
	}
}

// A key is not kept apart any longer than its responses are.
func TestSharedAgain(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	held, release := gate(t)
	o.on("/x", func(c *call) {
		switch c.nth {
		case 1:
			c.say(reply("private", "Cache-Control: private"))
		case 2:
			c.say(reply("first", "Cache-Control: max-age=60"))
		case 3: // a POST, which invalidates that
			c.readBody()
			c.say(reply("done"))
		default:
			<-held
			c.say(reply("long", "Cache-Control: max-age=60"))
		}
	})
	s := nearside(t, o.env())
	s.get("/x")
	s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "first")
	s.settled()
	equal(t, "status of the POST", s.do("POST /x", "Content-Length: 0").status, 200)
	leader := s.begin(request("GET /x"))
	eventually(t, "a flight", func() bool { return s.metric("flights") == 1 })
	followers := s.follow(times(5, request("GET /x"))...)
	release()
	leader.wants(200, "fwd=uri-miss; fwd-status=200; stored", "long")
	followers.wants(200, "fwd=uri-miss; fwd-status=200; collapsed", "long")
}

// A follower waits no longer than COALESCE_TIMEOUT; with 0 nobody waits.
func TestCoalesceTimeout(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		timeout  string
		timedOut int
	}{{"200ms", 5}, {"0s", 0}} {
		o := newOrigin(t)
		held, release := gate(t)
		o.on("/x", func(c *call) {
			if c.nth == 1 {
				<-held
			}
			c.say(reply(fmt.Sprint("answer ", min(c.nth, 2)), "Cache-Control: max-age=60"))
		})
		s := nearside(t, o.env(), "COALESCE_TIMEOUT="+row.timeout)
		leader := s.begin(request("GET /x"))
		eventually(t, "the leader is at the origin", func() bool { return o.count("/x") == 1 })
		others := s.begin(times(5, request("GET /x"))...)
		others.wg.Wait()
		for _, r := range others.answers {
			equal(t, "body", r.body, "answer 2")
		}
		if n := s.metric(`followers_total{result="timed-out"}`); n > row.timedOut || row.timedOut > 0 && n == 0 {
			t.Errorf("%d timed out, want %d", n, row.timedOut) // fewer when the first of them had stored its own already
		}
		release()
		leader.wants(200, "fwd=uri-miss; fwd-status=200; stored", "answer 1")
	}
}

// There is no gap between the answer and the fill: who comes when the answer is out and no tier has it yet, gets the same
// response. (L1 does not wait for Redis, so it is off here.)
func TestNoGapBeforeTheFill(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	heldA, releaseA := gate(t)
	heldB, releaseB := gate(t)
	for target, held := range map[string]<-chan struct{}{"/a": heldA, "/b": heldB} {
		o.on(target, func(c *call) {
			<-held
			c.say(reply("body", "Cache-Control: max-age=60"))
		})
	}
	s := nearside(t, o.env(), r.env(), "L1_MAX_BYTES=0", "POOL_WORKERS=1", "L2_TIMEOUT=15s")
	a, b := s.begin(request("GET /a")), s.begin(request("GET /b"))
	eventually(t, "both are at the origin", func() bool { return len(o.requests("")) == 2 })
	r.Hang()
	releaseA()
	a.wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
	eventually(t, "the only worker hangs", func() bool { return s.metric(`pool_running{pool="fill-l2"}`) == 1 })
	releaseB()
	b.wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
	equal(t, "fills that wait", s.metric(`pool_queued{pool="fill-l2"}`), 1)
	for range 3 {
		s.get("/b").wants(200, "fwd=uri-miss; fwd-status=200; collapsed", "body")
	}
	r.Resume()
	s.settled()
	s.get("/b").wants(200, "hit; detail=L2", "body")
	equal(t, "requests at the origin", o.count("/b"), 1)
}
