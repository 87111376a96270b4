package policy

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// ByteRange is what a Range field with one range asks for (RFC 9110 §14.1.2), in one of three forms: First to
// Last ("0-99"), First to the end ("100-", Last is -1), or the last Last bytes ("-100", First is -1).
type ByteRange struct{ First, Last int64 }

// RangeForm says what a Range field is to this cache.
type RangeForm uint8

// The forms.
const (
	RangeInvalid RangeForm = iota // no ranges-specifier: ignored, as RFC 9110 §14.2 allows
	RangeSingle                   // one range of bytes
	RangeForeign                  // several ranges, or another unit: the origin's
)

// ParseRange reads the value of a Range field (RFC 9110 §14.2). The ByteRange has a meaning for RangeSingle
// only. Numbers too large for an int64 saturate.
func ParseRange(value []byte) (ByteRange, RangeForm) {
	unit, set, found := bytes.Cut(value, []byte{'='})
	switch {
	case !found || !isToken(unit):
		return ByteRange{}, RangeInvalid
	case !tiers.EqualFold(unit, "bytes"): // §14.1: names of units are case-insensitive
		return ByteRange{}, RangeForeign
	}
	var asked ByteRange
	count := 0
	for len(set) > 0 {
		var spec []byte
		spec, set = cutComma(set)
		if spec = tiers.TrimSpace(spec); len(spec) == 0 {
			continue
		}
		r, ok := parseByteRange(spec)
		if !ok {
			return ByteRange{}, RangeInvalid
		}
		asked = r
		count++
	}
	switch count {
	case 0:
		return ByteRange{}, RangeInvalid
	case 1:
		return asked, RangeSingle
	}
	return ByteRange{}, RangeForeign
}

func parseByteRange(spec []byte) (r ByteRange, ok bool) {
	first, last, found := bytes.Cut(spec, []byte{'-'})
	if !found || len(first)+len(last) == 0 {
		return r, false
	}
	r = ByteRange{-1, -1}
	if len(first) > 0 {
		if r.First, ok = parseLength(first); !ok {
			return r, false
		}
	}
	if len(last) > 0 {
		if r.Last, ok = parseLength(last); !ok {
			return r, false
		}
	}
	return r, r.First < 0 || r.Last < 0 || r.First <= r.Last // §14.1.1: else invalid
}

// parseLength reads 1*DIGIT; what is too large saturates.
func parseLength(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if d := int64(c - '0'); n > (math.MaxInt64-d)/10 {
			n = math.MaxInt64
		} else {
			n = n*10 + d
		}
	}
	return n, len(b) > 0
}

// Span is a part of a representation: the bytes From to To-1 of Complete; Complete is -1 when it is unknown.
type Span struct{ From, To, Complete int64 }

// Len returns the number of bytes in the span.
func (s Span) Len() int64 { return s.To - s.From }

// Whole tells whether the span is all of its representation.
func (s Span) Whole() bool { return s.From == 0 && s.To == s.Complete }

// Of returns the span that r asks for of a representation of complete bytes (RFC 9110 §14.1.2). ok is false
// when r is unsatisfiable.
func (r ByteRange) Of(complete int64) (s Span, ok bool) {
	switch {
	case r.First < 0:
		return Span{max(0, complete-r.Last), complete, complete}, r.Last > 0
	case r.Last < 0 || r.Last >= complete:
		return Span{r.First, complete, complete}, r.First < complete
	}
	return Span{r.First, r.Last + 1, complete}, true
}

// AppendContentRange appends s as the value of a Content-Range field (RFC 9110 §14.4).
func AppendContentRange(dst []byte, s Span) []byte {
	dst = append(dst, "bytes "...)
	dst = strconv.AppendInt(dst, s.From, 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, s.To-1, 10)
	dst = append(dst, '/')
	if s.Complete < 0 {
		return append(dst, '*')
	}
	return strconv.AppendInt(dst, s.Complete, 10)
}

// AppendUnsatisfied appends the value of the Content-Range field of a 416 about a representation of complete
// bytes (RFC 9110 §14.4).
func AppendUnsatisfied(dst []byte, complete int64) []byte {
	return strconv.AppendInt(append(dst, "bytes */"...), complete, 10)
}

// ParseContentRange reads the value of a Content-Range field (RFC 9110 §14.4). ok is false for anything but
// a range of bytes that lies within its representation.
func ParseContentRange(value []byte) (s Span, ok bool) {
	unit, rest, _ := bytes.Cut(value, []byte{' '})
	positions, complete, _ := bytes.Cut(rest, []byte{'/'})
	first, last, found := bytes.Cut(positions, []byte{'-'})
	from, okFrom := parseLength(first)
	to, okTo := parseLength(last)
	length, okLength := parseLength(complete)
	if string(complete) == "*" {
		length, okLength = -1, true
	}
	if !tiers.EqualFold(unit, "bytes") || !found || !okFrom || !okTo || !okLength || from > to || to == math.MaxInt64 {
		return s, false
	}
	return Span{from, to + 1, length}, length < 0 || to < length
}

// Answer is how a stored response answers a request, as far as ranges go.
type Answer uint8

// The answers.
const (
	AnswerWhole         Answer = iota // with all of it: no range was asked for, or the range does not apply
	AnswerPart                        // 206 with a span of it
	AnswerUnsatisfiable               // 416, RFC 9110 §15.5.17
)

// Answer says how e answers the request, once [Decide] said that it does and [NotModified] that its client
// has it not (RFC 9110 §13.2.2): whole, by the span that is returned, or by 416. header is the request's, now
// the wall clock.
func (r *Request) Answer(header tiers.Header, e *tiers.Entry, now time.Time) (Span, Answer) {
	own, ok := StoredSpan(e)
	switch {
	case !ok || !r.Method.Stored() || !r.Is(Range): // §14.2: ranges are defined for GET (and QUERY, RFC 10008 §2.6), and for what would be 200
		return own, AnswerWhole
	case r.Is(IfRange) && e.Status == 200 && !ifRange(header, e, now): // §13.1.5; a part is there because it was true
		return own, AnswerWhole
	}
	s, ok := r.Asked.within(own)
	switch {
	case !ok && e.Status == 206:
		return r.Asked.clip(own), AnswerPart
	case !ok:
		return own, AnswerUnsatisfiable
	case s.Len() == 0: // the end of nothing, which no Content-Range can say
		return own, AnswerWhole
	}
	return s, AnswerPart
}

// within is [ByteRange.Of] for a part, of which the complete length may be unknown. ok is false for what the
// part does not hold.
func (r ByteRange) within(own Span) (s Span, ok bool) {
	switch {
	case own.Complete >= 0:
		s, ok = r.Of(own.Complete)
	case r.First >= 0 && r.Last >= 0 && r.Last < own.To:
		s, ok = Span{r.First, r.Last + 1, -1}, true
	}
	return s, ok && own.From <= s.From && s.To <= own.To
}

// clip returns what own has of the range, all of own when that cannot be told: so a part that the origin has sent
// just now, for this request, is passed on, although it is not what was asked for, or ends where nobody knows.
func (r ByteRange) clip(own Span) Span {
	s := own
	if r.First >= 0 {
		s.From = max(r.First, own.From)
		if r.Last >= 0 {
			s.To = min(r.Last, own.To-1) + 1
		}
	}
	if s.Len() <= 0 {
		return own
	}
	return s
}

// ifRange evaluates If-Range against e (RFC 9110 §13.1.5).
func ifRange(header tiers.Header, e *tiers.Entry, now time.Time) bool {
	value, _ := header.Get("If-Range")
	if bytes.HasSuffix(value, []byte{'"'}) { // an entity tag: strong comparison
		own, _ := e.Header.Get("ETag")
		return strongMatch(value, own)
	}
	since, ok := ParseDate(value, now)
	if !ok {
		return false
	}
	own, _ := e.Header.Get("Last-Modified")
	modified, ok := ParseDate(own, now)
	return ok && modified.Equal(since) && strongDate(e.Header, now) // an exact match of a strong validator
}

// strongDate tells whether the Last-Modified in h is a strong validator: Date is at least a second later (RFC
// 9110 §8.8.2.2).
func strongDate(h tiers.Header, now time.Time) bool {
	m, _ := h.Get("Last-Modified")
	d, _ := h.Get("Date")
	modified, ok := ParseDate(m, now)
	date, dated := ParseDate(d, now)
	return ok && dated && date.Sub(modified) >= time.Second
}
