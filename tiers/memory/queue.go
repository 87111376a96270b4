package memory

import "slices"

// queue is nodes in order of time. It is made of lists, of which each begins with an era, so that a node can be
// filed by the era of its last use: in LRU's order but for the order within a list.
type queue struct {
	name  segment
	max   int64 // bytes of the shard; a list is full with a 32nd of it
	lists []dated
	bytes int64
	count int
}

type dated struct {
	*fifo
	since uint32
}

// mostLists bounds the lists where those in the middle became empty. After it the last one grows.
const mostLists = 1 << 10

func newQueue(name segment, max int64) *queue { return &queue{name: name, max: max} }

func (q *queue) len() int { return q.count }

// push puts n in front.
func (q *queue) push(n *node, now uint32) {
	q.bytes += n.size
	q.count++
	q.file(n, now)
}

// file puts n in front of the nodes of an era.
func (q *queue) file(n *node, era uint32) {
	i := len(q.lists) - 1
	if i < 0 || i < mostLists && era > q.lists[i].since && q.lists[i].bytes >= q.max/erasOfRoom {
		q.lists = append(q.lists, dated{newFIFO(q.name), era})
		i++
	}
	for i > 0 && q.lists[i].since > era {
		i--
	}
	q.lists[i].push(n)
}

// again files n, which is in the queue, anew.
func (q *queue) again(n *node, era uint32) {
	n.block.of.remove(n)
	q.file(n, era)
	q.trim()
}

func (q *queue) resized(n *node, delta int64) {
	q.bytes += delta
	n.block.of.bytes += delta
}

// remove takes n out.
func (q *queue) remove(n *node) {
	q.bytes -= n.size
	q.count--
	n.block.of.remove(n)
	q.trim()
}

// trim drops the oldest lists while they are empty.
func (q *queue) trim() {
	for len(q.lists) > 0 && q.lists[0].count == 0 {
		q.lists = slices.Delete(q.lists, 0, 1)
	}
}

// oldest returns the last node, nil when there is none.
func (q *queue) oldest() *node {
	if q.count == 0 {
		return nil
	}
	return q.lists[0].oldest()
}

// leastUsed returns one of the nodes that were not used for longest but for keep, nil when there is none. It files
// anew those that were used since, but no more than maxTurns.
func (q *queue) leastUsed(keep *node) *node {
	for turn := 0; ; turn++ {
		n := q.oldest()
		switch {
		case n == nil, n == keep && q.count == 1:
			return nil
		case n != keep && (turn >= maxTurns || q.inPlace(n)):
			return n
		}
		q.again(n, n.era())
	}
}

// inPlace tells whether n, the oldest, is in the list of the era of its last use.
func (q *queue) inPlace(n *node) bool {
	if len(q.lists) > 1 {
		return n.era() < q.lists[1].since
	}
	return n.era() <= q.lists[0].since || q.bytes < q.max/erasOfRoom
}
