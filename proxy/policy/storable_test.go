package policy

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

func TestStorable(t *testing.T) {
	for _, row := range []struct {
		section, request, response string
		want                       Reason // ReasonNone: stored
	}{
		{"9111 §3", "GET", "Cache-Control: max-age=60", ReasonNone},
		{"9111 §3", "GET", "Cache-Control: s-maxage=60", ReasonNone},
		{"9111 §3", "GET", "Expires: @60", ReasonNone},
		{"9111 §3 method", "HEAD", "Cache-Control: max-age=60", ReasonStatus},
		{"9111 §3 method", "POST", "Cache-Control: max-age=60", ReasonStatus},
		{"10008 §2.7", "QUERY | Content-Length: 3", "Cache-Control: max-age=60", ReasonNone},
		{"9111 §3 method", "OPTIONS", "Cache-Control: max-age=60", ReasonStatus},
		{"9111 §3 final", "GET", "103 | Cache-Control: max-age=60", ReasonStatus},
		{"9111 §3 partial", "GET", "206 | Cache-Control: max-age=60 | Content-Range: bytes 0-1/9", ReasonStatus},
		{"9111 §3 not modified", "GET", "304 | Cache-Control: max-age=60", ReasonStatus},
		{"9111 §3 explicit, any status", "GET", "302 | Cache-Control: max-age=60", ReasonNone},
		{"9111 §3 explicit, any status", "GET", "500 | Expires: @60", ReasonNone},
		{"9111 §3 explicit, any status", "GET", "599 | Cache-Control: s-maxage=60", ReasonNone},
		{"9111 §3 explicit, any status", "GET", "299 | Cache-Control: max-age=60", ReasonNone},
		{"9110 §15.5.17 of a range", "GET | Range: bytes=9-", "416 | Cache-Control: max-age=60", ReasonStatus},
		{"9111 §3 public", "GET", `403 | Cache-Control: public | ETag: "a"`, ReasonNone},
		{"9111 §3 silent", "GET", `200 | ETag: "a"`, ReasonNone},
		{"9111 §3 silent", "GET", `404 | ETag: "a"`, ReasonNone},
		{"9111 §3 silent", "GET", `403 | ETag: "a"`, ReasonStatus},
		{"9111 §3 silent", "GET", `302 | ETag: "a"`, ReasonStatus},
		{"9111 §3 silent", "GET", `503 | Last-Modified: @-600`, ReasonStatus},
		{"9111 §5.2.1.5", "GET | Cache-Control: no-store", "Cache-Control: max-age=60", ReasonNoStore},
		{"9111 §5.2.2.5", "GET", "Cache-Control: no-store, max-age=60", ReasonNoStore},
		{"9111 §5.2.2.5", "GET", "Cache-Control: max-age=60 | Cache-Control: public, No-Store", ReasonNoStore},
		{"9111 §5.2.2.3", "GET", "Cache-Control: no-store, must-understand, max-age=60", ReasonNone},
		{"9111 §5.2.2.3", "GET", "404 | Cache-Control: no-store, must-understand, max-age=60", ReasonNone},
		{"9111 §5.2.2.3 not understood", "GET", "599 | Cache-Control: must-understand, max-age=60", ReasonStatus},
		{"9111 §5.2.2.3 not understood", "GET", "299 | Cache-Control: no-store, must-understand, max-age=60", ReasonStatus},
		{"6585 §4 understood: not stored", "GET", "429 | Cache-Control: must-understand, max-age=60", ReasonStatus},
		{"9111 §5.2.2.3 overrides no-store only", "GET", "Cache-Control: must-understand, private, max-age=60", ReasonPrivate},
		{"9111 §5.2.2.4", "GET", `Cache-Control: no-cache | ETag: "a"`, ReasonNone},
		{"9111 §5.2.2.7", "GET", "Cache-Control: private, max-age=60", ReasonPrivate},
		{"9111 §5.2.2.7", "GET", "Cache-Control: private, public, s-maxage=60", ReasonPrivate},
		{"9111 §5.2.2.7 with fields", "GET", `Cache-Control: private="X-User", max-age=60`, ReasonNone},
		{"9111 §5.4 in a response", "GET", "Cache-Control: max-age=60 | Pragma: no-cache", ReasonNone},
		{"9111 §3.5", "GET | Authorization: x", "Cache-Control: max-age=60", ReasonAuthorized},
		{"9111 §3.5", "GET | Authorization: x", "Expires: @60", ReasonAuthorized},
		{"9111 §3.5", "GET | Authorization: x", "Cache-Control: max-age=60, proxy-revalidate", ReasonAuthorized},
		{"9111 §3.5 public", "GET | Authorization: x", "Cache-Control: max-age=60, public", ReasonNone},
		{"9111 §3.5 must-revalidate", "GET | Authorization: x", "Cache-Control: max-age=60, must-revalidate", ReasonNone},
		{"9111 §3.5 s-maxage", "GET | Authorization: x", "Cache-Control: s-maxage=60", ReasonNone},
		{"9111 §4.1 Vary: *", "GET", "Cache-Control: max-age=60 | Vary: Accept, *", ReasonVaryStar},
		{"9111 §7.3 Set-Cookie", "GET", "Cache-Control: max-age=60 | Set-Cookie: a=b", ReasonCookie},
		{"9111 §7.3 Set-Cookie", "GET", "Cache-Control: max-age=60, public | Set-Cookie: a=b", ReasonNone},
		{"9111 §7.3 Set-Cookie", "GET", "Cache-Control: s-maxage=60 | set-cookie: a=b", ReasonNone},
		{"9111 §7.3 Set-Cookie", "GET", `Cache-Control: max-age=60, no-cache="Set-Cookie" | Set-Cookie: a=b`, ReasonNone},
		{"9111 §7.3 Set-Cookie", "GET", "Nearside-Cache-Control: max-age=60 | Set-Cookie: a=b", ReasonNone},
		{"9111 §7.3 Set-Cookie", "GET", `Nearside-Cache-Control: no-cache | ETag: "a" | Set-Cookie: a=b`, ReasonCookie},
		{"of no use", "GET", "200", ReasonNoFreshness},
		{"of no use", "GET", "Cache-Control: max-age=0", ReasonNoFreshness},
		{"of no use", "GET", "Cache-Control: max-age=60 | Age: 99", ReasonNone}, // to a client with max-stale
		{"of no use", "GET", "Cache-Control: max-age=60, must-revalidate | Age: 60", ReasonNoFreshness},
		{"of use as a base", "GET", "Cache-Control: max-age=0 | Last-Modified: @-60", ReasonNone},
	} {
		r, h := request(row.request)
		e, why := defaults.NewEntry(r, h, response(defaults, row.response), atNoon)
		if why != row.want || (e == nil) != (why != ReasonNone) {
			t.Errorf("%s: %q to %q: %v, want %v", row.section, row.response, row.request, why, row.want)
		}
	}
}

// TestProvoked: what a request's size or form provokes is stored only when the response says so.
func TestProvoked(t *testing.T) {
	c := &Config{DefaultTTL: time.Minute, HeuristicFraction: 1, HeuristicMaxTTL: time.Hour, KeepStale: time.Hour}
	r, h := request("GET")
	for _, status := range []string{"400", "405", "413", "414", "417", "431", "501"} {
		if e, _ := c.NewEntry(r, h, response(c, status+` | ETag: "a"`), atNoon); e != nil {
			t.Errorf("%s is stored without being told", status)
		}
		if e, why := c.NewEntry(r, h, response(c, status+" | Cache-Control: max-age=60"), atNoon); e == nil {
			t.Errorf("%s with max-age: %v", status, why)
		}
		e, _ := c.NewEntry(r, h, response(c, status+" | Last-Modified: @-600"), atNoon)
		can := status == "405" || status == "414" || status == "501" // 9110 §15.1
		if (e != nil) != can || can && e.Lifetime != 10*time.Minute {
			t.Errorf("%s with Last-Modified: %+v", status, e)
		}
	}
}

func TestHeuristicStatus(t *testing.T) {
	can := " 200 203 204 206 300 301 308 404 405 410 414 501 " // 9110 §15.1
	for status := 200; status < 600; status++ {
		if got, want := heuristic(status), strings.Contains(can, " "+strconv.Itoa(status)+" "); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}

func TestUnderstood(t *testing.T) {
	// 9110 §15 and 451; not 428, 429, 431 and 511, which 6585 forbids to store
	knows := " 200 201 202 203 204 205 206 300 301 302 303 305 307 308 400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417" +
		" 421 422 426 451 500 501 502 503 504 505 "
	for status := 200; status < 600; status++ {
		if got, want := understood(status), strings.Contains(knows, " "+strconv.Itoa(status)+" "); got != want {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
	}
}

func TestStoredHeader(t *testing.T) {
	for _, row := range []struct{ section, response, want string }{
		{"9111 §3.1 all, in order", "B: 1 | a: 2 | B: 3 | Cache-Control: max-age=9", "B: 1 | a: 2 | B: 3 | Cache-Control: max-age=9"},
		{"9111 §5.1 but Age", "Age: 3 | Cache-Control: max-age=9 | AGE: 4", "Cache-Control: max-age=9"},
		{"9111 §5.2.2.4", `Cache-Control: max-age=9, no-cache="a, X-B" | A: 1 | x-b: 2 | C: 3`, `Cache-Control: max-age=9, no-cache="a, X-B" | C: 3`},
		{"9111 §5.2.2.7", `Cache-Control: max-age=9, private="a" | A: 1 | A: 2 | B: 3`, `Cache-Control: max-age=9, private="a" | B: 3`},
		{"9213 §2.2", `Nearside-Cache-Control: max-age=9, private="a" | A: 1 | B: 3`, `Nearside-Cache-Control: max-age=9, private="a" | B: 3`},
	} {
		if got := lines(stored(t, defaults, "GET", row.response, "").Header); got != row.want {
			t.Errorf("%s: %q is stored as %q, want %q", row.section, row.response, got, row.want)
		}
	}
}

// TestDate: RFC 9110 §6.6.1.
func TestDate(t *testing.T) {
	for _, row := range []struct{ response, want string }{
		{"Cache-Control: max-age=9", string(AppendDate(nil, noon))},
		{"Cache-Control: max-age=9 | Date: @-5", string(AppendDate(nil, noon.Add(-5*time.Second)))},
		{"Cache-Control: max-age=9 | Date: yesterday", "yesterday"},
	} {
		e := stored(t, defaults, "GET", row.response, "")
		if got, _ := e.Header.Get("Date"); string(got) != row.want {
			t.Errorf("%q: Date is %q, want %q", row.response, got, row.want)
		}
	}
}

func TestEntryIsItsOwn(t *testing.T) {
	block := fields("Cache-Control: max-age=60 | X: abc | Vary: Y")
	r, h := request("Y: z")
	x := defaults.ReadResponse(200, block)
	e, _ := defaults.NewEntry(r, h, &x, atNoon)
	for _, b := range []tiers.Header{block, h} {
		for i := range b {
			b[i] = '-'
		}
	}
	if got := lines(e.Header); got != "Cache-Control: max-age=60 | X: abc | Vary: Y" || e.Variant != "=z\n" || e.Vary != "y" {
		t.Errorf("the entry changed with what it was made of: %q, %q, %q", got, e.Vary, e.Variant)
	}
}

func TestSetCookie(t *testing.T) {
	for _, row := range []struct {
		value    string
		response string
		want     bool
	}{
		{"explicit", "Cache-Control: max-age=60 | Set-Cookie: a", false},
		{"explicit", "Cache-Control: max-age=60, public | Set-Cookie: a", true},
		{"store", "Cache-Control: max-age=60 | Set-Cookie: a", true},
		{"bypass", "Cache-Control: max-age=60 | Set-Cookie: a", false},
		{"bypass", "Cache-Control: s-maxage=60, public | Set-Cookie: a", false},
		{"bypass", "Nearside-Cache-Control: max-age=60 | Set-Cookie: a", false},
		{"bypass", `Cache-Control: max-age=60, private="set-cookie" | Set-Cookie: a`, false},
		{"bypass", "Cache-Control: max-age=60", true},
	} {
		c := *defaults
		if err := c.SetCookie.UnmarshalText([]byte(row.value)); err != nil || c.SetCookie.String() != row.value {
			t.Fatal(row.value, err)
		}
		r, h := request("GET")
		if e, why := c.NewEntry(r, h, response(&c, row.response), atNoon); (e != nil) != row.want {
			t.Errorf("%s: %q: %v, want stored: %v", row.value, row.response, why, row.want)
		}
	}
	for _, bad := range []string{"", "Store", "yes"} {
		if new(SetCookie).UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if text, _ := CookieBypass.MarshalText(); string(text) != "bypass" {
		t.Errorf("%s", text)
	}
}
