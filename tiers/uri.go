package tiers

import (
	"slices"
	"strings"
)

// NormalURI returns the spelling of an absolute URI by which purges name it, so that two spellings of what an origin
// most likely takes for one resource are one (RFC 3986 §6.2): scheme and host in lower case, no default port, no
// fragment, no dot segments, and the parameters of the query in order, without empty ones, with no difference between an
// empty value and none. Of the rest, all but unreserved characters is percent-encoded, whether it came so or not: only an
// encoded slash is another than a plain one, and in the query "&" and the first "=" of a parameter; a plus is a space
// there. It is for purging only, where naming too much costs a miss; keys are exact. What is no absolute URI is normalised
// as far as that goes.
func NormalURI(uri string) string {
	if isNormal(uri) {
		return uri
	}
	uri, _, _ = strings.Cut(uri, "#")
	rest, query, _ := strings.Cut(uri, "?")
	scheme, rest, absolute := strings.Cut(rest, "://")
	if !absolute {
		scheme, rest = "", scheme
	}
	scheme = strings.ToLower(scheme)
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	b := make([]byte, 0, len(uri)+8)
	if absolute {
		b = append(b, scheme...)
		b = append(b, "://"...)
	}
	b = append(b, normalAuthority(scheme, authority)...)
	if path == "" {
		path = "/"
	}
	b = append(b, dotless(respelled(path, "/"))...)
	if query = normalQuery(query); query != "" {
		b = append(append(b, '?'), query...)
	}
	return string(b)
}

// isNormal tells, of most URIs that are in their normal spelling, that they are.
func isNormal(uri string) bool {
	rest, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		rest, ok = strings.CutPrefix(uri, "https://")
	}
	slash := strings.IndexByte(rest, '/')
	if !ok || slash < 0 {
		return false
	}
	for _, c := range []byte(rest[:slash]) {
		if 'A' <= c && c <= 'Z' || c == ':' || !unreserved(c) {
			return false
		}
	}
	for i := slash; i < len(rest); i++ {
		if c := rest[i]; c != '/' && (!unreserved(c) || c == '.' && rest[i-1] == '/') {
			return false
		}
	}
	return true
}

// normalAuthority leaves out user information, which no request carries, and the scheme's own port.
func normalAuthority(scheme, authority string) string {
	authority = strings.ToLower(authority[strings.LastIndexByte(authority, '@')+1:])
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.TrimSuffix(strings.TrimSuffix(authority, port), ":")
}

// NormalPath returns the spelling of an absolute path that RFC 3986 §6.2.2 makes of it: percent-encoding only where it
// is needed, but there always, in upper case, and no dot segments. An empty path is "/".
func NormalPath(path string) string {
	if path == "" {
		return "/"
	}
	return dotless(respelled(path, pathDelimiters))
}

const pathDelimiters = "/!$&'()*+,;=:@" // RFC 3986 §3.3

// pathByte tells which bytes may stand in a path as they are.
var pathByte = func() (t [256]bool) {
	for c := range t {
		t[c] = unreserved(byte(c)) || strings.IndexByte(pathDelimiters, byte(c)) >= 0
	}
	return t
}()

// IsNormalPath tells, of most paths that NormalPath does not change, that it does not.
func IsNormalPath(path []byte) bool {
	for i, c := range path {
		if !pathByte[c] || c == '.' && i > 0 && path[i-1] == '/' {
			return false
		}
	}
	return len(path) > 0
}

func dotless(path string) string {
	if strings.Contains(path, "/.") {
		return RemoveDots(path)
	}
	return path
}

// RemoveDots removes the dot segments of a path that begins with a slash (RFC 3986 §5.2.4).
func RemoveDots(path string) string {
	var kept []string
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		switch {
		case s == "..":
			kept = kept[:max(0, len(kept)-1)]
		case s != ".":
			kept = append(kept, s)
			continue
		}
		if i == len(segments)-1 {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}

// normalQuery sorts the parameters.
func normalQuery(query string) string {
	var parameters []string
	for p := range strings.SplitSeq(strings.ReplaceAll(query, "+", "%20"), "&") {
		name, value, _ := strings.Cut(p, "=")
		p = respelled(name, "")
		if value != "" {
			p += "=" + respelled(value, "")
		}
		if p != "" {
			parameters = append(parameters, p)
		}
	}
	slices.Sort(parameters)
	return strings.Join(parameters, "&")
}

// respelled returns s with all bytes percent-encoded, in upper case, but unreserved ones (RFC 3986 §2.3) and those of the
// delimiters that came as they are. A percent sign that begins no encoding stands for itself.
func respelled(s, delimiters string) string {
	asIs := func(c byte) bool { return unreserved(c) || strings.IndexByte(delimiters, c) >= 0 }
	at := 0
	for at < len(s) && asIs(s[at]) {
		at++
	}
	if at == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)+16), s[:at]...)
	for ; at < len(s); at++ {
		c, plain := s[at], asIs(s[at])
		if c == '%' && at+2 < len(s) {
			if high, low := HexValue(s[at+1]), HexValue(s[at+2]); high >= 0 && low >= 0 {
				c = byte(high<<4 | low)
				plain = unreserved(c)
				at += 2
			}
		}
		if plain {
			b = append(b, c)
			continue
		}
		const digits = "0123456789ABCDEF"
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return string(b)
}

func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// HexValue returns the value of a hexadecimal digit, or -1.
func HexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
