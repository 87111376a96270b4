package policy

import (
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// freshen sets the numbers of e that follow from r: age, lifetime, the windows of stale use, and flags.
func (c *Config) freshen(e *tiers.Entry, r *Response, t Times) {
	e.Born = t.Received.Add(-r.initialAge(t))
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
	e.StaleWhileRevalidate = r.window(DirStaleWhileRevalidate, r.CC.StaleWhileRevalidate, c.StaleWhileRevalidate)
	e.StaleIfError = r.window(DirStaleIfError, r.CC.StaleIfError, c.StaleIfError)
	if r.validator() {
		e.Keep = c.KeepStale
	}
}

// initialAge is the response's age on arrival (RFC 9111 §4.2.3, corrected_initial_age).
func (r *Response) initialAge(t Times) time.Duration {
	var apparent time.Duration
	if date, ok := ParseDate(r.date, t.Wall); ok {
		apparent = max(0, t.Wall.Sub(date))
		if apparent < time.Second { // Date has whole seconds: less than one is no age
			apparent = 0
		}
	}
	member, _ := cutComma(r.age)
	age, _ := parseDelta(tiers.TrimSpace(member)) // §5.1: what is no non-negative integer is ignored
	return min(Forever, max(apparent, age+max(0, t.Received.Sub(t.Requested))))
}

// explicitLifetime is the freshness lifetime that the response gives (§4.2.1), and whether it gives one.
func (r *Response) explicitLifetime(now time.Time) (time.Duration, bool) {
	switch {
	case r.CC.Has(DirSMaxAge):
		return r.CC.SMaxAge, true
	case r.CC.Has(DirMaxAge):
		return r.CC.MaxAge, true
	case r.hasExpires:
		return r.untilExpires(now), true
	}
	return 0, false
}

// untilExpires is Expires − Date (§5.3). What is no date, or contradicts itself, is in the past.
func (r *Response) untilExpires(now time.Time) time.Duration {
	expires, ok := ParseDate(r.expires, now)
	if !ok || r.expiresTwice {
		return 0
	}
	date, ok := ParseDate(r.date, now)
	if !ok {
		date = now
	}
	return min(Forever, max(0, expires.Sub(date)))
}

// silentLifetime is the lifetime of a response that gives none: the operator's default, or a part of the
// time since it was modified (§4.2.2).
func (c *Config) silentLifetime(r *Response, now time.Time) time.Duration {
	if !heuristic(r.Status) && !r.CC.Has(DirPublic) {
		return 0
	}
	if c.DefaultTTL > 0 {
		return c.DefaultTTL
	}
	modified, ok := ParseDate(r.modified, now)
	if !ok {
		return 0
	}
	date, ok := ParseDate(r.date, now)
	if !ok {
		date = now
	}
	return max(0, min(c.HeuristicMaxTTL, time.Duration(float64(date.Sub(modified))*c.HeuristicFraction)))
}

// window is how long the response may be used stale (RFC 5861): what it says itself, else the operator's
// default. Neither holds against must-revalidate, proxy-revalidate and no-cache (§4.2.4); s-maxage, which
// implies the second, only holds off the default: a response with both directives means both.
func (r *Response) window(d Directive, own, fallback time.Duration) time.Duration {
	switch {
	case r.CC.Has(DirMustRevalidate | DirProxyRevalidate | DirNoCache):
		return 0
	case r.CC.Has(d):
		return own
	case r.CC.Has(DirSMaxAge):
		return 0
	}
	return fallback
}
