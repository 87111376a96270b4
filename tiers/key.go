package tiers

import "strings"

// Key names what is sent upstream, so that two requests share a Key only when the origin could not tell
// them apart (but for the fields that Vary names). Its form is
//
//	CLASS SP target-URI [SP authority]
//
// where CLASS is the method class (GET stands for GET and HEAD), the target URI (RFC 9110 §7.1) is that of
// the upstream, byte for byte as it is sent, and authority is the Host field's value where it is not the
// URI's. None of the parts can hold a space, so the form is injective.
type Key string

// URI returns the target URI, the part by which purges and operators name an entry.
func (k Key) URI() string {
	_, rest, _ := strings.Cut(string(k), " ")
	uri, _, _ := strings.Cut(rest, " ")
	return uri
}

// Position is a place in the invalidation log: which log (its generation), and how far. Positions of
// different generations do not compare. The zero Position is before every record of no log.
type Position struct {
	Gen uint64
	N   uint64

	// Own counts what this process itself had marked as invalid. It means nothing to another process, so it is
	// not in the codec: what comes from L2 has 0, and is older than every mark.
	Own uint64
}

// Earlier returns what holds for a response that is made of two: the smaller of each part, and the zero Position
// for two generations, which do not compare.
func (p Position) Earlier(q Position) Position {
	if p.Gen != q.Gen {
		return Position{}
	}
	return Position{p.Gen, min(p.N, q.N), min(p.Own, q.Own)}
}
