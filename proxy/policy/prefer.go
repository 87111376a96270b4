package policy

import (
	"bytes"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
)

// Suits tells whether e is what a request with these fields asks for by quality value, although its fields
// are not those that e was selected by. It looks at each field that e varies on: it matches (RFC 9111 §4.1),
// or it is Accept-Language or Accept-Encoding and nothing is liked better than the Content-Language or
// Content-Encoding that e has. §4.1 does not allow such a selection by itself: the origin may choose
// otherwise. So it is for VARY_SELECT only.
func (c *Config) Suits(e *tiers.Entry, header tiers.Header) bool {
	variant := e.Variant
	for name := range strings.SplitSeq(e.Vary, ",") {
		var line string
		line, variant, _ = strings.Cut(variant, "\n")
		if e.Vary == "" || string(c.AppendVariant(nil, name, header)) == line+"\n" {
			continue
		}
		switch name {
		case "accept-language":
			if !likesBest(header, name, "Content-Language", e.Header, languageRange) {
				return false
			}
		case "accept-encoding":
			if !likesBest(header, name, "Content-Encoding", e.Header, sameCoding) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// likesBest tells whether the request's field accept gives the highest of its quality values, and not 0, to
// the one value of the response's field content. match tells how closely a member of accept matches it, 0
// when not at all.
func likesBest(request tiers.Header, accept, content string, response tiers.Header, match func(member, value []byte) int) bool {
	value, ok := oneValue(response, content)
	if !ok {
		return false
	}
	best, own, closest := 0, 0, 0
	for n, v, rest := request.Next(); n != nil; n, v, rest = rest.Next() {
		for tiers.EqualFold(n, accept) && len(v) > 0 {
			var member []byte
			member, v = cutComma(v)
			name, q := preference(member)
			best = max(best, q)
			if m := match(name, value); m > closest {
				own, closest = q, m
			}
		}
	}
	if closest == 0 { // RFC 9110 §12.5.3: what has no coding is acceptable unless it is excluded, if nothing is liked better
		return best == 0 && len(value) == 0 && content == "Content-Encoding"
	}
	return own > 0 && own == best
}

// oneValue returns the value of a field that has one member, or is absent; ok is false when it has more.
func oneValue(h tiers.Header, name string) (value []byte, ok bool) {
	lines := 0
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, name) {
			value, lines = v, lines+1
		}
	}
	return value, lines < 2 && bytes.IndexByte(value, ',') < 0
}

// preference splits a member of a list of preferences into what it names and its weight in thousandths (RFC
// 9110 §12.4.2). A weight that is none counts as 0.
func preference(member []byte) (name []byte, q int) {
	name, params, _ := bytes.Cut(member, []byte{';'})
	q = 1000
	for len(params) > 0 {
		var param []byte
		param, params, _ = bytes.Cut(params, []byte{';'})
		if param = tiers.TrimSpace(param); len(param) > 1 && param[0]|0x20 == 'q' && param[1] == '=' {
			q, _ = weight(param[2:])
		}
	}
	return tiers.TrimSpace(name), q
}

// languageRange is basic filtering (RFC 4647 §3.3.1): the longer the range, the closer.
func languageRange(r, tag []byte) int {
	switch {
	case len(tag) == 0 || len(r) == 0:
		return 0
	case string(r) == "*":
		return 1
	case len(r) <= len(tag) && bytes.EqualFold(r, tag[:len(r)]) && (len(r) == len(tag) || tag[len(r)] == '-'):
		return 1 + len(r)
	}
	return 0
}

// sameCoding compares content codings (RFC 9110 §8.4.1); no coding goes by the name of identity.
func sameCoding(member, coding []byte) int {
	if len(coding) == 0 {
		coding = []byte("identity")
	}
	plain := func(b []byte) []byte {
		if len(b) > 2 && bytes.EqualFold(b[:2], []byte("x-")) {
			return b[2:]
		}
		return b
	}
	switch {
	case string(member) == "*":
		return 1
	case len(member) > 0 && bytes.EqualFold(plain(member), plain(coding)):
		return 2
	}
	return 0
}
