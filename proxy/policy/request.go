package policy

import "github.com/nearside-cache/nearside/tiers"

// Method is a request method's class: what a cache may do with it.
type Method uint8

// The classes. The zero Method is Unsafe: what is not known changes something.
const (
	Unsafe Method = iota // POST, PUT, PATCH, DELETE and methods nobody knows (RFC 9111 §4.4)
	Get
	Head
	Safe  // OPTIONS, TRACE, PROPFIND, REPORT, SEARCH: safe, and not cached here
	Query // safe and cacheable, with content (RFC 10008): QUERY, and a POST that an operator declared to be one
)

// MethodOf returns the class of the method m. Methods are case-sensitive (RFC 9110 §9.1).
func MethodOf(m []byte) Method {
	switch string(m) {
	case "GET":
		return Get
	case "HEAD":
		return Head
	case "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH":
		return Safe
	case "QUERY":
		return Query
	}
	return Unsafe
}

// Stored tells whether responses to m are stored, and reused for m.
func (m Method) Stored() bool { return m == Get || m == Query }

// Conditions is a set of request fields that change how a stored response may be used.
type Conditions uint16

// The members of Conditions.
const (
	IfNoneMatch Conditions = 1 << iota
	IfModifiedSince
	IfMatch
	IfUnmodifiedSince
	IfRange
	Range      // one range of bytes
	Ranges     // several ranges, or another unit
	Authorized // the request has credentials
	PragmaNoCache
	HasCacheControl
	Content     // the request has content
	Unkeyed     // it has something that may change the answer and is not in the key
	Partitioned // its credentials are in the key: what is stored for it is theirs alone
)

// Request is what the caching rules look at in a request. Make one by [Request.Reset], then Add for each
// field line, in any order.
type Request struct {
	Method Method
	Cond   Conditions
	CC     Directives
	Asked  ByteRange // has a meaning with the condition Range
}

// Reset makes r a request of method m without fields.
func (r *Request) Reset(m Method) {
	*r = Request{Method: m}
}

// Is tells whether any of the conditions in c holds.
func (r *Request) Is(c Conditions) bool { return r.Cond&c != 0 }

// Add takes in one field line. It keeps neither name nor value.
func (r *Request) Add(name, value []byte) {
	switch len(name) {
	case 5:
		if tiers.EqualFold(name, "Range") {
			r.addRange(value)
		}
	case 6:
		if tiers.EqualFold(name, "Pragma") {
			r.pragma(value)
		}
	case 8:
		r.note(name, "If-Match", IfMatch)
		r.note(name, "If-Range", IfRange)
	case 13:
		switch {
		case tiers.EqualFold(name, "Cache-Control"):
			r.Cond |= HasCacheControl
			r.CC.Add(value)
		case tiers.EqualFold(name, "If-None-Match"):
			r.Cond |= IfNoneMatch
		case tiers.EqualFold(name, "Authorization"):
			r.Cond |= Authorized
		}
	case 17:
		r.note(name, "If-Modified-Since", IfModifiedSince)
	case 19:
		r.note(name, "If-Unmodified-Since", IfUnmodifiedSince)
	}
}

// addRange: an invalid Range is as good as none (RFC 9110 §14.2), and two lines are no single range.
func (r *Request) addRange(value []byte) {
	asked, form := ParseRange(value)
	switch {
	case form == RangeForeign || r.Is(Range|Ranges):
		r.Cond = r.Cond&^Range | Ranges
	case form == RangeSingle:
		r.Asked = asked
		r.Cond |= Range
	}
}

func (r *Request) note(name []byte, want string, c Conditions) {
	if tiers.EqualFold(name, want) {
		r.Cond |= c
	}
}

// pragma: only "no-cache" was ever defined (RFC 9111 §5.4).
func (r *Request) pragma(value []byte) {
	members := memberList{rest: value}
	for len(members.rest) > 0 {
		if name, _, _, _ := members.next(); tiers.EqualFold(name, "no-cache") {
			r.Cond |= PragmaNoCache
		}
	}
}

// noCache: the client wants no stored response without validation (§5.2.1.4). Pragma counts only where
// there is no Cache-Control (§5.4).
func (r *Request) noCache() bool {
	return r.CC.Has(DirNoCache|DirNoCacheFields) || r.Is(PragmaNoCache) && !r.Is(HasCacheControl)
}

// IgnoreNoCache makes r a request that does not ask for validation, for the sake of IGNORE_CLIENT_NO_CACHE.
func (r *Request) IgnoreNoCache() {
	r.Cond &^= PragmaNoCache
	r.CC.Set &^= DirNoCache | DirNoCacheFields
	if r.CC.MaxAge == 0 {
		r.CC.Set &^= DirMaxAge
	}
}

// wantsFresh: a client that gives a max-age, and no max-stale, does not wish for a stale response (§5.2.1.1).
func (r *Request) wantsFresh() bool {
	return r.CC.Has(DirMaxAge) && !r.CC.Has(DirMaxStale)
}

// Usable tells whether the store is asked at all for this request, and the reason when it is not: only GET
// and HEAD without content, and QUERY, are answered from it, and no precondition that is the origin's to judge
// (RFC 9111 §4.3.2). To HEAD a range means nothing (RFC 9110 §14.2).
func (r *Request) Usable() (bool, Reason) {
	switch {
	case !r.Method.Stored() && r.Method != Head:
		return false, ReasonMethod
	case r.Is(Unkeyed | IfMatch | IfUnmodifiedSince), r.Method != Query && r.Is(Content), r.Method != Head && r.Is(Ranges):
		return false, ReasonBypass
	}
	return true, ReasonNone
}

// held tells whether e holds what the request asks for: a part answers for its ranges only (RFC 9111 §3.3).
// Whether If-Range is true is not known here, so a part does not answer where it is asked.
func (r *Request) held(e *tiers.Entry) bool {
	if e.Status != 206 {
		return true
	}
	if r.Method == Head || !r.Is(Range) || r.Is(IfRange) {
		return false
	}
	own, ok := StoredSpan(e)
	if !ok {
		return false
	}
	s, ok := r.Asked.within(own)
	return ok && s.Len() > 0
}
