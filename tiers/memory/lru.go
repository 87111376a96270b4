package memory

import "github.com/nearside-cache/nearside/tiers"

// lru evicts what was not used for longest.
type lru struct{ order *list }

func newLRU() *lru { return &lru{order: newList()} }

func (p *lru) add(n *node, _ bool) bool {
	p.order.push(n)
	return true
}

func (p *lru) touch(n *node) { p.order.again(n) }

func (p *lru) resized(_ *node, delta int64) { p.order.bytes += delta }

func (p *lru) remove(n *node) { p.order.remove(n) }

func (p *lru) victim(keep *node, _ tiers.Instant) *node {
	n := p.order.oldest()
	if n == nil || n == keep { // keep was used last
		return nil
	}
	p.order.remove(n)
	return n
}
