package policy

// override lets a route's rule contradict the response, where the operator asked for that. A lifetime of the rule
// replaces the response's, and with it no-store and no-cache; windows of stale use replace the response's, and with them
// must-revalidate. What keeps a response from being shared stays: private, Set-Cookie, and credentials in the request.
//
// As a rule that fills silence, it is for the status codes that silence makes cacheable: an error that lasts as long as a
// good answer is not what anybody asks for. STATUS_TTL goes before it.
func (c *Config) override(r *Response) {
	o := &c.Override
	ttl, byStatus := c.StatusTTL.of(r.Status)
	if o.Set == 0 || !byStatus && (!heuristic(r.Status) || provoked(r.Status)) {
		return
	}
	if o.Has(DirMaxAge) {
		const kept = DirPrivate | DirPrivateFields | DirPublic | DirNoTransform | DirMustRevalidate | DirProxyRevalidate |
			DirStaleWhileRevalidate | DirStaleIfError
		if r.CC.Has(DirSMaxAge) { // it allowed sharing, RFC 9111 §3.5
			r.CC.Set |= DirPublic
		}
		r.CC.Set = r.CC.Set&kept | DirMaxAge
		r.CC.NoCacheNames = nil
		r.CC.MaxAge = o.MaxAge
		if byStatus {
			r.CC.MaxAge = ttl
		}
		r.expires, r.targeted = nil, false
	}
	if o.Has(DirStaleWhileRevalidate | DirStaleIfError) {
		r.CC.Set &^= DirMustRevalidate | DirProxyRevalidate
	}
	if o.Has(DirStaleWhileRevalidate) {
		r.CC.Set |= DirStaleWhileRevalidate
		r.CC.StaleWhileRevalidate = o.StaleWhileRevalidate
	}
	if o.Has(DirStaleIfError) {
		r.CC.Set |= DirStaleIfError
		r.CC.StaleIfError = o.StaleIfError
	}
}
