package proxy

import (
	"bytes"
	"context"
	"hash/maphash"
	"strings"
	"sync/atomic"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
)

// This file is about responses that say which differences between queries do not matter to them (No-Vary-Search). Each is
// stored under a Key of its own class, with its query in the one spelling that its field makes of all that are the same:
//
//	GET? SP target-URI …
//
// What the responses of a path said last is remembered in this process. A request is looked up as it is, and then, where
// its path has said something, as that sees it.

const searchClass = "GET? "

// searches remember what paths said. Those that fall on one place push each other out; the table never grows. What it says
// is no more than a hint: a response that is found by it is judged by its own field.
type searches struct {
	seed   maphash.Seed
	places [1 << 10]atomic.Pointer[searched]
}

type searched struct {
	path   string // target URI without its query
	field  string // No-Vary-Search, as it came
	search policy.Search
}

func (s *searches) at(path []byte) *atomic.Pointer[searched] {
	return &s.places[maphash.Bytes(s.seed, path)%uint64(len(s.places))]
}

// of returns what path said, or nil.
func (s *searches) of(path []byte) *searched {
	if known := s.at(path).Load(); known != nil && known.path == string(path) {
		return known
	}
	return nil
}

// learn remembers what a response said.
func (s *searches) learn(path []byte, field []byte, search policy.Search) {
	if known := s.of(path); known != nil && known.field == string(field) {
		return
	}
	s.at(path).Store(&searched{string(path), string(field), search})
}

// splitKey takes a Key of GET apart: the target URI without its query, the query, and what follows. ok is false for
// another class.
func splitKey(key []byte) (path, query, rest []byte, ok bool) {
	path, ok = bytes.CutPrefix(key, []byte("GET "))
	if i := bytes.IndexByte(path, ' '); i >= 0 {
		path, rest = path[:i], path[i:]
	}
	path, query, _ = bytes.Cut(path, []byte("?"))
	return path, query, rest, ok
}

// appendSearchKey appends the Key under which a response is stored that sees its query so.
func appendSearchKey(dst []byte, s *policy.Search, path, query, rest []byte) []byte {
	dst = append(append(dst, searchClass...), path...)
	mark := len(dst)
	dst = s.AppendQuery(append(dst, '?'), query)
	if len(dst) == mark+1 {
		dst = dst[:mark]
	}
	return append(dst, rest...)
}

// searchKey returns the Key of its other class under which a response for x may be stored, and what its path said; ""
// when it said nothing. The bytes are the exchange's.
func (h *Handler) searchKey(x *exchange) (tiers.Key, *searched) {
	path, query, rest, ok := splitKey(x.keyBuf)
	if !ok {
		return "", nil
	}
	said := h.searches.of(path)
	if said == nil {
		return "", nil
	}
	x.searchBuf = appendSearchKey(x.searchBuf[:0], &said.search, path, query, rest)
	return bytesKey(x.searchBuf), said
}

// getNear is a look-up in L1, by both Keys that a response for x may have.
func (h *Handler) getNear(x *exchange) (*tiers.Entry, error) {
	e, err := h.Stack.GetNear(context.Background(), x.key(), x)
	if err == nil {
		return e, nil
	}
	if key, said := h.searchKey(x); said != nil {
		if e, err := h.Stack.GetNear(context.Background(), key, x); err == nil && sameSearch(e, said, x.keyBuf) {
			return e, nil
		}
	}
	return nil, err
}

// getFar is one look-up in L2, by the Key that a response for x most likely has.
func (h *Handler) getFar(x *exchange) (*tiers.Entry, error) {
	key, said := h.searchKey(x)
	if said == nil {
		return h.Stack.GetFar(context.Background(), x.key(), x)
	}
	e, err := h.Stack.GetFar(context.Background(), key, x)
	if err == nil && !sameSearch(e, said, x.keyBuf) {
		return nil, tiers.ErrMiss
	}
	return e, err
}

// sameSearch tells whether e, which was found by what its path said, sees the query of the request with this Key as its
// own.
func sameSearch(e *tiers.Entry, said *searched, key []byte) bool {
	field, _ := e.Header.Get("No-Vary-Search")
	if string(field) == said.field {
		return true
	}
	own := policy.SearchOf(e.Header)
	path, query, rest, _ := splitKey(key)
	return own.Said() && string(appendSearchKey(nil, &own, path, query, rest)) == string(e.Key)
}

// storedKey returns the Key under which a response to the request with this Key is stored, and remembers what it said.
func (h *Handler) storedKey(key tiers.Key, header tiers.Header) tiers.Key {
	field, has := header.Get("No-Vary-Search")
	path, query, rest, ok := splitKey([]byte(key))
	if !has || !ok {
		return tiers.Key(strings.Clone(string(key)))
	}
	search := policy.SearchOf(header)
	if !search.Said() {
		return tiers.Key(strings.Clone(string(key)))
	}
	h.searches.learn(path, field, search)
	return tiers.Key(appendSearchKey(nil, &search, path, query, rest))
}
