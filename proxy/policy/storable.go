package policy

import (
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Response is what the caching rules look at in a response. Make one by [ReadResponse].
type Response struct {
	Status int
	Header tiers.Header // end-to-end fields as they came
	CC     Directives

	date, expires, modified       []byte // the first Date, Expires and Last-Modified
	age                           []byte
	hasDate, hasExpires           bool
	expiresTwice                  bool
	hasETag, hasCookie, hasTarget bool
}

// ReadResponse looks at a response's fields, once. The Response refers to h.
func ReadResponse(status int, h tiers.Header) (r Response) {
	r.Status, r.Header = status, h
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		r.add(n, v)
	}
	return r
}

func (r *Response) add(name, value []byte) {
	switch len(name) {
	case 3:
		if tiers.EqualFold(name, "Age") && r.age == nil {
			r.age = value
		}
	case 4:
		switch {
		case tiers.EqualFold(name, "Date"):
			if !r.hasDate {
				r.date, r.hasDate = value, true
			}
		case tiers.EqualFold(name, "ETag"):
			r.hasETag = r.hasETag || len(value) > 0
		}
	case 7:
		if tiers.EqualFold(name, "Expires") {
			r.expiresTwice = r.hasExpires && string(value) != string(r.expires)
			r.expires, r.hasExpires = value, true
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
			r.modified = value
		}
	}
}

// validator tells whether the response has something to make a conditional request with.
func (r *Response) validator() bool { return r.hasETag || len(r.modified) > 0 }

// storable tells whether a shared cache may store the response to req (RFC 9111 §3): ReasonNone, or why not.
func (r *Response) storable(req *Request) Reason {
	switch {
	case req.Method != Get, r.Status < 200, r.Status == 206, r.Status == 304:
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
	case r.CC.Has(DirPrivate): // §5.2.2.7
		return ReasonPrivate
	case req.Is(Authorization) && !r.CC.Has(DirPublic|DirMustRevalidate|DirSMaxAge): // §3.5
		return ReasonAuthorized
	case r.hasCookie && !r.CC.Has(DirPublic|DirSMaxAge):
		return ReasonCookie
	case !r.explicit() && !heuristic(r.Status):
		return ReasonStatus
	}
	return ReasonNone
}

// explicit tells whether the response itself says that it may be stored, whatever its status code.
func (r *Response) explicit() bool {
	return r.CC.Has(DirPublic|DirMaxAge|DirSMaxAge) || r.hasExpires
}

// heuristic tells whether status is heuristically cacheable (RFC 9110 §15.1). Of those, 405, 414 and 501
// are left out: a request's size or form provokes them, and one client's must not be everybody's answer.
func heuristic(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 410:
		return true
	}
	return false
}

// understood tells whether the caching rules of status are known here (RFC 9111 §5.2.2.3).
func understood(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 406, 409, 410, 414, 415, 421, 422, 429, 451, 500, 501, 502, 503, 504:
		return true
	}
	return false
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
	if why := r.storable(req); why != ReasonNone {
		return nil, why
	}
	vary, star := VaryOf(r.Header)
	if star {
		return nil, ReasonVaryStar
	}
	e := &tiers.Entry{Status: r.Status, Vary: vary, Header: r.storedHeader(t.Wall)}
	if vary != "" {
		e.Variant = string(AppendVariant(nil, vary, header))
	}
	c.freshen(e, r, t)
	if e.Lifetime+max(e.StaleWhileRevalidate, e.StaleIfError, e.Keep) <= e.Age(t.Received) {
		return nil, ReasonNoFreshness
	}
	return e, ReasonNone
}

// storedHeader copies the fields that are stored (§3.1): all but Age, which is made anew for each answer,
// and those that a qualified private or no-cache names. A Date is added where the origin sent none (RFC 9110 §6.6.1).
func (r *Response) storedHeader(wall time.Time) tiers.Header {
	out := make(tiers.Header, 0, len(r.Header)+len("Date: \r\n")+len(imfFixdate))
	for n, v, rest := r.Header.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, "Age") && !named(r.CC.NoCacheNames, n) && !named(r.CC.PrivateNames, n) {
			out = out.AppendLine(n, v)
		}
	}
	if !r.hasDate {
		out = append(out, "Date: "...)
		out = append(AppendDate(out, wall), "\r\n"...)
	}
	return out
}

func named(names []string, name []byte) bool {
	for _, s := range names {
		if tiers.EqualFold(name, s) {
			return true
		}
	}
	return false
}
