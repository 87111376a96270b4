package memory_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/memory"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	for name, cfg := range map[string]memory.Config{
		"adaptive":       {MaxBytes: 64 << 20},
		"lru":            {MaxBytes: 64 << 20, Policy: memory.LRU},
		"sharded":        {MaxBytes: 8 << 30},
		"with a max TTL": {MaxBytes: 64 << 20, MaxTTL: 100 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			tierstest.Run(t, func(*testing.T) tiers.Tier { return memory.New(cfg) })
		})
	}
}

func put(t *testing.T, tier *memory.Tier, entries ...*tiers.Entry) {
	t.Helper()
	for _, e := range entries {
		if err := tier.Put(t.Context(), e); err != nil {
			t.Fatalf("Put(%s): %v", e.Key, err)
		}
	}
}

func has(t *testing.T, tier *memory.Tier, key tiers.Key) bool {
	t.Helper()
	_, err := tier.Get(t.Context(), key, nil)
	if err != nil && !errors.Is(err, tiers.ErrMiss) {
		t.Fatal(err)
	}
	return err == nil
}

// TestModel runs random operations and compares with a map: what is returned is what was stored last, the
// bytes stay within the bound, and the counters agree with each other.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const maxBytes = 40_000
		policy := rapid.SampledFrom([]memory.Policy{memory.Adaptive, memory.LRU}).Draw(t, "policy")
		tier := memory.New(memory.Config{MaxBytes: maxBytes, Policy: policy})
		model := map[string]*tiers.Entry{}
		key := rapid.Custom(func(t *rapid.T) tiers.Key { return keyOf(rapid.IntRange(0, 30).Draw(t, "key")) })
		lang := rapid.SampledFrom([]string{"", "en", "de", "fr"})
		var gets int64
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				k, l := key.Draw(t, "key"), lang.Draw(t, "lang")
				e := tierstest.NewEntry(k, string(make([]byte, rapid.IntRange(0, 25_000).Draw(t, "size"))))
				if l != "" {
					e.Vary, e.Variant = "accept-language", tierstest.Request{"accept-language": l}.Variant("accept-language")
				}
				if rapid.IntRange(0, 9).Draw(t, "expired") == 0 {
					e.Born, e.Lifetime = e.Born.Add(-2), 1
				}
				delete(model, string(k)+l)
				if err := tier.Put(t.Context(), e); err == nil {
					model[string(k)+l] = e
				} else if !errors.Is(err, memory.ErrRefused) {
					t.Fatal(err)
				}
			},
			"get": func(t *rapid.T) {
				k, l := key.Draw(t, "key"), lang.Draw(t, "lang")
				gets++
				e, err := tier.Get(t.Context(), k, tierstest.Request{"accept-language": l})
				if err == nil && e != model[string(k)+l] && e != model[string(k)] {
					t.Fatalf("got %p, stored were %p and %p", e, model[string(k)+l], model[string(k)])
				}
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if err := tier.Delete(t.Context(), k); err != nil {
					t.Fatal(err)
				}
				for _, l := range []string{"", "en", "de", "fr"} {
					delete(model, string(k)+l)
				}
			},
			"": func(t *rapid.T) {
				s := tier.Stats()
				if s.Bytes > maxBytes || s.Bytes < 0 {
					t.Fatalf("%d bytes of %d", s.Bytes, maxBytes)
				}
				if s.Hits+s.Misses != gets {
					t.Fatalf("%d gets, counted %+v", gets, s)
				}
				if gone := s.EvictedSize + s.EvictedExpired + s.Replaced + s.Deleted; s.Entries != s.Stored-gone {
					t.Fatalf("%d entries of %d stored less %d gone: %+v", s.Entries, s.Stored, gone, s)
				}
			},
		})
		for i := range 31 {
			if err := tier.Delete(t.Context(), keyOf(i)); err != nil {
				t.Fatal(err)
			}
		}
		if s := tier.Stats(); s.Entries != 0 || s.Bytes != 0 {
			t.Fatalf("all is deleted, and yet %+v", s)
		}
	})
}

// TestGetWhileTheIndexGrows: what is there is found, however much the table changes meanwhile.
func TestGetWhileTheIndexGrows(t *testing.T) {
	tier, keys := filled(t, memory.Config{MaxBytes: 1 << 30}, 50, 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 60_000 {
			if err := tier.Put(t.Context(), entryOf(1000+i, 0)); err != nil {
				t.Error(err)
			}
		}
	}()
	for i := 0; ; i++ {
		if !has(t, tier, keys[i%len(keys)]) {
			t.Fatalf("lost %s", keys[i%len(keys)])
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestMaxTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tier := memory.New(memory.Config{MaxBytes: 1 << 20, MaxTTL: time.Minute})
		long, short := entryOf(1, 0), entryOf(2, 0)
		short.Lifetime = 10 * time.Second
		put(t, tier, long, short)
		for _, step := range []struct {
			after       time.Duration
			long, short bool
		}{
			{9 * time.Second, true, true}, {11 * time.Second, true, false},
			{59 * time.Second, true, false}, {60 * time.Second, false, false},
		} {
			time.Sleep(long.Born.Add(step.after).Sub(tiers.Now()))
			if l, s := has(t, tier, long.Key), has(t, tier, short.Key); l != step.long || s != step.short {
				t.Errorf("after %v: %v, %v", step.after, l, s)
			}
		}
		put(t, tier, long) // from the far tier, say
		time.Sleep(59 * time.Second)
		if !has(t, tier, long.Key) {
			t.Error("stored anew it has a minute again")
		}
	})
}

// TestExpiredLeave: nobody asks for them any more, and yet they go when others come.
func TestExpiredLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tier := memory.New(memory.Config{MaxBytes: 64 << 20})
		for i := range 1000 {
			e := entryOf(i, 100)
			e.Lifetime = time.Second
			put(t, tier, e)
		}
		time.Sleep(2 * time.Second)
		for i := range 3000 {
			put(t, tier, entryOf(1_000_000+i%100, 100))
		}
		if s := tier.Stats(); s.Entries != 100 || s.EvictedExpired != 1000 {
			t.Errorf("%+v, want the 100 that are of use", s)
		}
	})
}

// TestRefusedReplacement: an entry that cannot be stored takes the older one with it, and no other variant.
func TestRefusedReplacement(t *testing.T) {
	tier := memory.New(memory.Config{MaxBytes: 1 << 20})
	en, de := tierstest.Request{"accept-language": "en"}, tierstest.Request{"accept-language": "de"}
	for name, change := range map[string]func(*tiers.Entry){
		"too large": func(e *tiers.Entry) { e.Body = make([]byte, 1<<19) },
		"expired":   func(e *tiers.Entry) { e.Lifetime = 0 },
	} {
		key := tierstest.NewKey()
		put(t, tier, tierstest.NewVariant(key, "en", "accept-language", en), tierstest.NewVariant(key, "de", "accept-language", de))
		e := tierstest.NewVariant(key, "new", "accept-language", en)
		change(e)
		if err := tier.Put(t.Context(), e); !errors.Is(err, memory.ErrRefused) {
			t.Errorf("%s: %v, want ErrRefused", name, err)
		}
		if _, err := tier.Get(t.Context(), key, en); !errors.Is(err, tiers.ErrMiss) {
			t.Errorf("%s: the older response is still served", name)
		}
		if _, err := tier.Get(t.Context(), key, de); err != nil {
			t.Errorf("%s: the other variant is gone", name)
		}
	}
	if s := tier.Stats(); s.Refused != 2 || s.Replaced != 2 {
		t.Errorf("%+v, want 2 refused and 2 replaced", s)
	}
}

func request(i int) tierstest.Request { return tierstest.Request{"accept": strconv.Itoa(i)} }

func TestVariantsAreBounded(t *testing.T) {
	tier := memory.New(memory.Config{MaxBytes: 64 << 20})
	variant := func(i int) *tiers.Entry { return tierstest.NewVariant("k", strconv.Itoa(i), "accept", request(i)) }
	found := func(i int) bool {
		e, err := tier.Get(t.Context(), "k", request(i))
		return err == nil && string(e.Body) == strconv.Itoa(i)
	}
	for i := range 32 {
		put(t, tier, variant(i))
	}
	for i := range 32 {
		if i != 5 && i != 9 && !found(i) {
			t.Fatalf("variant %d of 32 is gone", i)
		}
	}
	put(t, tier, variant(32))
	put(t, tier, variant(33))
	for i := range 34 {
		if got, want := found(i), i != 5 && i != 9; got != want {
			t.Errorf("variant %d: found %v, want %v: those that were not used go", i, got, want)
		}
	}
	if s := tier.Stats(); s.Entries != 32 || s.EvictedSize != 2 {
		t.Errorf("%+v, want 32 entries", s)
	}
}

// TestVariantsAreBoundedByBytes: one key's variants do not take more than half the shard.
func TestVariantsAreBoundedByBytes(t *testing.T) {
	const maxBytes = 1 << 20
	tier := memory.New(memory.Config{MaxBytes: maxBytes})
	small := entryOf(1, 0)
	put(t, tier, small)
	for i := range 20 {
		put(t, tier, tierstest.NewVariant("k", string(make([]byte, 100_000)), "accept", request(i)))
		if _, err := tier.Get(t.Context(), "k", request(i)); err != nil {
			t.Fatalf("variant %d, the newest, is gone", i)
		}
	}
	if s := tier.Stats(); s.Entries != 5 || s.Bytes > maxBytes/2+1000 {
		t.Errorf("%+v, want 4 variants and the small one", s)
	}
	if !has(t, tier, small.Key) {
		t.Error("the variants of one key pushed out another one")
	}
}

func TestPolicyText(t *testing.T) {
	for _, want := range []memory.Policy{memory.Adaptive, memory.LRU} {
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		got := memory.Policy(9)
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("%v → %q → %v, %v", want, text, got, err)
		}
	}
	p := memory.LRU
	if err := p.UnmarshalText([]byte("LFU")); err == nil || p != memory.LRU {
		t.Errorf("LFU = %v, %v", p, err)
	}
}

// TestConcurrentEviction: goroutines look up, store and delete in a tier that is always full. What they get
// is what was asked for, and afterwards the counters agree.
func TestConcurrentEviction(t *testing.T) {
	for _, policy := range []memory.Policy{memory.Adaptive, memory.LRU} {
		const maxBytes, keys = 200_000, 2000
		tier := memory.New(memory.Config{MaxBytes: maxBytes, Policy: policy})
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(g)))
				for range 10_000 {
					i := random.IntN(keys) * random.IntN(keys) / keys
					e, err := tier.Get(t.Context(), keyOf(i), request(i%3))
					switch {
					case err == nil && (e.Key != keyOf(i) || len(e.Body) != i%700):
						t.Errorf("asked for %d, got %s with %d bytes", i, e.Key, len(e.Body))
					case err == nil && random.IntN(50) == 0:
						err = tier.Delete(t.Context(), keyOf(i))
					case err != nil:
						e := entryOf(i, i%700)
						if i%5 == 0 {
							e.Vary, e.Variant = "accept", request(i%3).Variant("accept")
						}
						err = tier.Put(t.Context(), e)
					}
					if err != nil && !errors.Is(err, memory.ErrRefused) {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		s := tier.Stats()
		gone := s.EvictedSize + s.EvictedExpired + s.Replaced + s.Deleted
		if s.Bytes > maxBytes || s.Entries != s.Stored-gone || s.EvictedSize == 0 || s.Hits+s.Misses != 40_000 {
			t.Errorf("%v: %+v", policy, s)
		}
		for i := range keys {
			if err := tier.Delete(t.Context(), keyOf(i)); err != nil {
				t.Fatal(err)
			}
		}
		if s := tier.Stats(); s.Bytes != 0 || s.Entries != 0 {
			t.Errorf("%v: all is deleted, and yet %+v", policy, s)
		}
	}
}
