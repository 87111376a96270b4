package policy

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
)

// maxParameters bounds the query parameters that are looked at. A query with more is in the Key as it was sent.
const maxParameters = 64

// AppendTarget appends a request target, a path and perhaps a query, as it belongs into a Key: byte for byte, but for
// the query parameters that KEY_IGNORE_PARAMS names, and the order of those that differ in name where KEY_SORT_QUERY is on.
func (c *Config) AppendTarget(dst, target []byte) []byte {
	if !c.SortQuery && len(c.IgnoreParams) == 0 {
		return append(dst, target...)
	}
	at := bytes.IndexByte(target, '?')
	if at < 0 || bytes.Count(target[at:], []byte("&")) >= maxParameters {
		return append(dst, target...)
	}
	var room [maxParameters][]byte
	kept := room[:0]
	ignored := false
	for query, more := target[at+1:], true; more; {
		var p []byte
		p, query, more = bytes.Cut(query, []byte("&"))
		if c.ignores(nameOf(p)) {
			ignored = true
			continue
		}
		kept = append(kept, p)
	}
	if c.SortQuery {
		sortParameters(kept)
	}
	dst = append(dst, target[:at]...)
	if len(kept) == 0 && ignored {
		return dst
	}
	for i, p := range kept {
		if i == 0 {
			dst = append(dst, '?')
		} else {
			dst = append(dst, '&')
		}
		dst = append(dst, p...)
	}
	return dst
}

// ParameterNames checks that each of names is a query parameter's, as it is when decoded, perhaps with "*" behind it.
func ParameterNames(variable string, names []string) error {
	for _, name := range names {
		if name == "" || strings.Contains(strings.TrimSuffix(name, "*"), "*") || strings.ContainsAny(name, "&=%#") {
			return fmt.Errorf("%s: %q is no parameter name, want names such as fbclid or utm_*, not encoded, separated by commas", variable, name)
		}
	}
	return nil
}

func nameOf(parameter []byte) []byte {
	name, _, _ := bytes.Cut(parameter, []byte("="))
	return name
}

// ignores tells whether KEY_IGNORE_PARAMS names the parameter; a name that ends on "*" stands for all that begin so.
func (c *Config) ignores(name []byte) bool {
	for _, pattern := range c.IgnoreParams {
		if matchesName(pattern, name) {
			return true
		}
	}
	return false
}

func matchesName(pattern string, name []byte) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	rest, ok := cutDecoded(name, prefix)
	return ok && (open || len(rest) == 0)
}

// cutDecoded takes what is prefix, when decoded, off the front of name.
func cutDecoded(name []byte, prefix string) (rest []byte, ok bool) {
	for i := range len(prefix) {
		b, rest, ok := nextDecoded(name)
		if !ok || b != prefix[i] {
			return nil, false
		}
		name = rest
	}
	return name, true
}

// sortParameters sorts by name, as the origin reads it; those of one name keep their order, which may mean something.
// It is an insertion sort: queries are short and mostly in order.
func sortParameters(list [][]byte) {
	for i := 1; i < len(list); i++ {
		p := list[i]
		at := i
		for at > 0 && compareNames(nameOf(list[at-1]), nameOf(p)) > 0 {
			list[at] = list[at-1]
			at--
		}
		list[at] = p
	}
}

// compareNames orders two names by the bytes that they mean.
func compareNames(a, b []byte) int {
	for {
		x, restA, okA := nextDecoded(a)
		y, restB, okB := nextDecoded(b)
		switch {
		case !okA && !okB:
			return 0
		case !okA:
			return -1
		case !okB:
			return 1
		case x != y:
			return int(x) - int(y)
		}
		a, b = restA, restB
	}
}

// nextDecoded takes the first byte off what application/x-www-form-urlencoded has encoded.
func nextDecoded(b []byte) (c byte, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	if b[0] == '+' {
		return ' ', b[1:], true
	}
	if b[0] == '%' && len(b) > 2 {
		high, low := tiers.HexValue(b[1]), tiers.HexValue(b[2])
		if high >= 0 && low >= 0 {
			return byte(high<<4 | low), b[3:], true
		}
	}
	return b[0], b[1:], true
}
