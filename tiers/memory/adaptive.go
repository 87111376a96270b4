package memory

import "github.com/nearside-cache/nearside/tiers"

// adaptive keeps two segments, each in the order in which nodes came, as S3-FIFO and 2Q do:
//
//   - New nodes enter small. One that reaches its end with enough hits moves to main; the others leave, but
//     those with a hit or two may go round once more while that pays.
//   - Nodes go round in main as long as they are hit, and once or twice more.
//   - A node that returns soon after it left small enters main at once.
//
// What to do is learned from what was lost lately. Of the nodes that just left small, those that return would
// have been hits had small been a little larger; likewise for main. So each such return moves the boundary a
// little, by the average node's size, and it comes to rest where more room is worth the same to both: small may
// be a hundredth of the shard under a scan, and most of it under bursts. And going round small pays when nodes
// that left it after a hit return more often than those without, and when those that went round are hit again as
// often as new ones are hit at all: they are where some keys are simply more popular, and are not where each key
// is read a few times and never again.
//
// All this is a guess about what comes next, and where the favoured keys change all the time, or all at once, nothing
// is better than LRU. So a ledger keeps count of what LRU would have hit. When the policy falls behind, nodes leave
// in LRU's order, from either segment, until the debt is paid: by credits, and by a little for each node stored,
// which is what trying again may cost.
//
// Size counts. Nodes much larger than the average need more hits to stay, and one that is new and would push
// out many others must be asked for twice before it is admitted.
//
// Hits are only counted on the node, up to maxHits, with the era of the last one. A hit that finds both as they
// would be writes nothing.
type adaptive struct {
	max                 int64
	small, main         *queue
	ledger              *ledger
	asLRU               bool    // whether nodes leave as LRU would have them
	target              int64   // bytes that small may hold
	lostSmall, lostMain *ghosts // what left the segments; marked if it had a hit
	hit, unhit          odds    // of nodes that left small: how many returned
	fresh, rounded      odds    // of nodes that reached the end of small, the first time or again: how many had a hit
	rounds              uint    // how often a node could go round small once more
}

const (
	maxHits  = 3   // hits that count, as many as two bits hold, and that take a node of usual size from small to main
	maxTurns = 128 // nodes that are looked at for one victim
	patience = 128 // debits for one in so many nodes, and nodes leave as LRU would have them
	sampling = 16  // for one in so many nodes the contrary is done, to learn whether what pays still does
)

// odds is how many nodes were used again, of all that were looked at of late.
type odds struct{ used, all int }

// count counts a node; what was longer ago than about so many nodes counts less.
func (o *odds) count(memory int) {
	if o.all++; o.all > memory {
		o.all /= 2
		o.used /= 2
	}
}

// over tells whether a node of o is likelier to be used again than one of p.
func (o *odds) over(p *odds) bool { return o.used*(p.all+1) > p.used*(o.all+1) }

func newAdaptive(max int64, ledger *ledger) *adaptive {
	return &adaptive{
		max:       max,
		small:     newQueue(small, max),
		main:      newQueue(main, max),
		ledger:    ledger,
		target:    max / 10,
		lostSmall: newGhosts(max),
		lostMain:  newGhosts(max / 10),
	}
}

func (a *adaptive) add(n *node, full bool) bool {
	a.ledger.tick(a.count())
	now := a.ledger.era.Load()
	n.mark.Store(markOf(now, 0))
	to := a.small
	if g, age, ok := a.lostSmall.take(n.hash); ok {
		a.ledger.miss(g.lastUse(now), n.size)
		to = a.main
		a.odds(g.marked()).used++
		if age <= a.max/10 {
			a.target = min(a.target+a.mean(), a.max/10*9)
		}
	} else if g, _, ok := a.lostMain.take(n.hash); ok {
		a.ledger.miss(g.lastUse(now), n.size)
		n.setHits(maxHits - 1)
		a.target = max(a.target-a.mean()*5/4, a.max/100)
	} else if full && n.size > max(4*a.mean(), a.target/8) {
		a.ledger.move(now, n.size)
		a.lostSmall.add(n, false)
		return false
	}
	a.ledger.move(now, n.size)
	to.push(n, now)
	a.lostSmall.fit(a.count())
	a.lostMain.fit(a.count() / 8)
	return true
}

func (a *adaptive) odds(hit bool) *odds {
	if hit {
		return &a.hit
	}
	return &a.unhit
}

func (a *adaptive) count() int { return a.small.len() + a.main.len() }

// memory is how many nodes odds look back.
func (a *adaptive) memory() int { return a.count()/2 + 16 }

// mean is the average node's size.
func (a *adaptive) mean() int64 {
	return (a.small.bytes + a.main.bytes) / int64(max(1, a.count()))
}

// touch does nothing: nodes count their hits.
func (a *adaptive) touch(*node) {}

func (a *adaptive) resized(n *node, delta int64) {
	a.of(n).resized(n, delta)
	a.ledger.move(n.era(), delta)
}

func (a *adaptive) remove(n *node) {
	a.of(n).remove(n)
	a.ledger.move(n.era(), -n.size)
}

func (a *adaptive) victim(keep *node, now tiers.Instant) *node {
	balance := a.ledger.balance.Load()
	if a.asLRU = balance < 0 && (a.asLRU || balance < -int64(a.count())*parts/patience); a.asLRU {
		return a.leastUsed(keep)
	}
	for turn := 0; ; turn++ {
		from := a.next(keep)
		if from == nil {
			return nil
		}
		n := from.oldest()
		switch {
		case n == keep:
			from.again(n, a.ledger.era.Load())
		case n.dead(now):
			a.remove(n)
			return n
		case turn >= maxTurns || !a.stays(n):
			from.remove(n)
			a.lose(n, from)
			return n
		}
	}
}

// leastUsed chooses the victim as LRU does.
func (a *adaptive) leastUsed(keep *node) *node {
	n, other := a.small.leastUsed(keep), a.main.leastUsed(keep)
	if n == nil || other != nil && other.era() < n.era() {
		n = other
	}
	if n != nil {
		from := a.of(n)
		from.remove(n)
		a.lose(n, from)
	}
	return n
}

// next is the segment that gives way: small when it is over its target. A segment that holds nothing but
// keep does not count.
func (a *adaptive) next(keep *node) *queue {
	has := func(l *queue) bool { return l.len() > 1 || l.len() == 1 && l.oldest() != keep }
	switch {
	case has(a.small) && (a.small.bytes > a.target || !has(a.main)):
		return a.small
	case has(a.main):
		return a.main
	}
	return nil
}

// of is the segment that n is in.
func (a *adaptive) of(n *node) *queue {
	if n.in == small {
		return a.small
	}
	return a.main
}

// lose remembers that n left from.
func (a *adaptive) lose(n *node, from *queue) {
	if from == a.main {
		a.lostMain.add(n, false)
		return
	}
	hit := n.hits() > 0
	a.odds(hit).count(a.memory())
	a.lostSmall.add(n, hit)
}

// stays spends hits of n, the oldest of its segment, on another round or on the way to main. It tells
// whether there were enough.
func (a *adaptive) stays(n *node) bool {
	hits, price := n.hits(), a.price(n)
	if n.in == small {
		a.reached(n, hits > 0)
	}
	switch {
	case n.in == small && hits >= maxHits:
		a.small.remove(n)
		n.setHits(0)
		a.main.push(n, a.ledger.era.Load())
		return true
	case hits < price:
		return false
	case n.in == small && !a.goRound():
		return false
	}
	hits -= price
	if n.in == main {
		hits = min(hits, 1) // what was popular once has to show it again
	}
	n.rounded = true
	n.setHits(hits)
	a.of(n).again(n, a.ledger.era.Load())
	return true
}

// reached counts a node that reached the end of small.
func (a *adaptive) reached(n *node, hit bool) {
	o := &a.fresh
	if n.rounded {
		o = &a.rounded
	}
	if hit {
		o.used++
	}
	o.count(a.memory())
}

// goRound decides whether a node with some hits goes round small once more.
func (a *adaptive) goRound() bool {
	a.rounds++
	pays := a.hit.over(&a.unhit) && !a.fresh.over(&a.rounded)
	return pays != (a.rounds%sampling == 0)
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
