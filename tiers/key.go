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
}
