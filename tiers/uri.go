package tiers

import (
	"slices"
	"strings"
)

// NormalURI returns the spelling of an absolute http or https URI by which purges name it, so that two spellings of
// what an origin most likely takes for one resource are one (RFC 3986 §6.2): scheme and host in lower case, no default
// port, no fragment, percent-encoding only where it is needed and in upper case, no dot segments, and the parameters of
// the query in order, without empty ones, a space as %20. It is for purging only, where naming too much costs a miss;
// keys are exact. What is no absolute URI is normalised as far as that goes.
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
	b = append(b, NormalPath(path)...)
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
// is needed and in upper case, and no dot segments. An empty path is "/".
func NormalPath(path string) string {
	if path == "" {
		return "/"
	}
	if strings.IndexByte(path, '%') >= 0 {
		path = normalPercent(path)
	}
	if strings.Contains(path, "/.") {
		path = RemoveDots(path)
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
	if query == "" {
		return ""
	}
	parameters := strings.Split(normalPercent(strings.ReplaceAll(query, "+", "%20")), "&")
	parameters = slices.DeleteFunc(parameters, func(s string) bool { return s == "" })
	slices.Sort(parameters)
	return strings.Join(parameters, "&")
}

// normalPercent decodes what need not be encoded (RFC 3986 §2.3), and writes the rest in upper case. A percent sign
// that begins no encoding is encoded.
func normalPercent(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		high, low := -1, -1
		if s[i] == '%' && i+2 < len(s) {
			high, low = HexValue(s[i+1]), HexValue(s[i+2])
		}
		if high < 0 || low < 0 {
			if b = append(b, s[i]); s[i] == '%' {
				b = append(b, "25"...)
			}
			continue
		}
		i += 2
		if c := byte(high<<4 | low); unreserved(c) {
			b = append(b, c)
			continue
		}
		const digits = "0123456789ABCDEF"
		b = append(b, '%', digits[high], digits[low])
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
