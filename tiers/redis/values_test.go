package redis_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

// wantMissed fails unless a look-up misses and is counted as r.
func wantMissed(t *testing.T, tier *redis.Tier, key tiers.Key, r redis.Result) {
	t.Helper()
	before := count(tier, redis.OpGet, r)
	if e, err := tier.Get(t.Context(), key, tierstest.Request{}); !errors.Is(err, tiers.ErrMiss) || e != nil {
		t.Fatalf("Get = %v, %v, want a miss", e, err)
	}
	if count(tier, redis.OpGet, r) != before+1 {
		t.Errorf("not counted as %v", r)
	}
}

// TestDamagedValues: what somebody else wrote is never served.
func TestDamagedValues(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	key := tierstest.NewKey()
	if err := tier.Put(t.Context(), tierstest.NewEntry(key, "body")); err != nil {
		t.Fatal(err)
	}
	name := s.Keys("*")[0]
	good := s.Do("get", name).(string)
	version := []byte(good)
	version[2]++
	for what, value := range map[string]string{
		"text": "hello", "shortened": good[:len(good)-1], "longer": good + "x", "another version": string(version),
		"an index of nothing": "NSV1 ", "an index of another": "NSV1 0123456789abcdef\n0123456789abcdef accept\n\nGET http://other.test/",
		"an index with odd lines": "NSV1 0123456789abcdef\nx\n\n" + string(key), "an index with an odd epoch": "NSV1 0123456789abcdeg\n\n" + string(key),
		"an index too long": "NSV1 0123456789abcdef\n" + strings.Repeat("0123456789abcdef a\n", 33) + "\n" + string(key),
	} {
		t.Run(what, func(t *testing.T) {
			s.Do("set", name, value, "px", 60_000)
			wantMissed(t, tier, key, redis.Corrupt)
		})
	}
	for i := range good {
		b := []byte(good)
		b[i] ^= 0x20
		s.Do("set", name, b, "px", 60_000)
		wantMissed(t, tier, key, redis.Corrupt)
	}
	t.Run("without a lifetime", func(t *testing.T) {
		s.Do("set", name, good)
		wantMissed(t, tier, key, redis.Corrupt)
	})
	t.Run("of another type", func(t *testing.T) {
		s.Do("del", name)
		s.Do("lpush", name, good)
		_, err := tier.Get(t.Context(), key, nil)
		wantResult(t, err, redis.Failed)
		if tier.Stats().Opened != 0 {
			t.Error("the breaker opened")
		}
	})
	e := tierstest.NewEntry(key, "again")
	if err := tier.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got, err := tier.Get(t.Context(), key, nil)
	if err != nil {
		t.Fatal(err)
	}
	tierstest.Same(t, got, e)
}

// TestDamagedIndexHeals: an index that cannot be read, or what else stands in its place, is replaced by the next variant.
func TestDamagedIndexHeals(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	key, en := tierstest.NewKey(), tierstest.Request{"accept": "en"}
	e := tierstest.NewVariant(key, "x", "accept", en)
	if err := tier.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var name, good string
	for _, name = range s.Keys("*") {
		if good, _ = s.Do("get", name).(string); strings.HasPrefix(good, "NSV1 ") {
			break
		}
	}
	replaced := func(old, with string) func() {
		return func() { s.Do("set", name, strings.Replace(good, old, with, 1), "px", 100_000) }
	}
	for what, harm := range map[string]func(){
		"an odd epoch": func() { s.Do("set", name, good[:8]+"z"+good[9:], "px", 100_000) },
		"no space":     replaced(" accept", "!accept"), "an ID too long": replaced(" accept", "0 accept"),
		"no list": replaced(" accept", " "), "an empty line": replaced(" accept", " accept\n"), "no line end": replaced(" accept\n", " accept"),
		"a line of another's": replaced(" accept\n", " accept\nx\n"), "another key": replaced(string(key), string(key)+"x"),
		"a stored response": func() { s.Do("set", name, "NSR1", "px", 100_000) },
		"a list":            func() { s.Do("del", name); s.Do("lpush", name, "x") },
		"a hash":            func() { s.Do("del", name); s.Do("hset", name, "x", "y") },
		"a stream":          func() { s.Do("del", name); s.Do("xadd", name, "*", "x", "y") },
	} {
		t.Run(what, func(t *testing.T) {
			harm()
			if got, err := tier.Get(t.Context(), key, en); err == nil {
				if now, _ := s.Do("get", name).(string); now != good {
					t.Fatalf("found %+v", got)
				}
			}
			if err := tier.Put(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			got, err := tier.Get(t.Context(), key, en)
			if err != nil {
				t.Fatalf("%v; the index is %q", err, s.Do("get", name))
			}
			tierstest.Same(t, got, e)
		})
	}
	de := tierstest.Request{"accept": "de"}
	if err := tier.Put(t.Context(), tierstest.NewVariant(key, "y", "accept", de)); err != nil {
		t.Fatal(err)
	}
	if _, err := tier.Get(t.Context(), key, en); err != nil {
		t.Errorf("a sound index was replaced: %v", err)
	}
}

// TestHugeValue: a value that can be no stored response is not read to its end.
func TestHugeValue(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	key := tierstest.NewKey()
	if err := tier.Put(t.Context(), tierstest.NewEntry(key, "x")); err != nil {
		t.Fatal(err)
	}
	name := s.Keys("*")[0]
	s.Do("setrange", name, 300<<20, "x") // 300 MB of zeros and an x
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wantMissed(t, tier, key, redis.Corrupt)
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 16 {
		t.Errorf("took %d MB", took)
	}
}

// TestSwappedValues: a sound value under the wrong key is not served.
func TestSwappedValues(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	en, de := tierstest.Request{"accept-language": "en"}, tierstest.Request{"accept-language": "de"}
	swap := func(a, b string) {
		s.Do("rename", a, "tmp")
		s.Do("rename", b, a)
		s.Do("rename", "tmp", b)
	}
	a, b := tierstest.NewEntry(tierstest.NewKey(), "a"), tierstest.NewEntry(tierstest.NewKey(), "b")
	for _, e := range []*tiers.Entry{a, b} {
		if err := tier.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	keys := s.Keys("*")
	swap(keys[0], keys[1])
	wantMissed(t, tier, a.Key, redis.Foreign)
	wantMissed(t, tier, b.Key, redis.Foreign)

	s.Do("flushall")
	key := tierstest.NewKey()
	for _, req := range []tierstest.Request{en, de} {
		if err := tier.Put(t.Context(), tierstest.NewVariant(key, "x", "accept-language", req)); err != nil {
			t.Fatal(err)
		}
	}
	keys = s.Keys("*}:*")
	swap(keys[0], keys[1])
	for _, req := range []tierstest.Request{en, de} {
		if _, err := tier.Get(t.Context(), key, req); !errors.Is(err, tiers.ErrMiss) {
			t.Errorf("Get = %v, want a miss", err)
		}
	}
	// A variant in the place of the primary is not served to everybody.
	primary, _, _ := strings.Cut(keys[0], ":"+strings.Split(keys[0], ":")[3])
	s.Do("rename", keys[0], primary)
	if _, err := tier.Get(t.Context(), key, en); !errors.Is(err, tiers.ErrMiss) {
		t.Errorf("Get = %v, want a miss", err)
	}
}

// TestDamagedIndex: an index of which any byte was changed leads to the right variant or to none.
func TestDamagedIndex(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	en, de := tierstest.Request{"accept-language": "en"}, tierstest.Request{"accept-language": "de"}
	key := tierstest.NewKey()
	body := map[string]string{"en": "hello", "de": "hallo"}
	for _, req := range []tierstest.Request{en, de} {
		if err := tier.Put(t.Context(), tierstest.NewVariant(key, body[req["accept-language"]], "accept-language", req)); err != nil {
			t.Fatal(err)
		}
	}
	primary, _, _ := strings.Cut(s.Keys("*}")[0], "\n")
	good := []byte(s.Do("get", primary).(string))
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		s.Do("set", primary, b, "px", 60_000)
		for _, req := range []tierstest.Request{en, de} {
			e, err := tier.Get(t.Context(), key, req)
			if err == nil && string(e.Body) != body[req["accept-language"]] {
				t.Fatalf("byte %d: got %q for %v", i, e.Body, req)
			}
			if err != nil && !errors.Is(err, tiers.ErrMiss) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
}

// TestVariantsAreBounded: a target has 32 variants at most, and those that were stored last.
func TestVariantsAreBounded(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	key := tierstest.NewKey()
	req := func(i int) tierstest.Request { return tierstest.Request{"x": strings.Repeat("x", i)} }
	const n = 100
	for i := range n {
		if err := tier.Put(t.Context(), tierstest.NewVariant(key, "x", "x", req(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		_, err := tier.Get(t.Context(), key, req(i))
		if i < n-32 && !errors.Is(err, tiers.ErrMiss) || i >= n-32 && err != nil {
			t.Errorf("variant %d: %v", i, err)
		}
	}
	if keys := s.Keys("*"); len(keys) != 33 {
		t.Errorf("%d keys, want 33", len(keys))
	}
}

// TestDeletedVariantsStayAway: not even a sidecar that remembers the old index brings them back.
func TestDeletedVariantsStayAway(t *testing.T) {
	s := redistest.Start(t)
	a, b := open(t, patient(config(s.URL()))), open(t, patient(config(s.URL())))
	en, de := tierstest.Request{"accept-language": "en"}, tierstest.Request{"accept-language": "de"}
	key := tierstest.NewKey()
	for _, req := range []tierstest.Request{en, de} {
		if err := a.Put(t.Context(), tierstest.NewVariant(key, "old", "accept-language", req)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	// a remembers the epoch that b deleted.
	fresh := tierstest.NewVariant(key, "new", "accept-language", en)
	if err := a.Put(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	for _, tier := range []*redis.Tier{a, b} {
		got, err := tier.Get(t.Context(), key, en)
		if err != nil {
			t.Fatal(err)
		}
		tierstest.Same(t, got, fresh)
		if _, err := tier.Get(t.Context(), key, de); !errors.Is(err, tiers.ErrMiss) {
			t.Errorf("Get = %v, want a miss", err)
		}
	}
}

// TestIndexOutlivesItsVariants: a variant with little time left does not take the others with it.
func TestIndexOutlivesItsVariants(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	key := tierstest.NewKey()
	long, short := tierstest.Request{"accept": "long"}, tierstest.Request{"accept": "short"}
	e := tierstest.NewVariant(key, "x", "accept", long)
	if err := tier.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	brief := tierstest.NewVariant(key, "y", "accept", short)
	brief.Lifetime = 20 * time.Millisecond
	if err := tier.Put(t.Context(), brief); err != nil {
		t.Fatal(err)
	}
	time.Sleep(120 * time.Millisecond)
	got, err := tier.Get(t.Context(), key, long)
	if err != nil {
		t.Fatal(err)
	}
	tierstest.Same(t, got, e)
	if left := s.Do("pttl", s.Keys("*}")[0]).(int64); left < 3*3_600_000 {
		t.Errorf("the index has %d ms left", left)
	}
}

// TestScriptFlushed: a server that forgot the script is given it again.
func TestScriptFlushed(t *testing.T) {
	s := redistest.Start(t)
	log := new(lines)
	tier := openLogged(t, patient(config(s.URL())), log)
	for range 3 {
		s.Do("script", "flush")
		e := tierstest.NewVariant(tierstest.NewKey(), "x", "accept", tierstest.Request{})
		if err := tier.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if _, err := tier.Get(t.Context(), e.Key, tierstest.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	if all := log.all(); len(all) > 0 {
		t.Errorf("logged %s", text(all))
	}
}
