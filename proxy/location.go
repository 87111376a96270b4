package proxy

import (
	"bytes"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// appendMapped appends the field lines of h, with Location mapped to the client's view.
func (x *exchange) appendMapped(h tiers.Header) {
	if !x.h.Config.RewriteLocation || !h.Has("Location") {
		x.out = append(x.out, h...)
		return
	}
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, "Location") {
			v = x.mapLocation(v)
		}
		x.out = x.out.AppendLine(n, v)
	}
}

// shown returns the field lines that clients may see: h, without its tags where they are hidden.
func (x *exchange) shown(h tiers.Header) tiers.Header {
	if x.policy == nil || x.policy.TagHeadersForward {
		return h
	}
	out := make(tiers.Header, 0, len(h))
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if !x.policy.HidesTags(n) {
			out = out.AppendLine(n, v)
		}
	}
	return out
}

// mapLocation turns a reference to the upstream's own origin into one that leads through this proxy. A
// reference to anywhere else, also to a path outside the upstream's base path, stays as it is.
func (x *exchange) mapLocation(ref []byte) []byte {
	up := &x.h.Upstream.URL
	path := ref
	absolute := true
	switch rest, isHTTP := cutHTTPScheme(ref); {
	case isHTTP:
		if !bytes.HasPrefix(bytes.ToLower(ref), []byte(up.Scheme()+"://")) {
			return ref
		}
		path = rest
	case bytes.HasPrefix(ref, []byte("//")):
		path = ref[2:]
	case len(ref) > 0 && ref[0] == '/':
		absolute = false
	default:
		return ref
	}
	if absolute {
		end := bytes.IndexAny(path, "/?#")
		if end < 0 {
			end = len(path)
		}
		if !x.isUpstream(up.Scheme(), string(path[:end])) {
			return ref
		}
		path = path[end:]
	}
	base := up.Base()
	if !bytes.HasPrefix(path, []byte(base)) {
		return ref
	}
	path = path[len(base):]
	if base != "" && len(path) > 0 && !bytes.ContainsRune([]byte("/?#"), rune(path[0])) {
		return ref // /basement is not below /base
	}
	if len(path) == 0 || path[0] != '/' {
		path = append([]byte("/"), path...)
	}
	if !absolute || len(x.host) == 0 {
		return path
	}
	return append(append([]byte("http://"), x.host...), path...)
}

// isUpstream tells whether a reference with this scheme (none is the upstream's) and authority means the upstream: by its
// URL, or by the Host that it is sent, under which it may be known by either scheme.
func (x *exchange) isUpstream(scheme, authority string) bool {
	h := x.h
	if scheme == "" {
		scheme = h.Upstream.URL.Scheme()
	}
	shown := h.hostName
	if h.preserveHost {
		shown = string(x.host)
	}
	switch {
	case scheme != "http" && scheme != "https":
		return false
	case shown != "" && upstream.SameAuthority(scheme, authority, shown):
		return true
	}
	return scheme == h.Upstream.URL.Scheme() && h.Upstream.URL.IsAuthority(authority)
}
