package upstream

import "bytes"

// tokenBytes and valueBytes are the bytes of a field name and of a field
// value (RFC 9110 §5.1, §5.5): no CR, no LF, no NUL, no other control but tab.
var tokenBytes, valueBytes = func() (token, value [256]bool) {
	for c := '0'; c <= 'z'; c++ {
		token[c] = c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a'
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		token[c] = true
	}
	for c := range value {
		value[c] = c >= ' ' && c != 0x7f || c == '\t'
	}
	return
}()

func all(set *[256]bool, b []byte) bool {
	for _, c := range b {
		if !set[c] {
			return false
		}
	}
	return true
}

func isToken(b []byte) bool { return len(b) > 0 && all(&tokenBytes, b) }

// equalFold compares a field name with a lower-case one.
func equalFold(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// trim removes optional whitespace (RFC 9110 §5.6.3).
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return trimRight(b)
}

func trimRight(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// cutField takes the first field line off b and returns the line's length
// with its CRLF. It is not ok unless the line can be sent as it is: obs-fold,
// whitespace before the colon, a bare CR or LF all end here (RFC 9112 §5).
func cutField(b []byte) (name, value []byte, size int, ok bool) {
	lf := bytes.IndexByte(b, '\n')
	if lf < 1 || b[lf-1] != '\r' {
		return nil, nil, 0, false
	}
	line := b[:lf-1]
	colon := bytes.IndexByte(line, ':')
	if colon < 1 || !all(&tokenBytes, line[:colon]) || !all(&valueBytes, line[colon+1:]) {
		return nil, nil, 0, false
	}
	return line[:colon], trim(line[colon+1:]), lf + 1, true
}

// hopByHop reports whether a field is about one connection only, whatever
// Connection says (RFC 9110 §7.6.1), or is spent by the first proxy that
// receives it (§11.7).
func hopByHop(name []byte) bool {
	switch len(name) {
	case 2:
		return equalFold(name, "te")
	case 7:
		return equalFold(name, "upgrade") || equalFold(name, "trailer")
	case 10:
		return equalFold(name, "connection") || equalFold(name, "keep-alive")
	case 14:
		return equalFold(name, "http2-settings")
	case 16:
		return equalFold(name, "proxy-connection")
	case 17:
		return equalFold(name, "transfer-encoding")
	case 18:
		return equalFold(name, "proxy-authenticate")
	case 19:
		return equalFold(name, "proxy-authorization")
	case 25:
		return equalFold(name, "proxy-authentication-info")
	}
	return false
}

// named collects what Connection fields name, for removal. Options that are
// removed anyway take no room. The room is bounded because every name is
// compared with every field: a sender must not choose both numbers.
type named struct {
	list [32][]byte
	n    int
}

// add takes the value of one Connection field; false means too many names.
func (s *named) add(value []byte) bool {
	for len(value) > 0 {
		option, rest, _ := bytes.Cut(value, []byte{','})
		value = rest
		option = trim(option)
		if len(option) == 0 || equalFold(option, "close") || hopByHop(option) {
			continue
		}
		if s.n == len(s.list) {
			return false
		}
		s.list[s.n] = option
		s.n++
	}
	return true
}

func (s *named) has(name []byte) bool {
	for _, option := range s.list[:s.n] {
		if bytes.EqualFold(option, name) {
			return true
		}
	}
	return false
}

// drop removes the named fields from the field lines b[from:], in place.
func (s *named) drop(b []byte, from int) []byte {
	if s.n == 0 {
		return b
	}
	kept := b[:from]
	for rest := b[from:]; len(rest) > 0; {
		name, _, size, _ := cutField(rest)
		if !s.has(name) {
			kept = append(kept, rest[:size]...)
		}
		rest = rest[size:]
	}
	return kept
}
