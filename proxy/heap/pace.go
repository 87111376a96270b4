package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	leastGarbage = 24 << 20 // between two collections, in bytes
	partGarbage  = 5        // garbage is one part of so many of what lives, where that is more

	// room is what the process may take beside L1 and a quarter, of the 64 MB that are promised: the rest is not
	// the collector's, such as the program itself.
	room = 40 << 20
)

// pace follows what lives.
type pace struct {
	usual, most   int64 // limits: with a full L1, and whatever lives
	limits, paces bool  // what of the two is set

	sample  []metrics.Sample
	limit   int64
	percent int64
}

// newPace is for an L1 and a container of so many bytes.
func newPace(l1, container int64) *pace {
	most := container - container/10
	return &pace{
		usual: min(l1+l1/4+room, most), most: most,
		sample: []metrics.Sample{
			{Name: "/gc/heap/live:bytes"},
			{Name: "/memory/classes/total:bytes"}, // and of these not beside the objects:
			{Name: "/memory/classes/heap/objects:bytes"},
			{Name: "/memory/classes/heap/free:bytes"},
			{Name: "/memory/classes/heap/released:bytes"},
		},
	}
}

// garbage is how much may gather beside so much that lives.
func garbage(live int64) int64 { return max(leastGarbage, live/partGarbage) }

// percentFor is what GOGC is when so much lives.
func (p *pace) percentFor(live int64) int64 {
	live = max(live, 1<<20)
	return garbage(live) * 100 / live
}

// limitFor is what GOMEMLIMIT is then, with so much that the runtime takes beside the heap's objects, such as stacks.
// What lives has room in any case, unless the container has none: with less, the collector would do nothing but collect.
func (p *pace) limitFor(live, beside int64) int64 {
	return min(max(p.usual, live+max(2*leastGarbage, live/4)+beside), p.most)
}

// follow sets both, and has itself called after the next collection, which finds dead what is left behind here.
func (p *pace) follow() {
	metrics.Read(p.sample)
	read := func(i int) int64 { return int64(p.sample[i].Value.Uint64()) }
	p.set(read(0), read(1)-read(2)-read(3)-read(4))
	runtime.AddCleanup(new(*pace), (*pace).follow, p)
}

// set stops the world for a moment, so it leaves small changes out.
func (p *pace) set(live, beside int64) {
	if percent := p.percentFor(live); p.paces && differs(percent, p.percent) {
		p.percent = percent
		debug.SetGCPercent(int(percent))
	}
	if limit := p.limitFor(live, beside); p.limits && differs(limit, p.limit) {
		p.limit = limit
		debug.SetMemoryLimit(limit)
	}
}

func differs(a, b int64) bool { return a < b-b/32 || a > b+b/32 }
