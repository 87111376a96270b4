package policy

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/nearside-cache/nearside/tiers"
)

// AppendFacets appends to a Key what tells requests for one target URI apart beside their method: credentials where each
// has its own stored responses, the fields of KEY_HEADERS, and the content of a query with what describes it (RFC
// 10008 §2.7). It appends nothing when there is none of these, else " #" and a strong hash of them. Of credentials it takes
// in a keyed hash, so that neither the Key nor anybody who guesses can tell what they were. It notes in req that it did.
func (c *Config) AppendFacets(dst []byte, req *Request, header tiers.Header, content []byte) []byte {
	partitioned := c.isPartitioned(req)
	if !partitioned && len(c.KeyHeaders) == 0 && req.Method != Query {
		return dst
	}
	dst = append(dst, " #"...)
	mark := len(dst)
	if partitioned {
		req.Cond |= Partitioned
		dst = append(dst, 'c')
		dst = c.appendCredentials(dst, header)
	}
	for _, name := range c.KeyHeaders {
		dst = append(dst, 'h')
		dst = appendField(dst, name, header)
	}
	if req.Method == Query {
		dst = append(dst, 'q')
		dst = appendContent(dst, header, content)
	}
	sum := sha256.Sum256(dst[mark:])
	const enough = 24 // bytes: no two are ever met that share them
	return base64.RawURLEncoding.AppendEncode(dst[:mark], sum[:enough])
}

// appendField appends the lines of the field, each with its length, and what tells where they end.
func appendField(dst []byte, name string, header tiers.Header) []byte {
	dst = appendName(dst, []byte(name))
	for n, v, rest := header.Next(); n != nil; n, v, rest = rest.Next() {
		if tiers.EqualFold(n, name) {
			dst = appendValue(dst, v)
		}
	}
	return append(dst, 0)
}

func appendName(dst, name []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(name)))
	for _, b := range name {
		dst = append(dst, lowerByte(b))
	}
	return dst
}

// appendValue appends a value that cannot be taken for the end of a list.
func appendValue(dst, value []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(value))+1), value...)
}

// appendContent appends a hash of the content and all fields that describe it: Content-Type, Content-Encoding,
// Content-Language and whatever else begins so. Its length says nothing more.
func appendContent(dst []byte, header tiers.Header, content []byte) []byte {
	const prefix = "content-"
	for n, v, rest := header.Next(); n != nil; n, v, rest = rest.Next() {
		if len(n) < len(prefix) || !tiers.EqualFold(n[:len(prefix)], prefix) || tiers.EqualFold(n, "Content-Length") {
			continue
		}
		dst = appendValue(appendName(dst, n), v)
	}
	dst = append(dst, 0)
	sum := sha256.Sum256(content)
	return append(dst, sum[:]...)
}
