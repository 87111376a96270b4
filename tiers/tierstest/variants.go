package tierstest

import (
	"strconv"
	"testing"

	"github.com/nearside-cache/nearside/tiers"
)

func testVariants(t *testing.T, tier tiers.Tier) {
	key := NewKey()
	const n = 6
	request := func(i int) Request {
		return Request{"accept": "type/" + strconv.Itoa(i), "other": "x"}
	}
	var stored [n]*tiers.Entry
	for i := range stored {
		stored[i] = NewVariant(key, "body "+strconv.Itoa(i), "accept", request(i))
		put(t, tier, stored[i])
		wantMiss(t, tier, key, request(i+1))
	}
	for range 2 {
		for i := range stored {
			wantHit(t, tier, request(i), stored[i])
		}
	}
	wantMiss(t, tier, key, Request{})
	wantMiss(t, tier, key, Request{"accept": ""})

	// One is replaced, the others stay.
	stored[2] = NewVariant(key, "replaced", "accept", request(2))
	put(t, tier, stored[2])
	for i := range stored {
		wantHit(t, tier, request(i), stored[i])
	}
}

// testMostRecent: when several stored responses match, the most recent one is served (RFC 9111 §4).
func testMostRecent(t *testing.T, tier tiers.Tier) {
	key := NewKey()
	req := Request{"accept": "a", "accept-language": "en"}
	order := []*tiers.Entry{
		NewVariant(key, "by language", "accept-language", req),
		NewEntry(key, "for all"),
		NewVariant(key, "by both", "accept,accept-language", req),
		NewVariant(key, "by type", "accept", req),
		NewVariant(key, "by language again", "accept-language", req),
		NewEntry(key, "for all again"),
	}
	for _, e := range order {
		put(t, tier, e)
		wantHit(t, tier, req, e)
	}
}

// testVaryReplaced: the origin changed what it varies on. Requests that the newer response does not fit
// may still be served by the older one.
func testVaryReplaced(t *testing.T, tier tiers.Tier) {
	key := NewKey()
	en := Request{"accept": "a", "accept-language": "en"}
	de := Request{"accept": "b", "accept-language": "de"}
	older := NewVariant(key, "german", "accept-language", de)
	newer := NewVariant(key, "type a", "accept", en)
	put(t, tier, older)
	put(t, tier, newer)
	wantHit(t, tier, en, newer)
	wantHit(t, tier, de, older)
	wantHit(t, tier, Request{"accept": "a", "accept-language": "de"}, newer)
	wantMiss(t, tier, key, Request{"accept": "c", "accept-language": "fr"})
}

// testDeleteVariants: no variant comes back with another one that is stored later.
func testDeleteVariants(t *testing.T, tier tiers.Tier) {
	key := NewKey()
	request := func(i int) Request { return Request{"accept": strconv.Itoa(i)} }
	for i := range 4 {
		put(t, tier, NewVariant(key, "old", "accept", request(i)))
	}
	put(t, tier, NewVariant(key, "old", "accept-language", Request{"accept-language": "en"}))
	if err := tier.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		wantMiss(t, tier, key, request(i))
	}
	fresh := NewVariant(key, "new", "accept", request(1))
	put(t, tier, fresh)
	wantHit(t, tier, request(1), fresh)
	for _, i := range []int{0, 2, 3} {
		wantMiss(t, tier, key, request(i))
	}
	wantMiss(t, tier, key, Request{"accept-language": "en"})
}
