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
}

// segment names the list that a node is in.
type segment uint8

const (
	nowhere segment = iota // it was dropped
	small                  // new nodes of the adaptive policy
	main                   // its proven ones, and all of the lru policy
)

func newList(name segment) *list {
	lru, err := simplelru.NewLRU[*node, struct{}](math.MaxInt, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &list{name: name, lru: lru}
}

// push puts n in front.
func (l *list) push(n *node) {
	l.lru.Add(n, struct{}{})
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
}

// oldest returns the last node, nil when the list is empty.
func (l *list) oldest() *node {
	n, _, _ := l.lru.GetOldest()
	return n
}

func (l *list) len() int { return l.lru.Len() }
