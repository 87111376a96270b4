package e2e

import (
	"fmt"
	"testing"
)

// A client that has the response already is told so from the store (RFC 9110 §13.2.2).
func TestClientValidates(t *testing.T) {
	const modified = "Tue, 01 Sep 2026 10:00:00 GMT"
	rows := []struct {
		ask    string
		status int
	}{
		{`If-None-Match: "1"`, 304},
		{`If-None-Match: W/"1"`, 304},
		{`If-None-Match: "0", "1"`, 304},
		{`If-None-Match: "0" | If-None-Match: "1"`, 304},
		{`If-None-Match: *`, 304},
		{`If-None-Match: "2"`, 200},
		{`If-None-Match: "11"`, 200},
		{"If-Modified-Since: " + modified, 304},
		{"If-Modified-Since: Tuesday, 01-Sep-26 10:00:00 GMT", 304},
		{"If-Modified-Since: Wed, 02 Sep 2026 10:00:00 GMT", 304},
		{"If-Modified-Since: Mon, 31 Aug 2026 10:00:00 GMT", 200},
		{"If-Modified-Since: yesterday", 200},
		{`If-None-Match: "2" | If-Modified-Since: ` + modified, 200},
		{`If-None-Match: "1" | If-Modified-Since: Mon, 31 Aug 2026 10:00:00 GMT`, 304},
	}
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env())...)
		o.says("/x", reply("body", "Cache-Control: max-age=60", `ETag: "1"`, "Last-Modified: "+modified,
			"Content-Type: text/plain", "Content-Language: de", "Content-Location: /y", "Expires: {+60}", "Vary: A", "X-Rest: 1"))
		s.get("/x")
		s.settled()
		c := dial(t, s.addr)
		for _, row := range rows {
			r := c.ask(request("GET /x", fields(row.ask)...))
			equal(t, row.ask+": status", r.status, row.status)
			equal(t, row.ask+": Cache-Status", r.cache(), "hit; detail="+tier)
			if row.status == 304 {
				equal(t, row.ask+": names of the fields", fieldNames(r.head),
					"Age Cache-Control Cache-Status Content-Location Date ETag Expires Last-Modified Vary Via X-Rest")
			}
		}
		r := c.ask(request("HEAD /x", `If-None-Match: "1"`))
		equal(t, "status of HEAD", r.status, 304)
		equal(t, "requests at the origin", o.count("/x"), 1)
	})
}

// A client's condition goes upstream when nothing is stored, and the origin's 304 comes back; it stores nothing.
func TestConditionOnMiss(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	o.says("/x", reply("", "Status: 304", `ETag: "1"`, "Cache-Control: max-age=60"), reply("body", `ETag: "1"`, "Cache-Control: max-age=60"))
	s.get("/x", `If-None-Match: "1"`).wants(304, "fwd=uri-miss; fwd-status=304; detail=status", "")
	equal(t, "condition at the origin", o.last("/x").field("If-None-Match"), `"1"`)
	s.settled()
	s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
}

// A stale response with a validator is confirmed by a 304, which makes it fresh in both tiers (RFC 9111 §4.3).
func TestRevalidation(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	s := nearside(t, o.env(), r.env())
	const stale = "Cache-Control: max-age=60 | Age: 60 | X-Old: 1 | X-Both: old | "
	const modified = "Tue, 01 Sep 2026 10:00:00 GMT"
	for i, row := range []struct{ validator, sent, confirmation string }{
		{`ETag: "1"`, `If-None-Match: "1"`, `Cache-Control: max-age=100 | X-New: 2 | X-Both: new | ETag: "1"`},
		{`ETag: W/"1"`, `If-None-Match: W/"1"`, `Cache-Control: max-age=100 | X-New: 2 | X-Both: new`},
		{"Last-Modified: " + modified, "If-Modified-Since: " + modified, `Cache-Control: max-age=100 | X-New: 2 | X-Both: new`},
		{`ETag: "1" | Last-Modified: ` + modified, `If-None-Match: "1"`, `Cache-Control: max-age=100 | X-New: 2 | X-Both: new`},
	} {
		target := fmt.Sprintf("/confirmed/%d", i)
		o.says(target, reply("body", fields(stale+row.validator)...),
			reply("", append(fields(row.confirmation), "Status: 304")...))
		s.get(target).wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
		s.settled()

		r1 := s.get(target)
		r1.wants(200, "fwd=stale; fwd-status=304; stored", "body")
		contains(t, row.validator+": request at the origin", o.last(target).head, row.sent+"\r\n")
		s.settled()
		other := nearside(t, o.env(), r.env())
		for tier, hit := range map[string]*response{"L1": s.get(target), "L2": other.get(target), "": r1} {
			if tier != "" {
				hit.wants(200, "hit; detail="+tier, "body")
			}
			equal(t, tier+": X-Old", hit.field("X-Old"), "1")
			equal(t, tier+": X-New", hit.field("X-New"), "2")
			equal(t, tier+": X-Both", hit.field("X-Both"), "new")
			equal(t, tier+": Cache-Control", hit.field("Cache-Control"), "max-age=100")
			if ttl := hit.ttl(); ttl < 80 || ttl > 100 || hit.age() > 20 {
				t.Errorf("%s: ttl %d, Age %d", tier, ttl, hit.age())
			}
		}
		equal(t, row.validator+": requests at the origin", o.count(target), 2)
		other.stop()
	}
}

// What else an origin may say to a conditional request.
func TestRevalidationAnswers(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env())...)
		old := reply("old", "Cache-Control: max-age=60", "Age: 60", `ETag: "1"`)
		for i, row := range []struct {
			name, answer, ask string
			status            int
			cache, body       string
			again             string
		}{
			{"replaced", reply("new", "Cache-Control: max-age=60", `ETag: "2"`), "",
				200, "fwd=stale; fwd-status=200; stored", "new", "hit; detail=" + tier + " new"},
			{"gone", reply("gone", "Status: 404", "Cache-Control: max-age=60"), "",
				404, "fwd=stale; fwd-status=404; stored", "gone", "hit; detail=" + tier + " gone"},
			{"not to be stored any more", reply("new", "Cache-Control: no-store"), "",
				200, "fwd=stale; fwd-status=200; detail=no-store", "new", ""},
			{"the client's own validator is answered by us", reply("", "Status: 304", "Cache-Control: max-age=60"), `If-None-Match: "1"`,
				304, "fwd=stale; fwd-status=304; stored", "", "hit; detail=" + tier + " old"},
			{"the client has something else", reply("", "Status: 304", "Cache-Control: max-age=60"), `If-None-Match: "0"`,
				200, "fwd=stale; fwd-status=304; stored", "old", "hit; detail=" + tier + " old"},
		} {
			target := fmt.Sprintf("/answers/%d", i)
			o.says(target, old, row.answer)
			s.get(target)
			s.settled()
			t.Log(row.name)
			s.get(target, fields(row.ask)...).wants(row.status, row.cache, row.body)
			equal(t, row.name+": condition at the origin", o.last(target).field("If-None-Match"), `"1"`)
			s.settled()
			if row.again != "" {
				r := s.get(target)
				equal(t, row.name+": again", r.cache()+" "+r.body, row.again)
				equal(t, row.name+": requests at the origin", o.count(target), 2)
			}
		}
	})
}

// A 304 about another response than the one that is stored is no confirmation: the request is sent again as it came.
func TestForeignConfirmation(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env())
	o.says("/x", reply("old", "Cache-Control: max-age=60", "Age: 60", `ETag: "1"`),
		reply("", "Status: 304", `ETag: "2"`, "Cache-Control: max-age=60"),
		reply("new", "Cache-Control: max-age=60", `ETag: "2"`))
	s.get("/x")
	s.settled()
	s.get("/x").wants(200, "fwd=stale; fwd-status=200; stored", "new")
	equal(t, "requests at the origin", o.count("/x"), 3)
	equal(t, "condition of the last one", o.last("/x").field("If-None-Match"), "")
}

// no-cache: what is stored is confirmed before each use.
func TestNoCacheIsConfirmedEachTime(t *testing.T) {
	inEachTier(t, func(t *testing.T, tier string, env []string) {
		o := newOrigin(t)
		s := nearside(t, append(env, o.env())...)
		o.says("/x", reply("body", "Cache-Control: no-cache", `ETag: "1"`), reply("", "Status: 304", `ETag: "1"`))
		s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
		for n := range 3 {
			s.settled()
			s.get("/x").wants(200, "fwd=stale; fwd-status=304; stored", "body")
			equal(t, "requests at the origin", o.count("/x"), n+2)
		}
	})
}
