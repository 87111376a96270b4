package policy

import (
	"slices"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
)

// Invalidates tells whether the answer to a request of this class ends what is stored for its target (RFC 9111
// §4.4): the method may have changed something, and the origin reports no error.
func Invalidates(m Method, status int) bool {
	return m == Unsafe && 200 <= status && status <= 399
}

// Own tells whether an absolute reference with this scheme and authority is to the origin that the reference comes from. The
// scheme is in lower case; it is empty where it is that of the request.
type Own func(scheme, authority string) bool

// Invalidated returns the targets besides target that the answer to a successful unsafe request invalidates (RFC 9111
// §4.4): those in Location and Content-Location that are of the same origin. Targets are paths, perhaps with a query, as
// the origin has them; they are spelt as the answer has them.
func Invalidated(target string, own Own, h tiers.Header) (targets []string) {
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, "Location") && !tiers.EqualFold(n, "Content-Location") {
			continue
		}
		if t, ok := resolve(target, string(v), own); ok && t != target && !slices.Contains(targets, t) {
			targets = append(targets, t)
		}
	}
	return targets
}

// NewEntryOfPost makes the stored response that GET and HEAD get, for r, the answer to a POST request to
// target (RFC 9110 §9.3.3), as for Invalidated: it must give its lifetime, and be what target is now, by an equal
// Content-Location. For the rest it is as NewEntry. What is stored for target is invalid all the same, and to
// be removed before.
func (c *Config) NewEntryOfPost(method []byte, target string, own Own, req *Request, header tiers.Header, r *Response, t Times) (*tiers.Entry, Reason) {
	location, _ := r.Header.Get("Content-Location")
	located, ok := resolve(target, string(location), own)
	_, lifetime := r.explicitLifetime(t.Wall)
	switch {
	case string(method) != "POST" || req.Is(Unkeyed):
		return nil, ReasonMethod
	case r.Status != 200 || len(location) == 0 || !ok || located != target:
		return nil, ReasonMethod
	case !lifetime:
		return nil, ReasonNoFreshness
	}
	get := *req
	get.Method = Get
	return c.NewEntry(&get, header, r, t)
}

// resolve returns the target that ref means in relation to target (RFC 3986 §5.2), without its fragment, when both
// have one origin. Nothing is decoded or encoded, so that it compares with keys.
func resolve(target, ref string, own Own) (resolved string, ok bool) {
	ref, _, _ = strings.Cut(ref, "#")
	scheme, after, absolute := strings.Cut(ref, ":")
	if absolute = absolute && !strings.ContainsAny(scheme, "/?"); absolute {
		ref = after
	} else {
		scheme = ""
	}
	after, has := strings.CutPrefix(ref, "//")
	if has {
		var authority string
		if authority, ref = cutAuthority(after); authority == "" || !own(strings.ToLower(scheme), authority) {
			return "", false
		}
		if ref == "" || ref[0] == '?' {
			ref = "/" + ref
		}
	}
	return merge(target, ref), has || !absolute
}

// cutAuthority splits off what stands before the path.
func cutAuthority(s string) (authority, rest string) {
	if i := strings.IndexAny(s, "/?"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// merge resolves ref, a path and query, in relation to base, the same (RFC 3986 §5.2.2 to §5.2.4).
func merge(base, ref string) string {
	path, query, _ := strings.Cut(base, "?")
	if path == "" {
		path = "/"
	}
	switch {
	case ref == "" && query != "":
		return path + "?" + query
	case ref == "":
		return path
	case ref[0] == '?':
		return path + ref
	case ref[0] != '/':
		ref = path[:strings.LastIndexByte(path, '/')+1] + ref
	}
	path, query, found := strings.Cut(ref, "?")
	path = tiers.RemoveDots(path)
	if found {
		path += "?" + query
	}
	return path
}
