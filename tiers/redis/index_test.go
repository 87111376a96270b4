package redis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nearside-cache/nearside/tiers"
)

func TestParseIndex(t *testing.T) {
	ix, ok := parseIndex("NSV1 00000000000000ff\n0123456789abcdef accept\nfedcba9876543210 a,b\n\nGET u", "GET u")
	if !ok || ix.epoch != 255 || len(ix.variants) != 2 || ix.variants[1] != (listed{"fedcba9876543210", "a,b"}) {
		t.Errorf("%+v, %v", ix, ok)
	}
	if _, ok := parseIndex("NSV1 00000000000000ff\n\nGET u", "GET v"); ok {
		t.Error("another key's index")
	}
}

func TestEpochString(t *testing.T) {
	for e, want := range map[epoch]string{0: "0000000000000000", 255: "00000000000000ff", 1<<64 - 1: "ffffffffffffffff"} {
		if e.String() != want {
			t.Errorf("%d is %q", uint64(e), e)
		}
	}
}

func TestHints(t *testing.T) {
	var h hints
	a, b := digestOf("a"), digestOf("b")
	h.set(a, 1, "x")
	if got := h.get(a); got == nil || got.epoch != 1 || h.get(b) != nil {
		t.Errorf("%+v, %+v", got, h.get(b))
	}
	h.set(a, 2, "y")
	h.drop(b)
	if got := h.get(a); got == nil || *got != (hint{a, 2, "y"}) {
		t.Errorf("%+v", got)
	}
	h.drop(a)
	if h.get(a) != nil {
		t.Error("not dropped")
	}
}

// TestVariantIDIsInjective: lists and values that could run into each other do not.
func TestVariantIDIsInjective(t *testing.T) {
	seen := map[string]string{}
	for _, v := range [][2]string{{"a", "b"}, {"ab", ""}, {"", "ab"}, {"a", "\x00b"}, {"a\x00", "b"}, {"a,b", "c"}, {"a", ",bc"}} {
		if strings.Contains(v[0], "\x00") {
			continue // no field name has one
		}
		id, what := variantID(v[0], v[1]), fmt.Sprintf("%q", v)
		if len(id) != 16 || seen[id] != "" {
			t.Errorf("%s and %s are both %s", what, seen[id], id)
		}
		seen[id] = what
	}
}

func FuzzParseIndex(f *testing.F) {
	f.Add("NSV1 00000000000000ff\n0123456789abcdef accept\n\nGET u", "GET u")
	f.Add("NSV1 ", "")
	f.Add("NSV1 0123456789abcdef\n\n", "")
	f.Fuzz(func(t *testing.T, value, key string) {
		ix, ok := parseIndex(value, tiers.Key(key))
		if !ok {
			return
		}
		again := indexMagic + ix.epoch.String() + "\n"
		for _, v := range ix.variants {
			again += v.id + " " + v.vary + "\n"
		}
		if again += "\n" + key; !strings.EqualFold(again, value) || len(ix.variants) > maxVariants {
			t.Errorf("%q reads as %q", value, again)
		}
	})
}
