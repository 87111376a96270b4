package policy

// Collapsible tells whether the response to another request may answer req as well as a response of its own, as far as
// req itself goes (RFC 9111 §4): whoever wants nothing stored, a validation, or an answer to If-Range, asks alone.
func Collapsible(req *Request) bool {
	return !req.CC.Has(DirNoStore) && !req.noCache() && !req.Is(IfRange) && !(req.CC.Has(DirMaxAge) && req.CC.MaxAge <= 0)
}

// Unshareable tells whether a response with this status code, which was not stored because of why, speaks for the next
// ones, too, so that nobody should wait for them in the hope of sharing. credentials says that it speaks for requests
// with Authorization only. What the origin fails with, and a 304 to a client's own condition, say nothing.
func Unshareable(status int, why Reason) (likely, credentials bool) {
	switch why {
	case ReasonNoStore, ReasonPrivate, ReasonVaryStar, ReasonStatus, ReasonNoFreshness, ReasonCookie, ReasonIncomplete, ReasonTooLarge:
		return status != 304 && !IsError(status), false
	case ReasonAuthorized:
		return !IsError(status), true
	}
	return false, false
}
