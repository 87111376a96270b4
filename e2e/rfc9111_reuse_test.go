package e2e

import (
	"fmt"
	"testing"
)

const (
	first = "200 uri-miss 200 stored +1 1"
	one   = "200 hit +0 1"
	two   = "200 hit +0 2"
)

// other is what comes of a request that selects none of the stored variants, at its origin's nth request.
func other(nth int) string { return fmt.Sprintf("200 vary-miss 200 stored +1 %d", nth) }

// The variants of a response are told apart by the fields that Vary names, and by those only (RFC 9111 §4.1).
func TestVariants(t *testing.T) {
	const fresh = "Cache-Control: max-age=60 | "
	inEverySetting(t, nil, func(w *world) {
		w.play(
			scenario{"several lines and members", fresh + "Vary: A, b | vary: C,A", []step{
				{"A: 1 | B: 2 | C: 3", first}, {"c: 3 | b: 2 | a: 1", one}, {"A: 1 | B: 2 | C: 3 | D: 4", one},
				{"A: 1 | B: 2 | C: 4", other(2)}, {"A: 1 | B: 2", other(3)}, {"A: 0 | B: 2 | C: 3", other(4)}, {"A: 1 | B: 0 | C: 3", other(5)},
				{"A: 1 | B: 2 | C: 3", one}, {"A: 1 | B: 2 | C: 4", two}}},
			scenario{"absent against empty", fresh + "Vary: A", []step{{"", first}, {"A:", other(2)}, {"", one}, {"A:", two}, {"A: x", other(3)}}},
			scenario{"lines are combined", fresh + "Vary: A", []step{{"A: 1, 2", first}, {"A: 1 | A: 2", one}, {"A: 1,2", one}, {"A: 2, 1", other(2)}, {"A: 12", other(3)}}},
			scenario{"case counts", fresh + "Vary: A", []step{{"A: x", first}, {"A: X", other(2)}, {"A: x", one}}},
			again(fresh+"Vary: *", "", "vary-star"),
			again(fresh+"Vary: A, *", "A: 1", "vary-star"),
			again(fresh+"Vary: A | Vary: *", "", "vary-star"),
			scenario{"codings", fresh + "Vary: Accept-Encoding", []step{{"Accept-Encoding: gzip, br;q=0.5", first},
				{"Accept-Encoding: br;q=0.5,gzip", one}, {"Accept-Encoding: GZIP ,  BR ; Q=0.50", one}, {"Accept-Encoding: gzip;q=1.0, br;q=0.500", one},
				{"Accept-Encoding: gzip | Accept-Encoding: br;q=0.5", one}, {"Accept-Encoding: br;q=0.5 | Accept-Encoding: gzip", one},
				{"Accept-Encoding: gzip, br", other(2)}, {"Accept-Encoding: gzip", other(3)}, {"", other(4)}, {"Accept-Encoding:", other(5)}}},
			scenario{"languages", fresh + "Vary: Accept-Language", []step{{"Accept-Language: de-AT, en;q=0.7", first},
				{"Accept-Language: en;q=0.7,DE-at", one}, {"Accept-Language: de-at;q=1,en;q=0.70", one}, {"Accept-Language: de-AT, en;q=0.8", other(2)},
				{"Accept-Language: de, en;q=0.7", other(3)}}},
			scenario{"the most recent match", fresh + "Vary: A || " + fresh + "Vary: B", []step{
				{"A: 1 | B: 1", first}, {"A: 2 | B: 1", other(2)}, {"A: 1 | B: 1", two}, {"A: 1 | B: 9", one}, {"A: 9 | B: 1", two}}},
			scenario{"from none to some", fresh + "X: 1 || " + fresh + "Vary: A", []step{
				{"A: 1", first}, {"A: 1 | Cache-Control: no-cache", "200 request 200 stored +1 2"}, {"A: 1", two}}},
			scenario{"HEAD", fresh + "Vary: A", []step{{"A: 1", first}, {"HEAD | A: 1", "200 hit +0 "}, {"HEAD | A: 2", "200 vary-miss 200 +1 "}}},
		)
	})
}

// Whoever asks for another variant may get a stored one all the same, when the origin says that it is the one (RFC 9111
// §4.1, §4.3.1). L2 cannot list its variants, so there the origin is asked without their validators.
func TestVariantsAreConfirmed(t *testing.T) {
	inEverySetting(t, nil, func(w *world) {
		w.o.on("/x", func(c *call) {
			if c.field("If-None-Match") == `"1"` {
				c.say(reply("", "Status: 304", `ETag: "1"`, "Cache-Control: max-age=60", "Vary: A"))
				return
			}
			c.say(reply("body", `ETag: "1"`, "Cache-Control: max-age=60", "Vary: A"))
		})
		confirmed := `200 vary-miss 304 stored +1 body < If-None-Match: "1"`
		if w.tiers == "L2" {
			confirmed = "200 vary-miss 200 stored +1 body"
		}
		w.walk("/x", "confirmed", step{"A: 1", "200 uri-miss 200 stored +1 body"}, step{"A: 2", confirmed}, step{"A: 2", "200 hit +0 body"}, step{"A: 1", "200 hit +0 body"})
	})
}

// manyVariants stores the variants 1 to 32, of which the body is their number.
func manyVariants() []step {
	steps := []step{{"A: 1", first}}
	for n := 2; n <= 32; n++ {
		steps = append(steps, step{fmt.Sprintf("A: %d", n), other(n)})
	}
	return steps
}

func hitVariant(n int) step { return step{fmt.Sprintf("A: %d", n), fmt.Sprintf("200 hit +0 %d", n)} }

// A key has at most 32 variants: the next one takes the place of one of them.
func TestVariantsAreBounded(t *testing.T) {
	inEverySetting(t, nil, func(w *world) {
		steps := manyVariants()
		for n := 1; n <= 32; n++ { // in the order in which they were stored, so that the next one out is clear
			steps = append(steps, hitVariant(n))
		}
		steps = append(steps, step{"A: 33", other(33)})
		for n := 2; n <= 33; n++ {
			steps = append(steps, hitVariant(n))
		}
		w.play(scenario{"bounded", "Cache-Control: max-age=60 | Vary: A", append(steps, step{"A: 1", other(34)})})
	})
}

// The variant that makes room in L1 is the least recently used one. L2 goes by when they were stored: there a hit writes
// nothing.
func TestVariantsByUse(t *testing.T) {
	inEverySetting(t, nil, func(w *world) {
		if w.tiers == "L2" {
			return
		}
		steps := append(manyVariants(), hitVariant(1), step{"A: 33", other(33)}, hitVariant(1), hitVariant(3), hitVariant(33))
		if w.tiers != "both" { // L2 does not see the use of what is in L1, so together they may keep more
			steps = append(steps, step{"A: 2", other(34)})
		}
		w.play(scenario{"used", "Cache-Control: max-age=60 | Vary: A", steps})
	})
}

// Fields that change answers without being in the key bypass the cache: they find nothing and leave nothing.
func TestUnkeyedFields(t *testing.T) {
	const missed, bypass = "200 uri-miss 200 stored +1 2", "200 bypass 200 +1 %d"
	bypasses := func(w *world, fields ...string) {
		for _, f := range fields {
			w.play(scenario{f + " finds nothing", "Cache-Control: max-age=60", []step{
				{"", first}, {f, fmt.Sprintf(bypass, 2)}, {"HEAD | " + f, "200 bypass 200 +1 "}, {"", one}}})
			w.play(scenario{f + " leaves nothing", "Cache-Control: max-age=60", []step{{f, fmt.Sprintf(bypass, 1)}, {"", missed}, {f, fmt.Sprintf(bypass, 3)}, {"", two}}})
		}
	}
	keeps := func(w *world, fields ...string) {
		for _, f := range fields {
			w.play(scenario{f, "Cache-Control: max-age=60", []step{{f, first}, {"", one}, {f, one}}})
		}
	}
	t.Run("default", func(t *testing.T) {
		inEverySetting(t, nil, func(w *world) {
			bypasses(w, "X-Forwarded-Host: evil.test", "x_forwarded_host: evil.test", "X_Forwarded-Host: evil.test", "X-Original-URL: /admin", "X-Rewrite-URL: /admin",
				"X-HTTP-Method-Override: DELETE", "X-HTTP-Method-Override:", "Forwarded: host=evil.test", "X-Forwarded-Proto: http", "X-Host: evil.test")
			keeps(w, "X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.1", "X-Tenant: a", "X-Forwarded-Hosts: evil.test", "Via: 1.1 other")
		})
	})
	t.Run("extended", func(t *testing.T) {
		inEverySetting(t, []string{"BYPASS_HEADERS=X-Tenant,Accept-Flag"}, func(w *world) {
			bypasses(w, "X-Tenant: a", "x-tenant: a", "X_Tenant: a", "Accept-Flag: 1", "X-Forwarded-Host: evil.test")
			keeps(w, "X-Tenants: a", "X-Forwarded-For: 192.0.2.1")
		})
	})
}

// What is stale is served where the response or the client allows it, and never where the response forbids it (RFC
// 9111 §4.2.4, RFC 5861).
func TestStaleUse(t *testing.T) {
	const confirmed, replaced = `200 stale 304 stored +1 1 < If-None-Match: "1"`, `200 stale 200 stored +1 2 < If-None-Match: "1"`
	const refreshed = `200 hit +1 1 < If-None-Match: "1"`
	inEverySetting(t, []string{"STALE_WHILE_REVALIDATE=5m"}, func(w *world) {
		for _, row := range []struct{ control, want string }{
			{"max-age=60, stale-while-revalidate=600", refreshed},
			{"s-maxage=60, stale-while-revalidate=600", refreshed},
			{"s-maxage=60, max-age=0, Stale-While-Revalidate=600", refreshed},
			{"max-age=60", refreshed}, // the operator's
			{"max-age=60, stale-while-revalidate=30", replaced},
			{"max-age=60, stale-while-revalidate=0", replaced},
			{"s-maxage=60", replaced}, // the operator's does not widen it
			{"max-age=60, must-revalidate, stale-while-revalidate=600", replaced},
			{"max-age=60, proxy-revalidate, stale-while-revalidate=600", replaced},
			{"max-age=60, no-cache, stale-while-revalidate=600", replaced},
		} {
			w.play(scenario{row.control, "Cache-Control: " + row.control + ` | Age: 120 | ETag: "1" || Cache-Control: max-age=60`, []step{
				{"", first}, {"", row.want}, {"", two}}})
		}
	})
	inStaleSetting := func(w *world) {
		for _, row := range []struct{ control, ask, want string }{
			{"max-age=60", "max-stale=300", one},
			{"max-age=60", "max-stale", one},
			{"max-age=60", "MAX-STALE=300", one},
			{"max-age=60", "max-stale=50", confirmed},
			{"max-age=60", "max-stale=x", confirmed},
			{"max-age=60", "max-stale=300, max-age=50", `200 request 304 stored +1 1 < If-None-Match: "1"`},
			{"max-age=60, must-revalidate", "max-stale", confirmed},
			{"max-age=60, proxy-revalidate", "max-stale", confirmed},
			{"s-maxage=60", "max-stale", confirmed},
			{"max-age=60, no-cache", "max-stale", confirmed},
			{"max-age=60", "no-transform", confirmed},
		} {
			w.play(scenario{row.control + " asked " + row.ask, "Cache-Control: " + row.control + ` | Age: 120 | ETag: "1" || Status: 304 | Cache-Control: max-age=60 | ETag: "1"`,
				[]step{{"", first}, {"Cache-Control: " + row.ask, row.want}}})
		}
	}
	t.Run("max-stale", func(t *testing.T) { inEverySetting(t, nil, inStaleSetting) })
}

// A client that has the response already is told so from the store (RFC 9110 §13.1, §13.2).
func TestStoredConditions(t *testing.T) {
	const same = "304 hit +0 "
	inEverySetting(t, nil, func(w *world) {
		w.play(
			scenario{"a strong tag", `Cache-Control: max-age=60 | ETag: "1" | Last-Modified: ` + modified, []step{{"", first},
				{`If-None-Match: "1"`, same}, {`If-None-Match: W/"1"`, same}, {`If-None-Match: "0", "1"`, same}, {`If-None-Match: ,"0" ,, W/"1"`, same},
				{`If-None-Match: "0" | If-None-Match: "1"`, same}, {"If-None-Match: *", same}, {`HEAD | If-None-Match: "1"`, same},
				{`If-None-Match: "2"`, one}, {`If-None-Match: "11"`, one}, {`If-None-Match: "2, 1"`, one}, {`If-None-Match: w/"1"`, one}, {"If-None-Match: 1", one},
				{`If-None-Match: "2" | If-Modified-Since: ` + later, one}, {`If-None-Match: "1" | If-Modified-Since: ` + earlier, same},
				{"If-Modified-Since: " + modified, same}, {"If-Modified-Since: Tuesday, 01-Sep-20 10:00:00 GMT", same}, {"If-Modified-Since: Tue Sep  1 10:00:00 2020", same},
				{"If-Modified-Since: tue, 01 sep 2020 10:00:00 gmt", same}, {"If-Modified-Since: " + later, same}, {"If-Modified-Since: Monday, 31-Aug-20 10:00:00 GMT", one},
				{"If-Modified-Since: Mon Aug 31 10:00:00 2020", one}, {"If-Modified-Since: " + earlier, one}, {"If-Modified-Since: yesterday", one},
				{"If-Modified-Since: Tue, 01 Sep 2020 10:00:00 CET", one}, {"", one}}},
			scenario{"a weak tag", `Cache-Control: max-age=60 | ETag: W/"1"`, []step{{"", first},
				{`If-None-Match: "1"`, same}, {`If-None-Match: W/"1"`, same}, {`If-None-Match: W/"2"`, one}, {"If-None-Match: *", same}}},
			scenario{"a tag with a comma", `Cache-Control: max-age=60 | ETag: "1,2"`, []step{{"", first}, {`If-None-Match: "0", "1,2"`, same}, {`If-None-Match: "1"`, one}, {`If-None-Match: "2"`, one}}},
			scenario{"no tag", "Cache-Control: max-age=60", []step{{"", first}, {"If-None-Match: *", same}, {`If-None-Match: "1"`, one}, {`If-None-Match: ""`, one}}},
			scenario{"Date serves", "Cache-Control: max-age=3600 | Date: {-600}", []step{{"", first},
				{"If-Modified-Since: {-500}", same}, {"If-Modified-Since: {-700}", one}}},
			scenario{"stale, the client has it", `Cache-Control: max-age=60 | Age: 60 | ETag: "1" || Status: 304 | Cache-Control: max-age=60 | ETag: "1"`, []step{{"", first},
				{`If-None-Match: "1"`, "304 stale 304 stored +1 "}, {"", one}}},
			scenario{"stale, the client has another", `Cache-Control: max-age=60 | Age: 60 | ETag: "1" || Status: 304 | Cache-Control: max-age=60 | ETag: "1"`, []step{{"", first},
				{`If-None-Match: "0"`, `200 stale 304 stored +1 1 < If-None-Match: "1"`}, {"", one}}},
		)
	})
}

// X-Cache is there for whoever expects it, and only then.
func TestXCache(t *testing.T) {
	for _, row := range []struct{ env, miss, hit string }{{"X_CACHE=true", "MISS", "HIT"}, {"X_CACHE=", "", ""}} {
		t.Run(row.env, func(t *testing.T) {
			inEverySetting(t, []string{row.env}, func(w *world) {
				w.o.says("/x", reply("body", "Cache-Control: max-age=60"))
				for _, st := range [][2]string{{"GET", row.miss}, {"GET", row.hit}, {"HEAD", row.hit}, {"POST", row.miss}, {"GET", row.miss}, {"GET", row.hit}} {
					r := w.s.do(st[0] + " /x")
					equal(w.t, st[0]+": X-Cache", r.field("X-Cache"), st[1])
					equal(w.t, st[0]+": status", r.status, 200)
					w.s.settled()
				}
				equal(w.t, "requests at the origin", w.o.count("/x"), 3)
			})
		})
	}
}

// With VARY_SELECT a stored variant that the request likes best is served although the fields differ. L1 can list its
// variants, L2 cannot.
func TestVarySelect(t *testing.T) {
	rows := func(selected func(want, else_ string) string) []scenario {
		return []scenario{
			{"languages", "Cache-Control: max-age=60 | Vary: Accept-Language | Content-Language: de", []step{{"Accept-Language: de", first},
				{"Accept-Language: de, en;q=0.5", selected(one, other(2))}, {"Accept-Language: fr", selected(other(2), other(3))}}},
			{"codings", "Cache-Control: max-age=60 | Vary: Accept-Encoding | Content-Encoding: gzip", []step{{"Accept-Encoding: gzip", first},
				{"Accept-Encoding: x-gzip, br;q=0.1", selected(one, other(2))}, {"Accept-Encoding: gzip;q=0", selected(other(2), other(3))}}},
			{"something liked better", "Cache-Control: max-age=60 | Vary: Accept-Language | Content-Language: de", []step{{"Accept-Language: de", first},
				{"Accept-Language: de;q=0.5, en", other(2)}}},
			{"other fields", "Cache-Control: max-age=60 | Vary: Accept-Language, A | Content-Language: de", []step{{"Accept-Language: de | A: 1", first},
				{"Accept-Language: de, en;q=0.5 | A: 2", other(2)}}},
		}
	}
	t.Parallel()
	t.Run("on", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t)
		w := &world{t: t, o: o, s: nearside(t, o.env(), "VARY_SELECT=true"), tiers: "L1"}
		w.play(rows(func(want, _ string) string { return want })...)
	})
	t.Run("off", func(t *testing.T) {
		inEverySetting(t, nil, func(w *world) { w.play(rows(func(_, without string) string { return without })...) })
	})
}
