package policy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
)

// VaryOf returns the fields that a response's Vary lines name (RFC 9110 §12.5.5): lower case, sorted, each
// once, joined by commas. star is true when "*" is among them.
func VaryOf(h tiers.Header) (vary string, star bool) {
	var names []string
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, "Vary") {
			continue
		}
		for len(v) > 0 {
			var member []byte
			member, v = cutComma(v)
			if member = tiers.TrimSpace(member); len(member) > 0 {
				names = append(names, strings.ToLower(string(member)))
			}
		}
	}
	if slices.Contains(names, "*") {
		return "", true
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ","), false
}

// AppendVariant appends, for each field that vary (as VaryOf made it) names, the value that the request's
// header has for it. Two requests get the same bytes exactly when the fields match (RFC 9111 §4.1): lines
// are combined, white space around members does not count, and for the fields whose syntax says so neither
// do order and case. An absent field is not an empty one.
func AppendVariant(dst []byte, vary string, h tiers.Header) []byte {
	for name := range strings.SplitSeq(vary, ",") {
		mark := len(dst)
		dst = append(dst, '-') // absent
		for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
			if !tiers.EqualFold(n, name) {
				continue
			}
			if dst[mark] == '-' {
				dst[mark] = '='
			} else {
				dst = append(dst, ',')
			}
			dst = appendMembers(dst, v)
		}
		if listOfPreferences(name) && dst[mark] == '=' {
			dst = dst[:mark+1+len(sortMembers(dst[mark+1:]))]
		}
		dst = append(dst, '\n')
	}
	return dst
}

// appendMembers appends a value without the white space around its commas, outside quoted strings.
func appendMembers(dst, v []byte) []byte {
	quoted := false
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case quoted && c == '\\' && i+1 < len(v):
			dst = append(dst, c, v[i+1])
			i++
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && isSpace(c) && besideComma(v, i):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// besideComma tells whether the white space at v[i] has a comma, or v's end, on one side of it.
func besideComma(v []byte, i int) bool {
	l, r := i, i
	for l >= 0 && isSpace(v[l]) {
		l--
	}
	for r < len(v) && isSpace(v[r]) {
		r++
	}
	return l < 0 || r == len(v) || v[l] == ',' || v[r] == ','
}

// listOfPreferences names the fields whose members are case-insensitive and unordered, and whose white
// space around semicolons means nothing (RFC 9110 §12.5.1 to §12.5.4).
func listOfPreferences(name string) bool {
	switch name {
	case "accept", "accept-charset", "accept-encoding", "accept-language":
		return true
	}
	return false
}

// maxSorted is how many members are sorted; a longer list is compared as it stands.
const maxSorted = 32

// sortMembers appends nothing: it brings the list of preferences in list into one order and spelling, in
// place, and returns what is left of it. A list with quoted strings, which only parameters of Accept can
// hold, is left as it is.
func sortMembers(list []byte) []byte {
	if bytes.IndexByte(list, '"') >= 0 {
		return list
	}
	n := 0
	for _, c := range list {
		if !isSpace(c) {
			list[n] = lowerByte(c)
			n++
		}
	}
	list = list[:n]
	var members [maxSorted][]byte
	count := 0
	for rest := list; len(rest) > 0; {
		var m []byte
		if m, rest = cutComma(rest); len(m) == 0 {
			continue
		}
		if count == maxSorted {
			return list
		}
		at := count
		for at > 0 && bytes.Compare(members[at-1], m) > 0 {
			members[at] = members[at-1]
			at--
		}
		members[at] = m
		count++
	}
	if count < 2 {
		return bytes.Trim(list, ",")
	}
	return rewrite(list, members[:count])
}

// rewrite puts members, slices of list, into list in their order.
func rewrite(list []byte, members [][]byte) []byte {
	var room [512]byte
	sorted := room[:0]
	for i, m := range members {
		if i > 0 {
			sorted = append(sorted, ',')
		}
		sorted = append(sorted, m...)
	}
	return list[:copy(list, sorted)]
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
