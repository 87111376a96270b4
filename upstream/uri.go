package upstream

import (
	"net/url"
	"strings"
)

// Prefix returns the part of the target URI (RFC 9110 §7.1) that all requests to the origin share: scheme,
// authority and base path. It holds no space. Two configurations with the same Prefix mean the same origin; a socket's path is
// escaped into the authority.
func (u URL) Prefix() string {
	if u.network == "unix" {
		return "http+unix://" + url.PathEscape(u.address)
	}
	return u.Scheme() + "://" + strings.ToLower(u.authority) + u.base
}

// Scheme returns "http" or "https".
func (u URL) Scheme() string {
	if u.tls {
		return "https"
	}
	return "http"
}

// Base returns the path in front of every target; it is empty or begins with "/", and never ends in one.
func (u URL) Base() string { return u.base }

// IsAuthority tells whether authority, as it stands in a reference with the URL's scheme, means the origin.
func (u URL) IsAuthority(authority string) bool {
	return SameAuthority(u.Scheme(), authority, u.authority)
}

// SameAuthority tells whether two authorities are of one origin (RFC 9110 §4.3.1): the same host in any case, and the
// same port, which may be left out where it is the scheme's own.
func SameAuthority(scheme, a, b string) bool {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	bare := func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, port), ":") }
	return strings.EqualFold(bare(a), bare(b))
}
