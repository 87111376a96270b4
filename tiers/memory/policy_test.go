package memory_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/memory"
)

// room returns a tier with room for n entries of size bytes.
func room(t *testing.T, policy memory.Policy, n, size int) *memory.Tier {
	t.Helper()
	one, _ := filled(t, memory.Config{MaxBytes: 64 << 20, Policy: policy}, 1, size)
	return memory.New(memory.Config{MaxBytes: tiers.ByteSize(one.Stats().Bytes) * tiers.ByteSize(n), Policy: policy})
}

// use gets i, stores it on a miss, and tells whether it was a hit.
func use(t *testing.T, tier *memory.Tier, i int) bool {
	t.Helper()
	if has(t, tier, keyOf(i)) {
		return true
	}
	put(t, tier, entryOf(i, 0))
	return false
}

func TestLRUIsStrict(t *testing.T) {
	const capacity = 50
	tier := room(t, memory.LRU, capacity, 0)
	var order []int // from the least recently used
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		i := int(random.ExpFloat64() * 40)
		place := -1
		for at, j := range order {
			if j == i {
				place = at
			}
		}
		if hit := use(t, tier, i); hit != (place >= 0) {
			t.Fatalf("%d: hit %v, but its place is %d", i, hit, place)
		}
		if place >= 0 {
			order = append(order[:place], order[place+1:]...)
		} else if len(order) == capacity {
			order = order[1:]
		}
		order = append(order, i)
	}
}

// hitRatio runs next over the tier and returns the hits in percent.
func hitRatio(t *testing.T, tier *memory.Tier, accesses int, next func() int) float64 {
	t.Helper()
	hits := 0
	for range accesses {
		if use(t, tier, next()) {
			hits++
		}
	}
	return 100 * float64(hits) / float64(accesses)
}

// TestNeverFarBelowLRU: where what was used last is used next, nothing is better than LRU, and the adaptive policy is
// not worse by more than 0.3 points, nor anywhere else.
func TestNeverFarBelowLRU(t *testing.T) {
	const capacity, accesses = 200, 40_000
	zipf := func(r *rand.Rand, s float64) func() int {
		z := rand.NewZipf(r, s, 1, 20*capacity)
		return func() int { return int(z.Uint64()) }
	}
	for name, trace := range map[string]func(r *rand.Rand) func(i int) int{
		"stack distances": func(r *rand.Rand) func(i int) int {
			return stack(func() int { return int(r.ExpFloat64() * capacity * 0.7) }, r)
		},
		"even stack distances": func(r *rand.Rand) func(i int) int {
			return stack(func() int { return r.IntN(capacity * 95 / 100) }, r)
		},
		"twice": func(*rand.Rand) func(i int) int {
			return func(i int) int { return i/(2*190)*190 + i%190 }
		},
		"three times in a burst": func(*rand.Rand) func(i int) int {
			return func(i int) int { return i/3 + capacity - i%3*(capacity/4) }
		},
		"a window that moves": func(r *rand.Rand) func(i int) int {
			return func(i int) int { return i/10 + r.IntN(capacity*9/10) }
		},
		"a window that jumps": func(r *rand.Rand) func(i int) int {
			return func(i int) int { return i/4000*10_000 + r.IntN(capacity*12/10) }
		},
		"three sets in turn": func(r *rand.Rand) func(i int) int {
			return func(i int) int { return i/700%3*capacity + r.IntN(capacity*9/10) }
		},
		"favour that moves": func(r *rand.Rand) func(i int) int {
			return func(i int) int { return i/12 + int(r.ExpFloat64()*r.ExpFloat64()*capacity/2) }
		},
		"zipf": func(r *rand.Rand) func(i int) int {
			next := zipf(r, 1.1)
			return func(int) int { return next() }
		},
		"phases of zipf and of a window": func(r *rand.Rand) func(i int) int {
			next := zipf(r, 1.1)
			return func(i int) int {
				if i/5000%2 == 0 {
					return next()
				}
				return 1_000_000 + i/5 + r.IntN(capacity*7/10)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ratio := map[memory.Policy]float64{}
			for _, policy := range []memory.Policy{memory.LRU, memory.Adaptive} {
				next, i := trace(rand.New(rand.NewPCG(5, 6))), 0
				ratio[policy] = hitRatio(t, room(t, policy, capacity, 0), accesses, func() int { i++; return next(i) })
			}
			t.Logf("lru %.2f %%, adaptive %.2f %%", ratio[memory.LRU], ratio[memory.Adaptive])
			if ratio[memory.Adaptive] < ratio[memory.LRU]-0.3 {
				t.Errorf("lru %.2f %%, adaptive %.2f %%", ratio[memory.LRU], ratio[memory.Adaptive])
			}
		})
	}
}

// stack asks for the key that is distance other keys back, and for a new one in one of eight cases.
func stack(distance func() int, r *rand.Rand) func(i int) int {
	var order []int // from the least recently used
	return func(i int) int {
		key := i
		if at := len(order) - 1 - distance(); at >= 0 && r.IntN(8) > 0 {
			key = order[at]
			order = append(order[:at], order[at+1:]...)
		}
		order = append(order, key)
		return key
	}
}

// TestScanResistance: one pass over ten times the capacity in keys that come once costs the hot set at most
// two points, whether it is read meanwhile or not.
func TestScanResistance(t *testing.T) {
	const capacity = 2000
	random := rand.New(rand.NewPCG(3, 4))
	zipf := rand.NewZipf(random, 1.1, 1, 50_000)
	for name, hot := range map[string]func() int{
		"zipf":                func() int { return int(zipf.Uint64()) },
		"80 % of the entries": func() int { return random.IntN(capacity * 8 / 10) },
	} {
		for _, mixed := range []bool{false, true} {
			tier := room(t, memory.Adaptive, capacity, 0)
			hitRatio(t, tier, 100_000, hot)
			before := hitRatio(t, tier, 20_000, hot)
			scanned, hits := 0, 0
			for i := range 10 * capacity {
				use(t, tier, 1_000_000+i)
				if mixed {
					scanned++
					if use(t, tier, hot()) {
						hits++
					}
				}
			}
			after := hitRatio(t, tier, 5*capacity, hot)
			t.Logf("%s, mixed %v: %.2f %% before, %.2f %% after", name, mixed, before, after)
			if after < before-2 {
				t.Errorf("%s, mixed %v: %.2f %% before the scan, %.2f %% after it", name, mixed, before, after)
			}
			if during := 100 * float64(hits) / float64(max(1, scanned)); mixed && during < before-2 {
				t.Errorf("%s: %.2f %% before the scan, %.2f %% during it", name, before, during)
			}
		}
	}
}

// TestAdaptiveBeatsLRU on the kinds of access that a policy may be bad at.
func TestAdaptiveBeatsLRU(t *testing.T) {
	const capacity, accesses = 1000, 90_000
	for name, c := range map[string]struct {
		access func() func() int
		gain   float64 // in points, at least
	}{
		"zipf": {func() func() int {
			zipf := rand.NewZipf(rand.New(rand.NewPCG(5, 6)), 1.1, 1, 50_000)
			return func() int { return int(zipf.Uint64()) }
		}, 3},
		"each key twice, close together": {func() func() int {
			i := 0
			return func() int { i++; return i/600*300 + i%300 }
		}, -0.3},
		"popularity moves on": {func() func() int {
			zipf := rand.NewZipf(rand.New(rand.NewPCG(7, 8)), 1.1, 1, 50_000)
			i := 0
			return func() int { i++; return int(zipf.Uint64()) + i/100 }
		}, 0},
		"a loop that does not fit, beside a hot set": {func() func() int {
			random := rand.New(rand.NewPCG(9, 10))
			i := 0
			return func() int {
				if i++; i%2 == 0 {
					return 1_000_000 + i/2%3000
				}
				return random.IntN(500)
			}
		}, 3},
	} {
		lru := hitRatio(t, room(t, memory.LRU, capacity, 0), accesses, c.access())
		adaptive := hitRatio(t, room(t, memory.Adaptive, capacity, 0), accesses, c.access())
		t.Logf("%s: lru %.2f %%, adaptive %.2f %%", name, lru, adaptive)
		if adaptive < lru+c.gain {
			t.Errorf("%s: lru %.2f %%, adaptive %.2f %%", name, lru, adaptive)
		}
	}
}

// TestLargeObjectsFit: an object of 8 MiB can be stored in the 64 MiB that are the default, in an empty tier
// at once, and in a full one when it is asked for again.
func TestLargeObjectsFit(t *testing.T) {
	for _, policy := range []memory.Policy{memory.Adaptive, memory.LRU} {
		tier := memory.New(memory.Config{MaxBytes: 64 << 20, Policy: policy})
		for i := range 5 {
			put(t, tier, entryOf(i, 8<<20))
		}
		for i := range 5 {
			if !has(t, tier, keyOf(i)) {
				t.Errorf("%v: object %d is gone", policy, i)
			}
		}
		if err := tier.Put(t.Context(), entryOf(9, 33<<20)); !errors.Is(err, memory.ErrRefused) {
			t.Errorf("%v: more than half the tier: %v, want ErrRefused", policy, err)
		}
	}
	tier := memory.New(memory.Config{MaxBytes: 64 << 20})
	for i := range 60_000 {
		put(t, tier, entryOf(i, 1000))
	}
	large := entryOf(1_000_000, 8<<20)
	if err := tier.Put(t.Context(), large); !errors.Is(err, memory.ErrRefused) {
		t.Errorf("a full tier: %v, want ErrRefused at first", err)
	}
	put(t, tier, large)
	if !has(t, tier, large.Key) {
		t.Error("stored, and gone at once")
	}
}

// TestLargeObjectsDoNotPushOutSmallOnes: they are asked for once each, the small ones again and again.
func TestLargeObjectsDoNotPushOutSmallOnes(t *testing.T) {
	const small = 20_000
	tier := room(t, memory.Adaptive, small*5/4, 1000)
	random := rand.New(rand.NewPCG(11, 12))
	ratio := func(large bool) float64 {
		hits := 0
		for i := range 60_000 {
			if large && i%20 == 0 {
				e := entryOf(1_000_000+i, 1<<20)
				if err := tier.Put(t.Context(), e); err != nil && !errors.Is(err, memory.ErrRefused) {
					t.Fatal(err)
				}
			}
			n := random.IntN(small)
			if has(t, tier, keyOf(n)) {
				hits++
				continue
			}
			put(t, tier, entryOf(n, 1000))
		}
		return float64(hits) / 600
	}
	for range 5 { // the small ones come, and others fill the rest
		ratio(false)
	}
	for i := range small {
		put(t, tier, entryOf(2_000_000+i, 1000))
	}
	before := ratio(false)
	during := ratio(true)
	t.Logf("%.2f %% before the large objects came, %.2f %% while they came", before, during)
	if during < before-0.5 {
		t.Errorf("%.2f %% before the large objects came, %.2f %% while they came", before, during)
	}
}
