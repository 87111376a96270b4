package invalidation

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/nearside-cache/nearside/tiers"
)

// Kind is by what a Selector names stored responses.
type Kind uint8

// The kinds of selectors.
const (
	URI    Kind = iota // one target URI, all variants of it
	Prefix             // all target URIs that begin so
	Tag                // all responses that carry the tag
	All                // everything
	kinds

	path = kinds // a target URI without its query: what purges of any URI are about, too, for responses that do not tell queries apart
)

// String returns the kind as it stands in requests and metrics.
func (k Kind) String() string { return [...]string{"uri", "prefix", "tag", "all"}[k] }

// ParseKind reads a kind. The names of draft-nottingham-http-invalidation are understood, too.
func ParseKind(s string) (Kind, error) {
	switch s {
	case "uri":
		return URI, nil
	case "prefix", "uri-prefix":
		return Prefix, nil
	case "tag", "group":
		return Tag, nil
	case "all", "origin":
		return All, nil
	}
	return 0, fmt.Errorf("unknown type %q: want uri, prefix, tag or all", s)
}

// Selector says which stored responses a purge is about. Make one with [Select].
type Selector struct {
	Kind Kind
	Name string // of All: empty
}

// MaxName is how long a selector's name may be, in bytes.
const MaxName = 8 << 10

// Select makes a Selector. name is an absolute target URI for URI and Prefix, and is normalised as those of
// stored responses are; a tag stands for itself; for All it is ignored. It returns an error for an empty name, one that
// is too long, and one with a line end.
func Select(kind Kind, name string) (Selector, error) {
	if kind == All {
		return Selector{Kind: All}, nil
	}
	switch {
	case name == "":
		return Selector{}, errors.New("a selector is empty")
	case len(name) > MaxName:
		return Selector{}, fmt.Errorf("a selector is longer than %d bytes", MaxName)
	case strings.ContainsAny(name, "\r\n"):
		return Selector{}, errors.New("a selector holds a line end")
	}
	switch kind {
	case URI:
		name = tiers.NormalURI(name)
	case Prefix:
		name = normalPrefix(name)
	}
	return Selector{kind, name}, nil
}

// normalPrefix normalises the beginning of a URI. Since query parameters are sorted in a normal URI, the beginning of
// a query says nothing: all queries of the path are meant. Nor does the beginning of a percent-encoding.
func normalPrefix(uri string) string {
	path, _, query := strings.Cut(uri, "?")
	if i := strings.LastIndexByte(path, '%'); i >= 0 && i >= len(path)-2 {
		path = path[:i]
	}
	path = tiers.NormalURI(path)
	if query {
		path += "?"
	}
	return path
}

// Tables know selectors and responses by their hashes. Two names that have the same one are purged together, which
// costs a fetch and breaks nothing.
var seed = maphash.MakeSeed()

// Odd numbers that keep the kinds apart.
var kindSalt = [path + 1]uint64{Prefix: 0x9e3779b97f4a7c15, Tag: 0xc2b2ae3d27d4eb4f, path: 0x165667b19e3779f9}

func hash(kind Kind, name string) uint64 {
	h := maphash.String(seed, name) ^ kindSalt[kind]
	if h == 0 {
		return 1 // 0 is a free place in a table
	}
	return h
}

// bit is the one of [tiers.Names].Bits that stands for a hash.
func bit(hash uint64) uint64 { return 1 << (hash & 63) }

// pathOf is the path of a normal URI, with all that is before it.
func pathOf(uri string) string {
	p, _, _ := strings.Cut(uri, "?")
	return p
}

// manyQueries begins the Keys of responses that answer for several queries (No-Vary-Search).
const manyQueries = "GET? "

// namesOf returns what e is known by, and notes it at e.
func namesOf(e *tiers.Entry) *tiers.Names {
	if e.Proof != nil {
		if n := e.Proof.Names.Load(); n != nil {
			return n
		}
	}
	uri := tiers.NormalURI(e.Key.URI())
	many, tags := strings.HasPrefix(string(e.Key), manyQueries), strings.Count(e.Tags, "\n")
	count := 1 + tags
	if many {
		count++
	}
	n := &tiers.Names{URI: uri, Hashes: make([]uint64, 0, count)}
	n.Hashes = append(n.Hashes, hash(URI, uri))
	if many {
		n.Hashes = append(n.Hashes, hash(path, pathOf(uri)))
	}
	for tag := range strings.SplitSeq(e.Tags, "\n") {
		if tag != "" {
			n.Hashes = append(n.Hashes, hash(Tag, tag))
		}
	}
	for _, h := range n.Hashes {
		n.Bits |= bit(h)
	}
	if e.Proof != nil {
		e.Proof.Names.Store(n)
	}
	return n
}
