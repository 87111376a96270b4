package memory

import (
	"sync/atomic"

	"github.com/nearside-cache/nearside/tiers"
)

// index finds nodes by key. Looking up takes no lock and writes nothing, so that any number of cores may
// do it at once; changing the index needs the shard's lock.
//
// It is a table of chains. A node that was taken out keeps its link, so a reader that stands on it goes on
// in the chain; nodes are never used again, and the garbage collector frees them after the last reader.
type index struct {
	table atomic.Pointer[[]atomic.Pointer[node]]
	// moves is odd while the table grows. A reader that found nothing while it changed cannot tell.
	moves atomic.Uint32
	_     [64]byte // what writers change is not on the line that readers read
	count int
}

const minBuckets = 64

func (x *index) init() {
	table := make([]atomic.Pointer[node], minBuckets)
	x.table.Store(&table)
}

// find returns the node for key, whose hash is h. When there is none it tells whether that is certain: it
// is not when the table grew meanwhile. Under the shard's lock it always is.
func (x *index) find(h uint64, key tiers.Key) (n *node, certain bool) {
	moves := x.moves.Load()
	table := *x.table.Load()
	for n := table[h&uint64(len(table)-1)].Load(); n != nil; n = n.next.Load() {
		if n.hash == h && n.key() == key {
			return n, true
		}
	}
	return nil, moves&1 == 0 && x.moves.Load() == moves
}

// insert adds n, whose key is not there yet.
func (x *index) insert(n *node) {
	if table := *x.table.Load(); x.count >= len(table) {
		x.grow(2 * len(table))
	}
	table := *x.table.Load()
	head := &table[n.hash&uint64(len(table)-1)]
	n.next.Store(head.Load())
	head.Store(n)
	x.count++
}

// remove takes n out and tells whether it was there.
func (x *index) remove(n *node) bool {
	table := *x.table.Load()
	for link := &table[n.hash&uint64(len(table)-1)]; ; {
		at := link.Load()
		if at == nil {
			return false
		}
		if at == n {
			link.Store(n.next.Load())
			x.count--
			return true
		}
		link = &at.next
	}
}

// grow moves all nodes to a table with room for size. Readers that are under way may be led from a chain
// of the old table into one of the new, and miss what they look for; moves tells them.
func (x *index) grow(size int) {
	x.moves.Add(1)
	old, table := *x.table.Load(), make([]atomic.Pointer[node], size)
	for i := range old {
		for n := old[i].Load(); n != nil; {
			next := n.next.Load()
			head := &table[n.hash&uint64(size-1)]
			n.next.Store(head.Load())
			head.Store(n)
			n = next
		}
	}
	x.table.Store(&table)
	x.moves.Add(1)
}
