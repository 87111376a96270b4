package policy

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nearside-cache/nearside/tiers"
)

func TestSearch(t *testing.T) {
	for _, row := range []struct {
		field string
		a, b  string
		same  bool
	}{
		{"", "a=1", "a=1", true},
		{"", "a=1", "a=2", false},
		{`params=("utm")`, "a=1&utm=2", "a=1", true},
		{`params=("utm")`, "utm=2&a=1&utm=3", "a=1", true},
		{`params=("utm")`, "a=1&utm2=2", "a=1", false},
		{`params=("utm")`, "a=1&b=2", "b=2&a=1", false},
		{`key-order`, "a=1&b=2", "b=2&a=1", true},
		{`key-order`, "a=1&a=2", "a=2&a=1", false},
		{`key-order`, "%61=1&a=2", "a=2&%61=1", false},
		{`key-order=?0, params=("x")`, "a=1&b=2", "b=2&a=1", false},
		{`key-order, params=("x")`, "x&a=1&b=2", "b=2&a=1", true},
		{`except=("a")`, "a=1&b=2", "c&a=1", true},
		{`except=("a")`, "a=1", "a=2", false},
		{`except=()`, "a=1&b", "", true},
		{`params=("a b")`, "a+b=1&c=2", "c=2&a%20b=3", true},
		{`key-order`, "a=%31&b=x+y", "b=x%20y&a=1", true},
		{`key-order`, "a=1&&b=2&", "a=1&b=2", true},
		{`key-order`, "a", "a=", true},
		{`key-order`, "a=b=c", "a=b%3Dc", true},
		{`unknown, params=("utm");x=1`, "a=1&utm=2", "a=1", true},
		{`params=("A")`, "a=1", "", false},
		// as if absent
		{`params=("a"), except=("b")`, "a=1", "", false},
		{`params=(a)`, "a=1", "", false},
		{`params="a"`, "a=1", "", false},
		{`params`, "a=1", "", false},
		{`except=("a" 1)`, "b=1", "", false},
		{`key-order="yes"`, "a=1&b=2", "b=2&a=1", false},
		{`key-order, params=(`, "a=1&b=2", "b=2&a=1", false},
		{`params=()`, "a=1", "", false},
	} {
		s := SearchOf(fields("No-Vary-Search: " + row.field))
		a, b := string(s.AppendQuery(nil, []byte(row.a))), string(s.AppendQuery(nil, []byte(row.b)))
		if got := a == b && (s.Said() || row.a == row.b); got != row.same {
			t.Errorf("%s: %q is %q, %q is %q; the same: want %v", row.field, row.a, a, row.b, b, row.same)
		}
	}
	if s := SearchOf(fields(`No-Vary-Search: params=("a") | No-Vary-Search: key-order`)); !s.anyOrder || len(s.names) != 1 {
		t.Errorf("two lines are one: %+v", s)
	}
	if s := SearchOf(tiers.Header("Vary: a\r\n")); s.Said() {
		t.Errorf("without the field: %+v", s)
	}
}

func TestSearchAllocatesNothing(t *testing.T) {
	s := SearchOf(fields(`No-Vary-Search: key-order, params=("utm_source" "ref")`))
	query, dst := []byte("z=1&category=fruit&utm_source=x&a=2&page=3"), make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { dst = s.AppendQuery(dst[:0], query) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestSearchMeaning compares with another way to say when two queries are the same.
func TestSearchMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		query := rapid.StringMatching(`([ab](=[12+]|%61)?&?){0,5}`)
		a, b := query.Draw(t, "a"), query.Draw(t, "b")
		s := SearchOf(fields(rapid.SampledFrom([]string{`No-Vary-Search: key-order`, `No-Vary-Search: params=("a")`, `No-Vary-Search: key-order, except=("a")`}).Draw(t, "field")))
		meaning := func(q string) string {
			var pairs []string
			for p := range strings.SplitSeq(q, "&") {
				name, value, _ := strings.Cut(p, "=")
				name, _ = url.QueryUnescape(name)
				value, _ = url.QueryUnescape(value)
				if listed := slices.Contains(s.names, name); p != "" && listed == s.except {
					pairs = append(pairs, name+"\x00"+value)
				}
			}
			if s.anyOrder {
				slices.SortStableFunc(pairs, func(x, y string) int {
					x, _, _ = strings.Cut(x, "\x00")
					y, _, _ = strings.Cut(y, "\x00")
					return strings.Compare(x, y)
				})
			}
			return strings.Join(pairs, "\x01")
		}
		keyA, keyB := string(s.AppendQuery(nil, []byte(a))), string(s.AppendQuery(nil, []byte(b)))
		if (keyA == keyB) != (meaning(a) == meaning(b)) {
			t.Fatalf("%+v: %q is %q, %q is %q", s, a, keyA, b, keyB)
		}
	})
}
