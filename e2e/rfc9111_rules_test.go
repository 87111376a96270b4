package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A targeted field replaces Cache-Control and Expires, whatever they say; one that does not parse is ignored (RFC
// 9213 §2.2).
func TestTargetedFields(t *testing.T) {
	const nearside, cdn = "Nearside-Cache-Control: ", "CDN-Cache-Control: "
	for name, setting := range map[string]struct {
		env  []string
		rows [][2]string
	}{
		"default": {nil, [][2]string{
			{"Cache-Control: no-store | " + nearside + "max-age=60", "hit"},
			{"Cache-Control: private | " + nearside + "public, max-age=60", "hit"},
			{"Cache-Control: max-age=0 | Expires: 0 | " + nearside + "max-age=60", "hit"},
			{"Expires: 0 | " + nearside + "s-maxage=60", "hit"},
			{"Cache-Control: max-age=60 | " + nearside + "no-store", "no-store"},
			{"Cache-Control: public, max-age=60 | " + nearside + "private", "private"},
			{"Expires: {+60} | " + nearside + "max-age=0", "no-freshness"},
			{"Cache-Control: max-age=60 | " + nearside + "public", "no-freshness"},
			{nearside + "max-age=60 | " + nearside + "no-store", "no-store"},
			{nearside + "max-age=60;x=1, unheard-of=(a b)", "hit"},

			{"Cache-Control: max-age=60 | " + nearside + "no-store, =", "hit"},
			{"Cache-Control: max-age=60 | " + nearside + "NO-STORE", "hit"}, // keys are in lower case
			{"Cache-Control: max-age=60 | Nearside-Cache-Control:", "hit"},
			{"Cache-Control: no-store | " + nearside + `max-age="60`, "no-store"},
			{"Cache-Control: no-store | " + nearside + "max-age=60,", "no-store"},
			{"Cache-Control: max-age=60 | " + nearside + "max-age=60.5", "no-freshness"}, // it parses, but is no number of seconds
			{"Cache-Control: no-store | " + cdn + "max-age=60", "no-store"},
			{"Cache-Control: max-age=60 | " + cdn + "no-store", "hit"},
		}},
		"CDN": {[]string{"TARGETED_CACHE_CONTROL=Nearside-Cache-Control,CDN-Cache-Control"}, [][2]string{
			{"Cache-Control: no-store | " + cdn + "max-age=60", "hit"},
			{"Cache-Control: max-age=60 | " + cdn + "no-store", "no-store"},
			{cdn + "no-store | " + nearside + "max-age=60", "hit"}, // the list's order counts
			{nearside + "no-store | " + cdn + "max-age=60", "no-store"},
			{nearside + "( | " + cdn + "max-age=60", "hit"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inEverySetting(t, setting.env, func(w *world) {
				for _, row := range setting.rows {
					w.play(again(row[0], "", row[1]))
				}
			})
		})
	}
}

// SET_COOKIE says which responses with cookies are for everybody.
func TestSetCookie(t *testing.T) {
	for mode, want := range map[string][8]string{
		"":         {"set-cookie", "set-cookie", "hit", "hit", "hit", "set-cookie", "hit", "hit"},
		"explicit": {"set-cookie", "set-cookie", "hit", "hit", "hit", "set-cookie", "hit", "hit"},
		"store":    {"hit", "hit", "hit", "hit", "hit", "no-freshness", "hit", "hit"},
		"bypass":   {"set-cookie", "set-cookie", "set-cookie", "set-cookie", "set-cookie", "set-cookie", "set-cookie", "hit"},
	} {
		t.Run("mode="+mode, func(t *testing.T) {
			inEverySetting(t, []string{"SET_COOKIE=" + mode}, func(w *world) {
				for i, answer := range []string{
					"Set-Cookie: a=1 | Cache-Control: max-age=60",
					"Set-Cookie: a=1 | Expires: {+60}",
					"Set-Cookie: a=1 | Cache-Control: public, max-age=60",
					"Set-Cookie: a=1 | Cache-Control: s-maxage=60",
					"Set-Cookie: a=1 | Nearside-Cache-Control: max-age=60",
					"Set-Cookie: a=1",
					"set-cookie: a=1 | set-cookie: b=2 | Cache-Control: s-maxage=60",
					"Set-Cookie2: a=1 | Cache-Control: max-age=60",
				} {
					w.play(again(answer, "", want[i]))
				}
			})
		})
	}
}

// Which responses are stored without an explicit lifetime, and with one whatever their status code (RFC 9111 §3, §4.2.2).
func TestStatusCodes(t *testing.T) {
	inEverySetting(t, nil, func(w *world) {
		const old = " | Location: /x | Last-Modified: " + modified
		for _, status := range []string{"200", "203", "204", "300", "301", "308", "404", "410"} {
			w.play(again("Status: "+status+old, "", "hit"))
		}
		for _, status := range []string{"201", "202", "299", "302", "303", "307", "400", "403", "406", "409", "418", "451", "499", "500", "503", "599"} {
			w.play(again("Status: "+status+old, "", "status"),
				again("Status: "+status+old+" | Cache-Control: public", "", "hit"),
				again("Status: "+status+" | Location: /x | Cache-Control: max-age=60", "", "hit"),
				again("Status: "+status+" | Location: /x | Expires: {+60}", "", "hit"))
		}
		w.play(
			again("Status: 416 | Cache-Control: public, max-age=60", "", "status"),
			again("X-None: 1", "", "no-freshness"),
			again("Cache-Control: public", "", "no-freshness"),
			scenario{"modified in the future", "Last-Modified: Thu, 01 Jan 2099 00:00:00 GMT", []step{
				{"", "200 uri-miss 200 stored +1 1"},
				{"", "200 stale 200 stored +1 2 < If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT"}}},
		)
		w.play( // must-understand overrides no-store where the status code is understood (§5.2.2.3)
			again("Cache-Control: no-store, must-understand, max-age=60", "", "hit"),
			again("Status: 404 | Cache-Control: must-understand, no-store, max-age=60", "", "hit"),
			again("Status: 299 | Cache-Control: no-store, must-understand, max-age=60", "", "status"),
			again("Status: 299 | Cache-Control: must-understand, public, max-age=60", "", "status"),
			again("Cache-Control: private, must-understand, max-age=60", "", "private"),
		)
	})
}

// HEURISTIC_FRACTION and HEURISTIC_MAX_TTL bound the lifetime of a response that gives none.
func TestHeuristicLifetime(t *testing.T) {
	for _, row := range []struct {
		env, modified string
		from, to      int // the lifetime in seconds
	}{
		{"HEURISTIC_FRACTION=0.1", "{-1000}", 90, 100},
		{"HEURISTIC_FRACTION=0.5", "{-1000}", 490, 500},
		{"HEURISTIC_FRACTION=0.5", modified, 590, 600},
		{"HEURISTIC_MAX_TTL=30s", modified, 20, 30},
		{"HEURISTIC_MAX_TTL=30s", "{-100}", 1, 10},
	} {
		t.Run(row.env+row.modified[:2], func(t *testing.T) {
			inEverySetting(t, []string{row.env}, func(w *world) {
				w.o.says("/x", reply("body", "Last-Modified: "+row.modified))
				w.s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "body")
				w.s.settled()
				r := w.s.get("/x")
				equal(w.t, "a hit", strings.HasPrefix(r.cache(), "hit"), true)
				if ttl := r.ttl(); ttl < row.from || ttl > row.to {
					w.t.Errorf("ttl %d, want %d to %d", ttl, row.from, row.to)
				}
				equal(w.t, "requests at the origin", w.o.count("/x"), 1)
			})
		})
	}
	t.Run("off", func(t *testing.T) {
		inEverySetting(t, []string{"HEURISTIC_FRACTION=0"}, func(w *world) {
			w.play(scenario{"off", "Last-Modified: " + modified, []step{
				{"", "200 uri-miss 200 stored +1 1"},
				{"", "200 stale 200 stored +1 2 < If-Modified-Since: " + modified},
			}})
		})
	})
}

// Fields that private and no-cache name are not stored; the rest of the response is (RFC 9111 §5.2.2.4, §5.2.2.7).
func TestNamedFields(t *testing.T) {
	inEverySetting(t, nil, func(w *world) {
		for _, row := range []struct{ control, user, other string }{
			{`private="X-User"`, "", "8"},
			{`no-cache="X-User"`, "", "8"},
			{`PRIVATE="x-other, X-USER"`, "", ""},
			{`private="X-User", no-cache="X-Other"`, "", ""},
			{"private=X-User", "", "8"},
			{`no-cache="X-None"`, "7", "8"},
		} {
			target := w.target()
			w.o.says(target, reply("body", "X-User: 7", "X-Other: 8", "X-Rest: 9", "Cache-Control: max-age=60, "+row.control))
			for _, hit := range []bool{false, true, true} {
				r := w.s.get(target)
				w.s.settled()
				user, other := "7", "8"
				if hit {
					user, other = row.user, row.other
				}
				what := fmt.Sprintf("%s, hit %t: ", row.control, hit)
				equal(w.t, what+"it is one", strings.HasPrefix(r.cache(), "hit"), hit)
				equal(w.t, what+"status and body", fmt.Sprint(r.status, r.body), "200body")
				equal(w.t, what+"X-User", r.field("X-User"), user)
				equal(w.t, what+"X-Other", r.field("X-Other"), other)
				equal(w.t, what+"X-Rest", r.field("X-Rest"), "9")
			}
			equal(w.t, row.control+": requests at the origin", w.o.count(target), 1)
		}
		w.play(
			again(`Cache-Control: private="", max-age=60`, "", "private"),
			again(`Cache-Control: private="X-User", private, max-age=60`, "", "private"),
			again(`Set-Cookie: a=1 | Cache-Control: no-cache="Set-Cookie", max-age=60`, "", "hit"),
		)
	})
}

// The answer to a HEAD request freshens the stored GET, or shows that it is outdated (RFC 9111 §4.3.5).
func TestHeadTellsOfStored(t *testing.T) {
	const stale, asked = "200 stale 200 +1 ", "200 request 200 +1 "
	const stored = "200 uri-miss 200 stored +1 "
	inEverySetting(t, nil, func(w *world) {
		w.play(
			scenario{"freshened", `Cache-Control: max-age=60 | Age: 60 | ETag: "1" || Cache-Control: max-age=60 | ETag: "1"`, []step{
				{"", stored + "1"}, {"HEAD", stale}, {"", "200 hit +0 1"}, {"HEAD", "200 hit +0 "}}},
			scenario{"freshened by Last-Modified", "Cache-Control: max-age=60 | Age: 60 | Last-Modified: " + modified +
				" || Cache-Control: max-age=60 | Last-Modified: " + modified, []step{{"", stored + "1"}, {"HEAD", stale}, {"", "200 hit +0 1"}}},
			scenario{"another ETag", `Cache-Control: max-age=60 | ETag: "1" || Cache-Control: max-age=60 | ETag: "2"`, []step{
				{"", stored + "1"}, {"HEAD | Cache-Control: no-cache", asked},
				{"", `200 stale 200 stored +1 3 < If-None-Match: "1"`}, {"", "200 hit +0 3"}}},
			scenario{"another ETag, stale", `Cache-Control: max-age=60 | Age: 60 | ETag: "1" || Cache-Control: max-age=60 | ETag: "2"`, []step{
				{"", stored + "1"}, {"HEAD", stale}, {"", `200 stale 200 stored +1 3 < If-None-Match: "1"`}}},
			scenario{"another Last-Modified", "Cache-Control: max-age=60 | Last-Modified: " + earlier + " || Cache-Control: max-age=60 | Last-Modified: " + modified, []step{
				{"", stored + "1"}, {"HEAD | Cache-Control: no-cache", asked},
				{"", "200 stale 200 stored +1 3 < If-Modified-Since: " + earlier}}},
			scenario{"another length", "Cache-Control: max-age=60 || Cache-Control: max-age=60 | Body: longer", []step{
				{"", stored + "1"}, {"HEAD | Cache-Control: no-cache", asked}, {"", stored + "longer"}, {"", "200 hit +0 longer"}}},
			scenario{"an error says nothing", `Cache-Control: max-age=60 | ETag: "1" || Status: 404`, []step{
				{"", stored + "1"}, {"HEAD | Cache-Control: no-cache", "404 request 404 +1 "}, {"", "200 hit +0 1"}}},
			scenario{"nothing stored", "Cache-Control: max-age=60", []step{
				{"HEAD", "200 uri-miss 200 +1 "}, {"", stored + "2"}, {"HEAD", "200 hit +0 "}}},
		)
	})
}

// The answer to a POST request serves later GETs when it says for how long, and that it is what the target is now (RFC
// 9110 §9.3.3).
func TestPostIsStored(t *testing.T) {
	const passed, missed = "200 method 200 +1 1", "200 uri-miss 200 stored +1 2"
	const fresh = "Cache-Control: max-age=60"
	inEverySetting(t, nil, func(w *world) {
		kept := []step{{"POST", "200 method 200 stored +1 1"}, {"", "200 hit +0 1"}, {"HEAD", "200 hit +0 "}}
		for _, row := range []struct {
			answers string
			steps   []step
		}{
			{fresh + " | Content-Location: {target}", kept},
			{fresh + " | Content-Location: {origin}{target}", kept},
			{"Expires: {+60} | Content-Location: {target}", kept},
			{fresh + " | Content-Location: {target}/other", []step{{"POST", passed}, {"", missed}}},
			{fresh + " | Content-Location: http://other.test{target}", []step{{"POST", passed}, {"", missed}}},
			{fresh, []step{{"POST", passed}, {"", missed}}},
			{"Last-Modified: " + modified + " | Content-Location: {target}", []step{{"POST", passed}, {"", missed}}},
			{"Cache-Control: no-store | Content-Location: {target} || " + fresh, []step{{"POST", passed}, {"", missed}}},
			{fresh + " | Content-Location: {target} | Status: 404 || " + fresh, []step{{"POST", "404 method 404 +1 1"}, {"", missed}}},
			{fresh + " | Content-Location: {target} | Set-Cookie: a=1 || " + fresh, []step{{"POST", passed}, {"", missed}}},
			{fresh + " | X: 1 || " + fresh + " | Content-Location: {target}", []step{{"", "200 uri-miss 200 stored +1 1"},
				{"POST", "200 method 200 stored +1 2"}, {"", "200 hit +0 2"}}},
			{fresh + " | X: 2 || " + fresh + " | Content-Location: {target}/other || " + fresh, []step{{"", "200 uri-miss 200 stored +1 1"},
				{"POST", "200 method 200 +1 2"}, {"", "200 uri-miss 200 stored +1 3"}}},
			{fresh + " | Content-Location: {target} | Vary: A", []step{{"POST | A: 1", "200 method 200 stored +1 1"},
				{"A: 1", "200 hit +0 1"}, {"A: 2", "200 vary-miss 200 stored +1 2"}}},
			{fresh + " | Content-Location: {target} | X: PUT", []step{{"PUT", passed}, {"", missed}}},
			{fresh + " | Content-Location: {target} | X: no-store", []step{{"POST | Cache-Control: no-store", passed}, {"", missed}}},
		} {
			w.play(scenario{row.answers, row.answers, row.steps})
		}
	})
}

// An unsafe request that succeeds invalidates its target, and what Location and Content-Location name of the same
// origin (RFC 9111 §4.4).
func TestInvalidation(t *testing.T) {
	inEverySetting(t, nil, func(w *world) {
		for _, row := range []struct {
			method, answer string
			status         int
			ends           string // which of the targets: itself, /l, /c, /c?q
		}{
			{"POST", "Location: {target}/l | Content-Location: {target}/c", 201, "self l c"},
			{"PUT", "Location: {origin}{target}/l", 204, "self l"},
			{"PATCH", "Content-Location: {origin}{target}/c?q", 200, "self q"},
			{"DELETE", "location: {target}/l | content-location: {target}/c", 303, "self l c"},
			{"FROB", "Location: {target}/x/../l#fragment", 200, "self l"},
			{"POST", "Location: http://other.test{target}/l | Content-Location: https://127.0.0.1{target}/c", 200, "self"},
			{"POST", "Location: http://127.0.0.1:1{target}/l | Content-Location: //other.test{target}/c", 200, "self"},
			{"POST", "Location: {target}/l | Content-Location: {target}/c", 400, ""},
			{"DELETE", "Location: {target}/l | Content-Location: {target}/c", 500, ""},
			{"OPTIONS", "Location: {target}/l | Content-Location: {target}/c", 200, ""},
		} {
			target := w.target()
			what := fmt.Sprintf("%s, %d with %s: ", row.method, row.status, row.answer)
			named := []string{"self", target, "l", target + "/l", "c", target + "/c", "q", target + "/c?q"}
			for i := 0; i < len(named); i += 2 {
				w.o.on(named[i+1], func(c *call) {
					c.readBody()
					if c.method == "GET" {
						c.say(reply("body", "Cache-Control: max-age=60"))
						return
					}
					c.say(w.answer(c, fmt.Sprintf("Body: done | Status: %d | %s", row.status, row.answer)))
				})
				equal(w.t, what+"first", w.outcome(named[i+1], ""), "200 uri-miss 200 stored +1 body")
				equal(w.t, what+"stored", w.outcome(named[i+1], ""), "200 hit +0 body")
			}
			body := "done"
			if row.status == 204 {
				body = ""
			}
			equal(w.t, what+"the request", w.outcome(target, row.method), fmt.Sprintf("%d method %d +1 %s", row.status, row.status, body))
			for i := 0; i < len(named); i += 2 {
				want := "200 hit +0 body"
				if slices.Contains(strings.Fields(row.ends), named[i]) {
					want = "200 uri-miss 200 stored +1 body"
				}
				equal(w.t, what+named[i]+" afterwards", w.outcome(named[i+1], ""), want)
			}
		}
	})
}
