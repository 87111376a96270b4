package memory

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

func ghostOf(i int, size int64) *node {
	return &node{hash: rand.New(rand.NewPCG(uint64(i), 1)).Uint64(), size: size}
}

func TestGhosts(t *testing.T) {
	g := newGhosts(100_000)
	g.fit(200)
	for i := range 300 {
		g.add(ghostOf(i, 1000), i%3 == 0)
	}
	found := 0
	for i := range 300 {
		old, age, ok := g.take(ghostOf(i, 0).hash)
		want := int64(299-i) * 1000
		switch {
		case ok && want > 100_000:
			t.Errorf("ghost %d is remembered after %d bytes", i, want)
		case ok && age != want:
			t.Errorf("ghost %d: age %d, want %d", i, age, want)
		case ok && old.marked() != (i%3 == 0):
			t.Errorf("ghost %d: marked %v", i, old.marked())
		case ok:
			found++
		}
		if _, _, ok := g.take(ghostOf(i, 0).hash); ok {
			t.Errorf("ghost %d was taken twice", i)
		}
	}
	if found < 95 {
		t.Errorf("%d ghosts are left of 101", found)
	}
}

// TestGhostsGoRound: stamps wrap, and what left long ago does not come back as new.
func TestGhostsGoRound(t *testing.T) {
	g := newGhosts(1 << 20)
	old := ghostOf(-1, 1)
	g.add(old, false)
	g.left += 1<<31 - 1000 // a full turn but for a little
	fresh := ghostOf(-2, 1)
	g.add(fresh, false)
	g.left += 2000
	if _, age, ok := g.take(fresh.hash); !ok || age != 2000 {
		t.Errorf("across the turn: %d, %v, want 2000", age, ok)
	}
	for i := range 10_000 { // all that was there is overwritten long before a turn is over
		g.add(ghostOf(i, 1<<10), false)
	}
	if _, _, ok := g.take(old.hash); ok {
		t.Error("the ghost of a turn ago came back")
	}
}

func TestGhostsSurviveGrowth(t *testing.T) {
	g := newGhosts(1 << 40)
	const n = 3000
	for i := range n {
		g.fit(2 * i)
		g.add(ghostOf(i, 1<<20), false)
	}
	lost := 0
	for i := range n {
		if _, _, ok := g.take(ghostOf(i, 0).hash); !ok {
			lost++
		}
	}
	if lost > n/20 {
		t.Errorf("%d of %d are lost", lost, n)
	}
}

func TestShardsAreLargeEnough(t *testing.T) {
	for maxBytes, most := range map[int64]int{0: 1, 1: 1, 64 << 20: 1, 127 << 20: 1, 128 << 20: 2, 1 << 40: 1 << 10} {
		n := shardsFor(maxBytes)
		if n < 1 || n > most || n&(n-1) != 0 {
			t.Errorf("%d shards for %d bytes", n, maxBytes)
		}
	}
}

// TestListShrinks: the order stays when the list is made anew.
func TestListShrinks(t *testing.T) {
	l := newList()
	nodes := make([]*node, 5000)
	for i := range nodes {
		nodes[i] = &node{size: 1}
		nodes[i].entry.Store(&tiers.Entry{})
		l.push(nodes[i])
	}
	for _, n := range nodes[:4500] {
		l.remove(n)
	}
	if l.peak >= 5000 || l.bytes != 500 || l.len() != 500 {
		t.Errorf("peak %d, %d bytes, %d nodes", l.peak, l.bytes, l.len())
	}
	for _, n := range nodes[4500:] {
		if l.oldest() != n {
			t.Fatal("the order changed")
		}
		l.remove(n)
	}
}

// TestFIFO: nodes leave in the order in which they came, though others left out of turn, and what holds them stays small.
func TestFIFO(t *testing.T) {
	random := rand.New(rand.NewPCG(25, 26))
	f := newFIFO(small)
	var order []*node
	for i := range 30_000 {
		grows := i/5000%2 == 0
		switch at := random.IntN(10); {
		case len(order) == 0, grows && at < 8, at == 0:
			n := &node{size: int64(i)}
			f.push(n)
			order = append(order, n)
		case at < 9:
			out := random.IntN(len(order))
			f.remove(order[out])
			order = slices.Delete(order, out, out+1)
		default:
			if f.oldest() != order[0] {
				t.Fatal("the oldest is another")
			}
			f.remove(order[0])
			order = order[1:]
		}
		bytes := int64(0)
		for _, n := range order {
			bytes += n.size
		}
		if places := f.blocks.Len() * len(block{}.nodes); f.count != len(order) || f.bytes != bytes || places > 2*len(order)+150 {
			t.Fatalf("%d nodes of %d bytes in %d places, want %d of %d", f.count, f.bytes, places, len(order), bytes)
		}
	}
	for _, n := range order {
		if f.oldest() != n {
			t.Fatal("the oldest is another")
		}
		f.remove(n)
	}
	if f.oldest() != nil || f.count != 0 || f.bytes != 0 || f.blocks.Len() != 0 {
		t.Errorf("left: %d nodes of %d bytes", f.count, f.bytes)
	}
}

// TestLookingUpTakesNoLock: hits, misses and what is expired are answered while another goroutine stores.
func TestLookingUpTakesNoLock(t *testing.T) {
	tier := New(Config{MaxBytes: 1 << 20})
	fresh := &tiers.Entry{Key: "fresh", Born: tiers.Now(), Lifetime: time.Hour}
	varied := &tiers.Entry{Key: "fresh", Vary: "accept", Born: tiers.Now(), Lifetime: time.Hour}
	expires := &tiers.Entry{Key: "expires", Born: tiers.Now(), Lifetime: time.Second / 5}
	for _, e := range []*tiers.Entry{varied, fresh, expires} {
		if err := tier.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(expires.Expires().Sub(tiers.Now()) + 1)
	tier.shards[0].mu.Lock()
	defer tier.shards[0].mu.Unlock()
	for range maxHits + 1 {
		if e, err := tier.Get(t.Context(), "fresh", nil); e != fresh || err != nil {
			t.Errorf("fresh: %v, %v", e, err)
		}
		for _, key := range []tiers.Key{"expires", "absent"} {
			if e, err := tier.Get(t.Context(), key, nil); e != nil || !errors.Is(err, tiers.ErrMiss) {
				t.Errorf("%s: %v, %v", key, e, err)
			}
		}
	}
}

// TestLedger: it holds as many of the keys as LRU does, with an error of less than a hundredth.
func TestLedger(t *testing.T) {
	const room, accesses = 500, 60_000
	random := rand.New(rand.NewPCG(21, 22))
	zipf := rand.NewZipf(random, 1.1, 1, 20_000)
	for name, next := range map[string]func(i int) int{
		"zipf":     func(int) int { return int(zipf.Uint64()) },
		"a window": func(i int) int { return i/3 + random.IntN(700) },
		"loop":     func(i int) int { return i % 520 },
		"phases":   func(i int) int { return i/2000%2*10_000 + random.IntN(600) },
	} {
		var era atomic.Uint32
		ledger, lru := newLedger(room, &era), newLRU()
		nodes, last := map[int]*node{}, map[int]uint32{}
		hits, kept := 0, int64(0)
		for i := range accesses {
			key := next(i)
			before, known := last[key]
			ledger.tick(room)
			last[key] = era.Load()
			if known {
				kept += ledger.kept(before)
				ledger.move(before, -1)
			}
			ledger.move(era.Load(), 1)
			if n := nodes[key]; n != nil && n.in != nowhere {
				hits++
				lru.touch(n)
				continue
			}
			nodes[key] = &node{size: 1}
			lru.add(nodes[key], false)
			if lru.order.len() > room {
				lru.victim(nil, 0)
			}
		}
		t.Logf("%s: LRU has %d hits, the ledger %d", name, hits, kept/parts)
		if off := kept/parts - int64(hits); max(off, -off) > accesses/100 {
			t.Errorf("%s: LRU has %d hits, the ledger %d", name, hits, kept/parts)
		}
	}
}

// TestQueueFilesByEra: what was used later leaves later, and nothing is lost.
func TestQueueFilesByEra(t *testing.T) {
	const n = 3000
	random := rand.New(rand.NewPCG(23, 24))
	q := newQueue(small, n)
	nodes := make([]*node, n)
	for i := range nodes {
		nodes[i] = &node{size: 1}
		nodes[i].entry.Store(&tiers.Entry{})
		nodes[i].mark.Store(markOf(uint32(1+i/50), 0))
		q.push(nodes[i], nodes[i].era())
	}
	for range n { // some in the middle leave, and others are used again
		at := nodes[random.IntN(n)]
		if at.in == nowhere {
			continue
		}
		if random.IntN(4) == 0 {
			q.remove(at)
			continue
		}
		at.mark.Store(markOf(max(at.era(), uint32(1+random.IntN(n/50))), 0))
	}
	left, bytes, before := q.len(), q.bytes, uint32(0)
	for ; left > 0; left-- {
		at := q.leastUsed(nil)
		if at == nil || q.bytes != int64(left) || bytes < q.bytes {
			t.Fatalf("%d nodes should be left, of %d bytes", left, q.bytes)
		}
		if at.era()+n/erasOfRoom/50+1 < before { // the order within a list is not kept
			t.Errorf("one of era %d leaves after one of era %d", at.era(), before)
		}
		before = max(before, at.era())
		q.remove(at)
	}
	if q.len() != 0 || q.oldest() != nil || q.leastUsed(nil) != nil {
		t.Errorf("%d nodes are left", q.len())
	}
}
