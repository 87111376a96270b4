package invalidation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nearside-cache/nearside/tiers"
)

// tagged makes an entry with ten tags.
func tagged(l *Log) *tiers.Entry {
	var tags strings.Builder
	for i := range 10 {
		fmt.Fprintf(&tags, "tag-%d\n", i)
	}
	return stored(l, "http://data-api:8000/v1/foods/17?lang=en", tags.String(), l.Now())
}

// BenchmarkCheck is what a hit pays: while nothing new was purged; when one selector was, or as many as the ring holds; and
// when more were, so that it is looked up in a table of 100,000.
func BenchmarkCheck(b *testing.B) {
	for name, more := range map[string]int{"nothing-new": 0, "one-new": 1, "ring-full": maxRecent, "16-new": 16, "100-new": 100} {
		b.Run(name, func(b *testing.B) {
			l := newLocal(1 << 20)
			for i := range 100_000 {
				l.local(false, []Selector{{Tag, fmt.Sprint("purged-", i)}})
			}
			e := tagged(l)
			l.Check(e, 0)
			before := e.Proof.Proven.Load()
			for i := range more {
				l.local(false, []Selector{{Tag, fmt.Sprint("new-", i)}})
			}
			b.ReportAllocs()
			for b.Loop() {
				if more > 0 {
					e.Proof.Checked.Store(0)
					e.Proof.Proven.Store(before)
				}
				if l.Check(e, 0) != Valid {
					b.Fatal("purged")
				}
			}
		})
	}
}

func BenchmarkPurge(b *testing.B) {
	l := newLocal(1 << 18)
	selectors := []Selector{{Tag, "food-17"}}
	b.ReportAllocs()
	for b.Loop() {
		l.local(false, selectors)
	}
}
