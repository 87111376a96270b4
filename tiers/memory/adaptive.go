package memory

import "github.com/nearside-cache/nearside/tiers"

// adaptive keeps two segments, each in the order in which nodes came, as S3-FIFO and 2Q do:
//
//   - New nodes enter small. One that reaches its end with enough hits moves to main, one with few goes
//     round again, and one with none leaves.
//   - Nodes go round in main as long as they are hit.
//   - A node that returns soon after it left small enters main at once.
//
// How the room is divided follows from what both segments lost lately. Of the nodes that just left small,
// those that return would have been hits had small been a little larger; likewise for main. So each such
// return moves the boundary by the node's size, and it comes to rest where a byte more is worth the same to
// both: small may be a hundredth of the shard under a scan, and most of it under bursts.
//
// Size counts. Nodes much larger than the average need more hits to stay, and one that is new and would push
// out many others must be asked for twice before it is admitted.
//
// Hits are only counted on the node, up to maxHits, so a hit that finds it counted to the full writes
// nothing.
type adaptive struct {
	max                 int64
	small, main         *list
	target              int64   // bytes that small may hold
	lostSmall, lostMain *ghosts // what left the segments
}

const (
	maxHits  = 3   // hits that count, and that take a node of usual size from small to main
	maxTurns = 128 // nodes that are looked at for one victim
)

func newAdaptive(max int64) *adaptive {
	return &adaptive{
		max:       max,
		small:     newList(small),
		main:      newList(main),
		target:    max / 10,
		lostSmall: newGhosts(max),
		lostMain:  newGhosts(max / 10),
	}
}

func (a *adaptive) add(n *node, full bool) bool {
	to := a.small
	if age, ok := a.lostSmall.take(n.hash); ok {
		to = a.main
		if age <= a.max/10 {
			a.target = min(a.target+n.size, a.max/10*9)
		}
	} else if _, ok := a.lostMain.take(n.hash); ok {
		n.hits.Store(maxHits - 1)
		a.target = max(a.target-n.size*5/4, a.max/100)
	} else if full && n.size > max(4*a.mean(), a.target/8) {
		a.lostSmall.add(n)
		return false
	}
	to.push(n)
	count := a.small.len() + a.main.len()
	a.lostSmall.fit(count)
	a.lostMain.fit(count / 8)
	return true
}

// mean is the average node's size.
func (a *adaptive) mean() int64 {
	return (a.small.bytes + a.main.bytes) / int64(max(1, a.small.len()+a.main.len()))
}

// touch does nothing: nodes count their hits.
func (a *adaptive) touch(*node) {}

func (a *adaptive) resized(n *node, delta int64) { a.of(n).bytes += delta }

func (a *adaptive) remove(n *node) { a.of(n).remove(n) }

func (a *adaptive) victim(keep *node, now tiers.Instant) *node {
	for turn := 0; ; turn++ {
		from := a.next(keep)
		if from == nil {
			return nil
		}
		n := from.oldest()
		switch {
		case n == keep:
			from.again(n)
		case n.dead(now):
			from.remove(n)
			return n
		case turn >= maxTurns || !a.stays(n):
			from.remove(n)
			a.lost(from).add(n)
			return n
		}
	}
}

// next is the segment that gives way: small when it is over its target. A segment that holds nothing but
// keep does not count.
func (a *adaptive) next(keep *node) *list {
	has := func(l *list) bool { return l.len() > 1 || l.len() == 1 && l.oldest() != keep }
	switch {
	case has(a.small) && (a.small.bytes > a.target || !has(a.main)):
		return a.small
	case has(a.main):
		return a.main
	}
	return nil
}

// of is the segment that n is in.
func (a *adaptive) of(n *node) *list {
	if n.in == small {
		return a.small
	}
	return a.main
}

func (a *adaptive) lost(from *list) *ghosts {
	if from == a.small {
		return a.lostSmall
	}
	return a.lostMain
}

// stays spends hits of n, the oldest of its segment, on another round or on the way to main. It tells
// whether there were enough.
func (a *adaptive) stays(n *node) bool {
	hits, price := n.hits.Load(), a.price(n)
	switch {
	case n.in == small && hits >= maxHits:
		a.small.remove(n)
		n.hits.Store(0)
		a.main.push(n)
		return true
	case hits >= price:
		n.hits.Store(hits - price)
		a.of(n).again(n)
		return true
	}
	return false
}

// price is the hits that a round costs n: one, and one more for each time that it is four times larger than
// the average, but not more than can be counted.
func (a *adaptive) price(n *node) uint32 {
	price := uint32(1)
	for size := a.mean() * 4; size < n.size && price < maxHits; size *= 4 {
		price++
	}
	return price
}
