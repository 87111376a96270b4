package invalidation

import (
	"slices"
	"sync/atomic"

	"github.com/nearside-cache/nearside/tiers"
)

// table maps selectors to the last hard and the last soft position at which they were purged. One goroutine at a
// time may write; readers take no lock. It never shrinks, and nothing is removed from it.
//
// Hard and soft positions stand side by side: of one position alone a later soft purge would hide a hard one.
type table struct {
	places []place // a power of two of them, half of them free at least
	used   int
	last   uint64 // the highest position in it

	all     [2]atomic.Uint64      // what was purged by All: hard, soft
	lengths atomic.Pointer[[]int] // of the prefixes in it, ascending
}

type place struct {
	hash       atomic.Uint64 // 0 = free
	hard, soft atomic.Uint64
}

const firstPlaces = 256

func newTable(places int) *table { return &table{places: make([]place, places)} }

// full tells whether the table must grow before the next put.
func (t *table) full() bool { return 2*t.used >= len(t.places) }

// grown returns a copy of twice the size.
func (t *table) grown() *table {
	g := newTable(2 * len(t.places))
	for i := range t.places {
		if p := &t.places[i]; p.hash.Load() != 0 {
			g.set(p.hash.Load(), p.hard.Load(), p.soft.Load())
		}
	}
	g.last = t.last
	g.all[0].Store(t.all[0].Load())
	g.all[1].Store(t.all[1].Load())
	g.lengths.Store(t.lengths.Load())
	return g
}

// put notes that s was purged at position n.
func (t *table) put(s Selector, soft bool, n uint64) {
	t.last = max(t.last, n)
	hard, mild := n, uint64(0)
	if soft {
		hard, mild = 0, n
	}
	if s.Kind == Prefix {
		s = t.shorten(s)
	}
	if s.Kind == All {
		raise(&t.all[0], hard)
		raise(&t.all[1], mild)
		return
	}
	t.set(hash(s.Kind, s.Name), hard, mild)
	if s.Kind == URI {
		t.set(hash(path, pathOf(s.Name)), hard, mild)
	}
}

// set raises the positions of one hash.
func (t *table) set(h, hard, soft uint64) {
	for i := h; ; i++ {
		p := &t.places[i&uint64(len(t.places)-1)]
		switch p.hash.Load() {
		case h:
			raise(&p.hard, hard)
			raise(&p.soft, soft)
			return
		case 0:
			p.hard.Store(hard)
			p.soft.Store(soft)
			p.hash.Store(h) // last: readers find it complete
			t.used++
			return
		}
	}
}

// raise stores n unless more is there. There is one writer.
func raise(a *atomic.Uint64, n uint64) {
	if n > a.Load() {
		a.Store(n)
	}
}

// maxLengths bounds how many lengths of prefixes a response is looked up by.
const maxLengths = 32

// shorten notes the length of a prefix. When there are too many, the prefix is cut to a length that is known, so
// that it matches more than it should rather than less; to nothing at all, which is everything, if need be.
func (t *table) shorten(s Selector) Selector {
	known := t.prefixLengths()
	at, found := slices.BinarySearch(known, len(s.Name))
	switch {
	case found:
		return s
	case len(known) < maxLengths:
		longer := slices.Insert(slices.Clone(known), at, len(s.Name))
		t.lengths.Store(&longer)
		return s
	case at == 0:
		return Selector{Kind: All}
	}
	return Selector{Prefix, s.Name[:known[at-1]]}
}

func (t *table) prefixLengths() []int {
	if l := t.lengths.Load(); l != nil {
		return *l
	}
	return nil
}

// find returns the last positions at which something with these names was purged; 0 = never.
func (t *table) find(n *tiers.Names) (hard, soft uint64) {
	hard, soft = t.all[0].Load(), t.all[1].Load()
	for _, h := range n.Hashes {
		hard, soft = t.get(h, hard, soft)
	}
	for _, l := range t.prefixLengths() {
		if l > len(n.URI) {
			break
		}
		hard, soft = t.get(hash(Prefix, n.URI[:l]), hard, soft)
	}
	return hard, soft
}

// get returns the positions of one hash, or those given where they are higher.
func (t *table) get(h, hard, soft uint64) (uint64, uint64) {
	for i := h; ; i++ {
		p := &t.places[i&uint64(len(t.places)-1)]
		switch p.hash.Load() {
		case h:
			return max(hard, p.hard.Load()), max(soft, p.soft.Load())
		case 0:
			return hard, soft
		}
	}
}
