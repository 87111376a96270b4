package policy

import (
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// freshen sets the numbers of e that follow from r: age, lifetime, the windows of stale use, and flags.
func (c *Config) freshen(e *tiers.Entry, r *Response, t Times) {
	e.Born = t.Received.Add(-r.initialAge(t))
	e.FetchTime = t.Received.Sub(t.Requested)
	lifetime, origin := r.explicitLifetime(t.Wall)
	if !origin {
		lifetime = c.silentLifetime(r, t.Wall)
		e.Flags |= tiers.Heuristic
	}
	e.Lifetime = lifetime
	if r.CC.Has(DirNoCache) {
		e.Flags |= tiers.NoCache
	}
	if r.CC.Has(DirMustRevalidate | DirProxyRevalidate | DirSMaxAge) { // §5.2.2.10: s-maxage implies proxy-revalidate
		e.Flags |= tiers.MustRevalidate
	}
	if r.hasTarget {
		e.Flags |= tiers.HasLocation
	}
	e.StaleWhileRevalidate, e.StaleIfError = c.windows(e, r)
	e.Keep = c.keep(e, r)
}

// keep is how long the response is kept when it is of no use but as the base of a conditional request, or to
// a client that takes stale responses (§5.2.1.2): without a validator as long again as it was fresh.
func (c *Config) keep(e *tiers.Entry, r *Response) time.Duration {
	keep := min(c.KeepStale, Forever)
	switch {
	case r.validator():
		return keep
	case e.Lifetime == 0, e.Flags&(tiers.MustRevalidate|tiers.NoCache) != 0:
		return 0
	}
	return min(keep, max(e.Lifetime, 10*time.Second))
}

// initialAge is the response's age on arrival (RFC 9111 §4.2.3, corrected_initial_age).
func (r *Response) initialAge(t Times) time.Duration {
	var apparent time.Duration
	if date, ok := ParseDate(r.date, t.Wall); ok {
		apparent = max(0, t.Wall.Sub(date)).Truncate(time.Second) // Date has whole seconds, so the difference has too
	}
	age := time.Duration(0)
	for rest := r.age; len(rest) > 0; { // §5.1: the first member; what is no non-negative integer is ignored
		var member []byte
		if member, rest = cutComma(rest); len(tiers.TrimSpace(member)) > 0 {
			age, _ = parseDelta(tiers.TrimSpace(member))
			break
		}
	}
	return min(Forever, max(apparent, age+max(0, t.Received.Sub(t.Requested))))
}

// explicitLifetime is the freshness lifetime that the response gives (§4.2.1), and whether it gives one.
func (r *Response) explicitLifetime(now time.Time) (time.Duration, bool) {
	switch {
	case r.CC.Has(DirSMaxAge):
		return r.CC.SMaxAge, true
	case r.CC.Has(DirMaxAge):
		return r.CC.MaxAge, true
	case len(r.expires) > 0:
		return r.untilExpires(now), true
	}
	return 0, false
}

// untilExpires is Expires − Date (§5.3). What is no date is in the past; of several the earliest counts, as
// for directives that are repeated (§4.2.1).
func (r *Response) untilExpires(now time.Time) time.Duration {
	date, ok := ParseDate(r.date, now)
	if !ok {
		date = now
	}
	lifetime := Forever
	for _, value := range r.expires {
		expires, ok := ParseDate(value, now)
		if !ok {
			return 0
		}
		lifetime = min(lifetime, max(0, expires.Sub(date)))
	}
	return lifetime
}

// silentLifetime is the lifetime of a response that gives none: the operator's for its status code or for all, or
// a part of the time since it was modified (§4.2.2).
func (c *Config) silentLifetime(r *Response, now time.Time) time.Duration {
	if ttl, ok := c.StatusTTL.of(r.Status); ok {
		return min(ttl, Forever)
	}
	if !heuristic(r.Status) && !r.CC.Has(DirPublic) {
		return 0
	}
	if c.DefaultTTL > 0 && !provoked(r.Status) {
		return min(c.DefaultTTL, Forever)
	}
	modified, ok := ParseDate(r.modified, now)
	if !ok {
		return 0
	}
	date, ok := ParseDate(r.date, now)
	if !ok {
		date = now
	}
	part := min(max(0, c.HeuristicFraction), 1) * float64(date.Sub(modified))
	return max(0, min(c.HeuristicMaxTTL, Forever, time.Duration(min(part, float64(Forever)))))
}

// windows is how long the response may be used stale (RFC 5861): what it says itself, else the operator's
// defaults. Neither holds against must-revalidate, proxy-revalidate and no-cache (§4.2.4); s-maxage, which
// implies the second, only holds off the defaults: a response with both directives means both. The defaults
// do not make up for a lifetime either: a response that is never fresh is not served for want of a refresh, and
// one that says nothing at all not even for want of an origin.
func (c *Config) windows(e *tiers.Entry, r *Response) (whileRevalidate, ifError time.Duration) {
	if r.CC.Has(DirMustRevalidate | DirProxyRevalidate | DirNoCache) {
		return 0, 0
	}
	if !r.CC.Has(DirSMaxAge) && e.Lifetime > 0 {
		whileRevalidate = min(c.StaleWhileRevalidate, Forever)
	}
	if !r.CC.Has(DirSMaxAge) && (e.Lifetime > 0 || e.Flags&tiers.Heuristic == 0) {
		ifError = min(c.StaleIfError, Forever)
	}
	if r.CC.Has(DirStaleWhileRevalidate) { // §3
		whileRevalidate = r.CC.StaleWhileRevalidate
	}
	if r.CC.Has(DirStaleIfError) { // §4
		ifError = r.CC.StaleIfError
	}
	return whileRevalidate, ifError
}
