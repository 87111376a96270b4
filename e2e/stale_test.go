package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A stale response within its window is served at once, however long the origin takes, and refreshed once for all
// who ask meanwhile (RFC 5861 §3).
func TestStaleWhileRevalidate(t *testing.T) {
	for name, row := range map[string]struct{ answer, env string }{
		"by the response": {"Cache-Control: max-age=60, stale-while-revalidate=600", "STALE_WHILE_REVALIDATE=0s"},
		"by the operator": {"Cache-Control: max-age=60", "STALE_WHILE_REVALIDATE=10m"},
	} {
		t.Run(name, func(t *testing.T) {
			inEachTier(t, func(t *testing.T, tier string, env []string) {
				o := newOrigin(t)
				held, release := gate(t)
				o.on("/x", func(c *call) {
					if c.nth == 1 {
						c.say(reply("old", row.answer, "Age: 60", `ETag: "1"`))
						return
					}
					<-held
					c.say(reply("new", "Cache-Control: max-age=60", `ETag: "2"`))
				})
				s := nearside(t, append(env, o.env(), row.env)...)
				s.get("/x")
				s.settled()
				for range 20 {
					r := s.get("/x")
					r.wants(200, "hit; detail="+tier, "old")
					if r.ttl() > 0 || r.age() < 60 {
						t.Errorf("ttl %d, Age %d of a response that is stale", r.ttl(), r.age())
					}
				}
				eventually(t, "the refresh is at the origin", func() bool { return o.count("/x") == 2 })
				contains(t, "refresh", o.last("/x").head, "If-None-Match: \"1\"\r\n", "Via: 1.1 nearside")
				release()
				s.settled()
				s.get("/x").wants(200, "hit; detail="+tier, "new")
				equal(t, "requests at the origin", o.count("/x"), 2)
				equal(t, "refreshes done", s.metric(`refreshes_total{result="done"}`), 1)
			})
		})
	}
}

// A refresh may be confirmed, may find the response gone or no longer to be shared, and may fail.
func TestRefreshAnswers(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env())...)
		const answer = "Cache-Control: max-age=60, stale-while-revalidate=600"
		for i, row := range []struct{ name, answer, again string }{
			{"confirmed", reply("", "Status: 304", "Cache-Control: max-age=60"), "hit; detail=" + tier + " old"},
			{"gone", reply("gone", "Status: 404", "Cache-Control: max-age=60"), "hit; detail=" + tier + " gone"},
			{"private from now on", reply("new", "Cache-Control: private"), "fwd=uri-miss; fwd-status=200; detail=private new"},
			{"failed", reply("oops", "Status: 503"), "hit; detail=refresh-failed old"},
			{"cut", "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhal", "hit; detail=refresh-failed old"},
		} {
			target := fmt.Sprintf("/refresh/%d", i)
			o.on(target, func(c *call) {
				if c.nth == 1 {
					c.say(reply("old", answer, "Age: 60", `ETag: "1"`))
					return
				}
				c.say(row.answer)
				c.done = row.name == "cut"
			})
			s.get(target)
			s.settled()
			s.get(target).wants(200, "hit; detail="+tier, "old")
			s.settled()
			r := s.get(target)
			equal(t, row.name+": afterwards", r.cache()+" "+r.body, row.again)
		}
	})
}

// broken is an origin that has the response once, and then fails in some way.
func broken(t *testing.T, answer string, how func(*call)) *origin {
	o := newOrigin(t)
	o.on("/x", func(c *call) {
		if c.nth == 1 {
			c.say(reply("old", answer, "Age: 60", `ETag: "1"`))
			return
		}
		how(c)
	})
	return o
}

func failing(status int) func(*call) {
	return func(c *call) { c.say(reply("failed", fmt.Sprintf("Status: %d", status), "Cache-Control: no-store")) }
}

// When the origin fails, a stale response stands in where that is allowed (RFC 5861 §4); else the client gets the
// error, and never a stale response that must be revalidated (RFC 9111 §5.2.2.2).
func TestStaleIfError(t *testing.T) {
	t.Parallel()
	const allowed, silent, never = "Cache-Control: max-age=60, stale-if-error=600", "Cache-Control: max-age=60", "Cache-Control: max-age=60, must-revalidate"
	garbage := func(c *call) { c.say("SSH-2.0-OpenSSH\r\n"); c.done = true }
	hangup := func(c *call) { c.done = true }
	for _, row := range []struct {
		name, answer, env, ask string
		how                    func(*call) // nil: refuse connections
		status                 int
		cache, body            string
	}{
		{"500", allowed, "", "", failing(500), 200, "fwd=stale; fwd-status=500; detail=stale-if-error", "old"},
		{"502", allowed, "", "", failing(502), 200, "fwd=stale; fwd-status=502; detail=stale-if-error", "old"},
		{"503", allowed, "", "", failing(503), 200, "fwd=stale; fwd-status=503; detail=stale-if-error", "old"},
		{"504", allowed, "", "", failing(504), 200, "fwd=stale; fwd-status=504; detail=stale-if-error", "old"},
		{"501", allowed, "", "", failing(501), 501, "fwd=stale; fwd-status=501; detail=no-store", "failed"},
		{"404", allowed, "", "", failing(404), 404, "fwd=stale; fwd-status=404; detail=no-store", "failed"},
		{"refused", allowed, "", "", nil, 200, "fwd=stale; detail=stale-if-error", "old"},
		{"hang", allowed, "", "", (*call).hang, 200, "fwd=stale; detail=stale-if-error", "old"},
		{"hang up", allowed, "", "", hangup, 200, "fwd=stale; detail=stale-if-error", "old"},
		{"garbage", allowed, "", "", garbage, 200, "fwd=stale; detail=stale-if-error", "old"},

		{"by the operator: 503", silent, "STALE_IF_ERROR=10m", "", failing(503), 200, "fwd=stale; fwd-status=503; detail=stale-if-error", "old"},
		{"by the operator: refused", silent, "STALE_IF_ERROR=10m", "", nil, 200, "fwd=stale; detail=stale-if-error", "old"},
		{"by the client", silent, "", "Cache-Control: stale-if-error=600", failing(503), 200, "fwd=stale; fwd-status=503; detail=stale-if-error", "old"},
		{"not for no-cache", allowed, "", "Cache-Control: no-cache", failing(503), 503, "fwd=request; fwd-status=503; detail=no-store", "failed"},

		{"silent: 503", silent, "", "", failing(503), 503, "fwd=stale; fwd-status=503; detail=no-store", "failed"},
		{"silent: refused", silent, "", "", nil, 502, "fwd=stale; detail=refused", ""},
		{"silent: hang", silent, "", "", (*call).hang, 504, "fwd=stale; detail=header-timeout", ""},
		{"never: 503", never, "STALE_IF_ERROR=10m", "", failing(503), 503, "fwd=stale; fwd-status=503; detail=no-store", "failed"},
		{"never: refused", never, "STALE_IF_ERROR=10m", "", nil, 504, "fwd=stale; detail=refused", ""},
		{"never: hang up", never, "STALE_IF_ERROR=10m", "", hangup, 504, "fwd=stale; detail=closed", ""},
	} {
		t.Run(strings.ReplaceAll(row.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			o := broken(t, row.answer, row.how)
			s := nearside(t, o.env(), "UPSTREAM_TIMEOUT=500ms", row.env)
			s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "old")
			s.settled()
			if row.how == nil {
				o.close()
			}
			r := s.get("/x", fields(row.ask)...)
			equal(t, "status", r.status, row.status)
			equal(t, "Cache-Status", r.cache(), row.cache)
			if row.body != "" {
				equal(t, "body", r.body, row.body)
			} else {
				contains(t, "body", r.body, "nearside: ")
				equal(t, "Cache-Control of an error of our own", r.field("Cache-Control"), "no-store")
			}
		})
	}
}

// A stale response is kept for revalidation as long as KEEP_STALE says, and no longer.
func TestKeepStale(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env(), "KEEP_STALE=2s")...)
		o.says("/x", reply("body", "Cache-Control: max-age=60", "Age: 60", `ETag: "1"`))
		begun := time.Now()
		s.get("/x")
		s.settled()
		s.get("/x", "Cache-Control: only-if-cached, max-stale").wants(200, "hit; detail="+tier, "body")
		eventually(t, "nothing stored", func() bool {
			return s.get("/x", "Cache-Control: only-if-cached, max-stale").status == 504
		})
		if kept := time.Since(begun); kept < 2*time.Second {
			t.Errorf("kept for %v", kept)
		}
		s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
		equal(t, "condition after KEEP_STALE", o.last("/x").field("If-None-Match"), "")
	})
}
