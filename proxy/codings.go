package proxy

import (
	"bytes"

	"github.com/nearside-cache/nearside/tiers"
)

var contentEncoding = []byte("Content-Encoding")

// joinCodings joins the Content-Encoding lines of h into one, where the first stands (RFC 9110 §5.3). fasthttp sends
// the last of several only, which would label the content wrongly.
func joinCodings(h tiers.Header) tiers.Header {
	var values [][]byte
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if bytes.EqualFold(n, contentEncoding) {
			values = append(values, v)
		}
	}
	if len(values) < 2 {
		return h
	}
	out := make(tiers.Header, 0, len(h))
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		switch {
		case !bytes.EqualFold(n, contentEncoding):
			out = out.AppendLine(n, v)
		case values != nil:
			out = out.AppendLine(n, bytes.Join(values, []byte(", ")))
			values = nil
		}
	}
	return out
}
