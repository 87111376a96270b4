package policy

import (
	"math"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

const minute = time.Minute

func TestLifetime(t *testing.T) {
	none := &Config{KeepStale: time.Hour}
	tenth := &Config{HeuristicFraction: 0.1, HeuristicMaxTTL: 10 * minute, KeepStale: time.Hour}
	operator := &Config{HeuristicFraction: 0.1, HeuristicMaxTTL: 10 * minute, DefaultTTL: 7 * time.Second, KeepStale: time.Hour}
	for _, row := range []struct {
		section  string
		c        *Config
		response string
		want     time.Duration // seconds
	}{
		{"9111 §4.2.1 s-maxage first", none, "Cache-Control: max-age=60, s-maxage=30 | Expires: @90", 30},
		{"9111 §4.2.1 s-maxage first", none, `Cache-Control: max-age=60, s-maxage=x | ETag: "a"`, 0},
		{"9111 §4.2.1 then max-age", none, "Cache-Control: max-age=60 | Expires: @90", 60},
		{"9111 §4.2.1 then max-age", none, `Cache-Control: max-age=x | Expires: @90 | ETag: "a"`, 0},
		{"9111 §4.2.1 then Expires", none, "Expires: @90 | Date: @0", 90},
		{"9111 §5.3 less Date", none, "Expires: @90 | Date: @-10", 100},
		{"9111 §5.3 less Date", none, "Expires: @90 | Date: @10", 80},
		{"9111 §5.3 without Date", none, "Expires: @90", 90},
		{"9111 §5.3 bad Date", none, "Expires: @90 | Date: x", 90},
		{"9111 §5.3 past", none, `Expires: @-90 | ETag: "a"`, 0},
		{"9111 §5.3 invalid", none, `Expires: 0 | ETag: "a"`, 0},
		{"9111 §5.3 invalid", operator, `Expires: | ETag: "a"`, 0},
		{"9111 §4.2.1 twice", none, "Expires: @90 | Expires: @90", 90},
		{"9111 §4.2.1 twice", none, "Expires: @90 | Expires: @30", 30},
		{"9111 §4.2.1 twice", none, "Expires: @30 | Expires: @90", 30},
		{"9111 §4.2.1 twice", none, `Expires: @90 | Expires: 0 | ETag: "a"`, 0},
		{"9111 §4.2.1 thrice", none, "Expires: @90 | Expires: @30 | Expires: @30", 30},
		{"9111 §1.2.2 saturates", none, "Cache-Control: max-age=9999999999", 1 << 31},
		{"9111 §5.3 saturates", none, "Expires: Fri, 31 Dec 9999 23:59:59 GMT", 1 << 31},
		{"9111 §4.2.2", tenth, "Last-Modified: @-600 | Date: @0", 60},
		{"9111 §4.2.2 of Date", tenth, "Last-Modified: @-600 | Date: @-100", 50},
		{"9111 §4.2.2 without Date", tenth, "Last-Modified: @-600", 60},
		{"9111 §4.2.2 at most", tenth, "Last-Modified: @-60000", 600},
		{"9111 §4.2.2 future", tenth, "Last-Modified: @600", 0},
		{"9111 §4.2.2 invalid", tenth, `Last-Modified: x | ETag: "a"`, 0},
		{"9111 §4.2.2 first line", tenth, `Last-Modified: @-600 | Last-Modified: @-900`, 60},
		{"9111 §4.2.2 bad Date", tenth, "Last-Modified: @-600 | Date: x", 60},
		{"9111 §4.2.2 off", none, "Last-Modified: @-600", 0},
		{"9111 §4.2.2 status", tenth, "404 | Last-Modified: @-600", 60},
		{"9111 §4.2.2 public", tenth, "403 | Cache-Control: public | Last-Modified: @-600", 60},
		{"9111 §4.2.2 explicit forbids", tenth, "Cache-Control: max-age=0 | Last-Modified: @-600", 0},
		{"9111 §4.2.2 no-cache does not", tenth, "Cache-Control: no-cache | Last-Modified: @-600", 60},
		{"DEFAULT_TTL", operator, "200", 7},
		{"DEFAULT_TTL", operator, "Last-Modified: @-600", 7},
		{"DEFAULT_TTL never overrides", operator, "Cache-Control: max-age=3", 3},
		{"DEFAULT_TTL never overrides", operator, "Expires: @3", 3},
		{"9213 §2.2", none, "Nearside-Cache-Control: max-age=5 | Cache-Control: max-age=60 | Expires: @90", 5},
		{"9213 §2.2 no lifetime", tenth, "Nearside-Cache-Control: public | Expires: @90 | Last-Modified: @-600", 60},
	} {
		c := *row.c
		c.Targets = defaults.Targets
		if got := stored(t, &c, "GET", row.response, "").Lifetime / time.Second; got != row.want {
			t.Errorf("%s: %q is fresh for %d, want %d", row.section, row.response, got, row.want)
		}
	}
}

func TestAge(t *testing.T) {
	for _, row := range []struct {
		section, fields string
		took, want      time.Duration
	}{
		{"9111 §4.2.3", "", 0, 0},
		{"9111 §4.2.3", "Age: 5", 0, 5 * time.Second},
		{"9111 §4.2.3 response delay", "Age: 5", 2 * time.Second, 7 * time.Second},
		{"9111 §4.2.3 response delay", "", 1500 * time.Millisecond, 1500 * time.Millisecond},
		{"9111 §4.2.3 apparent age", "Date: @-9", 0, 9 * time.Second},
		{"9111 §4.2.3 apparent age", "Date: @-9 | Age: 5", 0, 9 * time.Second},
		{"9111 §4.2.3 apparent age", "Date: @-3 | Age: 5", 0, 5 * time.Second},
		{"9111 §4.2.3 Date ahead", "Date: @9", 0, 0},
		{"9111 §4.2.3 Date ahead", "Date: @9 | Age: 5", time.Second, 6 * time.Second},
		{"9111 §4.2.3 bad Date", "Date: x | Age: 5", 0, 5 * time.Second},
		{"9111 §5.1 list", "Age: 5, 9", 0, 5 * time.Second},
		{"9111 §5.1 list", "Age: , 5", 0, 5 * time.Second},
		{"9111 §5.1 lines", "Age: 5 | Age: 9", 0, 5 * time.Second},
		{"9111 §5.1 lines", "Age: 0 | Age: 9", 0, 0},
		{"9111 §5.1 lines", "Age: | Age: 9", 0, 9 * time.Second},
		{"9111 §5.1 leading zeros", "Age: 005", 0, 5 * time.Second},
		{"9111 §5.1 ignored", "Age: x, 9", 0, 0},
		{"9111 §5.1 ignored", "Age: -5", 0, 0},
		{"9111 §5.1 ignored", "Age: 5.0", 0, 0},
		{"9111 §5.1 ignored", "Age: 5s", 0, 0},
		{"9111 §5.1 ignored", "Age: 5;x=y", 0, 0},
		{"9111 §5.1 ignored", `Age: "5"`, 0, 0},
		{"9111 §5.1 large", "Age: 2147483648", 0, Forever},
		{"9111 §5.1 large", "Age: 99999999999999999999", time.Minute, Forever},
		{"a clock that went back", "Age: 5", -time.Minute, 5 * time.Second},
	} {
		r := response(defaults, "200 | "+row.fields)
		at := Times{Requested: received.Add(0) - tiers.Instant(row.took), Received: received, Wall: noon}
		if got := r.initialAge(at); got != row.want {
			t.Errorf("%s: %q after %v: age %v, want %v", row.section, row.fields, row.took, got, row.want)
		}
	}
}

// TestApparentAge: Date has whole seconds, so a response of this second has no age.
func TestApparentAge(t *testing.T) {
	r := response(defaults, "Date: @0")
	for late, want := range map[time.Duration]time.Duration{0: 0, 999 * time.Millisecond: 0, 1001 * time.Millisecond: time.Second, 2900 * time.Millisecond: 2 * time.Second} {
		if got := r.initialAge(Times{asked, received, noon.Add(late)}); got != want {
			t.Errorf("%v after Date: %v, want %v", late, got, want)
		}
	}
}

func TestWindows(t *testing.T) {
	none := &Config{KeepStale: 10 * minute}
	operator := &Config{KeepStale: 10 * minute, StaleWhileRevalidate: 20 * time.Second, StaleIfError: 30 * time.Second}
	for _, row := range []struct {
		section       string
		c             *Config
		response      string
		swr, sie, kep int // seconds
		flags         tiers.Flags
	}{
		{"5861 §3", none, "Cache-Control: max-age=5, stale-while-revalidate=9", 9, 0, 10, 0},
		{"5861 §4", none, "Cache-Control: max-age=5, stale-if-error=9", 0, 9, 10, 0},
		{"the operator's", operator, "Cache-Control: max-age=5", 20, 30, 10, 0},
		{"the operator's, origin first", operator, "Cache-Control: max-age=5, stale-while-revalidate=1, stale-if-error=99", 1, 99, 10, 0},
		{"the operator's, origin says 0", operator, "Cache-Control: max-age=5, stale-while-revalidate=0, stale-if-error=0", 0, 0, 10, 0},
		{"9111 §4.2.4 must-revalidate", operator, "Cache-Control: max-age=5, must-revalidate, stale-while-revalidate=9, stale-if-error=9", 0, 0, 0, tiers.MustRevalidate},
		{"9111 §4.2.4 proxy-revalidate", operator, "Cache-Control: max-age=5, proxy-revalidate, stale-while-revalidate=9, stale-if-error=9", 0, 0, 0, tiers.MustRevalidate},
		{"9111 §4.2.4 no-cache", operator, "Cache-Control: max-age=5, no-cache, stale-while-revalidate=9, stale-if-error=9", 0, 0, 0, tiers.NoCache},
		{"9111 §5.2.2.4 with fields only", operator, `Cache-Control: max-age=5, no-cache="a"`, 20, 30, 10, 0},
		{"9111 §5.2.2.10 s-maxage", operator, "Cache-Control: s-maxage=5", 0, 0, 0, tiers.MustRevalidate},
		{"9111 §5.2.2.10 and its own words", operator, "Cache-Control: s-maxage=5, stale-while-revalidate=9", 9, 0, 0, tiers.MustRevalidate},
		{"9111 §5.2.2.10 and its own words", operator, "Cache-Control: s-maxage=5, stale-if-error=9", 0, 9, 0, tiers.MustRevalidate},
		{"never fresh", operator, `Cache-Control: max-age=0 | ETag: "a"`, 0, 30, 600, 0},
		{"never fresh, its own words", none, "Cache-Control: max-age=0, stale-while-revalidate=9", 9, 0, 0, 0},
		{"silent", operator, `ETag: "a"`, 0, 0, 600, tiers.Heuristic},
		{"KEEP_STALE with a validator", none, `Cache-Control: max-age=5 | ETag: "a"`, 0, 0, 600, 0},
		{"KEEP_STALE with a validator", none, `Cache-Control: max-age=5, must-revalidate | Last-Modified: @-9`, 0, 0, 600, tiers.MustRevalidate},
		{"KEEP_STALE for max-stale", none, "Cache-Control: max-age=60", 0, 0, 60, 0},
		{"KEEP_STALE for max-stale", none, "Cache-Control: max-age=6000", 0, 0, 600, 0},
		{"Location", none, "301 | Cache-Control: max-age=5 | Location: /x", 0, 0, 10, tiers.HasLocation},
	} {
		e := stored(t, row.c, "GET", row.response, "")
		if swr, sie, kep := int(e.StaleWhileRevalidate/time.Second), int(e.StaleIfError/time.Second), int(e.Keep/time.Second); swr != row.swr || sie != row.sie || kep != row.kep || e.Flags != row.flags {
			t.Errorf("%s: %q: %d, %d, %d, flags %b; want %d, %d, %d, %b", row.section, row.response, swr, sie, kep, e.Flags, row.swr, row.sie, row.kep, row.flags)
		}
	}
}

// TestNoOverflow: the largest configuration and response make no duration that wraps.
func TestNoOverflow(t *testing.T) {
	most := time.Duration(math.MaxInt64)
	c := &Config{DefaultTTL: most, StaleWhileRevalidate: most, StaleIfError: most, KeepStale: most, HeuristicFraction: 1, HeuristicMaxTTL: most}
	for _, s := range []string{"200", `ETag: "a"`, "Cache-Control: max-age=99999999999", `Cache-Control: max-age=2147483648, stale-if-error=2147483648 | ETag: "a" | Age: 2147483648`} {
		e := stored(t, c, "GET", s, "")
		if e.Lifetime < 0 || e.Lifetime > Forever || e.Expires() < received {
			t.Errorf("%q: lifetime %v, expires %v", s, e.Lifetime, e.Expires())
		}
	}
	c = &Config{HeuristicFraction: 1, HeuristicMaxTTL: most}
	if e := stored(t, c, "GET", "Last-Modified: Mon, 01 Jan 0001 00:00:00 GMT", ""); e.Lifetime != Forever {
		t.Errorf("lifetime %v", e.Lifetime)
	}
}
