package invalidation

import (
	"math"
	"strings"
	"sync/atomic"

	"github.com/nearside-cache/nearside/tiers"
)

// generation is what is known of one generation of the log. One goroutine at a time may write, under the Log's
// lock; readers take none.
type generation struct {
	gen    uint64
	before *generation // the one before, without its own; nil when there was none

	applied atomic.Uint64 // all records up to here are in the index, or before the floor
	head    atomic.Uint64 // the highest position that is known to exist
	strange atomic.Uint64 // the highest position of a record that cannot be read
	index   atomic.Pointer[index]
	recent  atomic.Pointer[recent]

	limit int // selectors in one of the two tables
}

// index is two tables: when the newer is full it takes the place of the older, which is forgotten. What was
// purged at or before the floor is not known.
type index struct {
	newer, older *table
	floor        uint64
}

// recent lists what was purged last: it holds all that was purged after from. It never changes.
type recent struct {
	from  uint64
	items []item
}

type item struct {
	n          uint64
	soft       bool
	kind       Kind
	hash, path uint64 // path: of a URI's
	bits       uint64 // of names that it may match
	prefix     string
}

// maxRecent is how many selectors are compared one by one before the tables are asked.
const maxRecent = 8

// newGeneration begins at a position before which nothing is known.
func newGeneration(gen, at uint64, limit int) *generation {
	g := &generation{gen: gen, limit: max(1, limit/2)}
	g.applied.Store(at)
	g.head.Store(at)
	g.index.Store(&index{newer: newTable(firstPlaces), older: newTable(2), floor: at})
	g.recent.Store(&recent{from: at})
	return g
}

// put takes a record into the index. It is not applied by that.
func (g *generation) put(r *Record) {
	for _, s := range r.Selectors {
		g.room().newer.put(s, r.Soft, r.N)
	}
	g.remember(r)
}

// room makes room for one selector more.
func (g *generation) room() *index {
	ix := g.index.Load()
	switch {
	case ix.newer.used >= g.limit:
		ix = &index{newer: newTable(len(ix.newer.places)), older: ix.newer, floor: max(ix.floor, ix.older.last)}
		g.index.Store(ix)
	case ix.newer.full():
		ix = &index{newer: ix.newer.grown(), older: ix.older, floor: ix.floor}
		g.index.Store(ix)
	}
	return ix
}

// remember adds r to the recent ones.
func (g *generation) remember(r *Record) {
	old := g.recent.Load()
	from, drop := old.from, max(0, len(old.items)+len(r.Selectors)-maxRecent)
	if len(r.Selectors) > maxRecent {
		drop = len(old.items)
	}
	for _, it := range old.items[:drop] {
		from = max(from, it.n)
	}
	if len(r.Selectors) > maxRecent {
		g.recent.Store(&recent{from: max(from, r.N)})
		return
	}
	items := make([]item, 0, maxRecent)
	items = append(items, old.items[drop:]...)
	for _, s := range r.Selectors {
		it := item{n: r.N, soft: r.Soft, kind: s.Kind, bits: math.MaxUint64}
		switch s.Kind {
		case Prefix:
			it.prefix = s.Name
		case URI:
			it.hash, it.path = hash(URI, s.Name), hash(path, pathOf(s.Name))
			it.bits = bit(it.hash) | bit(it.path)
		case Tag:
			it.hash = hash(Tag, s.Name)
			it.path = it.hash
			it.bits = bit(it.hash)
		}
		items = append(items, it)
	}
	g.recent.Store(&recent{from, items})
}

// lose notes that records up to n cannot be read any more.
func (g *generation) lose(n uint64) {
	if ix := *g.index.Load(); ix.floor < n {
		ix.floor = n
		g.index.Store(&ix)
	}
	// The floor may be higher already: this process's own records are in the index ahead of those before them.
	if r := *g.recent.Load(); r.from < n {
		r.from = n
		g.recent.Store(&r)
	}
}

// find tells what is known of names that were last compared at known: the last hard and the last soft position, if
// they are higher, and whether all between was known.
func (g *generation) find(n *tiers.Names, known uint64) (hard, soft uint64, proved bool) {
	if r := g.recent.Load(); known >= r.from {
		hard, soft = r.find(n, known)
		return hard, soft, true
	}
	ix := g.index.Load()
	hard, soft = ix.newer.find(n)
	hard2, soft2 := ix.older.find(n)
	return max(hard, hard2), max(soft, soft2), known >= ix.floor || !ruleFloor
}

// quiet tells whether it is certain that nothing at all was purged after known.
func (g *generation) quiet(known uint64) bool {
	stall("index")
	r := g.recent.Load()
	if known < r.from {
		return false
	}
	for i := range r.items {
		if r.items[i].n > known {
			return false
		}
	}
	return true
}

func (r *recent) find(n *tiers.Names, known uint64) (hard, soft uint64) {
	for i := range r.items {
		it := &r.items[i]
		if it.bits&n.Bits == 0 || it.n <= known || !it.matches(n) {
			continue
		}
		if it.soft {
			soft = max(soft, it.n)
		} else {
			hard = max(hard, it.n)
		}
	}
	return hard, soft
}

func (it *item) matches(n *tiers.Names) bool {
	switch it.kind {
	case All:
		return true
	case Prefix:
		return strings.HasPrefix(n.URI, it.prefix)
	}
	for _, h := range n.Hashes {
		if h == it.hash || h == it.path {
			return true
		}
	}
	return false
}

// has tells whether r is of this generation, as far as that can be read.
func (g *generation) has(r *Record) bool { return r.Gen == g.gen || r.unreadable && r.Gen == 0 }

// met is the highest position at which this process has found a record.
func (g *generation) met() uint64 { return max(g.applied.Load(), g.strange.Load()) }

// meet notes the records that cannot be read, and returns how many it had not met before.
func (g *generation) meet(batch []Record) (n int) {
	for i := range batch {
		if r := &batch[i]; r.unreadable && g.has(r) && r.N > g.strange.Load() {
			g.strange.Store(r.N)
			n++
		}
	}
	return n
}

// apply takes in records in the order of the log. It returns how many it took in, whether one asks for an answer, and
// false for ok when the next one is of another generation, or perhaps not the log's own: a renewal will tell.
func (g *generation) apply(batch []Record) (n int, ask, ok bool) {
	for i := range batch {
		r := &batch[i]
		applied := g.applied.Load()
		switch {
		case !g.has(r) && ruleGeneration:
			return n, ask, false
		case r.N <= applied:
			ask = ask || r.Ask
			continue
		case r.unreadable && r.N > g.head.Load(): // the log's own record only if the log says that it has come so far
			return n, ask, false
		case r.N > applied+1:
			g.lose(r.N - 1)
		}
		g.put(r)
		g.applied.Store(r.N)
		raise(&g.head, r.N)
		n++
		ask = ask || r.Ask
	}
	return n, ask, true
}

// jump gives up on records that exist, but cannot be read.
func (g *generation) jump(to uint64) {
	if to <= g.applied.Load() {
		return
	}
	g.lose(to)
	g.applied.Store(to)
	raise(&g.head, to)
}

// recall takes in a record from before the position at which this generation began, the latest first. It returns false
// when it does not connect to what is known, or when there is no room for it.
func (g *generation) recall(r *Record) bool {
	ix := *g.index.Load()
	if r.Gen != g.gen || r.N != ix.floor || ix.newer.used+len(r.Selectors) > g.limit {
		return false
	}
	for _, s := range r.Selectors {
		if ix.newer.full() {
			ix.newer = ix.newer.grown()
			now := ix
			g.index.Store(&now)
		}
		ix.newer.put(s, r.Soft, r.N)
	}
	ix.floor = r.N - 1
	g.index.Store(&ix)
	return true
}
