package policy

import (
	"bytes"
	"slices"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// AppendConditions appends the field lines that make a request conditional on the stored responses entries
// (RFC 9111 §4.3.1), and nothing when none has a validator. All that could answer if the origin chose them
// may be given, whatever they vary on; Last-Modified speaks for one alone.
func AppendConditions(dst tiers.Header, entries ...*tiers.Entry) tiers.Header {
	start := len(dst)
	for i, e := range entries {
		tag, _ := e.Header.Get("ETag")
		switch {
		case len(tag) == 0 || tagAmong(entries[:i], tag):
		case len(dst) == start:
			dst = append(append(dst, "If-None-Match: "...), tag...)
		default:
			dst = append(append(dst, ", "...), tag...)
		}
	}
	if len(dst) > start {
		dst = append(dst, "\r\n"...)
	}
	if len(entries) == 1 {
		if modified, _ := entries[0].Header.Get("Last-Modified"); len(modified) > 0 {
			dst = dst.AppendLine([]byte("If-Modified-Since"), modified)
		}
	}
	return dst
}

func tagAmong(entries []*tiers.Entry, tag []byte) bool {
	for _, e := range entries {
		if own, _ := e.Header.Get("ETag"); bytes.Equal(own, tag) {
			return true
		}
	}
	return false
}

// IsCondition names the fields that a conditional request of this cache's own replaces.
func IsCondition(name []byte) bool {
	return tiers.EqualFold(name, "If-None-Match") || tiers.EqualFold(name, "If-Modified-Since")
}

// Selected returns those of entries that a 304 is about (RFC 9111 §4.3.4), the most recent one first; the
// conditional request named them all. Where just one was asked about, a strong tag in the 304 may confirm the same tag
// as a weak one: servers that compress weaken the tag of the 200 only, and the question leaves no doubt.
func Selected(notModified *Response, entries ...*tiers.Entry) (selected []*tiers.Entry) {
	tag, _ := notModified.Header.Get("ETag")
	for _, e := range entries {
		own, _ := e.Header.Get("ETag")
		if len(tag) > 0 && !weakMatch(own, tag) || len(entries) > 1 && isStrong(tag) && !strongMatch(own, tag) || len(tag) == 0 && !sameModified(e, notModified) {
			continue
		}
		selected = append(selected, e)
		if last := len(selected) - 1; e.Born > selected[0].Born {
			selected[0], selected[last] = e, selected[0]
		}
	}
	switch {
	case len(selected) < 2 || isStrong(tag): // strong: all that have it
		return selected
	case len(tag) > 0 || notModified.hasModified: // weak: the most recent one
		return selected[:1]
	}
	return nil // no validator at all says which
}

// sameModified tells whether a 304 without an entity tag may be about e as far as Last-Modified says. One
// that has none either, as RFC 9110 §15.4.5 asks for, is about the one response that was asked about.
func sameModified(e *tiers.Entry, notModified *Response) bool {
	if !notModified.hasModified {
		return true
	}
	own, _ := e.Header.Get("Last-Modified")
	return bytes.Equal(own, notModified.modified)
}

// Freshened makes the stored response that e becomes by a 304 (RFC 9111 §4.3.4), or nil when the 304 is not
// about e. notModified is the 304.
func (c *Config) Freshened(e *tiers.Entry, notModified *Response, t Times) *tiers.Entry {
	if len(Selected(notModified, e)) == 0 {
		return nil
	}
	return c.updated(e, notModified, t)
}

// HeadFreshened makes the stored response that e becomes by the answer to a HEAD request that selects e (RFC
// 9111 §4.3.5): a fresh one, or a stale one when the answer shows that e is no longer what the origin has.
// length is the answer's Content-Length, -1 when it has none. It returns nil when the answer, not being 200,
// says nothing of e.
func (c *Config) HeadFreshened(e *tiers.Entry, head *Response, length int64, t Times) *tiers.Entry {
	if head.Status != 200 || e.Status != 200 {
		return nil
	}
	tag, hasTag := head.Header.Get("ETag")
	own, _ := e.Header.Get("ETag")
	if hasTag && !bytes.Equal(tag, own) || !sameModified(e, head) || length >= 0 && length != int64(len(e.Body)) {
		return Outdated(e)
	}
	if fresh := c.updated(e, head, t); fresh != nil {
		return fresh
	}
	return Outdated(e)
}

// Outdated makes the stored response that e becomes when it is known to be no longer what the origin has:
// stale, and of use as the base of a conditional request only, or, without a validator, of no use and due to
// be deleted.
func Outdated(e *tiers.Entry) *tiers.Entry {
	old := *e
	if old.Keep += old.Lifetime; !e.Header.Has("ETag") && !e.Header.Has("Last-Modified") {
		old.Keep = 0
	}
	old.Lifetime, old.StaleWhileRevalidate, old.StaleIfError = 0, 0, 0
	old.Flags |= tiers.MustRevalidate
	return &old
}

// updated makes the stored response that e becomes by the fields of update, a newer response to a request
// that selects e. It returns nil when update varies on what e was not selected by: then e does not hold what
// would have to match; and when it would have too many tags.
func (c *Config) updated(e *tiers.Entry, update *Response, t Times) *tiers.Entry {
	vary, star := VaryOf(update.Header)
	if star || !varyWithin(vary, e.Vary) {
		return nil
	}
	newer := update.Header
	if !update.hasDate { // RFC 9110 §6.6.1: it was received now; the stored Date is that of the older response
		newer = slices.Concat(newer, tiers.Header{}.AppendLine([]byte("Date"), AppendDate(nil, t.Wall)))
	}
	merged := c.ReadResponse(e.Status, mergeHeader(e.Header, newer))
	merged.age = update.age
	fresh := *e
	fresh.Flags = 0
	fresh.Header = c.storedHeader(&merged, t.Wall)
	var ok bool
	if fresh.Tags, ok = c.updatedTags(e, merged.Header); !ok {
		return nil
	}
	c.freshen(&fresh, &merged, t)
	return &fresh
}

// Keepable tells whether a response that [Config.Freshened], [Config.HeadFreshened] or [Config.Combined] made
// in answer to req may be stored, now that its fields changed.
func (c *Config) Keepable(e *tiers.Entry, req *Request) bool {
	r := c.ReadResponse(e.Status, e.Header)
	return c.storable(req, &r) == ReasonNone
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

// updates tells whether a newer response's field replaces the stored one. Content-Encoding and Content-Range
// say how the stored bytes are to be read, so their integrity depends on them (§3.2, the exception).
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
	if !req.Is(IfNoneMatch|IfModifiedSince) || e.Status < 200 || e.Status > 299 { // §13.2.1
		return false
	}
	if !req.Is(IfNoneMatch) {
		return notModifiedSince(header, e, now)
	}
	tag, _ := e.Header.Get("ETag") // §13.1.2; If-Modified-Since does not count beside it, §13.1.3
	for n, v, rest := header.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, "If-None-Match") && etagMatch(v, tag) {
			return true
		}
	}
	return false
}

// notModifiedSince compares If-Modified-Since with Last-Modified, or with Date where there is none (RFC
// 9111 §4.3.2). Two lines are no date (RFC 9110 §13.1.3).
func notModifiedSince(header tiers.Header, e *tiers.Entry, now time.Time) bool {
	var value []byte
	lines := 0
	for n, v, rest := header.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, "If-Modified-Since") {
			value, lines = v, lines+1
		}
	}
	since, ok := ParseDate(value, now)
	if !ok || lines > 1 {
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
// content that the client has already, and what describes the content of this very message.
func StaysIn304(name []byte) bool {
	for _, s := range [...]string{
		"Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Range", "Content-MD5",
		"Content-Digest", "Repr-Digest",
	} {
		if tiers.EqualFold(name, s) {
			return false
		}
	}
	return true
}
