package policy

import (
	"errors"
	"slices"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Response is what the caching rules look at in a response. Make one by [Config.ReadResponse].
type Response struct {
	Status int
	Header tiers.Header // end-to-end fields as they came
	CC     Directives   // of Cache-Control, or of the targeted field that replaces it

	date, modified, age  []byte   // the first Date and Last-Modified, and the first Age that is not empty
	expires              [][]byte // every Expires: the earliest counts
	hasDate, hasModified bool
	hasETag              bool
	hasCookie, hasTarget bool
	targeted             bool // CC is that of a targeted field
}

// ReadResponse looks at a response's fields, once, and at no targeted field. The Response refers to h.
func ReadResponse(status int, h tiers.Header) (r Response) {
	r.Status, r.Header = status, h
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		r.add(n, v)
	}
	return r
}

// ReadResponse looks at a response's fields, once. A targeted field replaces Cache-Control and Expires (RFC
// 9213 §2.2), and a route's rule may replace both. The Response refers to h.
func (c *Config) ReadResponse(status int, h tiers.Header) Response {
	r := ReadResponse(status, h)
	if d, ok := c.targeted(h); ok {
		r.CC, r.expires, r.targeted = d, nil, true
	}
	c.override(&r)
	return r
}

// add takes in one field line. Of a singleton field that is repeated the first line counts, but for Expires.
func (r *Response) add(name, value []byte) {
	switch len(name) {
	case 3:
		if len(r.age) == 0 && tiers.EqualFold(name, "Age") {
			r.age = value
		}
	case 4:
		switch {
		case tiers.EqualFold(name, "Date"):
			first(&r.date, &r.hasDate, value)
		case tiers.EqualFold(name, "ETag"):
			r.hasETag = r.hasETag || len(value) > 0
		}
	case 7:
		if tiers.EqualFold(name, "Expires") {
			r.expires = append(r.expires, value)
		}
	case 8:
		r.hasTarget = r.hasTarget || tiers.EqualFold(name, "Location")
	case 10:
		r.hasCookie = r.hasCookie || tiers.EqualFold(name, "Set-Cookie")
	case 13:
		switch {
		case tiers.EqualFold(name, "Cache-Control"):
			r.CC.Add(value)
		case tiers.EqualFold(name, "Last-Modified"):
			first(&r.modified, &r.hasModified, value)
		}
	}
}

func first(to *[]byte, has *bool, value []byte) {
	if !*has {
		*to, *has = value, true
	}
}

// validator tells whether the response has something to make a conditional request with.
func (r *Response) validator() bool { return r.hasETag || len(r.modified) > 0 }

// storable tells whether a shared cache may store the response to req (RFC 9111 §3): ReasonNone, or why not.
func (c *Config) storable(req *Request, r *Response) Reason {
	switch {
	case !req.Method.Stored(), r.Status < 200, r.Status == 304: // §3, first items; a 304 only freshens
		return ReasonStatus
	case r.Status == 416: // a Range field provokes it, which is not in the Key: RFC 9110 §15.5.17
		return ReasonStatus
	case req.CC.Has(DirNoStore): // §5.2.1.5
		return ReasonNoStore
	case r.CC.Has(DirMustUnderstand): // §5.2.2.3: overrides no-store where the status code is understood
		if !understood(r.Status) {
			return ReasonStatus
		}
	case r.CC.Has(DirNoStore): // §5.2.2.5
		return ReasonNoStore
	}
	switch {
	case r.CC.Has(DirPrivate) && !req.Is(Partitioned): // §5.2.2.7
		return ReasonPrivate
	case req.Is(Authorized) && !req.Is(Partitioned) && !r.CC.Has(DirPublic|DirMustRevalidate|DirSMaxAge): // §3.5
		return ReasonAuthorized
	case !c.SetCookie.allows(r): // §7.3
		return ReasonCookie
	case !r.explicit() && !c.StatusTTL.has(r.Status) && !heuristic(r.Status), // §3, last item
		!r.explicit() && provoked(r.Status) && !r.hasModified:
		return ReasonStatus
	}
	return ReasonNone
}

// explicit tells whether the response itself says that it may be stored, whatever its status code.
func (r *Response) explicit() bool {
	return r.CC.Has(DirPublic|DirMaxAge|DirSMaxAge) || len(r.expires) > 0
}

// heuristic tells whether status is heuristically cacheable (RFC 9110 §15.1).
func heuristic(status int) bool {
	switch status {
	case 200, 203, 204, 206, 300, 301, 308, 404, 410:
		return true
	}
	return provoked(status)
}

// provoked names those of the heuristically cacheable status codes that a request's form or size may have provoked: one
// client's must not be everybody's answer for want of a word from the origin. With a Last-Modified it is about the
// resource, and heuristics apply; the operator's default does not.
func provoked(status int) bool { return status == 405 || status == 414 || status == 501 }

// understood tells whether the caching rules of status are known here, and allow storing (RFC 9111 §5.2.2.3):
// those of RFC 9110 §15, and 451 (RFC 7725). 428, 429, 431 and 511 must not be stored (RFC 6585).
func understood(status int) bool {
	switch {
	case 200 <= status && status <= 206, 300 <= status && status <= 303, status == 305, status == 307, status == 308,
		400 <= status && status <= 417, status == 421, status == 422, status == 426, status == 451,
		500 <= status && status <= 505:
		return true
	}
	return false
}

// SetCookie says what becomes of a response that has a Set-Cookie field. A stored one gives the same cookie
// to every client (RFC 9111 §7.3), so the RFC's permission to store it is not taken for granted.
type SetCookie uint8

// The values of SetCookie.
const (
	CookieExplicit SetCookie = iota // stored when it says public, s-maxage, or has a targeted field that allows it
	CookieStore                     // stored like any other
	CookieBypass                    // never stored
)

var setCookieNames = [...]string{"explicit", "store", "bypass"}

// String returns the value as the configuration spells it.
func (s SetCookie) String() string { return setCookieNames[s] }

// MarshalText implements [encoding.TextMarshaler].
func (s SetCookie) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *SetCookie) UnmarshalText(text []byte) error {
	i := slices.Index(setCookieNames[:], string(text))
	if i < 0 {
		return errors.New("want explicit, store or bypass")
	}
	*s = SetCookie(i)
	return nil
}

// allows tells whether r may be stored as far as its cookies go. A Set-Cookie that a qualified private or
// no-cache names is not stored, so it harms nobody.
func (s SetCookie) allows(r *Response) bool {
	switch {
	case !r.hasCookie || s == CookieStore:
		return true
	case s == CookieBypass:
		return false
	}
	return r.CC.Has(DirPublic|DirSMaxAge) || r.targeted && r.explicit() || r.withheld([]byte("Set-Cookie"))
}

// Times is when a response came about.
type Times struct {
	Requested, Received tiers.Instant // when the request was sent, when the response's header was there
	Wall                time.Time     // the wall clock at Received
}

// NewEntry makes the stored response for r, but for its Key, Body and AsOf, when it may be stored and
// would be of use; else it returns nil and why. header is the request's, for Vary. The entry shares
// nothing with r or header.
func (c *Config) NewEntry(req *Request, header tiers.Header, r *Response, t Times) (*tiers.Entry, Reason) {
	if r.Status == 206 { // §3.3: not complete, see NewPart
		return nil, ReasonStatus
	}
	return c.newEntry(req, header, r, t)
}

func (c *Config) newEntry(req *Request, header tiers.Header, r *Response, t Times) (*tiers.Entry, Reason) {
	if why := c.storable(req, r); why != ReasonNone {
		return nil, why
	}
	vary, star := VaryOf(r.Header)
	if star {
		return nil, ReasonVaryStar
	}
	e := &tiers.Entry{Status: r.Status, Vary: vary, Header: c.storedHeader(r, t.Wall), Tags: c.tags(r.Header)}
	if vary != "" {
		e.Variant = string(c.AppendVariant(nil, vary, header))
	}
	c.freshen(e, r, t)
	if e.Lifetime+max(e.StaleWhileRevalidate, e.StaleIfError, e.Keep) <= e.Age(t.Received) {
		return nil, ReasonNoFreshness
	}
	return e, ReasonNone
}

// storedHeader copies the fields that are stored (§3.1): all but Age, which is made anew for each answer,
// the withheld ones, and tags that clients are not shown. A Date is added where the origin sent none (RFC 9110 §6.6.1).
func (c *Config) storedHeader(r *Response, wall time.Time) tiers.Header {
	out := make(tiers.Header, 0, len(r.Header)+len("Date: \r\n")+len(imfFixdate))
	for n, v, rest := r.Header.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, "Age") && !r.withheld(n) && !c.HidesTags(n) {
			out = out.AppendLine(n, v)
		}
	}
	if !r.hasDate {
		out = append(out, "Date: "...)
		out = append(AppendDate(out, wall), "\r\n"...)
	}
	return out
}

// withheld tells whether a qualified private (§5.2.2.7) or no-cache (§5.2.2.4) names the field.
func (r *Response) withheld(name []byte) bool {
	return named(r.CC.NoCacheNames, name) || named(r.CC.PrivateNames, name)
}

func named(names []string, name []byte) bool {
	for _, s := range names {
		if tiers.EqualFold(name, s) {
			return true
		}
	}
	return false
}
