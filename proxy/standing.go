package proxy

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
)

// This file is where stored responses meet what was purged. Whatever comes from a tier goes through standing before it
// is served, or is the base of anything.

// standing returns what e is worth to a request that was read at now or before, as far as the invalidation log knows: e
// itself, nil when it was purged, or something less than e. doubted is true for what may have been purged: only a strong
// validator confirms it. Mostly it is of no other use.
func (h *Handler) standing(e *tiers.Entry, now tiers.Instant) (worth *tiers.Entry, doubted bool) {
	switch h.Invalidation.Check(e, now) {
	case invalidation.Valid:
		return e, false
	case invalidation.Stale:
		return staleFrom(e, now), false
	case invalidation.Orphan:
		worth = staleFrom(e, now)
		worth.StaleWhileRevalidate = max(worth.StaleWhileRevalidate, time.Second)
		return worth, true
	case invalidation.Unprovable, invalidation.Untrusted:
		if policy.Strong(e, time.Now()) {
			return policy.Outdated(e), true
		}
	}
	return nil, false
}

// staleFrom is e as if it had become stale at now.
func staleFrom(e *tiers.Entry, now tiers.Instant) *tiers.Entry {
	stale := *e
	stale.Lifetime = min(stale.Lifetime, e.Age(now))
	return &stale
}

// found has x go on with what the tier had, if it is worth anything.
func (x *exchange) found(e *tiers.Entry, from tiers.Source) {
	worth, doubted := x.h.standing(e, x.now)
	if worth != nil {
		x.entry, x.source, x.doubted = worth, from, doubted
	}
}

// reconsider has x begin anew, as far as the log is concerned, with what it found already: from here on it is as if its
// request had only now been read.
func (x *exchange) reconsider() {
	x.asOf, x.now = x.h.Invalidation.Now(), tiers.Now()
	if e := x.entry; e != nil {
		x.entry = nil
		x.found(e, x.source)
	}
	x.decide(nil)
}

// mayShare tells whether x may have what the flight f brings, e: it began before f asked anybody, or nothing that e could
// have missed was purged before x began.
func (x *exchange) mayShare(f *flight, e *tiers.Entry) bool {
	return x.begun <= f.begun || x.h.Invalidation.Joins(e, x.now)
}

// bases returns what L1 has under key that may be served, or that a conditional request may be about.
func (x *exchange) bases(key tiers.Key) (entries []*tiers.Entry) {
	for _, e := range x.h.Stack.Variants(key) {
		worth, doubted := x.h.standing(e, x.now)
		if worth != nil {
			entries = append(entries, worth)
			x.doubted = x.doubted || doubted
		}
	}
	return entries
}

// invalidate purges, on all sidecars, the target of an unsafe request that succeeded, the URIs of the same origin and the
// groups that the answer names (RFC 9111 §4.4, RFC 9875 §3). It holds here before the client has its answer; to have it in
// the log it waits for as long as L2 may take, and not at all while the log is out of reach. It returns the position
// that the answer itself has.
func (h *Handler) invalidate(x *exchange, answer tiers.Header) tiers.Position {
	uris := []string{h.uriPrefix + string(x.target.raw)}
	for _, target := range policy.Invalidated(strings.TrimPrefix(uris[0], h.origin), x.isUpstream, answer) {
		uris = append(uris, h.urisOf(target)...)
	}
	var selectors []invalidation.Selector
	for _, uri := range uris {
		selectors, _ = h.appendSelectors(selectors, invalidation.URI, uri) //nolint:errcheck // there is nothing wrong with a URI
	}
	for _, group := range policy.InvalidatedGroups(answer) {
		selectors, _ = h.appendSelectors(selectors, invalidation.Tag, strings.Clone(group)) //nolint:errcheck // a group may be empty: nothing has it
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.LogTimeout)
	defer cancel()
	after, done := h.Invalidation.Invalidate(ctx, x.asOf, selectors)
	h.counters.invalidations.Add(uint64(len(selectors)))
	if !done {
		h.counters.invalidationsQueued.Add(uint64(len(selectors)))
	}
	h.forget(x, uris)
	return after
}

// forget frees what L1 has under the URIs: it will not be served again.
func (h *Handler) forget(x *exchange, uris []string) {
	if h.Stack.Near == nil {
		return
	}
	_ = h.Stack.Near.Delete(context.Background(), x.key()) //nolint:errcheck // it is dead all the same
	for _, uri := range uris {
		_ = h.Stack.Near.Delete(context.Background(), x.keyOf(uri)) //nolint:errcheck // it is dead all the same
	}
}

// firm leaves out, when x doubts what it found, what has no strong validator.
func (x *exchange) firm(entries []*tiers.Entry) []*tiers.Entry {
	if !x.doubted {
		return entries
	}
	now := time.Now()
	return slices.DeleteFunc(slices.Clone(entries), func(e *tiers.Entry) bool { return !policy.Strong(e, now) })
}
