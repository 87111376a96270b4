package policy

import (
	"math"
	"testing"
)

func TestParseRange(t *testing.T) {
	const most = math.MaxInt64
	for _, row := range []struct {
		section, value string
		want           ByteRange
		form           RangeForm
	}{
		{"9110 §14.1.2", "bytes=0-99", ByteRange{0, 99}, RangeSingle},
		{"9110 §14.1.2", "bytes=100-", ByteRange{100, -1}, RangeSingle},
		{"9110 §14.1.2", "bytes=-100", ByteRange{-1, 100}, RangeSingle},
		{"9110 §14.1.2 one byte", "bytes=5-5", ByteRange{5, 5}, RangeSingle},
		{"9110 §14.1.2 nothing", "bytes=-0", ByteRange{-1, 0}, RangeSingle},
		{"9110 §14.1 case", "Bytes=0-99", ByteRange{0, 99}, RangeSingle},
		{"9110 §14.1.1 white space", "bytes= 0-99 ", ByteRange{0, 99}, RangeSingle},
		{"9110 §5.6.1.2 empty members", "bytes=,0-99,,", ByteRange{0, 99}, RangeSingle},
		{"9110 §14.1.2 leading zeros", "bytes=007-010", ByteRange{7, 10}, RangeSingle},
		{"9110 §14.1.1 saturates", "bytes=0-99999999999999999999", ByteRange{0, most}, RangeSingle},
		{"9110 §14.1.1 saturates", "bytes=99999999999999999999-", ByteRange{most, -1}, RangeSingle},
		{"9110 §14.1.1 several", "bytes=0-1,5-6", ByteRange{}, RangeForeign},
		{"9110 §14.1.1 several", "bytes=0-1, -5", ByteRange{}, RangeForeign},
		{"9110 §14.1 another unit", "rows=0-99", ByteRange{}, RangeForeign},
		{"9110 §14.1 another unit", "x=y", ByteRange{}, RangeForeign},
		{"9110 §14.1.1 invalid", "bytes=9-5", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=1-0", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=9-5,0-1", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=0-1,x", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=,", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=-", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=5", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=a-b", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=0 - 5", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=--5", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes=+1-5", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes 0-5", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "bytes =0-5", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "0-5", ByteRange{}, RangeInvalid},
		{"9110 §14.1.1 invalid", "", ByteRange{}, RangeInvalid},
	} {
		if got, form := ParseRange([]byte(row.value)); got != row.want || form != row.form {
			t.Errorf("%s: %q: %v %v, want %v %v", row.section, row.value, got, form, row.want, row.form)
		}
	}
}

func TestAnswer(t *testing.T) {
	const base = `Cache-Control: max-age=60 | ETag: "a" | Last-Modified: @-100 | Date: @-1`
	for _, row := range []struct {
		section, response, body, request string
		want                             Answer
		content                          string // of a part
	}{
		{"9110 §14.2", base, "0123456789", "GET", AnswerWhole, ""},
		{"9110 §14.1.2 first and last", base, "0123456789", "Range: bytes=2-4", AnswerPart, "234"},
		{"9110 §14.1.2 first and last", base, "0123456789", "Range: bytes=0-0", AnswerPart, "0"},
		{"9110 §14.1.2 longer than it is", base, "0123456789", "Range: bytes=8-99", AnswerPart, "89"},
		{"9110 §14.1.2 longer than it is", base, "0123456789", "Range: bytes=8-99999999999999999999", AnswerPart, "89"},
		{"9110 §14.1.2 first", base, "0123456789", "Range: bytes=7-", AnswerPart, "789"},
		{"9110 §14.1.2 first", base, "0123456789", "Range: bytes=0-", AnswerPart, "0123456789"},
		{"9110 §14.1.2 suffix", base, "0123456789", "Range: bytes=-3", AnswerPart, "789"},
		{"9110 §14.1.2 suffix, longer", base, "0123456789", "Range: bytes=-30", AnswerPart, "0123456789"},
		{"9110 §14.1.2 unsatisfiable", base, "0123456789", "Range: bytes=10-", AnswerUnsatisfiable, ""},
		{"9110 §14.1.2 unsatisfiable", base, "0123456789", "Range: bytes=10-11", AnswerUnsatisfiable, ""},
		{"9110 §14.1.2 unsatisfiable", base, "0123456789", "Range: bytes=-0", AnswerUnsatisfiable, ""},
		{"9110 §14.1.2 unsatisfiable", base, "0123456789", "Range: bytes=99999999999999999999-", AnswerUnsatisfiable, ""},
		{"9110 §14.1.2 empty", base, "", "Range: bytes=0-", AnswerUnsatisfiable, ""},
		{"9110 §14.1.2 empty, suffix", base, "", "Range: bytes=-5", AnswerWhole, ""},
		{"9110 §14.2 invalid", base, "0123456789", "Range: bytes=4-2", AnswerWhole, ""},
		{"9110 §14.2 GET only", base, "0123456789", "HEAD | Range: bytes=2-4", AnswerWhole, ""},
		{"9110 §14.2 200 only", "404 | " + base, "0123456789", "Range: bytes=2-4", AnswerWhole, ""},
		{"9110 §14.2 200 only", "404 | " + base, "0123456789", "Range: bytes=20-", AnswerWhole, ""},
		{"9110 §13.1.5 tag", base, "0123456789", `Range: bytes=2-4 | If-Range: "a"`, AnswerPart, "234"},
		{"9110 §13.1.5 another tag", base, "0123456789", `Range: bytes=2-4 | If-Range: "b"`, AnswerWhole, ""},
		{"9110 §13.1.5 before 416", base, "0123456789", `Range: bytes=20- | If-Range: "b"`, AnswerWhole, ""},
		{"9110 §13.1.5 weak", base, "0123456789", `Range: bytes=2-4 | If-Range: W/"a"`, AnswerWhole, ""},
		{"9110 §13.1.5 weak", `Cache-Control: max-age=60 | ETag: W/"a"`, "0123456789", `Range: bytes=2-4 | If-Range: W/"a"`, AnswerWhole, ""},
		{"9110 §13.1.5 date", base, "0123456789", "Range: bytes=2-4 | If-Range: @-100", AnswerPart, "234"},
		{"9110 §13.1.5 later date", base, "0123456789", "Range: bytes=2-4 | If-Range: @-99", AnswerWhole, ""},
		{"9110 §8.8.2.2 date not strong", "Cache-Control: max-age=60 | Last-Modified: @-1 | Date: @-1", "0123456789", "Range: bytes=2-4 | If-Range: @-1", AnswerWhole, ""},
		{"9110 §13.1.5 no Last-Modified", "Cache-Control: max-age=60 | Date: @-1", "0123456789", "Range: bytes=2-4 | If-Range: @-1", AnswerWhole, ""},
		{"9110 §13.1.5 neither", base, "0123456789", "Range: bytes=2-4 | If-Range: x", AnswerWhole, ""},
		{"9110 §13.1.5 without Range", base, "0123456789", `If-Range: "b"`, AnswerWhole, ""},
		{"9111 §3.3 of a part", "206 | " + base + " | Content-Range: bytes 2-5/9", "2345", "Range: bytes=3-4", AnswerPart, "34"},
		{"9110 §15.3.7 just received", "206 | " + base + " | Content-Range: bytes 5-8/*", "5678", "Range: bytes=5-", AnswerPart, "5678"},
		{"9110 §15.3.7 just received", "206 | " + base + " | Content-Range: bytes 5-8/*", "5678", "Range: bytes=-4", AnswerPart, "5678"},
		{"9110 §15.3.7 just received", "206 | " + base + " | Content-Range: bytes 0-8/*", "012345678", "Range: bytes=5-", AnswerPart, "5678"},
		{"9110 §15.3.7 just received", "206 | " + base + " | Content-Range: bytes 2-5/20", "2345", `Range: bytes=3-4 | If-Range: W/"a"`, AnswerPart, "34"},
		{"9110 §15.3.7 less than asked for", "206 | " + base + " | Content-Range: bytes 2-5/20", "2345", "Range: bytes=3-9", AnswerPart, "345"},
		{"9110 §15.3.7 less than asked for", "206 | " + base + " | Content-Range: bytes 2-5/20", "2345", "Range: bytes=0-3", AnswerPart, "23"},
		{"9110 §15.3.7 less than asked for", "206 | " + base + " | Content-Range: bytes 2-5/20", "2345", "Range: bytes=0-99999999999999999999", AnswerPart, "2345"},
		{"9110 §15.3.7 not what was asked for", "206 | " + base + " | Content-Range: bytes 2-5/20", "2345", "Range: bytes=7-9", AnswerPart, "2345"},
		{"9110 §15.3.7 not what was asked for", "206 | " + base + " | Content-Range: bytes 2-5/20", "2345", "Range: bytes=0-1", AnswerPart, "2345"},
		{"9110 §15.3.7 not what was asked for", "206 | " + base + " | Content-Range: bytes 2-5/20", "2345", "Range: bytes=99-", AnswerPart, "2345"},
		{"9111 §3.3 all of a part", "206 | " + base + " | Content-Range: bytes 2-5/9", "2345", "Range: bytes=2-5", AnswerPart, "2345"},
	} {
		e := stored(t, defaults, "GET", row.response, row.body)
		r, h := request(row.request)
		s, got := r.Answer(h, e, noon)
		content := ""
		if got == AnswerPart {
			content = string(ContentOf(e, s))
		}
		if got != row.want || content != row.content {
			t.Errorf("%s: %q for %q: %v %q, want %v %q", row.section, row.request, row.response, got, content, row.want, row.content)
		}
	}
}

func TestContentRange(t *testing.T) {
	for _, row := range []struct {
		section, value string
		want           Span
		ok             bool
	}{
		{"9110 §14.4", "bytes 0-99/1000", Span{0, 100, 1000}, true},
		{"9110 §14.4", "bytes 0-0/1", Span{0, 1, 1}, true},
		{"9110 §14.4 unknown length", "bytes 5-9/*", Span{5, 10, -1}, true},
		{"9110 §14.1 case", "BYTES 5-9/*", Span{5, 10, -1}, true},
		{"9110 §14.4 unsatisfied", "bytes */1000", Span{}, false},
		{"9110 §14.4 invalid", "bytes 9-5/1000", Span{}, false},
		{"9110 §14.4 invalid", "bytes 0-1000/1000", Span{}, false},
		{"9110 §14.4 another unit", "rows 0-9/10", Span{}, false},
		{"9110 §14.4 form", "bytes 0-9", Span{}, false},
		{"9110 §14.4 form", "bytes 0-9/", Span{}, false},
		{"9110 §14.4 form", "bytes=0-9/10", Span{}, false},
		{"9110 §14.4 form", "bytes 0/10", Span{}, false},
		{"9110 §14.4 form", "bytes  0-9/10", Span{}, false},
		{"9110 §14.4 form", "", Span{}, false},
		{"9110 §14.4 too large", "bytes 0-9223372036854775807/*", Span{}, false},
	} {
		got, ok := ParseContentRange([]byte(row.value))
		if ok != row.ok || ok && got != row.want {
			t.Errorf("%s: %q: %v %v, want %v %v", row.section, row.value, got, ok, row.want, row.ok)
		}
	}
	if got := string(AppendUnsatisfied([]byte("x: "), 47)); got != "x: bytes */47" {
		t.Errorf("%q", got)
	}
}

func FuzzRange(f *testing.F) {
	for _, v := range []string{"bytes=0-99", "bytes=5-", "bytes=-5", "bytes=0-1,3-4", "rows=1", "bytes=99999999999999999999-"} {
		f.Add([]byte(v), []byte("bytes 0-9/10"), int64(10))
	}
	f.Fuzz(func(t *testing.T, value, content []byte, n int64) {
		if n = n & math.MaxInt64; n == math.MaxInt64 {
			n--
		}
		if r, form := ParseRange(value); form == RangeSingle {
			s, ok := r.Of(n)
			if ok && (s.From < 0 || s.From > s.To || s.To > n || s.Complete != n) {
				t.Fatalf("%q of %d: %v", value, n, s)
			}
			if ok && s.Len() > 0 { // what is said of it is understood
				if again, fine := ParseContentRange(AppendContentRange(nil, s)); !fine || again != s {
					t.Fatalf("%v becomes %v %v", s, again, fine)
				}
				if within, fine := r.within(Span{0, n, n}); !fine || within != s {
					t.Fatalf("%q of %d: %v, within it %v", value, n, s, within)
				}
			}
			for _, part := range []Span{{n / 3, n / 2, n}, {n / 3, n / 2, -1}} { // a part holds no more than the whole
				if got := r.clip(part); part.Len() > 0 && (got.Len() <= 0 || got.From < part.From || got.To > part.To) {
					t.Fatalf("%q of %v: clipped to %v", value, part, got)
				}
				if got, fine := r.within(part); fine && (!ok || got.From != s.From || got.To != s.To || got.From < part.From || got.To > part.To) {
					t.Fatalf("%q of %v: %v, of the whole %v %v", value, part, got, s, ok)
				}
			}
		} else if r != (ByteRange{}) {
			t.Fatalf("%q: %v %v", value, r, form)
		}
		if s, ok := ParseContentRange(content); ok {
			if again, fine := ParseContentRange(AppendContentRange(nil, s)); !fine || again != s || s.Len() < 1 || s.Complete >= 0 && s.To > s.Complete {
				t.Fatalf("%q is %v, again %v", content, s, again)
			}
		}
	})
}
