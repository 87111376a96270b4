package policy

import (
	"bytes"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// AppendConditions appends the field lines that make a request for e conditional (RFC 9111 §4.3.1), and
// nothing when e has no validator.
func AppendConditions(dst tiers.Header, e *tiers.Entry) tiers.Header {
	if tag, ok := e.Header.Get("ETag"); ok && len(tag) > 0 {
		dst = dst.AppendLine([]byte("If-None-Match"), tag)
	}
	if modified, ok := e.Header.Get("Last-Modified"); ok && len(modified) > 0 {
		dst = dst.AppendLine([]byte("If-Modified-Since"), modified)
	}
	return dst
}

// IsCondition names the fields that a conditional request of this cache's own replaces.
func IsCondition(name []byte) bool {
	return tiers.EqualFold(name, "If-None-Match") || tiers.EqualFold(name, "If-Modified-Since")
}

// Freshened makes the stored response that e becomes by a 304 (RFC 9111 §4.3.4), or nil when the 304 is not
// about e. notModified is the 304.
func (c *Config) Freshened(e *tiers.Entry, notModified *Response, t Times) *tiers.Entry {
	if tag, ok := notModified.Header.Get("ETag"); ok && isStrong(tag) {
		if own, _ := e.Header.Get("ETag"); !bytes.Equal(own, tag) {
			return nil
		}
	}
	merged := ReadResponse(e.Status, mergeHeader(e.Header, notModified.Header))
	merged.age = notModified.age
	fresh := *e
	fresh.Flags = 0
	fresh.Header = merged.storedHeader(t.Wall)
	if !notModified.hasDate { // the stored Date is as old as the stored response; this answer is of now
		merged.date = nil
	}
	c.freshen(&fresh, &merged, t)
	return &fresh
}

// Keepable tells whether the response that a 304 freshened may stay stored, now that its fields changed.
func (c *Config) Keepable(e *tiers.Entry, req *Request) bool {
	r := ReadResponse(e.Status, e.Header)
	return r.storable(req) == ReasonNone
}

// mergeHeader replaces the fields of stored that update has too (§3.2), and keeps the rest in order. Fields
// that describe the stored content's bytes are not replaced.
func mergeHeader(stored, update tiers.Header) tiers.Header {
	out := make(tiers.Header, 0, len(stored)+len(update))
	for n, v, rest := stored.Next(); n != nil; n, v, rest = rest.Next() {
		if !updates(n) || !hasField(update, n) {
			out = out.AppendLine(n, v)
		}
	}
	for n, v, rest := update.Next(); n != nil; n, v, rest = rest.Next() {
		if updates(n) {
			out = out.AppendLine(n, v)
		}
	}
	return out
}

func updates(name []byte) bool {
	return !tiers.EqualFold(name, "Content-Encoding") && !tiers.EqualFold(name, "Content-Range") &&
		!tiers.EqualFold(name, "Content-Length")
}

func hasField(h tiers.Header, name []byte) bool {
	for n, _, rest := h.Next(); n != nil; n, _, rest = rest.Next() {
		if len(n) == len(name) && bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// NotModified tells whether the client of a request with these fields has what e holds (RFC 9110 §13.2.2):
// the answer is then 304. now is the wall clock.
func NotModified(req *Request, header tiers.Header, e *tiers.Entry, now time.Time) bool {
	if !req.Is(IfNoneMatch|IfModifiedSince) || e.Status < 200 || e.Status > 299 {
		return false
	}
	if req.Is(IfNoneMatch) {
		tag, _ := e.Header.Get("ETag")
		for n, v, rest := header.Next(); n != nil; n, v, rest = rest.Next() {
			if tiers.EqualFold(n, "If-None-Match") && etagMatch(v, tag) {
				return true
			}
		}
		return false
	}
	return notModifiedSince(header, e, now)
}

// notModifiedSince compares If-Modified-Since with Last-Modified, or with Date where there is none (RFC
// 9111 §4.3.2).
func notModifiedSince(header tiers.Header, e *tiers.Entry, now time.Time) bool {
	value, _ := header.Get("If-Modified-Since")
	since, ok := ParseDate(value, now)
	if !ok {
		return false
	}
	modified, ok := e.Header.Get("Last-Modified")
	if !ok {
		modified, _ = e.Header.Get("Date")
	}
	t, ok := ParseDate(modified, now)
	return ok && !t.After(since)
}

// StaysIn304 tells whether a stored field goes into a 304 (RFC 9110 §15.4.5): all but what describes
// content that the client has already.
func StaysIn304(name []byte) bool {
	if len(name) > 8 && tiers.EqualFold(name[:8], "Content-") {
		return tiers.EqualFold(name, "Content-Location") || !representation(name)
	}
	return true
}

func representation(name []byte) bool {
	for _, s := range [...]string{"Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Range", "Content-MD5", "Content-Digest"} {
		if tiers.EqualFold(name, s) {
			return true
		}
	}
	return false
}
