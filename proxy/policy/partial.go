package policy

import (
	"strconv"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// A stored response that is not complete (RFC 9111 §3.3) is an Entry of status 206 whose Content-Range field
// tells what its body is a part of, whether it came so or broke off. Complete ones are never of that status.
// It answers requests for ranges that it holds, and no others; it becomes complete by what [Config.Combined]
// adds.

// StoredSpan returns what e's body is of its representation. ok is false when e is neither a 200 nor a part.
func StoredSpan(e *tiers.Entry) (s Span, ok bool) {
	switch n := int64(len(e.Body)); e.Status {
	case 200:
		return Span{0, n, n}, true
	case 206:
		value, _ := e.Header.Get("Content-Range")
		s, ok = ParseContentRange(value)
		return s, ok && s.Len() == n
	}
	return s, false
}

// ContentOf returns the bytes of span that e holds. span is one that [Request.Answer] returned for e; the
// bytes are e's.
func ContentOf(e *tiers.Entry, span Span) []byte {
	own, _ := StoredSpan(e)
	return e.Body[span.From-own.From : span.To-own.From]
}

// PartSpan returns which part of its representation r's content is. ok is false when r is not a 206 with one
// range of bytes (RFC 9110 §15.3.7.1).
func PartSpan(r *Response) (s Span, ok bool) {
	if r.Status != 206 {
		return s, false
	}
	value, _ := r.Header.Get("Content-Range")
	return ParseContentRange(value)
}

// NewPart makes the stored response for r, a 206 to req, as [Config.NewEntry] does for complete ones (RFC 9111
// §3.3). Its Body must have as many bytes as PartSpan says. A part that is the whole becomes a 200.
func (c *Config) NewPart(req *Request, header tiers.Header, r *Response, t Times) (*tiers.Entry, Reason) {
	span, ok := PartSpan(r)
	if !ok {
		return nil, ReasonIncomplete
	}
	e, why := c.newEntry(req, header, r, t)
	if e != nil && span.Whole() {
		makeComplete(e)
	}
	return e, why
}

// BrokenOff makes the stored response for e, a 200 whose content broke off after body; complete is the length
// that was announced, -1 when none was (RFC 9111 §3.3). It returns nil when that would be of no use.
func BrokenOff(e *tiers.Entry, body []byte, complete int64) *tiers.Entry {
	n := int64(len(body))
	if e.Status != 200 || n == 0 || complete >= 0 && n >= complete {
		return nil
	}
	part := *e
	part.Body = body
	makePart(&part, Span{0, n, complete})
	return &part
}

// AppendCompletion appends the field lines of a GET request for what e lacks, under the condition that the
// representation is still the same (RFC 9110 §13.1.5), and nothing when one range could not complete e.
func AppendCompletion(dst tiers.Header, e *tiers.Entry, now time.Time) tiers.Header {
	own, ok := StoredSpan(e)
	if !ok || own.From != 0 || own.To == own.Complete {
		return dst
	}
	validator, _ := e.Header.Get("ETag")
	if len(validator) == 0 && strongDate(e.Header, now) {
		validator, _ = e.Header.Get("Last-Modified")
	} else if !isStrong(validator) {
		return dst
	}
	dst = dst.AppendLine([]byte("Range"), append(strconv.AppendInt([]byte("bytes="), own.To, 10), '-'))
	return dst.AppendLine([]byte("If-Range"), validator)
}

// IsCompletion names the fields that AppendCompletion replaces in a request.
func IsCompletion(name []byte) bool {
	return tiers.EqualFold(name, "Range") || tiers.EqualFold(name, "If-Range") || IsCondition(name)
}

// Combined makes the stored response that e becomes by part, a 206 whose content is body (RFC 9111 §3.4): a
// longer part, or the complete one. It returns nil when they are not known to be parts of one representation,
// by a strong validator, or leave a gap between them; then part may take e's place. e may itself be complete,
// and is then freshened.
func (c *Config) Combined(e *tiers.Entry, part *Response, body []byte, t Times) *tiers.Entry {
	own, ok := StoredSpan(e)
	more, okMore := PartSpan(part)
	switch {
	case !ok || !okMore || more.Len() != int64(len(body)),
		own.Complete >= 0 && more.Complete >= 0 && own.Complete != more.Complete,
		more.From > own.To || own.From > more.To,
		!sameStrong(e.Header, part.Header, t.Wall):
		return nil
	}
	fresh := c.updated(e, part, t)
	if fresh == nil {
		return nil
	}
	union := Span{min(own.From, more.From), max(own.To, more.To), max(own.Complete, more.Complete)}
	if union.Complete >= 0 && union.To > union.Complete {
		return nil
	}
	fresh.Body = make([]byte, union.Len())
	copy(fresh.Body[own.From-union.From:], e.Body)
	copy(fresh.Body[more.From-union.From:], body)
	if union.Whole() {
		makeComplete(fresh)
	} else {
		makePart(fresh, union)
	}
	return fresh
}

// sameStrong tells whether two responses to one request target have the same strong validator.
func sameStrong(a, b tiers.Header, now time.Time) bool {
	tagA, okA := a.Get("ETag")
	tagB, okB := b.Get("ETag")
	if okA || okB {
		return strongMatch(tagA, tagB)
	}
	modA, _ := a.Get("Last-Modified")
	modB, _ := b.Get("Last-Modified")
	return string(modA) == string(modB) && strongDate(a, now) && strongDate(b, now)
}

// makePart and makeComplete give e, which is not published yet, the status and the Content-Range of its Body.
func makePart(e *tiers.Entry, s Span) {
	e.Status = 206
	line := tiers.Header{}.AppendLine([]byte("Content-Range"), AppendContentRange(nil, s))
	e.Header = append(without(e.Header, "Content-Range"), line...)
}

func makeComplete(e *tiers.Entry) {
	e.Status = 200
	e.Header = without(e.Header, "Content-Range")
}

// without copies h but for the lines named name.
func without(h tiers.Header, name string) tiers.Header {
	out := make(tiers.Header, 0, len(h)+64)
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, name) {
			out = out.AppendLine(n, v)
		}
	}
	return out
}
