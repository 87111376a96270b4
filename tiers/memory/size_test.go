//go:build !race

package memory_test

import (
	"runtime"
	"testing"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/memory"
)

// heap returns the bytes that live on the heap.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestBookkeeping: what the tier uses beside the entries is what it counts, and no more than 200 bytes an
// entry. The counts differ so that the tables are met just before and just after they grew; in a full tier
// the ghosts are there, too.
func TestBookkeeping(t *testing.T) {
	for _, policy := range []memory.Policy{memory.Adaptive, memory.LRU} {
		t.Run(policy.String(), func(t *testing.T) { testBookkeeping(t, policy) })
	}
}

func testBookkeeping(t *testing.T, policy memory.Policy) {
	const limit = 200
	one := func() int64 {
		tier, _ := filled(t, memory.Config{MaxBytes: 1 << 20, Policy: policy}, 1, 0)
		return tier.Stats().Bytes
	}()
	counted := one - int64(entryOf(0, 0).Size())
	if counted > limit {
		t.Errorf("an entry counts for %d bytes of bookkeeping, want at most %d", counted, limit)
	}
	for _, n := range []int{25_000, 31_250, 37_500, 57_500} {
		for _, full := range []bool{false, true} {
			maxBytes := tiers.ByteSize(one) * tiers.ByteSize(n)
			if !full {
				maxBytes *= 2
			}
			entries := make([]*tiers.Entry, 3*n)
			for i := range entries {
				entries[i] = entryOf(i, 0)
			}
			before := heap()
			tier := memory.New(memory.Config{MaxBytes: maxBytes, Policy: policy})
			for i, e := range entries {
				if i == n && !full {
					break
				}
				if err := tier.Put(t.Context(), e); err != nil {
					t.Fatal(err)
				}
				for range i % 5 { // some get to main
					if _, err := tier.Get(t.Context(), e.Key, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			each := (heap() - before) / tier.Stats().Entries
			t.Logf("%d entries, full %v: %d bytes each", tier.Stats().Entries, full, each)
			if each > limit || each > counted+8 {
				t.Errorf("%d entries, full %v: %d bytes of bookkeeping each, counted are %d", n, full, each, counted)
			}
			runtime.KeepAlive(entries)
			runtime.KeepAlive(tier)
		}
	}
}

// TestAllocations: a hit and a miss allocate nothing.
func TestAllocations(t *testing.T) {
	for _, policy := range []memory.Policy{memory.Adaptive, memory.LRU} {
		tier, keys := filled(t, memory.Config{MaxBytes: 64 << 20, Policy: policy}, 100, 1024)
		ctx := t.Context()
		scratch := []byte(keys[7])
		for name, f := range map[string]func() error{
			"hit": func() error { _, err := tier.Get(ctx, unsafeKey(scratch), nil); return err },
			"replace": func(e *tiers.Entry) func() error {
				return func() error { return tier.Put(ctx, e) }
			}(entryOf(7, 2048)),
		} {
			if n := testing.AllocsPerRun(1000, func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v: a %s makes %v allocations", policy, name, n)
			}
		}
		miss := []byte(keyOf(-1))
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := tier.Get(ctx, unsafeKey(miss), nil); err == nil {
				t.Fatal("a hit")
			}
		}); n != 0 {
			t.Errorf("%v: a miss makes %v allocations", policy, n)
		}
	}
}
