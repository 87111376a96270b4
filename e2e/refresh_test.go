package e2e

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// What failed to be revalidated is served stale at once, where that is allowed, and tried again in the background and ever
// less often, until the origin is well.
func TestFailuresBackOff(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		var well atomic.Bool
		o.on("/x", func(c *call) {
			switch {
			case c.nth == 1:
				c.say(reply("old", "Cache-Control: max-age=60, stale-if-error=600", "Age: 60", `ETag: "1"`))
			case well.Load():
				c.say(reply("new", "Cache-Control: max-age=60", `ETag: "2"`))
			default:
				c.say(reply("oops", "Status: 503"))
			}
		})
		s := nearside(t, append(env, o.env())...)
		s.get("/x")
		s.settled()
		s.get("/x").wants(200, "fwd=stale; fwd-status=503; detail=stale-if-error", "old")
		begun, asked := time.Now(), 0
		for time.Since(begun) < 3500*time.Millisecond {
			r := s.get("/x")
			equal(t, "body", r.body, "old")
			if r.cache() != "hit; detail=stale-if-error" {
				asked++
			}
		}
		// After 1 s and after another 2 s, in the background; what is more was too long after the last failure.
		if n := o.count("/x") - 2; n < 1 || n > 2+asked || asked > 2 {
			t.Errorf("tried %d times in %v, %d clients had to wait", n, time.Since(begun), asked)
		}
		well.Store(true)
		eventually(t, "it is well again", func() bool { return s.get("/x").body == "new" })
		s.settled()
		s.get("/x").wants(200, "hit; detail="+tier, "new")
	})
}

// Requests that may not be served stale any more follow the refresh that is under way.
func TestRefreshIsAFlight(t *testing.T) {
	t.Parallel()
	for name, vary := range map[string]string{"plain": "X: 1", "variant": "Vary: A"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			held, release := gate(t)
			o.on("/x", func(c *call) {
				if c.nth == 1 {
					c.say(reply("old", "Cache-Control: max-age=60, stale-while-revalidate=1", "Age: 60", vary, `ETag: "1"`))
					return
				}
				<-held
				c.say(reply("", "Status: 304", "Cache-Control: max-age=60", `ETag: "1"`))
			})
			s := nearside(t, o.env())
			s.get("/x")
			s.settled()
			s.get("/x").wants(200, "hit; detail=L1", "old")
			eventually(t, "the refresh is at the origin", func() bool { return o.count("/x") == 2 })
			eventually(t, "it may not be served any more", func() bool {
				return s.get("/x", "Cache-Control: only-if-cached").status == 504
			})
			followers := s.follow(times(10, request("GET /x"))...)
			release()
			followers.wants(200, "fwd=stale; fwd-status=304; collapsed", "old")
			s.settled()
			s.get("/x").wants(200, "hit; detail=L1", "old")
			equal(t, "requests at the origin", o.count("/x"), 2)
		})
	}
}

// A refresh takes from L2 what another sidecar has refreshed.
func TestRefreshFromL2(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.says("/x", reply("old", "Cache-Control: max-age=60, stale-while-revalidate=600", "Age: 60"), reply("new", "Cache-Control: max-age=60"))
	a, b := nearside(t, o.env(), r.env()), nearside(t, o.env(), r.env())
	a.get("/x")
	a.settled()
	b.get("/x").wants(200, "hit; detail=L2", "old")
	b.settled() // its refresh
	equal(t, "requests at the origin", o.count("/x"), 2)
	a.get("/x").wants(200, "hit; detail=L1", "old")
	a.settled()
	a.get("/x").wants(200, "hit; detail=L1", "new")
	equal(t, "requests at the origin", o.count("/x"), 2)
}

// With EARLY_REFRESH_BETA a response that is asked for is renewed before it is stale, once at a time.
func TestEarlyRefresh(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		beta string
		most int // requests at the origin while the response is fresh
	}{{"1000000", 2}, {"0", 1}} {
		o := newOrigin(t)
		held, release := gate(t)
		o.on("/x", func(c *call) {
			if c.nth > 1 {
				<-held
			} else {
				time.Sleep(50 * time.Millisecond) // an origin that takes its time
			}
			c.say(reply(fmt.Sprint("answer ", c.nth), "Cache-Control: max-age=60"))
		})
		s := nearside(t, o.env(), "EARLY_REFRESH_BETA="+row.beta)
		s.get("/x")
		s.settled()
		eventually(t, "all requests that were expected", func() bool {
			r := s.get("/x")
			r.wants(200, "hit; detail=L1", "answer 1")
			return r.ttl() > 0 && o.count("/x") == row.most
		})
		for range 20 {
			s.get("/x").wants(200, "hit; detail=L1", "answer 1")
		}
		equal(t, "requests at the origin", o.count("/x"), row.most)
		release()
		if row.most > 1 {
			eventually(t, "the new response", func() bool { return s.get("/x").body != "answer 1" })
		}
	}
}

// With TTL_JITTER responses that were stored together do not expire together.
func TestJitter(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.says("*", reply("body", "Cache-Control: max-age=10000"))
	s := nearside(t, o.env(), "TTL_JITTER=0.2")
	seen := map[int]bool{}
	for i := range 50 {
		ttl := s.get(fmt.Sprintf("/%d", i)).ttl()
		if ttl < 7900 || ttl > 10000 {
			t.Errorf("ttl %d", ttl)
		}
		seen[ttl] = true
	}
	if len(seen) < 25 {
		t.Errorf("%d lifetimes of 50 responses", len(seen))
	}
}
