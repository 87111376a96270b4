package policy

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nearside-cache/nearside/tiers"
)

const partly = `206 | Cache-Control: max-age=60 | ETag: "a" | Content-Range: `

// span writes what e holds: "from-to/complete content".
func span(e *tiers.Entry) string {
	if e == nil {
		return "-"
	}
	s, ok := StoredSpan(e)
	if !ok {
		return "no span"
	}
	if (e.Status == 206) != e.Header.Has("Content-Range") {
		return "Content-Range and status differ"
	}
	return fmt.Sprintf("%d %d-%d/%d %s", e.Status, s.From, s.To-1, s.Complete, e.Body)
}

func TestNewPart(t *testing.T) {
	for _, row := range []struct {
		section, request, response string
		want                       Reason
	}{
		{"9111 §3.3", "Range: bytes=0-3", partly + "bytes 0-3/9", ReasonNone},
		{"9111 §3.3", "Range: bytes=0-3", partly + "bytes 0-3/*", ReasonNone},
		{"9110 §15.3.7.2 several parts", "Range: bytes=0-3", "206 | Cache-Control: max-age=60 | Content-Type: multipart/byteranges; boundary=x", ReasonIncomplete},
		{"9110 §14.4 invalid", "Range: bytes=0-3", partly + "bytes 0-9/9", ReasonIncomplete},
		{"9110 §14.4 another unit", "Range: bytes=0-3", partly + "rows 0-3/9", ReasonIncomplete},
		{"9110 §15.3.7 not 206", "Range: bytes=0-3", "200 | Cache-Control: max-age=60 | Content-Range: bytes 0-3/9", ReasonIncomplete},
		{"9111 §3", "Range: bytes=0-3 | Cache-Control: no-store", partly + "bytes 0-3/9", ReasonNoStore},
		{"9111 §3", "Range: bytes=0-3 | Authorization: x", partly + "bytes 0-3/9", ReasonAuthorized},
	} {
		r, h := request(row.request)
		if e, why := defaults.NewPart(r, h, response(defaults, row.response), atNoon); why != row.want || (e != nil) != (why == ReasonNone) {
			t.Errorf("%s: %q: %v, want %v", row.section, row.response, why, row.want)
		}
	}
	if got := span(stored(t, defaults, "GET", partly+"bytes 2-5/9", "2345")); got != "206 2-5/9 2345" {
		t.Error(got)
	}
	if got := span(stored(t, defaults, "GET", partly+"bytes 0-3/4", "0123")); got != "200 0-3/4 0123" { // §3.4: the whole
		t.Error(got)
	}
	if got := span(stored(t, defaults, "GET", partly+"bytes 2-5/9", "234")); got != "no span" {
		t.Error(got)
	}
}

// TestPartAnswers: a part answers for what it holds, and nothing else (RFC 9111 §3.3).
func TestPartAnswers(t *testing.T) {
	for _, row := range []struct {
		section, span, request string
		want                   Decision
	}{
		{"9111 §3.3 within", "bytes 2-5/9", "Range: bytes=2-5", Decision{Serve, ReasonHit}},
		{"9111 §3.3 within", "bytes 2-5/9", "Range: bytes=3-3", Decision{Serve, ReasonHit}},
		{"9111 §3.3 before", "bytes 2-5/9", "Range: bytes=1-3", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 behind", "bytes 2-5/9", "Range: bytes=3-6", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 to the end", "bytes 2-5/9", "Range: bytes=3-", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 to the end", "bytes 5-8/9", "Range: bytes=6-", Decision{Serve, ReasonHit}},
		{"9111 §3.3 to the end", "bytes 5-8/9", "Range: bytes=6-99", Decision{Serve, ReasonHit}},
		{"9111 §3.3 suffix", "bytes 5-8/9", "Range: bytes=-4", Decision{Serve, ReasonHit}},
		{"9111 §3.3 suffix", "bytes 5-8/9", "Range: bytes=-5", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 length unknown", "bytes 5-8/*", "Range: bytes=6-8", Decision{Serve, ReasonHit}},
		{"9111 §3.3 length unknown", "bytes 5-8/*", "Range: bytes=6-", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 length unknown", "bytes 5-8/*", "Range: bytes=-1", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 length unknown", "bytes 5-8/*", "Range: bytes=6-9", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 length unknown", "bytes 0-3/*", "Range: bytes=0-0", Decision{Serve, ReasonHit}},
		{"9111 §3.3 unsatisfiable", "bytes 5-8/9", "Range: bytes=9-", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 not the whole", "bytes 0-3/9", "GET", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 not the whole", "bytes 0-3/9", "Range: bytes=x", Decision{Fetch, ReasonPartial}},
		{"9111 §3.3 nor its fields", "bytes 0-3/9", "HEAD | Range: bytes=0-1", Decision{Pass, ReasonPartial}},
		{"9110 §13.1.5 not known here", "bytes 0-3/9", `Range: bytes=0-1 | If-Range: "a"`, Decision{Fetch, ReasonPartial}},
		{"9111 §5.2.1.4", "bytes 2-5/9", "Range: bytes=2-5 | Cache-Control: no-cache", Decision{Revalidate, ReasonRequest}},
		{"9111 §5.2.1.7", "bytes 0-3/9", "Cache-Control: only-if-cached", Decision{Refuse, ReasonOnlyIfCached}},
	} {
		s, _ := ParseContentRange([]byte(row.span))
		e := stored(t, defaults, "GET", partly+row.span, "012345678"[s.From:s.To])
		r, _ := request(row.request)
		if got := Decide(r, e, at(1)); got != row.want {
			t.Errorf("%s: %q of %q: %v %v, want %v %v", row.section, row.request, row.span, got.Action, got.Reason, row.want.Action, row.want.Reason)
		}
		if got := StandIn(r, e, at(1)); got != (row.want.Action == Serve) {
			t.Errorf("%s: %q of %q stands in: %v", row.section, row.request, row.span, got)
		}
	}
}

// TestDamagedPart: what is not what it says to be answers nothing.
func TestDamagedPart(t *testing.T) {
	e := stored(t, defaults, "GET", partly+"bytes 2-5/9", "234")
	if r, _ := request("Range: bytes=2-3"); Decide(r, e, at(1)).Action != Fetch || StandIn(r, e, at(1)) {
		t.Error("it answers")
	}
}

func TestBrokenOff(t *testing.T) {
	for _, row := range []struct {
		section, response, got string
		complete               int64
		want                   string
	}{
		{"9111 §3.3", `ETag: "a"`, "0123", 9, "206 0-3/9 0123"},
		{"9111 §3.3 length unknown", `ETag: "a"`, "0123", -1, "206 0-3/-1 0123"},
		{"9111 §3.3 nothing came", `ETag: "a"`, "", 9, "-"},
		{"9111 §3.3 all came", `ETag: "a"`, "0123", 4, "-"},
		{"9111 §3.3 200 only", `404 | ETag: "a"`, "0123", 9, "-"},
	} {
		e := stored(t, defaults, "GET", row.response, "")
		if got := span(BrokenOff(e, []byte(row.got), row.complete)); got != row.want || e.Body == nil || e.Header.Has("Content-Range") {
			t.Errorf("%s: %q, %d bytes of %d: %q, want %q", row.section, row.response, len(row.got), row.complete, got, row.want)
		}
	}
}

func TestAppendCompletion(t *testing.T) {
	const dated = `206 | Cache-Control: max-age=60 | Last-Modified: @-100 | Date: @-1 | Content-Range: `
	for _, row := range []struct{ section, response, want string }{
		{"9111 §3.3", partly + "bytes 0-3/9", `Range: bytes=4- | If-Range: "a"`},
		{"9111 §3.3 length unknown", partly + "bytes 0-3/*", `Range: bytes=4- | If-Range: "a"`},
		{"9111 §3.3 not from the start", partly + "bytes 1-3/9", ""},
		{"9111 §3.3 complete", "Cache-Control: max-age=60", ""},
		{"9110 §13.1.5 weak", strings.Replace(partly, `"a"`, `W/"a"`, 1) + "bytes 0-3/9", ""},
		{"9110 §13.1.5 no validator", strings.Replace(partly, `ETag: "a"`, "X: y", 1) + "bytes 0-3/9", ""},
		{"9110 §13.1.5 date", dated + "bytes 0-3/9", "Range: bytes=4- | If-Range: Mon, 23 Nov 2026 11:58:20 GMT"},
		{"9110 §8.8.2.2 date not strong", strings.Replace(dated, "@-100", "@-1", 1) + "bytes 0-3/9", ""},
	} {
		e := stored(t, defaults, "GET", row.response, "")
		e.Body = make([]byte, 9)
		if s, ok := PartSpan(response(defaults, row.response)); ok {
			e.Body = e.Body[:s.Len()]
		}
		if got := lines(AppendCompletion(nil, e, noon)); got != row.want {
			t.Errorf("%s: %q: %q, want %q", row.section, row.response, got, row.want)
		}
	}
	for name, want := range map[string]bool{"Range": true, "if-range": true, "If-None-Match": true, "Accept": false} {
		if IsCompletion([]byte(name)) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

func TestCombined(t *testing.T) {
	const strong, dated = `Cache-Control: max-age=60 | ETag: "a"`, "Cache-Control: max-age=60 | Last-Modified: @-100 | Date: @-1"
	for _, row := range []struct{ section, fields, stored, moreFields, more, want string }{
		{"9111 §3.4 next", strong, "bytes 0-3/9", strong, "bytes 4-6/9", "206 0-6/9 oooonnn"},
		{"9111 §3.4 before", strong, "bytes 4-6/9", strong, "bytes 0-3/9", "206 0-6/9 nnnnooo"},
		{"9111 §3.4 overlap", strong, "bytes 0-5/9", strong, "bytes 4-6/9", "206 0-6/9 oooonnn"},
		{"9111 §3.4 within", strong, "bytes 0-5/9", strong, "bytes 2-3/9", "206 0-5/9 oonnoo"},
		{"9111 §3.4 complete", strong, "bytes 0-3/9", strong, "bytes 4-8/9", "200 0-8/9 oooonnnnn"},
		{"9111 §3.4 complete, around", strong, "bytes 2-3/9", strong, "bytes 0-8/9", "200 0-8/9 nnnnnnnnn"},
		{"9111 §3.4 of the complete one", strong, "200 9", strong, "bytes 2-3/9", "200 0-8/9 oonnooooo"},
		{"9111 §3.4 length now known", strong, "bytes 0-3/*", strong, "bytes 4-8/9", "200 0-8/9 oooonnnnn"},
		{"9111 §3.4 length still unknown", strong, "bytes 0-3/*", strong, "bytes 4-8/*", "206 0-8/-1 oooonnnnn"},
		{"9111 §3.4 length exceeded", strong, "bytes 0-9/*", strong, "bytes 4-8/9", "-"},
		{"9111 §3.4 another length", strong, "bytes 0-3/9", strong, "bytes 4-8/10", "-"},
		{"9111 §3.4 gap", strong, "bytes 0-3/9", strong, "bytes 5-6/9", "-"},
		{"9111 §3.4 gap", strong, "bytes 5-6/9", strong, "bytes 0-3/9", "-"},
		{"9111 §3.4 another validator", strong, "bytes 0-3/9", `ETag: "b"`, "bytes 4-8/9", "-"},
		{"9111 §3.4 weak validator", `Cache-Control: max-age=60 | ETag: W/"a"`, "bytes 0-3/9", `ETag: W/"a"`, "bytes 4-8/9", "-"},
		{"9111 §3.4 no validator", strong, "bytes 0-3/9", "X: y", "bytes 4-8/9", "-"},
		{"9111 §3.4 no validator", "Cache-Control: max-age=60", "bytes 0-3/9", "X: y", "bytes 4-8/9", "-"},
		{"9110 §8.8.2.2 strong date", dated, "bytes 0-3/9", dated, "bytes 4-8/9", "200 0-8/9 oooonnnnn"},
		{"9110 §8.8.2.2 another date", dated, "bytes 0-3/9", strings.Replace(dated, "-100", "-99", 1), "bytes 4-8/9", "-"},
		{"9110 §8.8.2.2 date not strong", strings.Replace(dated, "-100", "0", 1), "bytes 0-3/9", strings.Replace(dated, "-100", "0", 1), "bytes 4-8/9", "-"},
		{"9111 §4.1 another Vary", strong, "bytes 0-3/9", strong + " | Vary: X", "bytes 4-8/9", "-"},
	} {
		status, s := "206", Span{0, 9, 9}
		if row.stored != "200 9" {
			s, _ = ParseContentRange([]byte(row.stored))
			row.fields += " | Content-Range: " + row.stored
		} else {
			status = "200"
		}
		old := stored(t, defaults, "GET", status+" | "+row.fields, strings.Repeat("o", int(s.Len())))
		more, _ := ParseContentRange([]byte(row.more))
		part := response(defaults, "206 | "+row.moreFields+" | Content-Range: "+row.more)
		before := span(old)
		if got := span(defaults.Combined(old, part, []byte(strings.Repeat("n", int(more.Len()))), later)); got != row.want {
			t.Errorf("%s: %q and %q: %q, want %q", row.section, row.stored, row.more, got, row.want)
		}
		if span(old) != before {
			t.Errorf("%s: the old entry changed", row.section)
		}
		if defaults.Combined(old, part, []byte("short"), later) != nil && more.Len() != 5 {
			t.Errorf("%s: combined with a content of another length", row.section)
		}
	}
}

// TestCombinedFields: the newer fields replace the older ones (RFC 9111 §3.4), and the freshness is theirs.
func TestCombinedFields(t *testing.T) {
	old := stored(t, defaults, "GET", partly+"bytes 0-3/9 | X: 1 | Y: 2", "0123")
	e := defaults.Combined(old, response(defaults, partly+"bytes 4-8/9 | X: 3 | Cache-Control: max-age=7"), []byte("45678"), later)
	if got, want := lines(e.Header), `Y: 2 | Cache-Control: max-age=60 | ETag: "a" | X: 3 | Cache-Control: max-age=7`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if e.TTL(later.Received) != 7e9 {
		t.Errorf("ttl %v", e.TTL(later.Received))
	}
	if r, h := request("Range: bytes=3-5"); Decide(r, e, later.Received).Action != Serve {
		t.Error("not served")
	} else if s, a := r.Answer(h, e, noon); a != AnswerPart || string(ContentOf(e, s)) != "345" {
		t.Errorf("%v %v", s, a)
	}
}

// TestPartsMakeTheWhole: whatever the order in which pieces come, what is put together is the representation.
func TestPartsMakeTheWhole(t *testing.T) {
	const whole = "the representation, byte for byte"
	rapid.Check(t, func(t *rapid.T) {
		var e *tiers.Entry
		r, h := request("GET")
		for range rapid.IntRange(1, 12).Draw(t, "pieces") {
			from := rapid.IntRange(0, len(whole)-1).Draw(t, "from")
			to := rapid.IntRange(from+1, len(whole)).Draw(t, "to")
			length := int64(len(whole))
			if rapid.Bool().Draw(t, "unknown") {
				length = -1
			}
			x := response(defaults, partly+string(AppendContentRange(nil, Span{int64(from), int64(to), length})))
			var next *tiers.Entry
			if e != nil {
				next = defaults.Combined(e, x, []byte(whole[from:to]), atNoon)
			}
			if next == nil {
				next, _ = defaults.NewPart(r, h, x, atNoon)
				next.Body = []byte(whole[from:to])
			}
			e = next
			s, ok := StoredSpan(e)
			if !ok || string(e.Body) != whole[s.From:s.To] || (e.Status == 200) != (string(e.Body) == whole && s.Complete >= 0) {
				t.Fatalf("%s", span(e))
			}
		}
	})
}
