package policy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
)

// VaryOf returns the fields that a response's Vary lines name (RFC 9110 §12.5.5): lower case, sorted, each
// once, joined by commas. star is true when "*" is among them, or what cannot be a field's name: then no
// request is known to match (RFC 9111 §4.1).
func VaryOf(h tiers.Header) (vary string, star bool) {
	var names []string
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, "Vary") {
			continue
		}
		for len(v) > 0 {
			var member []byte
			member, v = cutComma(v)
			if member = tiers.TrimSpace(member); len(member) == 0 {
				continue
			}
			if string(member) == "*" || !isToken(member) {
				return "", true
			}
			names = append(names, strings.ToLower(string(member)))
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ","), false
}

// varyWithin tells whether outer names every field that inner names. Both have the form of VaryOf.
func varyWithin(inner, outer string) bool {
	for name := range strings.SplitSeq(inner, ",") {
		if name != "" && !slices.Contains(strings.Split(outer, ","), name) {
			return false
		}
	}
	return true
}

// AppendVariant appends, for each field that vary (as VaryOf made it) names, the value that the request's
// header has for it. Two requests get the same bytes exactly when the fields match (RFC 9111 §4.1): lines are
// combined, white space that the syntax allows does not count, and for the fields whose definition says so
// neither do order and case. An absent field is not an empty one. Of a field that carries credentials the bytes hold
// a keyed hash only, since they are stored.
func (c *Config) AppendVariant(dst []byte, vary string, h tiers.Header) []byte {
	for len(vary) > 0 {
		name := vary
		if i := strings.IndexByte(vary, ','); i >= 0 {
			name, vary = vary[:i], vary[i+1:]
		} else {
			vary = ""
		}
		f := formOf(name)
		mark := len(dst)
		dst = append(dst, '-') // absent
		for v, rest := nextNamed(h, name); v != nil; v, rest = nextNamed(rest, name) {
			if dst[mark] == '-' {
				dst[mark] = '='
			} else {
				dst = append(dst, ',')
			}
			if f == list {
				dst = appendMembers(dst, v)
			} else {
				dst = append(dst, v...)
			}
		}
		if dst[mark] == '=' && c.hidden(name) {
			dst = c.secret.hide(dst, mark+1)
		}
		if f >= preferences && dst[mark] == '=' {
			dst = dst[:mark+1+normalize(dst[mark+1:], f)]
		}
		dst = append(dst, '\n')
	}
	return dst
}

// nextNamed returns the value of the first line named name, nil when there is none, and what follows it. It
// is what [tiers.Header.Next] and a comparison find, without a look at the other lines' values.
func nextNamed(h tiers.Header, name string) (value []byte, rest tiers.Header) {
	for len(h) > 0 {
		line := []byte(h)
		if i := bytes.IndexByte(h, '\n'); i >= 0 {
			line, h = h[:i], h[i+1:]
		} else {
			h = nil
		}
		if n := len(name); len(line) > n && line[n] == ':' && tiers.EqualFold(line[:n], name) {
			return tiers.TrimSpace(line[n+1:]), h
		}
	}
	return nil, nil
}

// form is what is known of a request field's syntax.
type form uint8

const (
	list        form = iota // may be one, so white space around commas does not count
	singleton               // is none: a comma is a character like others
	preferences             // a list of which order, case and white space around semicolons do not count, RFC 9110 §12.5.2 to §12.5.4
	mediaRanges             // the same, but the case of parameters' values may count, §12.5.1
)

func formOf(name string) form {
	switch name {
	case "accept":
		return mediaRanges
	case "accept-charset", "accept-encoding", "accept-language":
		return preferences
	case "authorization", "cookie", "from", "host", "origin", "referer", "user-agent":
		return singleton
	}
	return list
}

// appendMembers appends a value without the white space around its commas, outside quoted strings.
func appendMembers(dst, v []byte) []byte {
	quoted := false
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case quoted && c == '\\' && i+1 < len(v):
			dst = append(dst, c)
			i++
			c = v[i]
		case c == '"':
			quoted = !quoted
		case !quoted && isSpace(c):
			end := spaceEnd(v, i)
			if i > 0 && v[i-1] != ',' && end < len(v) && v[end] != ',' {
				dst = append(dst, v[i:end]...)
			}
			i = end - 1
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// spaceEnd returns the index of the first byte from i on that is no white space, or len(v).
func spaceEnd(v []byte, i int) int {
	for i < len(v) && isSpace(v[i]) {
		i++
	}
	return i
}

// maxSorted is how many members are sorted; a longer list is compared in its own order.
const maxSorted = 32

// normalize brings a list of preferences into one order and spelling, in place, and returns its new length.
func normalize(b []byte, f form) int {
	var members [maxSorted][]byte
	count, end, inOrder := 0, 0, true
	for rest := b; len(rest) > 0; {
		rest = rest[spaceEnd(rest, 0):]
		n := plainEnd(rest)
		member := rest[:n]
		if n < len(rest) && rest[n] != ',' {
			n = memberEnd(rest)
			member = rest[:normalizeMember(rest[:n], f)]
		}
		rest = rest[min(n+1, len(rest)):]
		if len(member) == 0 {
			continue
		}
		if end > 0 {
			b[end] = ','
			end++
		}
		at := end
		end += copy(b[end:], member)
		if count < maxSorted {
			members[count] = b[at:end]
			inOrder = inOrder && (count == 0 || bytes.Compare(members[count-1], members[count]) <= 0)
		}
		count++
	}
	if !inOrder && count <= maxSorted {
		sortMembers(members[:count])
		rewrite(b, members[:count])
	}
	return end
}

// sortMembers sorts by insertion: lists are short, and mostly in somebody's order.
func sortMembers(members [][]byte) {
	for i := 1; i < len(members); i++ {
		m := members[i]
		at := i
		for at > 0 && bytes.Compare(members[at-1], m) > 0 {
			members[at] = members[at-1]
			at--
		}
		members[at] = m
	}
}

// plainEnd returns the index of the first byte that is not plain, or len(b).
func plainEnd(b []byte) int {
	for i, c := range b {
		if !plain[c] {
			return i
		}
	}
	return len(b)
}

// plain tells which bytes of a member are in their one spelling whatever stands around them.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
	}
	for _, c := range "-*/+." {
		t[c] = true
	}
	return t
}()

// memberEnd returns the index of the first comma outside quoted strings, or len(b).
func memberEnd(b []byte) int {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ',' && !quoted:
			return i
		}
	}
	return len(b)
}

// normalizeMember brings one member into one spelling, in place, and returns its new length.
func normalizeMember(m []byte, f form) int {
	n, quoted, value := 0, false, false
	for i := 0; i < len(m); i++ {
		c := m[i]
		switch {
		case quoted && c == '\\' && i+1 < len(m):
			m[n] = c
			n++
			i++
			c = m[i]
		case c == '"':
			quoted = !quoted
		case quoted:
		case isSpace(c):
			end := spaceEnd(m, i)
			if n > 0 && m[n-1] != ';' && end < len(m) && m[end] != ';' {
				n += copy(m[n:], m[i:end])
			}
			i = end - 1
			continue
		case c == ';' || c == '=':
			value = c == '='
		case f == preferences || !value:
			c = lowerByte(c)
		}
		m[n] = c
		n++
	}
	return trimWeight(m[:n])
}

// trimWeight takes what says nothing off the weight (RFC 9110 §12.4.2) at the end of a member: zeros behind
// the point, and a weight of 1. It returns the member's new length.
func trimWeight(m []byte) int {
	at := bytes.Index(m, []byte(";q="))
	if at < 0 || bytes.IndexByte(m, '"') >= 0 {
		return len(m)
	}
	if _, ok := weight(m[at+3:]); !ok {
		return len(m)
	}
	n := len(m)
	for n > at+4 && (m[n-1] == '0' || m[n-1] == '.') {
		n--
	}
	if n == at+4 && m[at+3] == '1' {
		return at
	}
	return n
}

// weight reads a qvalue, in thousandths.
func weight(b []byte) (q int, ok bool) {
	if len(b) == 0 || len(b) > 5 || b[0] != '0' && b[0] != '1' || len(b) > 1 && b[1] != '.' {
		return 0, false
	}
	q = int(b[0]-'0') * 1000
	scale := 100
	for _, c := range b[min(2, len(b)):] {
		if c < '0' || c > '9' {
			return 0, false
		}
		q += int(c-'0') * scale
		scale /= 10
	}
	return q, q <= 1000
}

// rewrite puts members, slices of list, into list in their order.
func rewrite(list []byte, members [][]byte) {
	var room [512]byte
	sorted := room[:0]
	for i, m := range members {
		if i > 0 {
			sorted = append(sorted, ',')
		}
		sorted = append(sorted, m...)
	}
	copy(list, sorted)
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
