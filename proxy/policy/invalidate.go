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

// Invalidated returns the URIs besides target that the answer to a successful unsafe request invalidates (RFC
// 9111 §4.4): those in Location and Content-Location that have the origin of target, an absolute URI. They are
// spelt as keys are, with target's scheme and authority, and as the answer has the rest.
func Invalidated(target string, h tiers.Header) (uris []string) {
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, "Location") && !tiers.EqualFold(n, "Content-Location") {
			continue
		}
		if uri, ok := resolve(target, string(v)); ok && uri != target && !slices.Contains(uris, uri) {
			uris = append(uris, uri)
		}
	}
	return uris
}

// NewEntryOfPost makes the stored response that GET and HEAD get, for r, the answer to a POST request to
// target (RFC 9110 §9.3.3): it must give its lifetime, and be what target is now, by an equal
// Content-Location. For the rest it is as NewEntry. What is stored for target is invalid all the same, and to
// be removed before.
func (c *Config) NewEntryOfPost(method []byte, target string, req *Request, header tiers.Header, r *Response, t Times) (*tiers.Entry, Reason) {
	location, _ := r.Header.Get("Content-Location")
	uri, ok := resolve(target, string(location))
	_, lifetime := r.explicitLifetime(t.Wall)
	switch {
	case string(method) != "POST" || req.Is(Unkeyed):
		return nil, ReasonMethod
	case r.Status != 200 || len(location) == 0 || !ok || uri != target:
		return nil, ReasonMethod
	case !lifetime:
		return nil, ReasonNoFreshness
	}
	get := *req
	get.Method = Get
	return c.NewEntry(&get, header, r, t)
}

// resolve returns the URI that ref means in relation to target (RFC 3986 §5.2), without its fragment, when both
// have one origin. Nothing is decoded or encoded, so that it compares with keys.
func resolve(target, ref string) (uri string, ok bool) {
	scheme, rest, ok := strings.Cut(target, "://")
	authority, path := cutAuthority(rest)
	if !ok || scheme != "http" && scheme != "https" || authority == "" {
		return "", false
	}
	ref, _, _ = strings.Cut(ref, "#")
	if s, after, has := strings.Cut(ref, ":"); has && !strings.ContainsAny(s, "/?") {
		if !strings.EqualFold(s, scheme) || !strings.HasPrefix(after, "//") {
			return "", false
		}
		ref = after
	}
	if after, has := strings.CutPrefix(ref, "//"); has {
		var other string
		if other, ref = cutAuthority(after); !sameAuthority(scheme, authority, other) {
			return "", false
		}
		if ref == "" || ref[0] == '?' {
			ref = "/" + ref
		}
	}
	return scheme + "://" + authority + merge(path, ref), true
}

// cutAuthority splits off what stands before the path.
func cutAuthority(s string) (authority, rest string) {
	if i := strings.IndexAny(s, "/?"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// sameAuthority tells whether two authorities are of one origin (RFC 9110 §4.3.1): a port that is the scheme's
// may be left out.
func sameAuthority(scheme, a, b string) bool {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	bare := func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, port), ":") }
	return strings.EqualFold(bare(a), bare(b))
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
