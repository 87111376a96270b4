package policy

import (
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// at is the instant that is s seconds after the response came.
func at(s float64) tiers.Instant { return received.Add(time.Duration(s * float64(time.Second))) }

func TestDecide(t *testing.T) {
	const fresh = `Cache-Control: max-age=60 | ETag: "a"`
	for _, row := range []struct {
		section, response string // response "" = nothing is stored
		age               float64
		request           string
		want              Decision
	}{
		{"9111 §4 nothing stored", "", 0, "GET", Decision{Fetch, ReasonURIMiss}},
		{"9111 §4 nothing stored", "", 0, "HEAD", Decision{Pass, ReasonURIMiss}},
		{"9111 §4.2 fresh", fresh, 59, "GET", Decision{Serve, ReasonHit}},
		{"9111 §4.2 fresh", fresh, 59, "HEAD", Decision{Serve, ReasonHit}},
		{"9111 §4.2 fresh means more than", fresh, 60, "GET", Decision{Revalidate, ReasonStale}},
		{"9111 §4.2 stale", fresh, 61, "HEAD", Decision{Pass, ReasonStale}},
		{"9111 §4 method", fresh, 1, "POST", Decision{Pass, ReasonMethod}},
		{"9111 §4 method", fresh, 1, "OPTIONS", Decision{Pass, ReasonMethod}},
		{"9110 §9.3.1 content", fresh, 1, "GET | Content-Length: 1", Decision{Pass, ReasonBypass}},
		{"9111 §4.3.2 the origin's", fresh, 1, `GET | If-Match: "a"`, Decision{Pass, ReasonBypass}},
		{"9111 §4.3.2 ours", fresh, 1, `GET | If-None-Match: "b"`, Decision{Serve, ReasonHit}},
		{"9111 §5.2.1.1 max-age", fresh, 10, "Cache-Control: max-age=10", Decision{Serve, ReasonHit}},
		{"9111 §5.2.1.1 max-age", fresh, 10.1, "Cache-Control: max-age=10", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.2.1.1 max-age=0", fresh, 0.001, "Cache-Control: max-age=0", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.2.1.1 unusable", fresh, 1, "Cache-Control: max-age=x", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.2.1.1 not stale either", fresh, 61, "Cache-Control: max-age=100", Decision{Revalidate, ReasonStale}},
		{"9111 §5.2.1.1 not stale either", "Cache-Control: max-age=60, stale-while-revalidate=60", 61, "Cache-Control: max-age=100", Decision{Revalidate, ReasonStale}},
		{"9111 §5.2.1.1 but max-stale", "Cache-Control: max-age=60, stale-while-revalidate=60", 61, "Cache-Control: max-age=100, max-stale=9", Decision{Serve, ReasonStale}},
		{"9111 §5.2.1.2 max-stale", fresh, 69, "Cache-Control: max-stale=9", Decision{Serve, ReasonStale}},
		{"9111 §5.2.1.2 max-stale", fresh, 70, "Cache-Control: max-stale=9", Decision{Revalidate, ReasonStale}},
		{"9111 §5.2.1.2 any", fresh, 6000, "Cache-Control: max-stale", Decision{Serve, ReasonStale}},
		{"9111 §5.2.2.2 against max-stale", `Cache-Control: max-age=60, must-revalidate | ETag: "a"`, 61, "Cache-Control: max-stale", Decision{Revalidate, ReasonStale}},
		{"9111 §5.2.2.8 against max-stale", `Cache-Control: max-age=60, proxy-revalidate | ETag: "a"`, 61, "Cache-Control: max-stale", Decision{Revalidate, ReasonStale}},
		{"9111 §5.2.2.10 against max-stale", `Cache-Control: s-maxage=60 | ETag: "a"`, 61, "Cache-Control: max-stale", Decision{Revalidate, ReasonStale}},
		{"9111 §5.2.2.2 while fresh", `Cache-Control: max-age=60, must-revalidate | ETag: "a"`, 59, "GET", Decision{Serve, ReasonHit}},
		{"9111 §5.2.1.3 min-fresh", fresh, 50, "Cache-Control: min-fresh=10", Decision{Serve, ReasonHit}},
		{"9111 §5.2.1.3 min-fresh", fresh, 51, "Cache-Control: min-fresh=10", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.2.1.3 unusable", fresh, 1, "Cache-Control: min-fresh=x", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.2.1.4 no-cache", fresh, 1, "Cache-Control: no-cache", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.2.1.4 and max-stale", fresh, 1, "Cache-Control: no-cache, max-stale", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.4 Pragma", fresh, 1, "Pragma: no-cache", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.4 beside Cache-Control", fresh, 1, "Pragma: no-cache | Cache-Control: max-age=9", Decision{Serve, ReasonHit}},
		{"9111 §5.2.1.5 no-store", fresh, 1, "Cache-Control: no-store", Decision{Serve, ReasonHit}},
		{"9111 §5.2.1.7 stored", fresh, 1, "Cache-Control: only-if-cached", Decision{Serve, ReasonHit}},
		{"9111 §5.2.1.7 nothing stored", "", 0, "Cache-Control: only-if-cached", Decision{Refuse, ReasonOnlyIfCached}},
		{"9111 §5.2.1.7 nothing stored", "", 0, "HEAD | Cache-Control: only-if-cached", Decision{Refuse, ReasonOnlyIfCached}},
		{"9111 §5.2.1.7 stale", fresh, 61, "Cache-Control: only-if-cached", Decision{Refuse, ReasonOnlyIfCached}},
		{"9111 §5.2.1.7 and max-stale", fresh, 61, "Cache-Control: only-if-cached, max-stale", Decision{Serve, ReasonStale}},
		{"9111 §5.2.1.7 and other constraints", fresh, 1, "Cache-Control: only-if-cached, no-cache", Decision{Refuse, ReasonOnlyIfCached}},
		{"9111 §5.2.1.7 bypass", fresh, 1, "Cache-Control: only-if-cached | X-Forwarded-Host: x", Decision{Refuse, ReasonOnlyIfCached}},
		{"9111 §5.2.2.4 no-cache", `Cache-Control: max-age=60, no-cache | ETag: "a"`, 1, "GET", Decision{Revalidate, ReasonStale}},
		{"9111 §5.2.2.4 against max-stale", `Cache-Control: max-age=60, no-cache | ETag: "a"`, 1, "Cache-Control: max-stale", Decision{Revalidate, ReasonStale}},
		{"9111 §5.2.2.4 with fields", `Cache-Control: max-age=60, no-cache="a"`, 1, "GET", Decision{Serve, ReasonHit}},
		{"9111 §4.2 Age counts", fresh + " | Age: 59", 0.5, "GET", Decision{Serve, ReasonHit}},
		{"9111 §4.2 Age counts", fresh + " | Age: 59", 1, "GET", Decision{Revalidate, ReasonStale}},
		{"5861 §3", "Cache-Control: max-age=60, stale-while-revalidate=9", 60, "GET", Decision{ServeStale, ReasonStale}},
		{"5861 §3", "Cache-Control: max-age=60, stale-while-revalidate=9", 68, "HEAD", Decision{ServeStale, ReasonStale}},
		{"5861 §3 over", "Cache-Control: max-age=60, stale-while-revalidate=9", 69, "GET", Decision{Revalidate, ReasonStale}},
		{"5861 §3 and s-maxage", "Cache-Control: s-maxage=60, stale-while-revalidate=9", 61, "GET", Decision{ServeStale, ReasonStale}},
		{"5861 §3 and no-cache in the request", "Cache-Control: max-age=60, stale-while-revalidate=9", 61, "Cache-Control: no-cache", Decision{Revalidate, ReasonRequest}},
		{"5861 §3 and min-fresh", "Cache-Control: max-age=60, stale-while-revalidate=9", 61, "Cache-Control: min-fresh=0", Decision{Revalidate, ReasonRequest}},
		{"9110 §14.2 range of a 200", fresh, 1, "Range: bytes=0-1", Decision{Serve, ReasonHit}},
		{"9110 §14.2 several ranges", fresh, 1, "Range: bytes=0-1,3-4", Decision{Pass, ReasonBypass}},
		{"9110 §14.2 HEAD", fresh, 1, "HEAD | Range: bytes=0-1,3-4", Decision{Serve, ReasonHit}},
	} {
		var e *tiers.Entry
		if row.response != "" {
			e = stored(t, defaults, "GET", row.response, "0123456789")
		}
		r, _ := request(row.request)
		if got := Decide(r, e, at(row.age)); got != row.want {
			t.Errorf("%s: %q, %v s old, for %q: %v %v, want %v %v", row.section, row.response, row.age, row.request, got.Action, got.Reason, row.want.Action, row.want.Reason)
		}
	}
}

func TestStandIn(t *testing.T) {
	for _, row := range []struct {
		section, response string
		age               float64
		request           string
		want              bool
	}{
		{"5861 §4", "Cache-Control: max-age=60, stale-if-error=9", 68, "GET", true},
		{"5861 §4 over", "Cache-Control: max-age=60, stale-if-error=9", 69, "GET", false},
		{"5861 §4 not said", "Cache-Control: max-age=60", 61, "GET", false},
		{"5861 §4 the request says it", "Cache-Control: max-age=60", 61, "Cache-Control: stale-if-error=9", true},
		{"5861 §4 the request says it, over", "Cache-Control: max-age=60", 69, "Cache-Control: stale-if-error=9", false},
		{"5861 §4 still fresh", "Cache-Control: max-age=60", 30, "Cache-Control: max-age=9", true},
		{"5861 §4 other freshness information", "Cache-Control: max-age=60, stale-if-error=9", 61, "Cache-Control: max-age=1", true},
		{"9111 §5.2.2.2", `Cache-Control: max-age=60, must-revalidate, stale-if-error=9 | ETag: "a"`, 61, "GET", false},
		{"9111 §5.2.2.2", `Cache-Control: max-age=60, must-revalidate | ETag: "a"`, 61, "Cache-Control: stale-if-error=9", false},
		{"9111 §5.2.2.2 still fresh", `Cache-Control: max-age=60, must-revalidate | ETag: "a"`, 30, "Cache-Control: max-age=9", true},
		{"9111 §5.2.2.4", `Cache-Control: max-age=60, no-cache, stale-if-error=9 | ETag: "a"`, 1, "GET", false},
		{"9111 §5.2.2.10", `Cache-Control: s-maxage=60 | ETag: "a"`, 61, "Cache-Control: stale-if-error=9", false},
		{"9111 §5.2.2.10 and its own words", "Cache-Control: s-maxage=60, stale-if-error=9", 61, "GET", true},
		{"9111 §5.2.1.4", "Cache-Control: max-age=60, stale-if-error=9", 61, "Cache-Control: no-cache", false},
		{"nothing stored", "", 0, "GET", false},
	} {
		var e *tiers.Entry
		if row.response != "" {
			e = stored(t, defaults, "GET", row.response, "")
		}
		r, _ := request(row.request)
		if got := StandIn(r, e, at(row.age)); got != row.want {
			t.Errorf("%s: %q, %v s old, for %q: %v, want %v", row.section, row.response, row.age, row.request, got, row.want)
		}
	}
}

func TestIsError(t *testing.T) {
	for status := 100; status < 600; status++ {
		if got, want := IsError(status), status == 500 || status == 502 || status == 503 || status == 504; got != want { // 5861 §4
			t.Errorf("%d: %v", status, got)
		}
	}
}

func TestNeverStale(t *testing.T) {
	for s, want := range map[string]bool{
		"Cache-Control: max-age=60":                                    false,
		`Cache-Control: max-age=60, must-revalidate`:                   true, // 9111 §5.2.2.2
		`Cache-Control: s-maxage=60`:                                   true, // §5.2.2.10
		`Cache-Control: max-age=60, no-cache | Last-Modified: @-86400`: true,
	} {
		if got := NeverStale(stored(t, defaults, "GET", s, "")); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
	if NeverStale(nil) {
		t.Error("nothing is stored")
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int64{0: 0, 1: 1, -1: -1, time.Second: 1, time.Second + 1: 2, -time.Second: -1, -time.Second - 1: -2, Forever: 1 << 31} {
		if got := Seconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for r := ReasonNone; r < reasonsLength; r++ {
		if s := r.String(); seen[s] || (s == "") != (r == ReasonNone) {
			t.Errorf("reason %d is %q", r, s)
		}
		seen[r.String()] = true
	}
	// The reasons to forward are those of RFC 9211 §2.2, in front.
	for r, want := range []string{"", "bypass", "method", "uri-miss", "vary-miss", "request", "partial", "stale"} {
		if got := Reason(r).String(); got != want {
			t.Errorf("reason %d is %q, want %q", r, got, want)
		}
	}
	for a, want := range []string{"serve", "serve-stale", "revalidate", "fetch", "pass", "refuse"} {
		if got := Action(a).String(); got != want {
			t.Errorf("action %d is %q, want %q", a, got, want)
		}
	}
}
