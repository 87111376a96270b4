package upstream

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
)

// Kind says what kept the origin's answer from us. The set is closed: a Kind
// is at once the log field, the metric label and the Cache-Status detail.
type Kind uint8

// The kinds, in the order in which an exchange can meet them. Up to and
// including TLS, nothing was sent.
const (
	BadRequest     Kind = iota // the Request cannot be sent as it is
	NoConn                     // every connection was busy for ConnectTimeout, or too many requests waited for one
	Open                       // the origin is not asked: it gave no answers, and the breaker is open
	Refused                    // nobody listens there
	Unreachable                // the name or the address leads nowhere
	ConnectTimeout             // no connection within ConnectTimeout
	TLS                        // the handshake failed
	RequestBody                // Request.Body failed or was shorter than it should be
	WriteTimeout               // the origin took no bytes for Timeout
	HeaderTimeout              // no complete header within Timeout
	Closed                     // the origin closed the connection before its header was complete
	BadResponse                // the header is malformed, too large, or cannot be framed for certain
	ReadTimeout                // the body stood still for Timeout
	Truncated                  // the body ended too early
	BadChunk                   // the body's chunked coding is malformed
	Canceled                   // Request.Context ended
	kindCount
)

var kindNames = [kindCount]string{
	BadRequest:     "bad-request",
	NoConn:         "no-conn",
	Open:           "breaker-open",
	Refused:        "refused",
	Unreachable:    "unreachable",
	ConnectTimeout: "connect-timeout",
	TLS:            "tls",
	RequestBody:    "request-body",
	WriteTimeout:   "write-timeout",
	HeaderTimeout:  "header-timeout",
	Closed:         "closed",
	BadResponse:    "bad-response",
	ReadTimeout:    "read-timeout",
	Truncated:      "truncated",
	BadChunk:       "bad-chunk",
	Canceled:       "canceled",
}

// Kinds returns every Kind in order, for metrics that start at 0.
func Kinds() []Kind {
	kinds := make([]Kind, kindCount)
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// String returns the kind's lower-case name with hyphens, an RFC 9651 token.
func (k Kind) String() string {
	if k >= kindCount {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// Timeout reports whether the origin was too slow, so that 504 says it better
// than 502 (RFC 9110 §15.6.5).
func (k Kind) Timeout() bool {
	return k == ConnectTimeout || k == WriteTimeout || k == HeaderTimeout || k == ReadTimeout
}

// Error is every error of this package's requests and bodies.
type Error struct {
	Kind Kind
	Err  error // what happened in detail; may be nil. Holds no field values and no body
}

// Error returns the kind and the detail.
func (e *Error) Error() string {
	if e.Err == nil {
		return "upstream: " + e.Kind.String()
	}
	return "upstream: " + e.Kind.String() + ": " + e.Err.Error()
}

// Unwrap returns the detail.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports [Kind.Timeout].
func (e *Error) Timeout() bool { return e.Kind.Timeout() }

func fail(kind Kind, err error) *Error { return &Error{Kind: kind, Err: err} }

func badRequest(text string) *Error  { return fail(BadRequest, errors.New(text)) }
func badResponse(text string) *Error { return fail(BadResponse, errors.New(text)) }

// dialError finds the kind of an error of net.Dialer.
func dialError(err error) *Error {
	switch {
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fail(ConnectTimeout, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(Refused, err)
	}
	return fail(Unreachable, err)
}

// handshakeError finds the kind of an error of a TLS handshake.
func handshakeError(err error) *Error {
	if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		return fail(ConnectTimeout, err)
	}
	return fail(TLS, err)
}

// isAlert reports whether the origin refused the handshake. In TLS 1.3 it can
// do so after our side took the handshake for done: a client certificate that
// it does not like shows at the first read (RFC 8446 §4.4.2.4).
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
