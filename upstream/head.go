package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"strconv"
)

// maxHead is the longest response header that is read, and the size of the
// buffer that a response in progress holds. Idle connections hold none.
const maxHead = 64 << 10

// maxInterim is how many 1xx responses may come before the final one.
const maxInterim = 100

var (
	errNotHTTP   = badResponse("not an HTTP/1.x response")
	errHeadSize  = badResponse("header larger than " + strconv.Itoa(maxHead) + " bytes")
	errHeadField = badResponse("malformed field line")
)

// peekHead waits until a whole header is buffered and returns its size, with
// the empty line. It takes nothing off the buffer.
func peekHead(br *bufio.Reader) (int, error) {
	for seen := 0; ; {
		b, _ := br.Peek(br.Buffered())
		if !plausible(b) {
			return 0, errNotHTTP
		}
		if i := bytes.Index(b[seen:], []byte("\r\n\r\n")); i >= 0 {
			return seen + i + 4, nil
		}
		seen = max(0, len(b)-3)
		if _, err := br.Peek(len(b) + 1); errors.Is(err, bufio.ErrBufferFull) {
			return 0, errHeadSize
		} else if err != nil {
			return 0, err
		}
	}
}

// plausible reports whether b is, or may become, a status line: an origin that
// speaks something else is told apart at once and not by a timeout.
func plausible(b []byte) bool {
	const version = "HTTP/1."
	n := min(len(b), len(version))
	return string(b[:n]) == version[:n]
}

// peekStatus returns the status of the response that is buffered, and the size
// of its header if it is buffered whole. A status of 0 means too few bytes;
// one of 999, no HTTP.
func peekStatus(br *bufio.Reader) (status, size int) {
	b, _ := br.Peek(br.Buffered())
	if !plausible(b) {
		return 999, 0
	}
	if len(b) < len("HTTP/1.1 200") {
		return 0, 0
	}
	var ok bool
	if status, ok = digits(b[9:12]); !ok {
		return 999, 0
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return status, i + 4
	}
	if status < 200 {
		return 0, 0 // interim: more must come before it can be taken off
	}
	return status, 0
}

func digits(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// head is what a header says about the message and its connection.
type head struct {
	status    int
	http10    bool
	close     bool // Connection: close
	keepAlive bool // Connection: keep-alive
	length    bool // there is a Content-Length
	coding    bool // there is a Transfer-Encoding
}

// persistent reports whether the connection outlives the response, as far as
// the header says (RFC 9112 §9.3). A message with two framings ends it: one
// reader at least will have seen another end (§6.3).
func (h *head) persistent() bool {
	if h.close || h.length && h.coding {
		return false
	}
	return !h.http10 || h.keepAlive
}

// parse reads a whole header, and appends to dst its end-to-end field lines.
func (h *head) parse(dst, block []byte) ([]byte, *Error) {
	block = block[:len(block)-2] // the empty line
	lf := bytes.IndexByte(block, '\n')
	if e := h.parseStatusLine(block[:lf+1]); e != nil {
		return dst, e
	}
	block = block[lf+1:]
	var connection named
	from := len(dst)
	for len(block) > 0 {
		var e *Error
		var size int
		if dst, size, e = h.parseField(dst, block, &connection); e != nil {
			return dst, e
		}
		block = block[size:]
	}
	if h.http10 && h.coding {
		return dst, badResponse("HTTP/1.0 with Transfer-Encoding") // RFC 9112 §6.1
	}
	return connection.drop(dst, from), nil
}

// parseStatusLine reads "HTTP/1.1 200 OK\r\n" (RFC 9112 §4).
func (h *head) parseStatusLine(line []byte) *Error {
	const shortest = len("HTTP/1.1 200\r\n")
	n := len(line)
	if n < shortest || line[n-2] != '\r' || line[8] != ' ' || n > shortest && line[12] != ' ' {
		return errNotHTTP
	}
	if !all(&valueBytes, line[:n-2]) || line[7] != '0' && line[7] != '1' {
		return errNotHTTP
	}
	status, ok := digits(line[9:12])
	if !ok || status < 100 {
		return errNotHTTP
	}
	h.status, h.http10 = status, line[7] == '0'
	return nil
}

// parseField reads the field at the beginning of block and returns its size.
// It is appended to dst as "Name: value\r\n" if it is end-to-end. Whitespace
// before the colon is removed and obs-fold becomes a space, as RFC 9112 §5.1
// and §5.2 ask of a proxy that receives them in a response.
func (h *head) parseField(dst, block []byte, connection *named) (_ []byte, size int, e *Error) {
	line, size := cutLine(block)
	colon := bytes.IndexByte(line, ':')
	if colon < 1 {
		return dst, 0, errHeadField
	}
	name, value := trimRight(line[:colon]), trim(line[colon+1:])
	if !isToken(name) || !all(&valueBytes, value) {
		return dst, 0, errHeadField
	}
	folded := size < len(block) && (block[size] == ' ' || block[size] == '\t')
	drop, ok := h.note(name, value, connection)
	if !ok || folded && drop {
		return dst, 0, badResponse("malformed " + string(name))
	}
	if drop {
		return dst, size, nil
	}
	dst = append(append(append(dst, name...), ": "...), value...)
	for size < len(block) && (block[size] == ' ' || block[size] == '\t') {
		line, n := cutLine(block[size:])
		if n == 0 || !all(&valueBytes, line) {
			return dst, 0, errHeadField
		}
		dst = append(append(dst, ' '), trim(line)...)
		size += n
	}
	return append(dst, "\r\n"...), size, nil
}

// note takes in what a field says about the message or the connection.
func (h *head) note(name, value []byte, connection *named) (drop, ok bool) {
	switch {
	case equalFold(name, "connection"):
		h.close = h.close || hasOption(value, "close")
		h.keepAlive = h.keepAlive || hasOption(value, "keep-alive")
		return true, connection.add(value)
	case equalFold(name, "content-length"):
		_, ok := digits(value)
		h.length = true
		return true, ok && len(value) > 0
	case equalFold(name, "transfer-encoding"):
		h.coding = true
		return true, true
	}
	return hopByHop(name), true
}

// cutLine returns the first line of b without its CRLF, and its size with it;
// size is 0 if the line does not end so.
func cutLine(b []byte) (line []byte, size int) {
	lf := bytes.IndexByte(b, '\n')
	if lf < 1 || b[lf-1] != '\r' {
		return nil, 0
	}
	return b[:lf-1], lf + 1
}

func hasOption(list []byte, option string) bool {
	for len(list) > 0 {
		item, rest, _ := bytes.Cut(list, []byte{','})
		if equalFold(trim(item), option) {
			return true
		}
		list = rest
	}
	return false
}
