package tiers

import "bytes"

// Header is a block of field lines as they stand in a message (RFC 9112 §5): "Name: value\r\n" each, without
// the empty line that ends it. Order, spelling and duplicates are kept. The zero Header has no fields.
//
// The block is one slice of bytes, so that a stored response costs one allocation and is written to a
// client by copying. Look-ups scan; they are for blocks of the usual one or two dozen lines.
type Header []byte

// Next splits off the first field line. name is nil when there is none left. name and value are slices
// of h; the white space around value (RFC 9112 §5.1) is left out.
func (h Header) Next() (name, value []byte, rest Header) {
	for len(h) > 0 {
		line := []byte(h)
		if i := bytes.IndexByte(h, '\n'); i >= 0 {
			line, h = h[:i], h[i+1:]
		} else {
			h = nil
		}
		if c := bytes.IndexByte(line, ':'); c > 0 {
			return line[:c], TrimSpace(line[c+1:]), h
		}
	}
	return nil, nil, nil
}

// Get returns the value of the first line named name, without regard to case, and whether there is one.
func (h Header) Get(name string) ([]byte, bool) {
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		if EqualFold(n, name) {
			return v, true
		}
	}
	return nil, false
}

// Has tells whether there is a line named name.
func (h Header) Has(name string) bool {
	_, ok := h.Get(name)
	return ok
}

// Append adds a line at the end and returns the longer block. Neither name nor value may hold CR or LF.
func (h Header) Append(name, value string) Header {
	h = append(h, name...)
	h = append(h, ": "...)
	h = append(h, value...)
	return append(h, "\r\n"...)
}

// AppendLine is [Header.Append] for bytes.
func (h Header) AppendLine(name, value []byte) Header {
	h = append(h, name...)
	h = append(h, ": "...)
	h = append(h, value...)
	return append(h, "\r\n"...)
}

// EqualFold tells whether a is s, without regard to the case of ASCII letters, as field names and
// directives compare.
func EqualFold(a []byte, s string) bool {
	if len(a) != len(s) {
		return false
	}
	for i := range a {
		if a[i] != s[i] && lower(a[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// TrimSpace cuts the optional white space of RFC 9110 §5.6.3 (and CR) off both ends.
func TrimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r') {
		b = b[1:]
	}
	for n := len(b); n > 0 && (b[n-1] == ' ' || b[n-1] == '\t' || b[n-1] == '\r'); n-- {
		b = b[:n-1]
	}
	return b
}
