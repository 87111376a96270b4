package memory

import (
	"math"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// list is nodes in the order of their last use, on golang-lru's list.
type list struct {
	lru   *simplelru.LRU[*node, struct{}]
	bytes int64
	peak  int // the most nodes since lru was made
}

func newList() *list { return &list{lru: newOrder[*node]()} }

// newOrder makes golang-lru's list, which bounds by count and so is given no bound: bytes bound it from outside.
func newOrder[K comparable]() *simplelru.LRU[K, struct{}] {
	lru, err := simplelru.NewLRU[K, struct{}](math.MaxInt, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return lru
}

// push puts n in front.
func (l *list) push(n *node) {
	l.lru.Add(n, struct{}{})
	l.peak = max(l.peak, l.lru.Len())
	n.in = main
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
	order := newOrder[*node]()
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
