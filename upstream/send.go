package upstream

import (
	"bufio"
	"io"
	"strconv"
	"sync"
	"time"
)

// pieceSize is how much of a body is read and written at a time.
const pieceSize = 32 << 10

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// sent says how far sending came.
type sent struct {
	all bool   // the request is complete: the connection can carry another
	err *Error // what ended it; nil also when the origin refused the rest
}

// send writes the head and the body. It stops as soon as the origin refuses
// the request: its answer is there to be read (RFC 9112 §9.5).
func (c *conn) send(head []byte, r *Request, br *bufio.Reader) sent {
	if refused, err := c.push(head, br); err != nil || refused {
		return sent{err: c.sendError(err)}
	}
	switch {
	case r.streams() && r.ContentLength < 0:
		return c.sendChunked(r.Body, br)
	case r.streams():
		return c.sendLength(r.Body, r.ContentLength, br)
	case len(r.BodyBytes) > smallBody:
		return c.sendBytes(r.BodyBytes, br)
	}
	return sent{all: true}
}

func (c *conn) sendBytes(body []byte, br *bufio.Reader) sent {
	for len(body) > 0 {
		n := min(len(body), pieceSize)
		refused, err := c.push(body[:n], br)
		body = body[n:]
		if err != nil || refused || len(body) > 0 && c.refused(br) {
			return sent{err: c.sendError(err)}
		}
	}
	return sent{all: true}
}

func (c *conn) sendLength(body io.Reader, left int64, br *bufio.Reader) sent {
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	for left > 0 {
		n, readErr := body.Read(piece[:min(left, pieceSize)])
		left -= int64(n)
		refused, err := c.push(piece[:n], br)
		if err != nil || refused || left > 0 && c.refused(br) {
			return sent{err: c.sendError(err)}
		}
		if left > 0 && readErr != nil {
			return sent{err: bodyFailed(readErr)}
		}
	}
	return sent{all: true}
}

// sendChunked writes each piece as one chunk (RFC 9112 §7.1). Its size goes
// before it and CRLF behind it in the same buffer, so it is one write.
func (c *conn) sendChunked(body io.Reader, br *bufio.Reader) sent {
	const before, behind = len("7fff\r\n"), len("\r\n0\r\n\r\n")
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	for {
		n, readErr := body.Read(piece[before : pieceSize-behind])
		end := before + n
		begin := before
		if n > 0 {
			begin = putSize(piece[:before], n)
			end += copy(piece[end:], "\r\n")
		}
		if readErr == io.EOF {
			end += copy(piece[end:], "0\r\n\r\n")
		}
		refused, err := c.push(piece[begin:end], br)
		switch {
		case err != nil || refused:
			return sent{err: c.sendError(err)}
		case readErr == io.EOF:
			return sent{all: true}
		case readErr != nil:
			return sent{err: bodyFailed(readErr)}
		case c.refused(br):
			return sent{}
		}
	}
}

// putSize writes n in hexadecimal and CRLF at the end of b, and returns where
// they begin.
func putSize(b []byte, n int) int {
	var hex [4]byte
	size := strconv.AppendInt(hex[:0], int64(n), 16)
	begin := len(b) - len(size) - 2
	copy(b[begin:], size)
	copy(b[begin+len(size):], "\r\n")
	return begin
}

func bodyFailed(err error) *Error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fail(RequestBody, err)
}

// sendError finds the kind of an error of writing; nil stays nil.
func (c *conn) sendError(err error) *Error {
	switch {
	case err == nil:
		return nil
	case c.canceled.Load():
		return fail(Canceled, nil)
	case isTimeout(err):
		return fail(WriteTimeout, err)
	case isAlert(err):
		return fail(TLS, err)
	}
	return fail(Closed, err)
}

// refused reports whether the origin has already answered, finally and not
// with success, or is gone. It takes interim responses off the stream, and
// waits no longer than a record of TLS that is under way needs. An early 2xx
// is no reason to stop: such an origin wants the rest (RFC 9110 §7.5).
func (c *conn) refused(br *bufio.Reader) bool {
	if br.Buffered() == 0 && !c.readable() {
		return false
	}
	c.readUntil(time.Now().Add(time.Millisecond))
	for {
		status, size := peekStatus(br)
		switch {
		case status >= 100 && status < 200 && size > 0:
			_, _ = br.Discard(size)
		case status >= 200:
			return status >= 300
		default:
			if _, err := br.Peek(br.Buffered() + 1); err != nil {
				return !isTimeout(err)
			}
		}
	}
}
