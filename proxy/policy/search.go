package policy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"

	"github.com/nearside-cache/nearside/tiers"
)

// Search is what a response says of its target's query (No-Vary-Search, draft-ietf-httpbis-no-vary-search): which
// differences between two queries do not matter to it. The zero Search says that all do.
type Search struct {
	said     bool
	anyOrder bool     // differently named parameters may come in any order
	except   bool     // names are those that matter; else those that do not
	names    []string // decoded
}

// SearchOf reads the No-Vary-Search lines of a response. One that does not parse, has members of the wrong type, or both
// params and except, is as good as absent; so is one that says nothing.
func SearchOf(h tiers.Header) (s Search) {
	var lines []string
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, "No-Vary-Search") {
			lines = append(lines, string(v))
		}
	}
	if len(lines) == 0 {
		return s
	}
	dict, err := httpsfv.UnmarshalDictionary(lines)
	if err != nil {
		return s
	}
	var params, except bool
	for _, name := range dict.Names() {
		member, _ := dict.Get(name)
		ok := true
		switch name {
		case "key-order":
			s.anyOrder, ok = isTrue(member)
		case "params":
			params = true
			s.names, ok = stringsOf(member)
		case "except":
			except = true
			s.names, ok = stringsOf(member)
		}
		if !ok {
			return Search{}
		}
	}
	if params && except {
		return Search{}
	}
	s.except = except
	s.said = s.anyOrder || except || len(s.names) > 0
	return s
}

// isTrue reads a boolean.
func isTrue(m httpsfv.Member) (value, ok bool) {
	item, single := m.(httpsfv.Item)
	if !single {
		return false, false
	}
	value, ok = item.Value.(bool)
	return value, ok
}

// stringsOf reads an inner list of strings.
func stringsOf(m httpsfv.Member) (list []string, ok bool) {
	inner, ok := m.(httpsfv.InnerList)
	if !ok {
		return nil, false
	}
	for _, item := range inner.Items {
		s, ok := item.Value.(string)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// Said tells whether any difference does not matter.
func (s *Search) Said() bool { return s.said }

// AppendQuery appends a query as s sees it: two queries give the same bytes exactly when they differ in nothing that
// matters. It allocates nothing for queries of the usual size. They are compared as application/x-www-form-urlencoded has them: decoded, and without empty pieces.
func (s *Search) AppendQuery(dst, query []byte) []byte {
	var room [maxParameters][]byte
	kept := room[:0]
	for more := true; more; {
		var p []byte
		p, query, more = bytes.Cut(query, []byte("&"))
		if len(p) > 0 && s.matters(nameOf(p)) {
			kept = append(kept, p)
		}
	}
	if s.anyOrder {
		sortParameters(kept)
	}
	for i, p := range kept {
		if i > 0 {
			dst = append(dst, '&')
		}
		name, value, _ := bytes.Cut(p, []byte("="))
		dst = appendEncoded(append(appendEncoded(dst, name), '='), value)
	}
	return dst
}

func (s *Search) matters(name []byte) bool {
	listed := slices.ContainsFunc(s.names, func(want string) bool {
		rest, ok := cutDecoded(name, want)
		return ok && len(rest) == 0
	})
	return listed == s.except
}

// appendEncoded appends what b means, in one spelling.
func appendEncoded(dst, b []byte) []byte {
	const digits, plain = "0123456789ABCDEF", "-._~"
	for {
		c, rest, ok := nextDecoded(b)
		switch {
		case !ok:
			return dst
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', strings.IndexByte(plain, c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
		b = rest
	}
}
