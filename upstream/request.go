package upstream

import (
	"bytes"
	"context"
	"io"
	"strconv"
)

// Request is one request as the client sent it; Do applies what a proxy must
// change. Do only reads it, and keeps nothing of it after it returned. The
// caller may reuse it for the next request.
type Request struct {
	Method []byte // any token but CONNECT
	Target []byte // the raw target in origin-form, path?query, or * for OPTIONS. Sent byte for byte behind the base path

	// Header holds raw field lines, each "Name: value\r\n", without the empty
	// line. Order, spelling and duplicates are kept. Fields about one
	// connection are left out, and so are Host, Expect and Content-Length,
	// which are made anew.
	Header []byte
	Extra  []byte                 // field lines of ours, sent behind Header as they are
	Omit   func(name []byte) bool // says which fields of Header to leave out; nil for none. Must not keep name

	ClientHost []byte // the client's Host, for UPSTREAM_HOST=preserve; empty falls back to the URL's

	// Body is read until ContentLength bytes are sent, or with a negative
	// ContentLength to its end, as chunks. It is never read after Do returned,
	// and not closed. BodyBytes is for a body that is in memory already: with
	// it, Body and ContentLength are ignored.
	Body          io.Reader
	ContentLength int64
	BodyBytes     []byte

	// Context ends the exchange when it ends: Do fails with Canceled, and so
	// does a Read of the response's body. Getting a connection is not cut
	// short, nor is a Read of Body. Nil means no end; it costs nothing, another Context some allocations.
	Context context.Context
}

// smallBody is what travels in one write with the head.
const smallBody = 16 << 10

func (r *Request) streams() bool {
	return r.BodyBytes == nil && r.Body != nil && r.ContentLength != 0
}

func (r *Request) hasBody() bool { return r.streams() || len(r.BodyBytes) > 0 }

// replayable reports whether the request may be sent again although the origin
// may have received it: safe methods without content (RFC 9110 §9.2.2).
func (r *Request) replayable() bool {
	switch string(r.Method) {
	case "GET", "HEAD", "OPTIONS", "TRACE":
		return !r.hasBody()
	}
	return false
}

// appendFields appends to dst those of a request's field lines that go upstream: fields about one connection, those that
// Connection names, and those that omit names are not among them. A line that cannot be sent is a BadRequest error.
func appendFields(dst, header []byte, omit func([]byte) bool) ([]byte, *Error) {
	var connection named
	from := len(dst)
	for rest := header; len(rest) > 0; {
		name, value, size, ok := cutField(rest)
		switch {
		case !ok:
			return dst, badRequest("malformed field line")
		case equalFold(name, "connection") && !connection.add(value):
			return dst, badRequest("Connection names too many fields")
		case hopByHop(name), madeAnew(name), omit != nil && omit(name):
		default:
			dst = append(dst, rest[:size]...)
		}
		rest = rest[size:]
	}
	return connection.drop(dst, from), nil
}

// madeAnew reports whether this hop writes a request's field itself, or has
// answered it (Expect, RFC 9110 §10.1.1).
func madeAnew(name []byte) bool {
	switch len(name) {
	case 4:
		return equalFold(name, "host")
	case 6:
		return equalFold(name, "expect")
	case 14:
		return equalFold(name, "content-length")
	}
	return false
}

// appendHead appends the request up to its body, and a small body too.
func (o *Origin) appendHead(dst []byte, r *Request) ([]byte, *Error) {
	host, e := o.hostFor(r)
	if e != nil {
		return dst, e
	}
	if e = checkLine(r); e != nil {
		return dst, e
	}
	dst = append(append(dst, r.Method...), ' ')
	if r.Target[0] == '/' {
		dst = append(dst, o.url.base...)
	}
	dst = append(append(dst, r.Target...), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, host...), "\r\n"...)
	if dst, e = appendFields(dst, r.Header, r.Omit); e != nil {
		return dst, e
	}
	for rest := r.Extra; len(rest) > 0; {
		_, _, size, ok := cutField(rest)
		if !ok {
			return dst, badRequest("malformed extra field line")
		}
		rest = rest[size:]
	}
	dst = append(dst, r.Extra...)
	dst = append(appendFraming(dst, r), "\r\n"...)
	if len(r.BodyBytes) <= smallBody {
		dst = append(dst, r.BodyBytes...)
	}
	return dst, nil
}

// checkLine refuses what would break the request line (RFC 9112 §3).
func checkLine(r *Request) *Error {
	switch {
	case !isToken(r.Method):
		return badRequest("malformed method")
	case string(r.Method) == "CONNECT":
		return badRequest("CONNECT asks for a tunnel")
	case len(r.Target) == 0, r.Target[0] != '/' && (string(r.Target) != "*" || string(r.Method) != "OPTIONS"):
		return badRequest("target is not in origin-form")
	case r.BodyBytes == nil && r.Body == nil && r.ContentLength != 0:
		return badRequest("a length but no body")
	}
	for _, c := range r.Target {
		if c <= ' ' || c == 0x7f {
			return badRequest("space or control character in target")
		}
	}
	return nil
}

// hostFor returns the value of Host (RFC 9110 §7.2).
func (o *Origin) hostFor(r *Request) ([]byte, *Error) {
	if !o.preserveHost || len(r.ClientHost) == 0 {
		return o.host, nil
	}
	if !all(&valueBytes, r.ClientHost) || bytes.ContainsAny(r.ClientHost, " \t,/@?#") {
		return nil, badRequest("malformed Host")
	}
	return r.ClientHost, nil
}

// appendFraming says how long the body is. A method that expects content says
// so even when there is none (RFC 9110 §8.6).
func appendFraming(dst []byte, r *Request) []byte {
	var length int64
	switch {
	case len(r.BodyBytes) > 0:
		length = int64(len(r.BodyBytes))
	case !r.streams():
		switch string(r.Method) {
		case "POST", "PUT", "PATCH":
		default:
			return dst
		}
	case r.ContentLength < 0:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	default:
		length = r.ContentLength
	}
	dst = append(dst, "Content-Length: "...)
	return append(strconv.AppendInt(dst, length, 10), "\r\n"...)
}
