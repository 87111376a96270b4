package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// What a follower asks for decides whether the leader's response is for it.
func TestFollowers(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	const fresh, tagged = "Cache-Control: max-age=60", `Cache-Control: max-age=60 | ETag: "1"`
	const miss, shares = "fwd=uri-miss; fwd-status=200; stored", "fwd=uri-miss; fwd-status=200; collapsed"
	for i, row := range []struct {
		answer, leader, follower string
		waits                    bool // for the leader
		status                   int
		cache, body              string
		requests                 int
	}{
		{fresh, "", "", true, 200, shares, "body", 1},
		{fresh, "", "Cache-Control: max-age=30", true, 200, shares, "body", 1},
		{fresh, "", "Cache-Control: min-fresh=90", true, 200, "fwd=request; fwd-status=200; stored", "body", 2},
		{fresh, "", "Cache-Control: no-cache", false, 200, miss, "body", 2},
		{fresh, "", "Pragma: no-cache", false, 200, miss, "body", 2},
		{fresh, "", "Cache-Control: max-age=0", false, 200, miss, "body", 2},
		{fresh, "", "Cache-Control: no-store", false, 200, "fwd=uri-miss; fwd-status=200; detail=no-store", "body", 2},
		{tagged, "", `If-None-Match: "1"`, true, 304, shares, "", 1},
		{tagged, "", `If-None-Match: "2"`, true, 200, shares, "body", 1},
		{tagged, "", `Range: bytes=1-2`, false, 200, miss, "body", 2}, // this origin knows no ranges
		{tagged, "Range: bytes=1-2", "Range: bytes=1-2", true, 206, shares, "od", 1},
		{tagged, "Range: bytes=1-2", "Range: bytes=1-3", false, 200, miss, "body", 2},
		{tagged, "Range: bytes=1-2", `Range: bytes=1-2 | If-Range: "1"`, false, 206, miss, "od", 2},
		{fresh, "Authorization: a", "Authorization: b", true, 200, "fwd=uri-miss; fwd-status=200; detail=authorization", "body", 2},
		{fresh, "Authorization: a", "", true, 200, miss, "body", 2},
		{fresh, "", "Authorization: a", true, 200, shares, "body", 1},
		{fresh + ", public", "Authorization: a", "Authorization: b", true, 200, shares, "body", 1},
		{fresh + " | Vary: A", "A: 1", "A: 1", true, 200, shares, "body", 1},
		{fresh + " | Vary: A", "A: 1", "A: 2", true, 200, miss, "body", 2},
		{fresh + " | Vary: A", "A: 1", "", true, 200, miss, "body", 2},
	} {
		target := fmt.Sprintf("/%d", i)
		held, release := gate(t)
		o.on(target, func(c *call) {
			<-held
			c.say(reply("body", fields(row.answer)...))
		})
		leader := s.begin(request("GET "+target, fields(row.leader)...))
		eventually(t, "the leader is at the origin", func() bool { return o.count(target) == 1 })
		var follower *wave
		if row.waits {
			follower = s.follow(request("GET "+target, fields(row.follower)...))
		} else {
			follower = s.begin(request("GET "+target, fields(row.follower)...))
			eventually(t, "the other is at the origin", func() bool { return o.count(target) == 2 })
		}
		release()
		leader.wg.Wait()
		follower.wg.Wait()
		r := follower.answers[0]
		what := fmt.Sprintf("%s, %q, %q: ", row.answer, row.leader, row.follower)
		if r == nil || leader.answers[0] == nil {
			t.Fatal(what, "no answer")
		}
		if row.status == 200 && r.status == 206 { // what the other fetched is in L1 by now, or is not
			continue
		}
		equal(t, what+"status", r.status, row.status)
		equal(t, what+"Cache-Status", r.cache(), row.cache)
		equal(t, what+"body", r.body, row.body)
		equal(t, what+"requests", o.count(target), row.requests)
	}
}

// Followers whom the leader's variant does not suit share the next flight.
func TestFlightsOfVariants(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	held, release := gate(t)
	next, releaseNext := gate(t)
	o.on("/x", func(c *call) {
		if c.nth == 1 {
			<-held
		} else {
			<-next
		}
		c.say(reply("for "+c.field("A"), "Cache-Control: max-age=60", "Vary: A"))
	})
	s := nearside(t, o.env())
	s.begin(request("GET /x", "A: 1"))
	eventually(t, "the leader is at the origin", func() bool { return o.count("/x") == 1 })
	one, two := s.follow(times(10, request("GET /x", "A: 1"))...), s.follow(times(10, request("GET /x", "A: 2"))...)
	release()
	one.wants(200, "fwd=uri-miss; fwd-status=200; collapsed", "for 1")
	eventually(t, "the next leader is at the origin", func() bool { return o.count("/x") == 2 })
	eventually(t, "the others wait for it", func() bool { return s.metric("followers") == 9 })
	s.settled()
	three := s.begin(request("GET /x", "A: 3")) // L1 knows by now what the response varies on
	eventually(t, "the third variant has its own", func() bool { return o.count("/x") == 3 })
	also := s.follow(times(5, request("GET /x", "A: 3"))...)
	releaseNext()
	two.wg.Wait()
	three.wants(200, "fwd=vary-miss; fwd-status=200; stored", "for 3")
	also.wants(200, "fwd=vary-miss; fwd-status=200; collapsed", "for 3")
	for _, r := range two.answers {
		equal(t, "body", r.body, "for 2")
	}
	equal(t, "requests at the origin", o.count("/x"), 3)
}

// A stale response is confirmed once for all who wait.
func TestOneRevalidation(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		held, release := gate(t)
		o.on("/x", func(c *call) {
			if c.nth == 1 {
				c.say(reply("body", "Cache-Control: max-age=60", "Age: 60", `ETag: "1"`))
				return
			}
			<-held
			c.say(reply("", "Status: 304", `ETag: "1"`, "Cache-Control: max-age=60"))
		})
		s := nearside(t, append(env, o.env())...)
		s.get("/x")
		s.settled()
		leader := s.begin(request("GET /x"))
		eventually(t, "the leader is at the origin", func() bool { return o.count("/x") == 2 })
		followers := s.follow(times(20, request("GET /x"))...)
		release()
		leader.wants(200, "fwd=stale; fwd-status=304; stored", "body")
		followers.wg.Wait()
		for _, r := range followers.answers {
			reason := map[string]string{"L1": "stale", "L2": "uri-miss"}[tier] // followers have not asked L2
			r.wants(200, "fwd="+reason+"; fwd-status=304; collapsed", "body")
		}
		equal(t, "requests at the origin", o.count("/x"), 2)
		contains(t, "request", o.last("/x").head, "If-None-Match: \"1\"\r\n")
	})
}

// A leader's own condition goes upstream; when the answer is 304, its followers share the next flight, which asks for
// the whole.
func TestConditionalLeader(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	first, openFirst := gate(t)
	second, openSecond := gate(t)
	o.on("/x", func(c *call) {
		if c.nth == 1 {
			<-first
		} else {
			<-second
		}
		if c.field("If-None-Match") != "" {
			c.say(reply("", "Status: 304", `ETag: "1"`, "Cache-Control: max-age=60"))
			return
		}
		c.say(reply("body", `ETag: "1"`, "Cache-Control: max-age=60"))
	})
	s := nearside(t, o.env())
	leader := s.begin(request("GET /x", `If-None-Match: "1"`))
	eventually(t, "the leader is at the origin", func() bool { return o.count("/x") == 1 })
	conditional := s.follow(times(5, request("GET /x", `If-None-Match: "1"`))...)
	plain := s.follow(times(5, request("GET /x"))...)
	openFirst()
	leader.wants(304, "fwd=uri-miss; fwd-status=304; detail=status", "")
	eventually(t, "the next leader is at the origin", func() bool { return o.count("/x") == 2 })
	eventually(t, "the others follow", func() bool { return s.metric("followers") == 9 })
	openSecond()
	conditional.wg.Wait()
	plain.wg.Wait()
	for i := range 5 {
		equal(t, "status of a conditional request", conditional.answers[i].status, 304)
		equal(t, "status of another", plain.answers[i].status, 200)
		equal(t, "body", plain.answers[i].body, "body")
	}
	equal(t, "requests at the origin", o.count("/x"), 2)
}

// When the origin fails, followers share the failure, or the stale response that stands in for it, or they ask
// themselves where a request of another client may have provoked it.
func TestFlightFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, stored     string
		fail             func(*call)
		status           int
		leader, follower string
		requests         int // beyond what stored it
		again            int // or so many, when the connection that died had been used before
	}{
		{"hang", "", (*call).hang, 504, "fwd=uri-miss; detail=header-timeout", "fwd=uri-miss; collapsed; detail=header-timeout", 1, 1},
		{"hang up", "", func(c *call) { c.done = true }, 502, "fwd=uri-miss; detail=closed", "fwd=uri-miss; detail=closed", 6, 6},
		{"503", "", failing(503), 503, "fwd=uri-miss; fwd-status=503; detail=no-store", "fwd=uri-miss; fwd-status=503; detail=no-store", 6, 6},
		{"hang, stale", "stale-if-error=600", (*call).hang, 200, "fwd=stale; detail=stale-if-error", "fwd=stale; collapsed; detail=stale-if-error", 1, 1},
		{"hang up, stale", "stale-if-error=600", func(c *call) { c.done = true }, 200, "fwd=stale; detail=stale-if-error", "fwd=stale; collapsed; detail=stale-if-error", 1, 2},
		{"503, stale", "stale-if-error=600", failing(503), 200, "fwd=stale; fwd-status=503; detail=stale-if-error", "fwd=stale; fwd-status=503; collapsed; detail=stale-if-error", 1, 1},
	} {
		for _, tier := range []string{"L1", "L2"} {
			t.Run(row.name+" "+tier, func(t *testing.T) {
				t.Parallel()
				o := newOrigin(t)
				held, release := gate(t)
				before := 0
				if row.stored != "" {
					before = 1
				}
				o.on("/x", func(c *call) {
					if c.nth <= before {
						c.say(reply("old", "Cache-Control: max-age=60, "+row.stored, "Age: 60", `ETag: "1"`))
						return
					}
					<-held
					row.fail(c)
				})
				env := []string{o.env(), "UPSTREAM_TIMEOUT=15s"}
				if strings.HasPrefix(row.name, "hang,") || row.name == "hang" {
					env[1] = "UPSTREAM_TIMEOUT=3s"
				}
				if tier == "L2" {
					env = append(env, newRedis(t).env(), "L1_MAX_BYTES=0")
				}
				s := nearside(t, env...)
				if before > 0 {
					s.get("/x")
					s.settled()
				}
				leader := s.begin(request("GET /x"))
				eventually(t, "the leader is at the origin", func() bool { return o.count("/x") == before+1 })
				followers := s.follow(times(5, request("GET /x"))...)
				release()
				leader.wg.Wait()
				followers.wg.Wait()
				equal(t, "status", leader.answers[0].status, row.status)
				equal(t, "leader", leader.answers[0].cache(), row.leader)
				for _, r := range followers.answers {
					equal(t, "status", r.status, row.status)
					equal(t, "follower", r.cache(), row.follower)
				}
				if n := o.count("/x") - before; n != row.requests && n != row.again {
					t.Errorf("%d requests at the origin, want %d", n, row.requests)
				}
			})
		}
	}
}
