package policy

import (
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Action is what to do with a request.
type Action uint8

// The actions.
const (
	Serve      Action = iota // answer with the stored response
	ServeStale               // answer with it, and refresh it in the background
	Revalidate               // ask the origin whether the stored response still holds
	Fetch                    // get a response from the origin
	Pass                     // not this cache's: stream both ways
	Refuse                   // answer 504: the client wanted no forwarding
)

// String returns the action's verb, as metrics and logs have it.
func (a Action) String() string {
	return [...]string{"serve", "serve-stale", "revalidate", "fetch", "pass", "refuse"}[a]
}

// Decision is an Action and the Reason for it.
type Decision struct {
	Action Action
	Reason Reason
}

// Decide says how to answer req at now, given the stored response that it selects; e is nil when there is
// none (RFC 9111 §4).
func Decide(req *Request, e *tiers.Entry, now tiers.Instant) Decision {
	d := Decision{Fetch, ReasonURIMiss}
	if ok, why := req.Usable(); !ok {
		d = Decision{Pass, why}
	} else if e != nil {
		d = reuse(req, e, now)
	}
	switch {
	case d.Action <= ServeStale:
	case req.CC.Has(DirOnlyIfCached): // §5.2.1.7
		return Decision{Refuse, ReasonOnlyIfCached}
	case req.Method == Head:
		d.Action = Pass
	}
	return d
}

// reuse decides for a request that selects e.
func reuse(req *Request, e *tiers.Entry, now tiers.Instant) Decision {
	age, ttl := e.Age(now), e.TTL(now)
	switch {
	case !req.held(e): // §3.3
		return Decision{Fetch, ReasonPartial}
	case req.noCache(): // §5.2.1.4
		return Decision{Revalidate, ReasonRequest}
	case e.Flags&tiers.NoCache != 0: // §5.2.2.4
		return Decision{Revalidate, ReasonStale}
	case req.CC.Has(DirMaxAge) && age > req.CC.MaxAge, // §5.2.1.1
		req.CC.Has(DirMinFresh) && ttl < req.CC.MinFresh: // §5.2.1.3
		return Decision{Revalidate, ReasonRequest}
	case ttl > 0: // §4.2
		return Decision{Serve, ReasonHit}
	case e.Flags&tiers.MustRevalidate == 0 && req.CC.Has(DirMaxStale) && -ttl <= req.CC.MaxStale: // §5.2.1.2
		return Decision{Serve, ReasonStale}
	case -ttl < e.StaleWhileRevalidate && !req.wantsFresh(): // RFC 5861 §3
		return Decision{ServeStale, ReasonStale}
	}
	return Decision{Revalidate, ReasonStale}
}

// StandIn tells whether e may answer req at now although the origin failed (RFC 5861 §4): because the
// response or the operator allowed it, or the request does.
func StandIn(req *Request, e *tiers.Entry, now tiers.Instant) bool {
	if e == nil || e.Flags&tiers.NoCache != 0 || req.noCache() || !req.held(e) {
		return false
	}
	stale := -e.TTL(now)
	if stale < e.StaleIfError {
		return true
	}
	return e.Flags&tiers.MustRevalidate == 0 && req.CC.Has(DirStaleIfError) && stale < req.CC.StaleIfError
}

// IsError tells whether a status code from the origin is a failure that a stale response may stand in for
// (RFC 5861 §4).
func IsError(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504
}

// NeverStale tells whether the client gets 504 rather than 502 when the origin is away: the stored response
// must not be used without it (§5.2.2.2).
func NeverStale(e *tiers.Entry) bool {
	return e != nil && e.Flags&(tiers.MustRevalidate|tiers.NoCache) != 0
}

// Seconds is d in whole seconds, as ttl shows it: rounded away from zero, so that what is fresh is never 0 or
// less, and what is stale never 0 or more.
func Seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	switch rest := d % time.Second; {
	case rest > 0:
		s++
	case rest < 0:
		s--
	}
	return s
}
