package tierstest

import (
	"strconv"
	"sync"
	"testing"
	"unsafe"

	"github.com/nearside-cache/nearside/tiers"
)

// testScratchKey asks with a string that lies on bytes which change afterwards, as a proxy does that
// builds its keys in one buffer.
func testScratchKey(t *testing.T, tier tiers.Tier) {
	a, b := NewEntry(NewKey(), "a"), NewEntry(NewKey(), "b")
	var buf []byte
	ask := func(want *tiers.Entry) {
		t.Helper()
		buf = append(buf[:0], want.Key...)
		key := tiers.Key(unsafe.String(&buf[0], len(buf)))
		got, err := tier.Get(t.Context(), key, Request{})
		clear(buf)
		if err != nil {
			t.Fatal(err)
		}
		Same(t, got, want)
	}
	// Misses may leave something behind, too.
	buf = append(buf[:0], a.Key...)
	wantMiss(t, tier, tiers.Key(unsafe.String(&buf[0], len(buf))), Request{})
	clear(buf)
	put(t, tier, a)
	put(t, tier, b)
	for range 2 {
		ask(a)
		ask(b)
	}
}

func testDelete(t *testing.T, tier tiers.Tier) {
	a, b := NewEntry(NewKey(), "a"), NewEntry(NewKey(), "b")
	if err := tier.Delete(t.Context(), a.Key); err != nil {
		t.Fatalf("Delete of what is not there: %v", err)
	}
	put(t, tier, a)
	put(t, tier, b)
	for range 2 {
		if err := tier.Delete(t.Context(), a.Key); err != nil {
			t.Fatal(err)
		}
		wantMiss(t, tier, a.Key, Request{})
	}
	wantHit(t, tier, Request{}, b)
	put(t, tier, a)
	wantHit(t, tier, Request{}, a)
}

// testConcurrent lets many goroutines put, get and delete the same few keys. Whatever they get is whole
// and belongs to the key that they asked for.
func testConcurrent(t *testing.T, tier tiers.Tier) {
	keys := make([]tiers.Key, 4)
	for i := range keys {
		keys[i] = NewKey()
	}
	langs := []string{"en", "de"}
	body := func(key tiers.Key, lang string) string { return string(key) + " " + lang }
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 200 {
				key, lang := keys[(g+i)%len(keys)], langs[(g+i/3)%2]
				req := Request{"accept-language": lang}
				switch i % 8 {
				case 0, 1:
					if err := tier.Put(t.Context(), NewVariant(key, body(key, lang), "accept-language", req)); err != nil {
						t.Error(err)
					}
				case 2:
					if g == 0 {
						if err := tier.Delete(t.Context(), key); err != nil {
							t.Error(err)
						}
					}
				default:
					e, err := tier.Get(t.Context(), key, req)
					if err == nil && (e.Key != key || string(e.Body) != body(key, lang)) {
						t.Errorf("asked for %s in %s, got %s with %q", key, lang, e.Key, e.Body)
					}
				}
			}
		})
	}
	all.Wait()
	for i, key := range keys {
		e := NewEntry(key, strconv.Itoa(i))
		put(t, tier, e)
		wantHit(t, tier, Request{"accept-language": "en"}, e)
	}
}
