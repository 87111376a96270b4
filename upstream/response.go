package upstream

import (
	"bufio"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Framing says how a response's body ends (RFC 9112 §6.3), and so how certain
// it is that a body read to io.EOF is whole.
type Framing uint8

const (
	None       Framing = iota // no body: HEAD, 204, 304
	Length                    // after ContentLength bytes
	Chunked                   // with the last chunk
	UntilClose                // when the origin closes: an end and an accident look the same. Not to be stored
)

// String returns the framing's name in lower case.
func (f Framing) String() string {
	return [...]string{"none", "length", "chunked", "until-close"}[f]
}

// Response is an origin's final response. The zero value is ready for Do, and
// so is one that was used before. Its fields are valid until the next Do,
// Reset or Release; the bytes belong to the Response: copy what is to stay.
type Response struct {
	Status int // 100 to 999; 1xx responses are skipped and 101 is an error

	// Header holds the end-to-end field lines, each "Name: value\r\n", without
	// the empty line: in the origin's order and spelling, duplicates apart. Not
	// among them are fields about one connection (RFC 9110 §7.6.1) and
	// Content-Length.
	Header []byte

	// ContentLength is the value of Content-Length, or -1 without one. With
	// Framing None it says how long the body of a GET would be.
	ContentLength int64
	Framing       Framing

	// Body is never nil after Do. It gives io.EOF only behind a complete body,
	// and an *Error otherwise: Truncated (which is an io.ErrUnexpectedEOF),
	// BadChunk, ReadTimeout or Canceled. Read waits up to Config.Timeout for
	// the next bytes. Trailers are read and dropped.
	Body io.Reader

	o         *Origin
	c         *conn // nil when the exchange is over
	br        *bufio.Reader
	parsed    fasthttp.Response
	stream    io.Reader
	end       error // what Read gives from now on
	reusable  bool  // the connection, once the body is read
	untouched bool  // not a byte of the response came
	from      *try  // the try whose response this is, when there may have been two; else nil
}

var responses = sync.Pool{New: func() any { return new(Response) }}

// AcquireResponse returns an empty Response from a pool.
func AcquireResponse() *Response { return responses.Get().(*Response) }

// Release closes r and gives it back to the pool. It must not be used again.
func (r *Response) Release() {
	r.Reset()
	if cap(r.Header) > maxHead {
		r.Header = nil
	}
	responses.Put(r)
}

// Reset closes r and empties it.
func (r *Response) Reset() {
	_ = r.Close()
	r.Status, r.Header, r.ContentLength, r.Framing = 0, r.Header[:0], 0, None
	r.Body, r.o, r.stream, r.end = nil, nil, nil, nil
	r.reusable, r.untouched = false, false
	if r.from != nil {
		r.from.drop()
		r.from = nil
	}
}

// Close ends the exchange. A connection whose body was not read to io.EOF is
// closed with it: the rest may be endless. Always nil; again is allowed. It
// must not run beside a Read: let the request's Context end for that.
func (r *Response) Close() error {
	if r.from != nil {
		return r.from.resp.Close()
	}
	if r.c != nil {
		r.end = errReadAfterClose
		r.finish(false)
	}
	return nil
}

var errReadAfterClose = errors.New("upstream: read after Close")

// attach begins an exchange on c.
func (r *Response) attach(o *Origin, c *conn) {
	r.o, r.c, r.br = o, c, o.client.AcquireReader(c)
	r.reusable, r.untouched = true, true
}

// finish ends the exchange. The connection lives on if the message was
// complete, nothing stood behind it, and both sides mean to go on.
func (r *Response) finish(complete bool) {
	c := r.c
	r.c = nil
	reuse := complete && r.reusable && r.br.Buffered() == 0
	r.parsed.ResetBody()
	r.stream = nil
	r.o.client.ReleaseReader(r.br)
	r.br = nil
	if c.end() && reuse {
		c.release()
	} else {
		c.discard()
	}
}

// readHead reads up to the end of the final response's header. Afterwards
// Body can be read, or the exchange is over if there is none.
func (r *Response) readHead(method []byte, by time.Time) *Error {
	r.c.readUntil(by)
	r.c.readErr = nil
	for range maxInterim {
		size, err := peekHead(r.br)
		r.untouched = r.untouched && r.br.Buffered() == 0
		if err != nil {
			return r.headError(err)
		}
		block, _ := r.br.Peek(size)
		var h head
		var e *Error
		if r.Header, e = h.parse(r.Header[:0], block); e != nil {
			return e
		}
		if h.status >= 200 {
			return r.accept(&h, size, string(method) == "HEAD")
		}
		if h.status == 101 {
			return badResponse("101 although no upgrade was asked for")
		}
		_, _ = r.br.Discard(size)
	}
	return badResponse("too many 1xx responses")
}

// accept lets fasthttp read the same header and frame the body. Two readers
// of one header must agree on where it ends, and on its status.
func (r *Response) accept(h *head, size int, isHead bool) *Error {
	before := r.br.Buffered()
	if err := r.parsed.Header.Read(r.br); err != nil {
		return badResponse("framing or trailer that cannot be followed")
	}
	if before-r.br.Buffered() != size || r.parsed.StatusCode() != h.status {
		return badResponse("ambiguous header")
	}
	r.Status = h.status
	r.Body = (*body)(r)
	r.ContentLength = max(-1, int64(r.parsed.Header.ContentLength()))
	r.reusable = r.reusable && h.persistent()
	if isHead || h.status == 204 || h.status == 304 {
		r.Framing, r.end = None, io.EOF
		r.finish(true)
		return nil
	}
	return r.openBody()
}

func (r *Response) openBody() *Error {
	switch r.parsed.Header.ContentLength() {
	case -1:
		r.Framing = Chunked
	case -2:
		r.Framing, r.reusable = UntilClose, false
	case 0:
		r.Framing, r.end = Length, io.EOF
		r.finish(true)
		return nil
	default:
		r.Framing = Length
	}
	r.parsed.StreamBody = true
	if err := r.parsed.ReadBody(r.br, 0); err != nil {
		return fail(BadResponse, err)
	}
	r.stream = r.parsed.BodyStream()
	r.c.moving = true
	return nil
}

// headError finds the kind of an error of waiting for a header.
func (r *Response) headError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case r.c.canceled.Load():
		return fail(Canceled, nil)
	case isTimeout(err):
		return fail(HeaderTimeout, err)
	case isAlert(err):
		return fail(TLS, err)
	}
	return fail(Closed, err)
}

// body is the Response as an io.Reader.
type body Response

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	r := (*Response)(b)
	if r.end != nil {
		return 0, r.end
	}
	n, err := r.stream.Read(p)
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		r.end = io.EOF
		r.finish(true)
		return n, io.EOF
	}
	e := r.bodyError(err)
	r.o.counters.error(e)
	r.end = e
	r.finish(false)
	return n, e
}

// bodyError finds the kind of an error of reading a body: what the connection
// met counts, since the chunked coding hides it.
func (r *Response) bodyError(err error) *Error {
	switch cause := r.c.readErr; {
	case r.c.canceled.Load():
		return fail(Canceled, nil)
	case cause == nil:
		return fail(BadChunk, err)
	case isTimeout(cause):
		return fail(ReadTimeout, cause)
	case errors.Is(cause, io.EOF):
		return fail(Truncated, io.ErrUnexpectedEOF)
	default:
		return fail(Truncated, errors.Join(io.ErrUnexpectedEOF, cause))
	}
}
