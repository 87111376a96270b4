package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

func TestAppendConditions(t *testing.T) {
	for _, row := range []struct{ section, responses, want string }{ // "\n" separates stored responses
		{"9111 §4.3.1", `ETag: "a"`, `If-None-Match: "a"`},
		{"9111 §4.3.1", `ETag: W/"a"`, `If-None-Match: W/"a"`},
		{"9111 §4.3.1", `Last-Modified: Mon`, `If-Modified-Since: Mon`},
		{"9111 §4.3.1", `Last-Modified: Mon | etag: "a"`, `If-None-Match: "a" | If-Modified-Since: Mon`},
		{"9111 §4.3.1 none", `X: y`, ``},
		{"9111 §4.3.1 none", `ETag: | Last-Modified:`, ``},
		{"9111 §4.3.1 several", "ETag: \"a\" | Last-Modified: Mon\nETag: W/\"b\"", `If-None-Match: "a", W/"b"`},
		{"9111 §4.3.1 several, some", "Last-Modified: Mon\nETag: \"b\"\nX: y", `If-None-Match: "b"`},
		{"9111 §4.3.1 several, equal", "ETag: \"a\"\nETag: \"b\"\nETag: \"a\"", `If-None-Match: "a", "b"`},
		{"9111 §4.3.1 several, none", "Last-Modified: Mon\nLast-Modified: Tue", ``},
	} {
		var entries []*tiers.Entry
		for r := range strings.SplitSeq(row.responses, "\n") {
			entries = append(entries, &tiers.Entry{Header: fields(r)})
		}
		if got := AppendConditions(nil, entries...); lines(got) != row.want || (len(got) == 0) != (row.want == "") {
			t.Errorf("%s: %q: %q, want %q", row.section, row.responses, got, row.want)
		}
		if got := AppendConditions(fields("Via: x"), entries...); !strings.HasPrefix(string(got), "Via: x\r\n") {
			t.Errorf("%s: what was there is gone: %q", row.section, got)
		}
	}
}

func TestSelected(t *testing.T) {
	for _, row := range []struct{ section, responses, notModified, want string }{ // the newer response stands behind; want names them by place
		{"9111 §4.3.4 strong", "ETag: \"a\"\nETag: \"b\"", `ETag: "b"`, "1"},
		{"9111 §4.3.4 strong, all that have it", "ETag: \"a\"\nETag: \"b\"\nETag: \"a\"", `ETag: "a"`, "20"},
		{"9111 §4.3.4 strong, none", "ETag: \"a\"\nETag: \"b\"", `ETag: "c"`, ""},
		{"9111 §4.3.4 strong, not the weak one", "ETag: W/\"a\"\nETag: \"b\"", `ETag: "a"`, ""},
		{"9111 §4.3.4 strong, the weak one that alone was asked about", `ETag: W/"a"`, `ETag: "a"`, "0"},
		{"9111 §4.3.4 strong, one stored with another", `ETag: W/"b"`, `ETag: "a"`, ""},
		{"9111 §4.3.4 strong, no validator", `Last-Modified: Mon`, `ETag: "a" | Last-Modified: Mon`, ""},
		{"9111 §4.3.4 weak", "ETag: W/\"a\"\nETag: W/\"b\"", `ETag: W/"a"`, "0"},
		{"9111 §4.3.4 weak, the strong one", `ETag: "a"`, `ETag: W/"a"`, "0"},
		{"9111 §4.3.4 weak, the most recent", "ETag: W/\"a\"\nETag: W/\"a\"\nETag: W/\"b\"", `ETag: W/"a"`, "1"},
		{"9111 §4.3.4 weak, none", `ETag: W/"a"`, `ETag: W/"b"`, ""},
		{"9111 §4.3.4 date", "Last-Modified: Mon\nLast-Modified: Tue", `Last-Modified: Mon`, "0"},
		{"9111 §4.3.4 date, the most recent", "Last-Modified: Mon\nLast-Modified: Mon", `Last-Modified: Mon`, "1"},
		{"9111 §4.3.4 date, none", `Last-Modified: Mon`, `Last-Modified: Tue`, ""},
		{"9111 §4.3.4 none, one stored", `X: y`, `X: z`, "0"},
		{"9111 §4.3.4 none, one stored", `ETag: "a" | Last-Modified: Mon`, `X: z`, "0"},
		{"9111 §4.3.4 none, several stored", "ETag: \"a\"\nETag: \"b\"", `X: z`, ""},
	} {
		var entries []*tiers.Entry
		for i, r := range strings.Split(row.responses, "\n") {
			entries = append(entries, &tiers.Entry{Header: fields(r), Born: tiers.Instant(i), Status: i})
		}
		got := ""
		for _, e := range Selected(response(defaults, "304 | "+row.notModified), entries...) {
			got += string(rune('0' + e.Status))
		}
		if got != row.want {
			t.Errorf("%s: %q about %q: %q, want %q", row.section, row.notModified, row.responses, got, row.want)
		}
	}
}

// later is when the tests validate: 100 s after the response came.
var later = Times{Requested: received.Add(100 * time.Second), Received: received.Add(100 * time.Second), Wall: noon.Add(100 * time.Second)}

func TestFreshened(t *testing.T) {
	const base = `ETag: "a" | Cache-Control: max-age=60 | `
	for _, row := range []struct {
		section, stored, notModified string
		want                         string        // fields, but for Date; "-" = the 304 is about something else
		ttl                          time.Duration // seconds, when the 304 came
	}{
		{"9111 §4.3.4", base + "X: 1", `ETag: "a"`, `Cache-Control: max-age=60 | X: 1 | ETag: "a"`, 60},
		{"9111 §4.3.4", base + "X: 1", `X: 2`, `ETag: "a" | Cache-Control: max-age=60 | X: 2`, 60},
		{"9111 §4.3.4 another", base + "X: 1", `ETag: "b"`, "-", 0},
		{"9111 §4.3.4 another", base + "X: 1", `ETag: W/"b"`, "-", 0},
		{"9111 §3.2 all lines", base + "x: 1 | Y: 2 | X: 3", `X: 4 | X: 5`, `ETag: "a" | Cache-Control: max-age=60 | Y: 2 | X: 4 | X: 5`, 60},
		{"9111 §3.2 new field", base + "X: 1", `Y: 2`, `ETag: "a" | Cache-Control: max-age=60 | X: 1 | Y: 2`, 60},
		{"9111 §3.2 Cache-Control", base + "X: 1", `Cache-Control: max-age=9`, `ETag: "a" | X: 1 | Cache-Control: max-age=9`, 9},
		{"9111 §3.2 Content-Type", base + "Content-Type: a/b", `Content-Type: c/d`, `ETag: "a" | Cache-Control: max-age=60 | Content-Type: c/d`, 60},
		{"9111 §3.2 but not how the bytes are read", base + "Content-Encoding: gzip", `Content-Encoding: br | Content-Length: 0 | Content-Range: bytes 0-1/2`, `ETag: "a" | Cache-Control: max-age=60 | Content-Encoding: gzip`, 60},
		{"9111 §3.1 nor Age", base + "X: 1", `Age: 10`, `ETag: "a" | Cache-Control: max-age=60 | X: 1`, 50},
		{"9111 §5.2.2.4 nor named fields", base + "A: 1 | B: 2", `Cache-Control: max-age=9, no-cache="A" | A: 3`, `ETag: "a" | B: 2 | Cache-Control: max-age=9, no-cache="A"`, 9},
		{"9110 §6.6.1 no Date", base + "Date: @-9", `X: 1`, `ETag: "a" | Cache-Control: max-age=60 | X: 1`, 60},
		{"9111 §4.2.3 Date", base + "Date: @-9", `Date: @80`, `ETag: "a" | Cache-Control: max-age=60`, 40},
		{"9111 §5.3 Expires stays", `ETag: "a" | Expires: @130`, `X: 1`, `ETag: "a" | Expires: Mon, 23 Nov 2026 12:02:10 GMT | X: 1`, 30},
		{"9111 §5.3 Expires is new", `ETag: "a" | Expires: @1`, `Expires: @150 | Date: @100`, `ETag: "a" | Expires: Mon, 23 Nov 2026 12:02:30 GMT`, 50},
		{"9111 §4.1 the same Vary", base + "Vary: A, B", `Vary: b, a`, `ETag: "a" | Cache-Control: max-age=60 | Vary: b, a`, 60},
		{"9111 §4.1 a part of Vary", base + "Vary: A, B", `Vary: b`, `ETag: "a" | Cache-Control: max-age=60 | Vary: b`, 60},
		{"9111 §4.1 another Vary", base + "Vary: A", `Vary: A, B`, "-", 0},
		{"9111 §4.1 another Vary", base + "X: 1", `Vary: *`, "-", 0},
		{"9213 §2.2", base + "Nearside-Cache-Control: max-age=7", `Cache-Control: max-age=9`, `ETag: "a" | Nearside-Cache-Control: max-age=7 | Cache-Control: max-age=9`, 7},
	} {
		old := stored(t, defaults, "A: x | B: y", row.stored, "body")
		before := string(old.Header)
		e := defaults.Freshened(old, response(defaults, "304 | "+row.notModified), later)
		got, ttl := "-", time.Duration(0)
		if e != nil {
			got, ttl = lines(e.Header), e.TTL(later.Received)/time.Second
			if string(e.Body) != "body" || e.Status != 200 || e.Vary != old.Vary || e.Variant != old.Variant {
				t.Errorf("%s: the rest changed: %+v", row.section, e)
			}
		}
		if got != row.want || ttl != row.ttl {
			t.Errorf("%s: %q by %q: %q for %d, want %q for %d", row.section, row.stored, row.notModified, got, ttl, row.want, row.ttl)
		}
		if string(old.Header) != before || old.TTL(received) <= 0 {
			t.Errorf("%s: the old entry changed", row.section)
		}
	}
}

// TestFreshenedDate: a 304 without Date was made when it came (RFC 9110 §6.6.1).
func TestFreshenedDate(t *testing.T) {
	old := stored(t, defaults, "GET", `ETag: "a" | Date: @-9 | Cache-Control: max-age=60`, "")
	for s, want := range map[string]time.Duration{`304 | X: 1`: 100, `304 | Date: @80`: 80} {
		e := defaults.Freshened(old, response(defaults, s), later)
		if got, _ := e.Header.Get("Date"); string(got) != string(AppendDate(nil, noon.Add(want*time.Second))) || strings.Count(string(e.Header), "Date:") != 1 {
			t.Errorf("%q: Date is %s", s, got)
		}
	}
}

// TestFreshenedSilent: a response that no longer says how long it is fresh is not by itself, when its status code does not allow it.
func TestFreshenedSilent(t *testing.T) {
	old := stored(t, defaults, "GET", `403 | ETag: "a" | Last-Modified: @-9000 | Cache-Control: max-age=60`, "")
	if e := defaults.Freshened(old, response(defaults, "304 | Cache-Control: no-transform"), later); e.Lifetime != 0 || e.Flags != tiers.Heuristic {
		t.Errorf("fresh for %v, flags %b", e.Lifetime, e.Flags)
	}
}

func TestFreshenedFlags(t *testing.T) {
	old := stored(t, defaults, "GET", `ETag: "a" | Cache-Control: max-age=60, must-revalidate | Location: /x`, "")
	if e := defaults.Freshened(old, response(defaults, "304 | Cache-Control: max-age=60, no-cache"), later); e.Flags != tiers.NoCache|tiers.HasLocation {
		t.Errorf("flags %b", e.Flags)
	}
}

func TestKeepable(t *testing.T) {
	for _, row := range []struct {
		section, request, notModified string
		want                          bool
	}{
		{"9111 §4.3.4", "GET", "X: 1", true},
		{"9111 §5.2.2.5", "GET", "Cache-Control: no-store", false},
		{"9111 §5.2.2.7", "GET", "Cache-Control: private", false},
		{"9111 §5.2.1.5", "GET | Cache-Control: no-store", "X: 1", false},
		{"9111 §3.5", "GET | Authorization: x", "X: 1", false},
		{"9111 §3.5", "GET | Authorization: x", "Cache-Control: public", true},
		{"9111 §7.3", "GET", "Set-Cookie: a=b", false},
	} {
		r, _ := request(row.request)
		e := defaults.Freshened(stored(t, defaults, "GET", `ETag: "a" | Cache-Control: max-age=60`, ""), response(defaults, "304 | "+row.notModified), later)
		if got := defaults.Keepable(e, r); got != row.want {
			t.Errorf("%s: %q to %q: %v, want %v", row.section, row.notModified, row.request, got, row.want)
		}
	}
	part := stored(t, defaults, "GET", `206 | ETag: "a" | Cache-Control: max-age=60 | Content-Range: bytes 0-3/9`, "0123")
	if r, _ := request("GET"); !defaults.Keepable(part, r) {
		t.Error("a part is not kept")
	}
}

func TestHeadFreshened(t *testing.T) {
	const base = `ETag: "a" | Last-Modified: Mon | Cache-Control: max-age=60`
	for _, row := range []struct {
		section, stored, head string
		length                int64
		want                  string // "fresh", "stale" or "" (says nothing)
	}{
		{"9111 §4.3.5", base, `ETag: "a" | Last-Modified: Mon | Cache-Control: max-age=90`, 4, "fresh"},
		{"9111 §4.3.5 received validators only", base, `Cache-Control: max-age=90`, 4, "fresh"},
		{"9111 §4.3.5 no Content-Length", base, `ETag: "a"`, -1, "fresh"},
		{"9111 §4.3.5 another Content-Length", base, `ETag: "a"`, 5, "stale"},
		{"9111 §4.3.5 another ETag", base, `ETag: "b"`, 4, "stale"},
		{"9111 §4.3.5 weakened ETag", base, `ETag: W/"a"`, 4, "stale"},
		{"9111 §4.3.5 another Last-Modified", base, `ETag: "a" | Last-Modified: Tue`, 4, "stale"},
		{"9111 §4.3.5 a validator more", "Cache-Control: max-age=60", `ETag: "a"`, 4, "stale"},
		{"9111 §4.1 another Vary", base, `ETag: "a" | Vary: X`, 4, "stale"},
		{"9111 §4.3.5 not 200", base, `404 | ETag: "b"`, 0, ""},
		{"9111 §4.3.5 not 200", base, `304 | ETag: "b"`, 0, ""},
		{"9111 §4.3.5 not 200", "404 | " + base, `ETag: "b"`, 0, ""},
	} {
		e := defaults.HeadFreshened(stored(t, defaults, "GET", row.stored, "body"), response(defaults, row.head), row.length, later)
		got := ""
		if e != nil {
			got = "stale"
			if e.TTL(later.Received) > 0 {
				got = "fresh"
			}
		}
		if got != row.want {
			t.Errorf("%s: %q by %q, %d bytes: %q, want %q", row.section, row.stored, row.head, row.length, got, row.want)
		}
	}
}

func TestOutdated(t *testing.T) {
	any, _ := request("Cache-Control: max-stale, stale-if-error=99")
	with := stored(t, defaults, "GET", `ETag: "a" | Cache-Control: max-age=60, stale-while-revalidate=60, stale-if-error=60`, "")
	old := Outdated(with)
	if d := Decide(any, old, at(1)); d.Action != Revalidate || StandIn(any, old, at(1)) || old.Expires() < with.Born.Add(with.Lifetime+with.Keep) {
		t.Errorf("%v, expires %v", d, old.Expires())
	}
	without := Outdated(stored(t, defaults, "GET", `Cache-Control: max-age=60, stale-if-error=60`, ""))
	if without.Expires() > at(0) {
		t.Error("of use without a validator")
	}
}

func TestNotModified(t *testing.T) {
	const tagged, dated = `Cache-Control: max-age=60 | ETag: "a" | Last-Modified: @-100 | Date: @-10`, `Cache-Control: max-age=60 | Date: @-10`
	for _, row := range []struct {
		section, stored, request string
		want                     bool
	}{
		{"9110 §13.1.2", tagged, `If-None-Match: "a"`, true},
		{"9110 §13.1.2", tagged, `If-None-Match: "b"`, false},
		{"9110 §13.1.2 weak", tagged, `If-None-Match: W/"a"`, true},
		{"9110 §13.1.2 list", tagged, `If-None-Match: "b", "a"`, true},
		{"9110 §13.1.2 lines", tagged, `If-None-Match: "b" | If-None-Match: "a"`, true},
		{"9110 §13.1.2 lines", tagged, `If-None-Match: "b" | If-None-Match: "c"`, false},
		{"9110 §13.1.2 *", tagged, `If-None-Match: *`, true},
		{"9110 §13.1.2 * without a tag", dated, `If-None-Match: *`, true},
		{"9110 §13.1.2 no tag stored", dated, `If-None-Match: "a"`, false},
		{"9110 §13.1.3", tagged, "If-Modified-Since: @-100", true},
		{"9110 §13.1.3", tagged, "If-Modified-Since: @-99", true},
		{"9110 §13.1.3", tagged, "If-Modified-Since: @-101", false},
		{"9110 §13.1.3 precedence", tagged, `If-None-Match: "b" | If-Modified-Since: @0`, false},
		{"9110 §13.1.3 precedence", tagged, `If-Modified-Since: @-999 | If-None-Match: "a"`, true},
		{"9110 §13.1.3 invalid", tagged, "If-Modified-Since: yesterday", false},
		{"9110 §13.1.3 two lines", tagged, "If-Modified-Since: @0 | If-Modified-Since: @0", false},
		{"9110 §5.6.7 formats", "Cache-Control: max-age=60 | Last-Modified: Sunday, 06-Nov-94 08:49:37 GMT", "If-Modified-Since: Sun Nov  6 08:49:37 1994", true},
		{"9111 §4.3.2 Date for Last-Modified", dated, "If-Modified-Since: @-10", true},
		{"9111 §4.3.2 Date for Last-Modified", dated, "If-Modified-Since: @-11", false},
		{"9111 §4.3.2 received for Date", "Cache-Control: max-age=60", "If-Modified-Since: @0", true},
		{"9111 §4.3.2 received for Date", "Cache-Control: max-age=60", "If-Modified-Since: @-1", false},
		{"9110 §13.2.1 not for 404", "404 | " + tagged, `If-None-Match: "a"`, false},
		{"9110 §13.2.1 not for 301", "301 | " + tagged, `If-Modified-Since: @0`, false},
		{"unconditional", tagged, "X: y", false},
	} {
		r, h := request(row.request)
		if got := NotModified(r, h, stored(t, defaults, "GET", row.stored, ""), noon); got != row.want {
			t.Errorf("%s: %q for %q: %v, want %v", row.section, row.request, row.stored, got, row.want)
		}
	}
}

func TestStaysIn304(t *testing.T) {
	for _, row := range []struct {
		section, names string
		want           bool
	}{
		{"9110 §15.4.5 must", "Content-Location Date ETag Vary Cache-Control Expires", true},
		{"9110 §15.4.5 guides updates", "Last-Modified Nearside-Cache-Control Age", true},
		{"9110 §15.4.5 no representation metadata", "X-Foo Set-Cookie Link Content-Security-Policy", true},
		{"9110 §15.4.5 representation metadata", "Content-Type content-length CONTENT-ENCODING Content-Language Content-Range", false},
		{"9530 digests of the content", "Content-Digest Repr-Digest Content-MD5", false},
	} {
		for name := range strings.SplitSeq(row.names, " ") {
			if got := StaysIn304([]byte(name)); got != row.want {
				t.Errorf("%s: %s stays: %v, want %v", row.section, name, got, row.want)
			}
		}
	}
}

func TestIsCondition(t *testing.T) {
	for name, want := range map[string]bool{"If-None-Match": true, "if-modified-since": true, "If-Match": false, "If-Range": false, "": false} {
		if IsCondition([]byte(name)) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}
