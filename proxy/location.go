package proxy

import (
	"bytes"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
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
		if !x.isUpstream(string(path[:end])) {
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

// isUpstream tells whether authority means the upstream: by its URL, or by the Host that it is sent.
func (x *exchange) isUpstream(authority string) bool {
	switch {
	case x.h.preserveHost && strings.EqualFold(authority, string(x.host)),
		x.h.hostName != "" && strings.EqualFold(authority, x.h.hostName):
		return true
	}
	return x.h.Upstream.URL.IsAuthority(authority)
}
