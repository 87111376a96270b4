package tiers_test

import (
	"math"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

const last = tiers.Instant(math.MaxInt64)

func TestInstantAdd(t *testing.T) {
	for _, c := range []struct {
		at   tiers.Instant
		d    time.Duration
		want tiers.Instant
	}{
		{0, 0, 0}, {5, 7, 12}, {5, -7, -2}, {last, 1, last}, {1, math.MaxInt64, last}, {0, math.MaxInt64, last},
		{-5, math.MaxInt64, last - 5}, {last, -1, last - 1},
	} {
		if got := c.at.Add(c.d); got != c.want {
			t.Errorf("%d.Add(%d) = %d, want %d", c.at, c.d, got, c.want)
		}
	}
}

func TestNowGoesOn(t *testing.T) {
	a := tiers.Now()
	time.Sleep(time.Millisecond)
	if d := tiers.Now().Sub(a); d < time.Millisecond || d > time.Minute {
		t.Errorf("a millisecond took %v", d)
	}
}

func TestEntryAges(t *testing.T) {
	at := tiers.Instant(100 * time.Second)
	e := &tiers.Entry{Born: at, Lifetime: 10 * time.Second}
	for _, c := range []struct {
		now      time.Duration
		age, ttl time.Duration
	}{{0, 0, 10}, {4, 4, 6}, {10, 10, 0}, {15, 15, -5}, {-3, 0, 10}} {
		now := at.Add(c.now * time.Second)
		if age, ttl := e.Age(now), e.TTL(now); age != c.age*time.Second || ttl != c.ttl*time.Second {
			t.Errorf("after %d s: age %v, TTL %v; want %d and %d s", c.now, age, ttl, c.age, c.ttl)
		}
	}
}

func TestEntryExpires(t *testing.T) {
	for _, c := range []struct {
		e    tiers.Entry
		want tiers.Instant
	}{
		{tiers.Entry{Born: 3, Lifetime: 5}, 8},
		{tiers.Entry{Born: 3, Lifetime: 5, StaleWhileRevalidate: 1, StaleIfError: 2, Keep: 3}, 11},
		{tiers.Entry{Born: 3, Lifetime: 5, StaleWhileRevalidate: 9, StaleIfError: 2, Keep: 3}, 17},
		{tiers.Entry{Born: 3, Lifetime: 5, StaleIfError: 4}, 12},
		{tiers.Entry{Born: -9, Lifetime: 5}, -4},
		{tiers.Entry{Born: 3, Lifetime: math.MaxInt64}, last},
	} {
		if got := c.e.Expires(); got != c.want {
			t.Errorf("%+v expires at %d, want %d", c.e, got, c.want)
		}
	}
}

func TestEntrySizeCountsAllItHolds(t *testing.T) {
	empty := (&tiers.Entry{}).Size()
	e := &tiers.Entry{
		Key: "12", Vary: "123", Variant: "1234", Tags: "1234567", Header: make(tiers.Header, 1, 5), Body: make([]byte, 1, 6),
	}
	if got := e.Size() - empty; got != 2+3+4+7+5+6 {
		t.Errorf("%d bytes beyond the struct, want 27", got)
	}
}

func TestSelects(t *testing.T) {
	en := tierstest.Request{"accept-language": "en"}
	e := tierstest.NewVariant("k", "x", "accept-language", en)
	if !e.Selects(en) || e.Selects(tierstest.Request{}) {
		t.Error("a response that varies is for requests with the same values only")
	}
	e.Vary = ""
	if !e.Selects(nil) {
		t.Error("a response that does not vary is for all requests, unasked")
	}
}
