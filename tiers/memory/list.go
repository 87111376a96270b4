package memory

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// list is an order of nodes on golang-lru's list, which bounds by count and so is given no bound: bytes
// bound it from outside. A node is in one list at most.
type list struct {
	name  segment
	lru   *simplelru.LRU[*node, struct{}]
	bytes int64
	peak  int // the most nodes since lru was made
}

// segment names the list that a node is in.
type segment uint8

const (
	nowhere segment = iota // it was dropped
	small                  // new nodes of the adaptive policy
	main                   // its proven ones, and all of the lru policy
)

func newList(name segment) *list { return &list{name: name, lru: newOrder()} }

func newOrder() *simplelru.LRU[*node, struct{}] {
	lru, err := simplelru.NewLRU[*node, struct{}](math.MaxInt, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return lru
}

// push puts n in front.
func (l *list) push(n *node) {
	l.lru.Add(n, struct{}{})
	l.peak = max(l.peak, l.lru.Len())
	n.in = l.name
	l.bytes += n.size
}

// again moves n, which is in the list, to the front.
func (l *list) again(n *node) { l.lru.Get(n) }

// remove takes n out.
func (l *list) remove(n *node) {
	l.lru.Remove(n)
	n.in = nowhere
	l.bytes -= n.size
	if l.peak > 1000 && l.lru.Len() < l.peak/3 {
		l.shrink()
	}
}

// shrink makes the list anew, because a map keeps the memory that it once needed.
func (l *list) shrink() {
	order := newOrder()
	for _, n := range l.lru.Keys() { // from the oldest
		order.Add(n, struct{}{})
	}
	l.lru, l.peak = order, order.Len()
}

// oldest returns the last node, nil when the list is empty.
func (l *list) oldest() *node {
	n, _, _ := l.lru.GetOldest()
	return n
}

func (l *list) len() int { return l.lru.Len() }
