package memory_test

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/memory"
)

func keyOf(i int) tiers.Key {
	return tiers.Key("GET http://origin.test/items/" + strconv.Itoa(1_000_000_000+i))
}

func entryOf(i, size int) *tiers.Entry {
	return &tiers.Entry{
		Key: keyOf(i), Status: 200, Header: tiers.Header("Content-Type: text/plain\r\n"), Body: make([]byte, size),
		Born: tiers.Now(), Lifetime: 24 * time.Hour,
	}
}

// filled returns a tier that holds n entries of size bytes each, and their keys.
func filled(tb testing.TB, cfg memory.Config, n, size int) (*memory.Tier, []tiers.Key) {
	tb.Helper()
	tier := memory.New(cfg)
	keys := make([]tiers.Key, n)
	for i := range keys {
		keys[i] = keyOf(i)
		if err := tier.Put(tb.Context(), entryOf(i, size)); err != nil {
			tb.Fatal(err)
		}
	}
	return tier, keys
}

// BenchmarkGetHit: -cpu 1,2 shows whether hits contend. Each goroutine walks the keys from another place.
func BenchmarkGetHit(b *testing.B) {
	for _, policy := range []memory.Policy{memory.Adaptive, memory.LRU} {
		for _, n := range []int{1, 1000, 1_000_000} {
			b.Run(policy.String()+"/"+strconv.Itoa(n), func(b *testing.B) {
				tier, keys := filled(b, memory.Config{MaxBytes: 4 << 30, Policy: policy}, n, 0)
				ctx := b.Context()
				var goroutines atomic.Int64
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					i := int(goroutines.Add(1)) * 7919
					for pb.Next() {
						i += 104729 // a prime: all keys, far from each other
						if _, err := tier.Get(ctx, keys[i%n], nil); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// BenchmarkGetTail takes the time of each hit while others store: with a million entries the garbage collector has much to
// look at, and the processor's caches hold little of it.
func BenchmarkGetTail(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			tier, keys := filled(b, memory.Config{MaxBytes: 4 << 30}, n, 1024)
			ctx, stop := context.WithCancel(b.Context())
			defer stop()
			go func() {
				for i := n; ctx.Err() == nil; i++ {
					_ = tier.Put(ctx, entryOf(i%(n/10)+n, 1024)) // of 4 GiB, so that nothing is refused
					time.Sleep(20 * time.Microsecond)
				}
			}()
			took := make([]time.Duration, 0, 1<<20)
			for i := 0; b.Loop(); i += 104729 {
				began := tiers.Now()
				if _, err := tier.Get(ctx, keys[i%n], nil); err != nil {
					b.Fatal(err)
				}
				if took = append(took, tiers.Now().Sub(began)); len(took) == cap(took) {
					took = took[:cap(took)/2] // enough are kept
				}
			}
			slices.Sort(took)
			for _, q := range []struct {
				name string
				part float64
			}{{"p50-ns", 0.5}, {"p99-ns", 0.99}, {"p99.9-ns", 0.999}} {
				b.ReportMetric(float64(took[int(q.part*float64(len(took)-1))]), q.name)
			}
		})
	}
}

func BenchmarkGetMiss(b *testing.B) {
	tier, _ := filled(b, memory.Config{MaxBytes: 1 << 30}, 100_000, 0)
	ctx, key := b.Context(), keyOf(-1)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := tier.Get(ctx, key, nil); err == nil {
				b.Error("a hit")
			}
		}
	})
}

func BenchmarkPutReplace(b *testing.B) {
	tier, _ := filled(b, memory.Config{MaxBytes: 1 << 30}, 100_000, 0)
	entries := make([]*tiers.Entry, 100_000)
	for i := range entries {
		entries[i] = entryOf(i, 0)
	}
	ctx := b.Context()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := tier.Put(ctx, entries[i%len(entries)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPutEvict stores into a full tier, so that each entry pushes out another one.
func BenchmarkPutEvict(b *testing.B) {
	for _, policy := range []memory.Policy{memory.Adaptive, memory.LRU} {
		b.Run(policy.String(), func(b *testing.B) {
			entries := make([]*tiers.Entry, 400_000)
			for i := range entries {
				entries[i] = entryOf(i, 0)
			}
			tier, _ := filled(b, memory.Config{MaxBytes: 64 << 20, Policy: policy}, 200_000, 0)
			ctx := b.Context()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := tier.Put(ctx, entries[i%len(entries)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkChurn looks up and, on a miss, stores: a working set of twice what fits.
func BenchmarkChurn(b *testing.B) {
	const n = 400_000
	entries := make([]*tiers.Entry, n)
	for i := range entries {
		entries[i] = entryOf(i, 0)
	}
	tier := memory.New(memory.Config{MaxBytes: 64 << 20})
	ctx := b.Context()
	var goroutines atomic.Uint64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		x := goroutines.Add(1) * 0x9e3779b97f4a7c15
		for pb.Next() {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			e := entries[int(x%n)*int(x>>32%n)/n]
			if _, err := tier.Get(ctx, e.Key, nil); err != nil {
				if err := tier.Put(ctx, e); err != nil {
					b.Error(err)
				}
			}
		}
	})
}

// unsafeKey is b as a key, without a copy.
func unsafeKey(b []byte) tiers.Key { return tiers.Key(unsafe.String(unsafe.SliceData(b), len(b))) }
