package redis

import (
	"errors"
	"math"
	"strings"
)

// framing follows the replies of a server, as they come off a connection, and refuses what announces more than any reply may
// have: the client library makes room for what is announced, before it comes. Of a reply it looks at the lines that say what
// comes next, and at no byte of a value. It knows RESP 2, and RESP 3, which the client library speaks with Sentinels, but for attributes; all else is refused.
type framing struct {
	maxValue int64 // bytes

	skip    int64 // bytes of a value that are still to come, its line end included
	kind    byte  // of the line that is being read; 0 = none
	line    int   // bytes of it so far
	number  int64 // what it says, where it has a length
	minus   bool
	cr      bool    // the last byte was a CR
	missing []int64 // of the arrays that have begun, the outermost first: elements that are still to come
	room    int64   // elements that the reply under way may still announce
}

const (
	maxLine     = 64 << 10 // bytes of a line: an error's text, say
	maxElements = 1 << 20  // of a reply, in arrays and arrays in them; a cluster of a thousand nodes has a tenth of that
	maxNested   = 32       // arrays in arrays
)

// errFraming ends a connection whose server does not speak the protocol, or too much of it.
var errFraming = errors.New("redis: a reply that announces more than it may, or is none")

// follow goes on with b. After an error the connection is of no more use.
func (f *framing) follow(b []byte) error {
	for len(b) > 0 {
		if f.skip > 0 {
			n := min(f.skip, int64(len(b)))
			f.skip -= n
			b = b[n:]
			continue
		}
		if !f.next(b[0]) {
			return errFraming
		}
		b = b[1:]
	}
	return nil
}

// next takes in a byte of a line, and returns false when it may not be there.
func (f *framing) next(c byte) bool {
	f.line++
	switch {
	case f.kind == 0:
		return f.begin(c)
	case c == '\n':
		return f.cr && f.end()
	case f.cr, f.line > maxLine:
		return false
	case c == '\r':
		f.cr = true
	case hasLength(f.kind):
		return f.digit(c)
	}
	return true
}

func (f *framing) begin(kind byte) bool {
	f.kind, f.number, f.minus = kind, -1, false
	return strings.IndexByte("+-:_,#($=!*~>%", kind) >= 0
}

// hasLength tells whether a line of this kind says how long a value is, or how many elements an array, set or map has.
func hasLength(kind byte) bool {
	switch kind {
	case '$', '=', '!', '*', '~', '>', '%':
		return true
	}
	return false
}

func (f *framing) digit(c byte) bool {
	switch {
	case c == '-' && f.line == 2:
		f.minus = true
		return true
	case c < '0' || c > '9' || f.number > math.MaxInt32:
		return false
	}
	f.number = max(f.number, 0)*10 + int64(c-'0')
	return true
}

// end takes in the end of a line.
func (f *framing) end() bool {
	kind := f.kind
	f.kind, f.line, f.cr = 0, 0, false
	switch {
	case !hasLength(kind):
	case f.minus: // nil, which is -1
		if f.number != 1 {
			return false
		}
	case f.number < 0:
		return false
	case kind == '%':
		return f.array(2 * f.number)
	case kind == '*' || kind == '~' || kind == '>':
		return f.array(f.number)
	case f.number > f.maxValue:
		return false
	default:
		f.skip = f.number + 2
	}
	f.value()
	return true
}

// array takes in the beginning of an array, and returns false when the reply may not have it.
func (f *framing) array(elements int64) bool {
	if len(f.missing) == 0 {
		f.room = maxElements
	}
	f.room -= elements
	if f.room < 0 || len(f.missing) == maxNested {
		return false
	}
	f.missing = append(f.missing, elements)
	if elements == 0 {
		f.missing = f.missing[:len(f.missing)-1]
		f.value()
	}
	return true
}

// value takes in that a value is complete, or will be when skip bytes have come, and with it perhaps the arrays it stands in.
func (f *framing) value() {
	for last := len(f.missing) - 1; last >= 0; last-- {
		if f.missing[last]--; f.missing[last] > 0 {
			return
		}
		f.missing = f.missing[:last]
	}
}
