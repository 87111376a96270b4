package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// inEverySetting runs a test with both tiers, with L1 alone and with L2 alone: what a client gets, and how often the
// origin is asked, must not depend on where responses are stored.
func inEverySetting(t *testing.T, env []string, test func(w *world)) {
	t.Parallel()
	for _, tiers := range []string{"both", "L1", "L2"} {
		t.Run(tiers, func(t *testing.T) {
			t.Parallel()
			all := slices.Clone(env)
			if tiers != "L1" {
				all = append(all, newRedis(t).env())
			}
			if tiers == "L2" {
				all = append(all, "L1_MAX_BYTES=0")
			}
			o := newOrigin(t)
			test(&world{t: t, o: o, s: nearside(t, append(all, o.env())...), tiers: tiers})
		})
	}
}

// world is an origin and the sidecar in front of it.
type world struct {
	t     *testing.T
	o     *origin
	s     *sidecar
	tiers string // both, L1 or L2
	made  int    // targets so far
}

// scenario is what an origin answers in turn, the last for ever, and what clients ask one after the other. Answers
// are separated by " || ", and their fields as those of a request by " | ". The body of the nth is n, or what "Body:"
// says; {target} and {origin} stand for the request's target and the origin's URL.
type scenario struct {
	name, answers string
	steps         []step
}

// step is a request for the scenario's target, GET unless it begins with another method, and what comes of
// it: the status code, what Cache-Status says in short, how many requests the origin got, the body, Content-Range, and
// the conditions and ranges that the origin saw although the client had not sent them.
type step struct{ ask, want string }

// play runs scenarios, each on a target of its own.
func (w *world) play(rows ...scenario) {
	w.t.Helper()
	for _, row := range rows {
		target := w.target()
		answers := strings.Split(row.answers, " || ")
		w.o.on(target, func(c *call) {
			c.readBody()
			c.say(w.answer(c, answers[min(c.nth, len(answers))-1]))
		})
		w.walk(target, row.name, row.steps...)
	}
}

// target makes a new one.
func (w *world) target() string {
	w.made++
	return fmt.Sprintf("/%d", w.made)
}

// answer composes the bytes of an answer from its fields.
func (w *world) answer(c *call, list string) string {
	body, rest := fmt.Sprint(c.nth), []string(nil)
	list = strings.NewReplacer("{target}", c.target, "{origin}", w.o.url("")).Replace(list)
	for _, f := range fields(list) {
		if own, is := strings.CutPrefix(f, "Body: "); is {
			body = own
		} else {
			rest = append(rest, f)
		}
	}
	raw := reply(body, rest...)
	if c.method == "HEAD" || strings.HasPrefix(raw, "HTTP/1.1 204 ") || strings.HasPrefix(raw, "HTTP/1.1 304 ") {
		raw = strings.TrimSuffix(raw, body)
	}
	return raw
}

// walk takes the steps of one scenario.
func (w *world) walk(target, name string, steps ...step) {
	w.t.Helper()
	for i, st := range steps {
		got := w.outcome(target, st.ask)
		if w.tiers == "L2" && strings.Contains(st.want, " vary-miss ") {
			got = strings.Replace(got, " uri-miss ", " vary-miss ", 1) // L2 need not know of other variants
		}
		equal(w.t, fmt.Sprintf("%s: step %d, asked %q", name, i+1, st.ask), got, st.want)
	}
}

// nearest is the tier that hits come from: L1 where there is one, since what is stored is in both.
func (w *world) nearest() string {
	if w.tiers == "L2" {
		return "L2"
	}
	return "L1"
}

// outcome sends a request, waits until the tiers have what came of it, and says what that was.
func (w *world) outcome(target, ask string) string {
	w.t.Helper()
	before := len(w.o.requests(target))
	line, lines := "GET "+target, fields(stamp(ask))
	if len(lines) > 0 && !strings.Contains(lines[0], ":") {
		line, lines = lines[0]+" "+target, lines[1:]
	}
	r := w.s.do(line, append([]string{"Host: client.test"}, lines...)...)
	w.s.settled()
	cache := r.cache()
	if cache == "hit; detail="+w.nearest() {
		cache = "hit"
	}
	cache = strings.NewReplacer("fwd=", "", "fwd-status=", "", ";", "").Replace(cache)
	seen := w.o.requests(target)[before:]
	text := fmt.Sprintf("%d %s +%d %s", r.status, cache, len(seen), r.body)
	if span := r.field("Content-Range"); span != "" {
		text += " [" + span + "]"
	}
	if r.cut != nil {
		text += " (cut)"
	}
	for _, c := range seen {
		for _, f := range []string{"If-None-Match", "If-Modified-Since", "Range", "If-Range"} {
			if v := c.field(f); v != "" && v != strings.Join(fieldValues(strings.Join(lines, "\r\n"), f), ", ") {
				text += " < " + f + ": " + v
			}
		}
	}
	return text
}

// again makes the scenario of two equal requests. The second is a hit, or goes upstream because the response to the
// first was not stored for the reason given.
func again(answer, ask, why string) scenario {
	status := "200"
	if _, after, has := strings.Cut(answer, "Status: "); has {
		status = after[:3]
	}
	bodies := [2]string{"1", "2"}
	if status == "204" {
		bodies = [2]string{}
	}
	first := fmt.Sprintf("%s uri-miss %s detail=%s +1 ", status, status, why)
	second := first + bodies[1]
	if why == "hit" {
		first, second = fmt.Sprintf("%s uri-miss %s stored +1 ", status, status), status+" hit +0 "+bodies[0]
	}
	return scenario{answer, answer, []step{{ask, first + bodies[0]}, {ask, second}}}
}

const (
	digits   = "0123456789"
	modified = "Tue, 01 Sep 2020 10:00:00 GMT"
	earlier  = "Mon, 31 Aug 2020 10:00:00 GMT"
	later    = "Wed, 02 Sep 2020 10:00:00 GMT"
)

// A stored 200 answers single ranges in all forms; what is no single range of bytes is the origin's (RFC 9110 §14).
func TestRangesFromStored(t *testing.T) {
	const whole, part = "200 hit +0 " + digits, "206 hit +0 0123 [bytes 0-3/10]"
	const multi = "Status: 206 | Content-Type: multipart/byteranges; boundary=b | Body: parts"
	inEverySetting(t, nil, func(w *world) {
		w.play(scenario{"ranges", `Body: 0123456789 | Cache-Control: max-age=60 | ETag: "1" | Last-Modified: ` + modified + " || " + multi, []step{
			{"", "200 uri-miss 200 stored +1 " + digits},
			{"Range: bytes=0-3", part},
			{"range: BYTES=0-3", part},
			{"Range: bytes=0-3,", part},
			{"Range: bytes=0-0", "206 hit +0 0 [bytes 0-0/10]"},
			{"Range: bytes=4-", "206 hit +0 456789 [bytes 4-9/10]"},
			{"Range: bytes=-2", "206 hit +0 89 [bytes 8-9/10]"},
			{"Range: bytes=-20", "206 hit +0 0123456789 [bytes 0-9/10]"},
			{"Range: bytes=8-99999999999999999999", "206 hit +0 89 [bytes 8-9/10]"},
			{"Range: bytes=10-", "416 hit +0  [bytes */10]"},
			{"Range: bytes=10-12", "416 hit +0  [bytes */10]"},
			{"Range: bytes=-0", "416 hit +0  [bytes */10]"},
			{"Range: bytes=3-1", whole},
			{"Range: bytes=x-1", whole},
			{"Range: bytes", whole},
			{`Range: bytes=0-3 | If-Range: "1"`, part},
			{`Range: bytes=0-3 | If-Range: W/"1"`, whole},
			{`Range: bytes=0-3 | If-Range: "2"`, whole},
			{`Range: bytes=10- | If-Range: "2"`, whole},
			{"Range: bytes=0-3 | If-Range: " + modified, part},
			{"Range: bytes=0-3 | If-Range: Tuesday, 01-Sep-20 10:00:00 GMT", part},
			{"Range: bytes=0-3 | If-Range: " + later, whole},
			{"Range: bytes=0-3 | If-Range: " + earlier, whole},
			{"Range: bytes=0-3 | If-Range: yesterday", whole},
			{`If-Range: "2"`, whole},
			{`Range: bytes=0-3 | If-None-Match: "1"`, "304 hit +0 "},
			{`Range: bytes=0-3 | If-None-Match: "2"`, part},
			{"HEAD | Range: bytes=0-3", "200 hit +0 "},
			{"Range: bytes=0-1,4-5", "206 bypass 206 +1 parts"},
			{"Range: bytes=0-1 | Range: bytes=4-5", "206 bypass 206 +1 parts"},
			{"Range: items=0-1", "206 bypass 206 +1 parts"},
			{"", whole},
		}})
		w.play(scenario{"a weak validator", `Body: 0123456789 | Cache-Control: max-age=60 | ETag: W/"1"`, []step{
			{"", "200 uri-miss 200 stored +1 " + digits},
			{"Range: bytes=0-3", part},
			{`Range: bytes=0-3 | If-Range: W/"1"`, whole},
		}})
		w.play(scenario{"not of a 404", "Status: 404 | Body: 0123456789 | Cache-Control: max-age=60", []step{
			{"", "404 uri-miss 404 stored +1 " + digits},
			{"Range: bytes=0-3", "404 hit +0 " + digits},
		}})
		w.play(scenario{"a miss", "Body: 0123456789 | Cache-Control: max-age=60", []step{
			{"Range: bytes=0-3", "206 uri-miss 200 stored +1 0123 [bytes 0-3/10]"}, // the origin knows no ranges
			{"", "200 hit +0 " + digits},
		}})
	})
}

// ranged has the origin answer GET requests for single ranges; has tells what it has at the nth request.
func ranged(has func(nth int) (tag, content string)) func(*call) {
	return func(c *call) {
		tag, content := has(c.nth)
		all := []string{"Cache-Control: max-age=60", "ETag: " + tag}
		first, last := 0, len(content)-1
		n, _ := fmt.Sscanf(c.field("Range"), "bytes=%d-%d", &first, &last) // 0 without a range; -4 is a first of its own
		if suffix := 0; first < 0 {
			suffix, first, last = -first, 0, len(content)-1
			first = max(0, len(content)-suffix)
		}
		if only := c.field("If-Range"); n > 0 && c.method == "GET" && (only == "" || only == tag) {
			last = min(last, len(content)-1)
			all = append(all, "Status: 206", fmt.Sprintf("Content-Range: bytes %d-%d/%d", first, last, len(content)))
			content = content[first : last+1]
		}
		raw := reply(content, all...)
		if c.method == "HEAD" {
			raw = strings.TrimSuffix(raw, content)
		}
		c.say(raw)
	}
}

// Parts are stored, combined and completed; they answer for what they hold, and never for more (RFC 9111 §3.3, §3.4).
func TestParts(t *testing.T) {
	const letters = "abcdefghij"
	constant := func(tag string) func(int) (string, string) { return func(int) (string, string) { return tag, digits } }
	changing := func(nth int) (string, string) {
		if nth == 1 {
			return `"1"`, digits
		}
		return `"2"`, letters
	}
	rows := []struct {
		name  string
		has   func(int) (string, string)
		steps []step
	}{
		{"combined and completed", constant(`"1"`), []step{
			{"Range: bytes=0-3", "206 uri-miss 206 stored +1 0123 [bytes 0-3/10]"},
			{"Range: bytes=0-3", "206 hit +0 0123 [bytes 0-3/10]"},
			{"Range: bytes=1-2", "206 hit +0 12 [bytes 1-2/10]"},
			{"Range: bytes=4-5", "206 partial 206 stored +1 45 [bytes 4-5/10]"},
			{"Range: bytes=2-5", "206 hit +0 2345 [bytes 2-5/10]"},
			{"Range: bytes=0-5", "206 hit +0 012345 [bytes 0-5/10]"},
			{"HEAD", "200 partial 200 +1 "},
			{"", `200 partial 206 stored +1 0123456789 < Range: bytes=6- < If-Range: "1"`},
			{"", "200 hit +0 " + digits},
			{"Range: bytes=-3", "206 hit +0 789 [bytes 7-9/10]"},
			{"HEAD", "200 hit +0 "},
		}},
		{"the end first", constant(`"1"`), []step{
			{"Range: bytes=-4", "206 uri-miss 206 stored +1 6789 [bytes 6-9/10]"},
			{"Range: bytes=7-", "206 hit +0 789 [bytes 7-9/10]"},
			{"Range: bytes=-2", "206 hit +0 89 [bytes 8-9/10]"},
			{"Range: bytes=-5", "206 partial 206 stored +1 56789 [bytes 5-9/10]"},
			{"Range: bytes=0-5", "206 partial 206 stored +1 012345 [bytes 0-5/10]"},
			{"", "200 hit +0 " + digits},
		}},
		{"a gap", constant(`"1"`), []step{
			{"Range: bytes=0-1", "206 uri-miss 206 stored +1 01 [bytes 0-1/10]"},
			{"Range: bytes=6-7", "206 partial 206 stored +1 67 [bytes 6-7/10]"},
			{"Range: bytes=6-6", "206 hit +0 6 [bytes 6-6/10]"},
			{"", "200 partial 200 stored +1 " + digits},
			{"Range: bytes=1-6", "206 hit +0 123456 [bytes 1-6/10]"},
		}},
		{"all in one part", constant(`"1"`), []step{
			{"Range: bytes=0-", "206 uri-miss 206 stored +1 0123456789 [bytes 0-9/10]"},
			{"", "200 hit +0 " + digits},
		}},
		{"changed between the parts", changing, []step{
			{"Range: bytes=0-3", "206 uri-miss 206 stored +1 0123 [bytes 0-3/10]"},
			{"Range: bytes=4-5", "206 partial 206 stored +1 ef [bytes 4-5/10]"},
			{"Range: bytes=0-5", "206 partial 206 stored +1 abcdef [bytes 0-5/10]"},
			{"Range: bytes=0-3", "206 hit +0 abcd [bytes 0-3/10]"},
		}},
		{"changed before the completion", changing, []step{
			{"Range: bytes=0-3", "206 uri-miss 206 stored +1 0123 [bytes 0-3/10]"},
			{"", `200 partial 200 stored +1 abcdefghij < Range: bytes=4- < If-Range: "1"`},
			{"", "200 hit +0 " + letters},
		}},
		{"a weak validator", constant(`W/"1"`), []step{
			{"Range: bytes=0-3", "206 uri-miss 206 stored +1 0123 [bytes 0-3/10]"},
			{"Range: bytes=1-2", "206 hit +0 12 [bytes 1-2/10]"},
			{"Range: bytes=4-9", "206 partial 206 stored +1 456789 [bytes 4-9/10]"},
			{"", "200 partial 200 stored +1 " + digits},
		}},
		{"the client's If-Range", constant(`"1"`), []step{
			{"Range: bytes=0-3", "206 uri-miss 206 stored +1 0123 [bytes 0-3/10]"},
			{`Range: bytes=1-2 | If-Range: "1"`, "206 partial 206 stored +1 12 [bytes 1-2/10]"},
			{`Range: bytes=1-2 | If-Range: "0"`, "200 partial 200 stored +1 0123456789"},
			{"", "200 hit +0 " + digits},
		}},
	}
	inEverySetting(t, nil, func(w *world) {
		for _, row := range rows {
			target := w.target()
			w.o.on(target, ranged(row.has))
			w.walk(target, row.name, row.steps...)
		}
		w.play(
			scenario{"not as long as it says", "Status: 206 | Cache-Control: max-age=60 | Content-Range: bytes 0-3/10 | Body: 01234", []step{
				{"Range: bytes=0-3", "206 uri-miss 206 detail=incomplete +1 01234 [bytes 0-3/10]"},
				{"Range: bytes=0-3", "206 uri-miss 206 detail=incomplete +1 01234 [bytes 0-3/10]"},
			}},
			scenario{"of unknown length", "Status: 206 | Cache-Control: max-age=60 | Content-Range: bytes 0-3/* | Body: 0123", []step{
				{"Range: bytes=0-3", "206 uri-miss 206 stored +1 0123 [bytes 0-3/*]"},
				{"Range: bytes=1-2", "206 hit +0 12 [bytes 1-2/*]"},
			}},
			scenario{"not to be shared", "Status: 206 | Cache-Control: private | Content-Range: bytes 0-3/10 | Body: 0123", []step{
				{"Range: bytes=0-3", "206 uri-miss 206 detail=private +1 0123 [bytes 0-3/10]"},
				{"Range: bytes=0-3", "206 uri-miss 206 detail=private +1 0123 [bytes 0-3/10]"},
			}},
			scenario{"nobody asked for a part", "Status: 206 | Cache-Control: max-age=60 | Content-Range: bytes 0-3/10 | Body: 0123", []step{
				{"", "206 uri-miss 206 detail=status +1 0123 [bytes 0-3/10]"},
				{"", "206 uri-miss 206 detail=status +1 0123 [bytes 0-3/10]"},
			}})
	})
}

// A response that broke off is never a complete one. With a strong validator it is completed by a range (RFC 9111
// §3.3).
func TestBrokenOff(t *testing.T) {
	long := strings.Repeat(digits, 20_000)
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	inEverySetting(t, nil, func(w *world) {
		for _, row := range []struct {
			name, head, sent, content string
			steps                     []step
		}{
			{"chunked", "ETag: \"1\"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("01234"), "01234", digits, []step{
				{"Range: bytes=1-3", "206 hit +0 123 [bytes 1-3/*]"},
				{"", `200 partial 206 stored +1 0123456789 < Range: bytes=5- < If-Range: "1"`},
				{"", "200 hit +0 " + digits},
			}},
			{"in a chunk", "ETag: \"1\"\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01234", "01234", digits, []step{
				{"", `200 partial 206 stored +1 0123456789 < Range: bytes=5- < If-Range: "1"`},
				{"", "200 hit +0 " + digits},
			}},
			{"long", "ETag: \"1\"\r\nContent-Length: 200000\r\n\r\n" + long[:150_000], long[:150_000], long, []step{
				{"Range: bytes=149998-149999", "206 hit +0 89 [bytes 149998-149999/200000]"},
				{"", "200 partial 206 stored +1 " + long + ` < Range: bytes=150000- < If-Range: "1"`},
				{"", "200 hit +0 " + long},
			}},
			{"a weak validator", "ETag: W/\"1\"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("01234"), "01234", digits, []step{
				{"", "200 uri-miss 200 stored +1 " + digits},
			}},
			{"no validator", "Transfer-Encoding: chunked\r\n\r\n" + chunk("01234"), "01234", digits, []step{
				{"", "200 uri-miss 200 stored +1 " + digits},
			}},
		} {
			target := w.target()
			rest := ranged(func(int) (string, string) { return `"1"`, row.content })
			w.o.on(target, func(c *call) {
				if c.nth > 1 {
					rest(c)
					return
				}
				c.say("HTTP/1.1 200 OK\r\nDate: {now}\r\nCache-Control: max-age=60\r\n" + row.head)
				c.done = true
			})
			r := w.s.get(target)
			equal(w.t, row.name+": what came of it", r.body, row.sent)
			equal(w.t, row.name+": it shows that it broke off", r.cut != nil, true)
			w.s.settled()
			w.walk(target, row.name, row.steps...)
		}
	})
}
