package policy

import (
	"bytes"

	"github.com/nearside-cache/nearside/tiers"
)

// etagMatch tells whether list, the value of If-None-Match, is "*" or has a member that is tag by weak
// comparison (RFC 9110 §13.1.2). tag may be empty: then only "*" matches.
func etagMatch(list, tag []byte) bool {
	list = tiers.TrimSpace(list)
	if len(list) == 1 && list[0] == '*' {
		return true
	}
	for len(list) > 0 {
		var member []byte
		member, list = nextETag(list)
		if len(tag) > 0 && weakMatch(member, tag) {
			return true
		}
	}
	return false
}

// nextETag splits off the first member of a list of entity tags. Commas inside a tag do not end it. Some
// clients send tags without quotes; such a member is taken as it stands, up to the next comma.
func nextETag(b []byte) (tag, rest []byte) {
	for len(b) > 0 && (b[0] == ',' || isSpace(b[0])) {
		b = b[1:]
	}
	open := len(b) - len(opaque(b))
	if open < len(b) && b[open] == '"' {
		if end := bytes.IndexByte(b[open+1:], '"'); end >= 0 {
			end += open + 2
			return b[:end], b[end:]
		}
	}
	tag, rest = cutComma(b)
	return tiers.TrimSpace(tag), rest
}

// opaque returns an entity tag without the mark of a weak one, which is case-sensitive (RFC 9110 §8.8.3).
func opaque(tag []byte) []byte {
	if len(tag) > 2 && tag[0] == 'W' && tag[1] == '/' && tag[2] == '"' {
		return tag[2:]
	}
	return tag
}

// isStrong tells whether tag is a strong entity tag: what has no quotes is no entity tag, and not trusted as
// one.
func isStrong(tag []byte) bool {
	return len(tag) >= 2 && tag[0] == '"' && bytes.IndexByte(tag[1:], '"') == len(tag)-2
}

// weakMatch and strongMatch compare entity tags (RFC 9110 §8.8.3.2).
func weakMatch(a, b []byte) bool { return bytes.Equal(opaque(a), opaque(b)) }

func strongMatch(a, b []byte) bool { return isStrong(a) && bytes.Equal(a, b) }
