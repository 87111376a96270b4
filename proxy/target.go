package proxy

import "bytes"

// target is a request target (RFC 9112 §3.2), taken apart as far as a proxy must.
type target struct {
	raw       []byte // what goes upstream behind the base path: "/path?query", or "*"
	authority []byte // of the absolute-form, which replaces Host; nil otherwise
}

// parseTarget reads a request target in origin-form, absolute-form or, for OPTIONS, asterisk-form. Nothing
// is decoded or normalised. ok is false for what none of them allows.
func parseTarget(method, uri []byte) (t target, ok bool) {
	if bytes.IndexByte(uri, '#') >= 0 {
		return t, false
	}
	if len(uri) > 0 && uri[0] == '/' {
		return target{raw: uri}, true
	}
	options := string(method) == "OPTIONS"
	if len(uri) == 1 && uri[0] == '*' {
		return target{raw: uri}, options
	}
	rest, ok := cutHTTPScheme(uri)
	if !ok {
		return t, false
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	t = target{raw: rest[end:], authority: rest[:end]}
	switch {
	case len(t.authority) == 0, bytes.IndexByte(t.authority, '@') >= 0:
		return t, false
	case len(t.raw) == 0 && options: // §3.2.4
		t.raw = []byte("*")
	case len(t.raw) == 0:
		t.raw = []byte("/")
	case t.raw[0] == '?':
		t.raw = append([]byte("/"), t.raw...)
	}
	return t, true
}

// cutHTTPScheme cuts http:// or https:// off, in any case.
func cutHTTPScheme(uri []byte) (rest []byte, ok bool) {
	scheme, rest, found := bytes.Cut(uri, []byte("://"))
	return rest, found && (bytes.EqualFold(scheme, []byte("http")) || bytes.EqualFold(scheme, []byte("https")))
}
