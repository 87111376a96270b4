// Package tierstest is the contract of [tiers.Tier] as a test suite: every tier, and every combination of
// tiers, runs it.
//
//	tierstest.Run(t, func(t *testing.T) tiers.Tier { return memory.New(memory.Config{MaxBytes: 64 << 20}) })
package tierstest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// slack is how far a tier may be off in time: one that lies in another process asks over a socket.
const slack = time.Second

// Run runs the suite. newTier is called once for each test and may register clean-up; the tiers that it
// returns may share a store, for all keys are new.
func Run(t *testing.T, newTier func(t *testing.T) tiers.Tier) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, tier tiers.Tier)
	}{
		{"miss", testMiss},
		{"put and get", testPutGet},
		{"all fields survive", testFields},
		{"bodies of all sizes", testBodies},
		{"replace", testReplace},
		{"the caller's key may be reused", testScratchKey},
		{"variants", testVariants},
		{"the most recent match is served", testMostRecent},
		{"a replaced Vary list", testVaryReplaced},
		{"delete", testDelete},
		{"delete removes all variants for good", testDeleteVariants},
		{"age keeps counting", testAge},
		{"expired when it comes", testExpired},
		{"expires while it lies there", testExpires},
		{"stale but kept", testStale},
		{"cancelled", testCancelled},
		{"concurrent", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newTier(t)) })
	}
}

// Request is a [tiers.Selector]: the request's fields by lower-case name.
type Request map[string]string

// Variant joins the values of the fields that vary names, so that different values give different strings.
func (r Request) Variant(vary string) string {
	var b strings.Builder
	for _, name := range strings.Split(vary, ",") {
		value, ok := r[name]
		b.WriteString(strconv.FormatBool(ok))
		b.WriteString(strconv.Quote(value))
	}
	return b.String()
}

// NewKey returns a key that no other call returns.
func NewKey() tiers.Key {
	return tiers.Key("GET http://origin.test/items/" + rand.Text())
}

// NewEntry returns a fresh response under key with a lifetime of an hour.
func NewEntry(key tiers.Key, body string) *tiers.Entry {
	return &tiers.Entry{
		Key:      key,
		Status:   200,
		Header:   tiers.Header("Content-Type: text/plain\r\n"),
		Body:     []byte(body),
		Born:     tiers.Now(),
		Lifetime: time.Hour,
	}
}

// NewVariant returns a fresh response under key that was fetched by req and varies on the fields in vary.
func NewVariant(key tiers.Key, body, vary string, req Request) *tiers.Entry {
	e := NewEntry(key, body)
	e.Vary, e.Variant = vary, req.Variant(vary)
	e.Tags = "varied\n"
	return e
}

// Same fails the test unless got is want in all fields; Born, which may have travelled as an age, may
// differ by a second.
func Same(t testing.TB, got, want *tiers.Entry) {
	t.Helper()
	if got == nil {
		t.Fatal("no entry")
	}
	g, w := *got, *want
	if d := g.Born.Sub(w.Born); d < -slack || d > slack {
		t.Errorf("Born is off by %v", d)
	}
	if !bytes.Equal(g.Header, w.Header) {
		t.Errorf("Header = %q, want %q", g.Header, w.Header)
	}
	if !bytes.Equal(g.Body, w.Body) {
		t.Errorf("Body has %d bytes, want the same %d", len(g.Body), len(w.Body))
	}
	type fields struct {
		key           tiers.Key
		status        int
		vary, variant string
		tags          string
		durations     [4]time.Duration
		flags         tiers.Flags
		asOf          tiers.Position
	}
	of := func(e *tiers.Entry) fields {
		return fields{e.Key, e.Status, e.Vary, e.Variant, e.Tags,
			[4]time.Duration{e.Lifetime, e.StaleWhileRevalidate, e.StaleIfError, e.Keep}, e.Flags, e.AsOf}
	}
	if of(&g) != of(&w) {
		t.Errorf("got  %+v\nwant %+v", of(&g), of(&w))
	}
}

func put(t *testing.T, tier tiers.Tier, e *tiers.Entry) {
	t.Helper()
	if err := tier.Put(t.Context(), e); err != nil {
		t.Fatalf("Put(%s): %v", e.Key, err)
	}
}

func wantHit(t *testing.T, tier tiers.Tier, sel tiers.Selector, want *tiers.Entry) {
	t.Helper()
	got, err := tier.Get(t.Context(), want.Key, sel)
	if err != nil {
		t.Fatalf("Get(%s): %v, want a hit", want.Key, err)
	}
	Same(t, got, want)
}

func wantMiss(t *testing.T, tier tiers.Tier, key tiers.Key, sel tiers.Selector) {
	t.Helper()
	if e, err := tier.Get(t.Context(), key, sel); !errors.Is(err, tiers.ErrMiss) || e != nil {
		t.Fatalf("Get(%s) = %v, %v, want ErrMiss", key, e, err)
	}
}

func testMiss(t *testing.T, tier tiers.Tier) {
	wantMiss(t, tier, NewKey(), Request{})
	e := NewEntry(NewKey(), "x")
	put(t, tier, e)
	wantMiss(t, tier, e.Key+"x", Request{})
	wantMiss(t, tier, e.Key[:len(e.Key)-1], Request{})
	wantMiss(t, tier, "", Request{})
}

func testPutGet(t *testing.T, tier tiers.Tier) {
	a, b := NewEntry(NewKey(), "first"), NewEntry(NewKey(), "second")
	put(t, tier, a)
	put(t, tier, b)
	for range 3 {
		wantHit(t, tier, Request{}, a)
		wantHit(t, tier, Request{"accept": "text/html"}, b)
	}
}

func testFields(t *testing.T, tier tiers.Tier) {
	e := NewEntry(NewKey()+" virtual.test", "\x00\xff\r\n")
	e.Status = 404
	e.Header = tiers.Header("Set: 1\r\nset: 2\r\nSet: 1\r\nX-Odd:\xff\x80\r\nEmpty:\r\n")
	e.StaleWhileRevalidate, e.StaleIfError, e.Keep = time.Minute+1, time.Hour+2, time.Second+3
	e.Flags = tiers.NoCache | tiers.MustRevalidate | tiers.HasLocation | tiers.Heuristic
	e.AsOf = tiers.Position{Gen: 1<<63 + 5, N: 1<<62 + 7}
	req := Request{"accept": "a\x00,b", "x": ""}
	e.Vary = "accept,accept-language,x"
	e.Variant = req.Variant(e.Vary)
	put(t, tier, e)
	wantHit(t, tier, req, e)

	bare := &tiers.Entry{Key: NewKey(), Born: tiers.Now(), Lifetime: time.Hour}
	put(t, tier, bare)
	wantHit(t, tier, Request{}, bare)
}

func testBodies(t *testing.T, tier tiers.Tier) {
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(i * i >> 3)
	}
	for _, body := range []string{"", "x", string(big)} {
		e := NewEntry(NewKey(), body)
		put(t, tier, e)
		wantHit(t, tier, Request{}, e)
	}
}

func testReplace(t *testing.T, tier tiers.Tier) {
	key := NewKey()
	for i := range 5 {
		e := NewEntry(key, strings.Repeat(strconv.Itoa(i), 100*(i+1)))
		put(t, tier, e)
		wantHit(t, tier, Request{}, e)
	}
	last := NewEntry(key, "shorter")
	put(t, tier, last)
	wantHit(t, tier, Request{}, last)
}

func testCancelled(t *testing.T, tier tiers.Tier) {
	e := NewEntry(NewKey(), "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// What comes of it is the tier's affair, but it is no panic, no wrong entry, and no harm to the next.
	_ = tier.Put(ctx, e) //nolint:errcheck // either outcome is right
	if got, err := tier.Get(ctx, e.Key, Request{}); err == nil {
		Same(t, got, e)
	}
	_ = tier.Delete(ctx, e.Key) //nolint:errcheck // either outcome is right
	put(t, tier, e)
	wantHit(t, tier, Request{}, e)
}
