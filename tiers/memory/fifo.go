package memory

import "github.com/hashicorp/golang-lru/v2/simplelru"

// fifo is nodes in the order in which they came. golang-lru's list keeps that order, but of blocks of nodes: what is on it
// takes a hundred bytes and seven pointers each, and hits wait for a garbage collector that follows these for each of a
// million nodes.
type fifo struct {
	name   segment
	blocks *simplelru.LRU[*block, struct{}]
	front  *block // where the next node goes; nil = to a new one
	bytes  int64
	count  int
}

// block is nodes that came one after the other.
type block struct {
	nodes [30]*node // nil where there is none yet, or no more
	of    *fifo
	first uint8 // place of the oldest, or before it
	next  uint8 // place of the next to come
	count uint8
}

func newFIFO(name segment) *fifo { return &fifo{name: name, blocks: newOrder[*block]()} }

// push puts n in front.
func (f *fifo) push(n *node) {
	if f.front == nil || int(f.front.next) == len(f.front.nodes) {
		f.front = &block{of: f}
		f.blocks.Add(f.front, struct{}{})
	}
	b := f.front
	n.in, n.block, n.place = f.name, b, b.next
	b.nodes[b.next] = n
	b.next++
	b.count++
	f.count++
	f.bytes += n.size
}

// remove takes n out.
func (f *fifo) remove(n *node) {
	b := n.block
	b.nodes[n.place] = nil
	b.count--
	n.in, n.block = nowhere, nil
	f.count--
	f.bytes -= n.size
	if b.count == 0 {
		f.blocks.Remove(b)
		if b == f.front {
			f.front = nil
		}
	}
	if (f.blocks.Len()-4)*len(b.nodes) > 2*f.count {
		f.compact()
	}
}

// compact makes the blocks anew, without the places of nodes that left out of turn.
func (f *fifo) compact() {
	old := f.blocks.Keys() // from the oldest
	*f = *newFIFO(f.name)
	for _, b := range old {
		for _, n := range b.nodes {
			if n != nil {
				f.push(n)
			}
		}
	}
}

// oldest returns the last node, nil when there is none.
func (f *fifo) oldest() *node {
	b, _, ok := f.blocks.GetOldest()
	if !ok {
		return nil
	}
	for b.nodes[b.first] == nil {
		b.first++
	}
	return b.nodes[b.first]
}
