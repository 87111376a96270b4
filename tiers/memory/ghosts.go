package memory

// ghosts remembers the hashes of nodes that left, for as long as span further bytes leave after them.
//
// A ghost is twelve bytes in a table of buckets: part of the hash, a stamp, what had left before it, and the era of
// the last use. When a bucket is full the oldest gives way. Two keys may be taken for one another, about once in 2¹⁶ questions
// at worst: that costs a wrong guess about what will be used again, never a wrong entry.
type ghosts struct {
	span  int64
	left  int64 // bytes that left so far
	table []bucket
}

type bucket [8]ghost

// ghost is empty when its stamp is zero.
type ghost struct {
	hash, stamp uint32
	era         uint16 // its last bits
}

// marked tells whether the ghost was marked.
func (g ghost) marked() bool { return g.hash&1 == 1 }

// lastUse is the era of the ghost's last use.
func (g ghost) lastUse(now uint32) uint32 { return now - uint32(uint16(now)-g.era) }

func newGhosts(span int64) *ghosts {
	return &ghosts{span: span, table: make([]bucket, 16)}
}

// resolution is how many steps of the stamp a span has.
const resolution = 1 << 20

// now is the stamp of what leaves now: one or more, it wraps after some thousand spans.
func (g *ghosts) now() uint32 { return g.at(g.left) | 1 }

func (g *ghosts) at(left int64) uint32 {
	return uint32(uint64(left) / uint64(max(1, g.span/resolution)) << 1)
}

// age is how many bytes left after a ghost with this stamp.
func (g *ghosts) age(stamp uint32) int64 {
	return int64((g.now()-stamp)>>1) * max(1, g.span/resolution)
}

func (g *ghosts) bucket(hash uint32) *bucket {
	return &g.table[uint64(hash)*uint64(len(g.table))>>32]
}

// part is the part of a hash that ghosts keep: other bits than those that choose the shard, and all but the
// last, which is the mark.
func part(h uint64) uint32 { return uint32(h>>20) &^ 1 }

// add remembers that n left, and whether it is marked.
func (g *ghosts) add(n *node, marked bool) {
	hash := part(n.hash)
	if marked {
		hash |= 1
	}
	g.left += n.size
	g.put(ghost{hash, g.now(), uint16(n.era())})
}

func (g *ghosts) put(new ghost) {
	b := g.bucket(new.hash)
	place, oldest := 0, int64(-1)
	for i, old := range b {
		if old.stamp == 0 || old.hash|1 == new.hash|1 {
			place = i
			break
		}
		if age := g.age(old.stamp); age > oldest {
			place, oldest = i, age
		}
	}
	b[place] = new
}

// take forgets the ghost of hash h and returns it, and tells how many bytes left after it and whether there was
// one.
func (g *ghosts) take(h uint64) (old ghost, age int64, ok bool) {
	b := g.bucket(part(h))
	for i, old := range b {
		if old.stamp != 0 && old.hash&^1 == part(h) {
			b[i] = ghost{}
			age = g.age(old.stamp)
			return old, age, age <= g.span
		}
	}
	return ghost{}, 0, false
}

// fit makes room for n ghosts, and a quarter more when it has to move them.
func (g *ghosts) fit(n int) {
	if n <= len(g.table)*len(bucket{}) {
		return
	}
	old := g.table
	g.table = make([]bucket, len(old)+len(old)/4)
	for _, b := range old {
		for _, ghost := range b {
			if ghost.stamp != 0 && g.age(ghost.stamp) <= g.span {
				g.put(ghost)
			}
		}
	}
}
