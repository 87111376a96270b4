package e2e

import (
	"syscall"
	"testing"
	"time"
)

// fleet starts n sidecars that coalesce with each other.
func fleet(t *testing.T, n int, env ...string) (all []*sidecar) {
	t.Helper()
	for range n {
		all = append(all, nearside(t, append([]string{"COALESCE_FLEET=true"}, env...)...))
	}
	return all
}

// beginAll has each sidecar get n requests.
func beginAll(all []*sidecar, n int, raw string) (waves []*wave) {
	for _, s := range all {
		waves = append(waves, s.begin(times(n, raw)...))
	}
	return waves
}

// wantBodies waits for all answers, and checks status code and body.
func wantBodies(t *testing.T, waves []*wave, body string) {
	t.Helper()
	for i, w := range waves {
		w.wg.Wait()
		for _, r := range w.answers {
			if r == nil || r.status != 200 || r.body != body || r.cut != nil {
				t.Fatalf("sidecar %d: %+v", i, r)
			}
		}
	}
}

// waiting tells whether all sidecars have n requests that follow, and one more that leads.
func waiting(all []*sidecar, n int) bool {
	for _, s := range all {
		if m := s.metrics(); m["nearside_followers"] != float64(n) || m["nearside_flights"] != 1 {
			return false
		}
	}
	return true
}

// In a fleet one sidecar fetches for all; without Redis, each for its own clients.
func TestFleetFetchesOnce(t *testing.T) {
	t.Parallel()
	const sidecars, clients = 8, 125
	for name, row := range map[string]struct {
		kill bool
		most int
	}{"with Redis": {false, 2}, "Redis killed meanwhile": {true, sidecars}} {
		t.Run(name, func(t *testing.T) {
			alone(t)
			o, r := newOrigin(t), newRedis(t)
			held, release := gate(t)
			o.on("/x", func(c *call) {
				<-held
				c.say(reply("body", "Cache-Control: max-age=60"))
			})
			all := fleet(t, sidecars, o.env(), r.env(), "COALESCE_FLEET_TIMEOUT=15s", "COALESCE_TIMEOUT=60s")
			waves := beginAll(all, clients, request("GET /x"))
			eventually(t, "all wait", func() bool { return waiting(all, clients-1) })
			if row.kill {
				r.Kill()
				eventually(t, "each fetches", func() bool { return o.count("/x") == sidecars })
			}
			release()
			wantBodies(t, waves, "body")
			n := o.count("/x")
			t.Logf("%d requests at the origin for %d sidecars with %d clients each", n, sidecars, clients)
			if n > row.most {
				t.Errorf("%d requests at the origin, want %d at most", n, row.most)
			}
		})
	}
}

// What cannot be shared keeps nobody waiting: when the first sidecar has found that out, all clients of all others ask in
// parallel, and later ones at once.
func TestFleetUnshareable(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	first, openFirst := gate(t)
	rest, openRest := gate(t)
	o.on("/x", func(c *call) {
		if c.nth == 1 {
			<-first
		} else {
			<-rest
		}
		c.say(reply("body", "Cache-Control: no-store"))
	})
	all := fleet(t, 4, o.env(), r.env(), "COALESCE_FLEET_TIMEOUT=15s")
	waves := beginAll(all[:3], 5, request("GET /x"))
	eventually(t, "all wait", func() bool { return waiting(all[:3], 4) && o.count("/x") == 1 })
	openFirst()
	eventually(t, "all ask", func() bool { return o.count("/x") == 3*5 })
	late := append(beginAll(all[1:2], 5, request("GET /x")), beginAll(all[3:], 1, request("GET /x"))...)
	eventually(t, "who comes later asks at once", func() bool { return o.count("/x") == 3*5+5+1 })
	openRest()
	wantBodies(t, append(waves, late...), "body")
}

// An error of the origin's says nothing of what comes next: each sidecar asks once more, and its clients wait for that.
func TestFleetFails(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	first, openFirst := gate(t)
	rest, openRest := gate(t)
	o.on("/x", func(c *call) {
		if c.nth == 1 {
			<-first
			failing(503)(c)
			return
		}
		<-rest
		c.say(reply("body", "Cache-Control: max-age=60"))
	})
	all := fleet(t, 3, o.env(), r.env(), "COALESCE_FLEET_TIMEOUT=15s")
	leader := all[0].begin(request("GET /x"))
	eventually(t, "it is at the origin", func() bool { return o.count("/x") == 1 })
	waves := beginAll(all[1:], 5, request("GET /x"))
	eventually(t, "the others wait", func() bool { return waiting(all[1:], 4) })
	openFirst()
	leader.wg.Wait()
	equal(t, "status", leader.answers[0].status, 503)
	eventually(t, "each asks", func() bool { return o.count("/x") == 3 })
	equal(t, "its clients wait", waiting(all[1:], 4), true)
	openRest()
	wantBodies(t, waves, "body")
	equal(t, "requests at the origin", o.count("/x"), 3)
}

// The death of the sidecar that fetches costs the others no more than COALESCE_FLEET_TIMEOUT, and one fetch, also where they
// had begun to wait before it began to fetch: the others' shorter timeout comes to the same.
func TestFleetHolderDies(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.on("/x", func(c *call) {
		if c.nth == 1 {
			c.hang()
			return
		}
		c.say(reply("body", "Cache-Control: max-age=60"))
	})
	others := fleet(t, 3, o.env(), r.env(), "COALESCE_FLEET_TIMEOUT=7600ms")
	holder := fleet(t, 1, o.env(), r.env(), "COALESCE_FLEET_TIMEOUT=8s")[0]
	holder.wantCode = -1
	holder.begin(request("GET /x"))
	eventually(t, "it fetches", func() bool { return o.count("/x") == 1 })
	waves := beginAll(others, 5, request("GET /x"))
	eventually(t, "they wait", func() bool { return waiting(others, 4) })
	holder.signal(syscall.SIGKILL)
	wantBodies(t, waves, "body")
	if n := o.count("/x"); n > 3 {
		t.Errorf("%d requests at the origin", n)
	}
}

// However many clients wait, Redis is asked about a key at a rate of its own; and nobody waits for ever.
func TestFleetPollsForTheKey(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	held, release := gate(t)
	o.on("/x", func(c *call) {
		if c.nth == 1 {
			<-held
		}
		c.say(reply("body", "Cache-Control: max-age=60"))
	})
	holder := fleet(t, 1, o.env(), r.env(), "COALESCE_FLEET_TIMEOUT=15s")[0]
	holder.begin(request("GET /x"))
	eventually(t, "it fetches", func() bool { return o.count("/x") == 1 })
	s := fleet(t, 1, o.env(), r.env(), "COALESCE_FLEET_TIMEOUT=2s")[0]
	w := s.begin(times(200, request("GET /x"))...)
	wantBodies(t, []*wave{w}, "body")
	claims := s.metric(`l2_operations_total{operation="claim",result="done"}`)
	if most := int(2*time.Second/(50*time.Millisecond)) + 10; claims < 2 || claims > most {
		t.Errorf("Redis was asked %d times in 2 s for 200 clients, want %d at most", claims, most)
	}
	equal(t, "look-ups in L2", s.metric(`l2_operations_total{operation="get",result="miss"}`), 1)
	equal(t, "timed out", s.metric(`fleet_total{result="timed-out"}`), 1)
	equal(t, "requests at the origin", o.count("/x"), 2)
	release()
}

// A stale response that all sidecars serve is refreshed by one of them.
func TestFleetRefreshesOnce(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	held, release := gate(t)
	o.on("/x", func(c *call) {
		if c.nth == 1 {
			c.say(reply("old", "Cache-Control: max-age=60, stale-while-revalidate=600", "Age: 60"))
			return
		}
		<-held
		c.say(reply("new", "Cache-Control: max-age=60"))
	})
	all := fleet(t, 4, o.env(), r.env(), "COALESCE_FLEET_TIMEOUT=15s")
	all[0].get("/x")
	all[0].settled()
	ask := func() {
		for _, s := range all {
			equal(t, "body", s.get("/x").body, "old")
		}
	}
	eventually(t, "the refresh is at the origin", func() bool {
		ask()
		return o.count("/x") == 2
	})
	for range 20 {
		ask()
	}
	release()
	for _, s := range all {
		eventually(t, "the new response", func() bool { return s.get("/x").body == "new" })
	}
	equal(t, "requests at the origin", o.count("/x"), 2)
}

// COALESCE_FLEET needs a place to meet.
func TestFleetWithoutRedis(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, nil, "UPSTREAM_URL=http://127.0.0.1:9", "COALESCE_FLEET=true")
	equal(t, "exit code", code, 2)
	contains(t, "stderr", stderr, `COALESCE_FLEET="true": want REDIS_URL`)
}
