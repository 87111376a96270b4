package policy

import (
	"bytes"

	"github.com/nearside-cache/nearside/tiers"
)

// etagMatch tells whether list, the value of If-None-Match, is "*" or has a member that is tag by weak
// comparison (RFC 9110 §8.8.3.2). tag may be empty: then only "*" matches.
func etagMatch(list, tag []byte) bool {
	list = tiers.TrimSpace(list)
	if len(list) == 1 && list[0] == '*' {
		return true
	}
	want := opaque(tag)
	for len(list) > 0 {
		var member []byte
		member, list = nextETag(list)
		if len(want) > 0 && bytes.Equal(opaque(member), want) {
			return true
		}
	}
	return false
}

// nextETag splits off the first member of a list of entity tags. Commas inside a tag do not end it. Some
// clients send tags without quotes; such a member is taken as it stands, up to the next comma.
func nextETag(b []byte) (tag, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ',' || isSpace(b[i])) {
		i++
	}
	b = b[i:]
	open := 0
	if len(b) > 2 && b[0] == 'W' && b[1] == '/' {
		open = 2
	}
	if open < len(b) && b[open] == '"' {
		if end := bytes.IndexByte(b[open+1:], '"'); end >= 0 {
			end += open + 2
			return b[:end], b[end:]
		}
	}
	tag, rest = cutComma(b)
	return tiers.TrimSpace(tag), rest
}

// opaque returns an entity tag without the mark of a weak one.
func opaque(tag []byte) []byte {
	if len(tag) > 2 && tag[0] == 'W' && tag[1] == '/' {
		return tag[2:]
	}
	return tag
}

// isStrong tells whether tag is a strong entity tag.
func isStrong(tag []byte) bool {
	return len(tag) >= 2 && tag[0] == '"' && tag[len(tag)-1] == '"'
}
