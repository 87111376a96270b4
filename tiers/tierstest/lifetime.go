package tierstest

import (
	"errors"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// testAge: an entry that was old when it came is as old when it is served, and grows older. The way from the tier may count as
// age.
func testAge(t *testing.T, tier tiers.Tier) {
	e := NewEntry(NewKey(), "x")
	e.Born = tiers.Now().Add(-40 * time.Minute)
	e.AsOf = tiers.Position{Gen: 7, N: 9}
	put(t, tier, e)
	var last time.Duration
	for range 3 {
		got, err := tier.Get(t.Context(), e.Key, Request{})
		if err != nil {
			t.Fatal(err)
		}
		Same(t, got, e)
		now := tiers.Now()
		age := got.Age(now)
		if age < last-slack || age < 40*time.Minute-slack || age > now.Sub(e.Born)+slack {
			t.Errorf("age %v after %v, want 40 minutes and a little more", age, last)
		}
		if ttl := got.TTL(now); ttl > 20*time.Minute+slack {
			t.Errorf("%v of freshness left, want at most 20 minutes", ttl)
		}
		last = age
		time.Sleep(10 * time.Millisecond)
	}
}

// testExpired: what is of no use to anyone any more is not served, whether the tier refuses it or not.
func testExpired(t *testing.T, tier tiers.Tier) {
	e := NewEntry(NewKey(), "x")
	e.Born, e.Lifetime = tiers.Now().Add(-time.Hour), time.Minute
	e.StaleWhileRevalidate, e.StaleIfError, e.Keep = time.Minute, 2*time.Minute, 3*time.Minute
	_ = tier.Put(t.Context(), e) //nolint:errcheck // it may refuse
	wantMiss(t, tier, e.Key, Request{})

	// It does not stand in the way of what comes next.
	next := NewEntry(e.Key, "y")
	put(t, tier, next)
	wantHit(t, tier, Request{}, next)
}

// testExpires: an entry is served until it expires, and then no longer. Its neighbour stays.
func testExpires(t *testing.T, tier tiers.Tier) {
	key := NewKey()
	de, en := Request{"accept-language": "de"}, Request{"accept-language": "en"}
	stays := NewVariant(key, "stays", "accept-language", de)
	put(t, tier, stays)
	e := NewVariant(key, "goes", "accept-language", en)
	e.Lifetime = 300 * time.Millisecond
	put(t, tier, e)
	for {
		before := tiers.Now()
		got, err := tier.Get(t.Context(), key, en)
		if err == nil {
			Same(t, got, e)
			if before.Sub(e.Expires()) > slack {
				t.Fatal("served long after it expired")
			}
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if !errors.Is(err, tiers.ErrMiss) {
			t.Fatal(err)
		}
		if left := e.Expires().Sub(tiers.Now()); left > slack/10 {
			t.Fatalf("a miss %v before it expires", left)
		}
		break
	}
	wantMiss(t, tier, key, en)
	wantHit(t, tier, de, stays)
}

// testStale: a response that is stale but within one of its windows is still returned; whether it may be
// used is decided elsewhere.
func testStale(t *testing.T, tier tiers.Tier) {
	for _, window := range []func(*tiers.Entry) *time.Duration{
		func(e *tiers.Entry) *time.Duration { return &e.StaleWhileRevalidate },
		func(e *tiers.Entry) *time.Duration { return &e.StaleIfError },
		func(e *tiers.Entry) *time.Duration { return &e.Keep },
	} {
		e := NewEntry(NewKey(), "stale")
		e.Born, e.Lifetime = tiers.Now().Add(-time.Minute), time.Second
		*window(e) = time.Hour
		put(t, tier, e)
		wantHit(t, tier, Request{}, e)

		e = NewEntry(NewKey(), "never fresh")
		e.Lifetime = 0
		*window(e) = time.Hour
		put(t, tier, e)
		wantHit(t, tier, Request{}, e)
	}
}
