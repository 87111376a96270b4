package invalidation

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/nearside-cache/nearside/tiers"
)

// local makes a log in this process.
func newLocal(index int) *Log {
	return New(Config{Coherence: "available", Lease: lease, Index: index}, nil, quiet)
}

// stored makes an entry of a position.
func stored(l *Log, uri, tags string, asOf tiers.Position) *tiers.Entry {
	e := &tiers.Entry{Key: tiers.Key("GET " + uri), Tags: tags}
	l.Stamp(e, asOf)
	return e
}

func mustSelect(t testing.TB, kind Kind, name string) Selector {
	t.Helper()
	s, err := Select(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSelectorsMatch(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		name string
		hit  bool
	}{
		{URI, "http://h/a?x=1&y=2", true}, {URI, "http://h/a?y=2&x=1", true}, {URI, "http://H/%61?x=1&y=2", true},
		{URI, "http://h/a", false}, {URI, "http://h/a?x=1", false},
		{Prefix, "http://h/", true}, {Prefix, "http://h/a", true}, {Prefix, "http://h/a?", true}, {Prefix, "http://h/a?y=2", true},
		{Prefix, "http://h/b", false}, {Prefix, "http://h/a/", false},
		{Tag, "one", true}, {Tag, "two words", true}, {Tag, "on", false}, {Tag, "http://h/a?x=1&y=2", false}, {All, "", true},
	} {
		for _, old := range []bool{false, true} { // by the ring, and by the tables
			l := newLocal(1000)
			e := stored(l, "http://h/a?x=1&y=2", "one\ntwo words\n", l.Now())
			l.Purge(t.Context(), 0, false, []Selector{mustSelect(t, c.kind, c.name)})
			for i := range 2 * maxRecent {
				if old {
					l.Purge(t.Context(), 0, false, []Selector{{Tag, fmt.Sprint("other", i)}})
				}
			}
			if got := l.Check(e, 0) == Gone; got != c.hit {
				t.Errorf("%v %q purges it: %v, want %v (old: %v)", c.kind, c.name, got, c.hit, old)
			}
			if v := l.Check(stored(l, "http://h/a?x=1&y=2", "one\n", l.Now()), 0); v != Valid {
				t.Errorf("what was fetched after the purge is %v", v)
			}
		}
	}
}

// A response that answers for several queries of its path is purged with any of them.
func TestManyQueries(t *testing.T) {
	for _, c := range []struct {
		name string
		hit  bool
	}{{"http://h/a?x=1", true}, {"http://h/a?z=9", true}, {"http://h/a", true}, {"http://h/ab", false}, {"http://h/a/", false}} {
		for _, old := range []bool{false, true} {
			l := newLocal(1000)
			e := &tiers.Entry{Key: "GET? http://h/a?x=1"}
			l.Stamp(e, l.Now())
			l.Purge(t.Context(), 0, false, []Selector{mustSelect(t, URI, c.name)})
			for i := range 2 * maxRecent {
				if old {
					l.Purge(t.Context(), 0, false, []Selector{{Tag, fmt.Sprint("other", i)}})
				}
			}
			if got := l.Check(e, 0) == Gone; got != c.hit {
				t.Errorf("%q purges it: %v, want %v (old: %v)", c.name, got, c.hit, old)
			}
		}
	}
}

// However a selector is spelt, it finds what was asked for in another spelling.
func TestSpellings(t *testing.T) {
	for _, c := range []struct {
		stored string
		kind   Kind
		name   string
	}{
		{"/caf%C3%A9", URI, "/café"}, {"/caf%C3%A9", Prefix, "/caf%c"}, {"/caf%C3%A9", Prefix, "/caf%C3"}, {"/caf%C3%A9/x", Prefix, "/café/"},
		{"/a|b", URI, "/a%7Cb"}, {"/a%22b", URI, `/a"b`}, {"/sp%20ace", URI, "/sp ace"}, {"/100%", Prefix, "/100%"}, {"/a%zz", URI, "/a%zz"},
		{"/a%40b", URI, "/a@b"}, {"/a@b", URI, "/a%40b"}, {"/x:y/1", Prefix, "/x%3ay/"}, {"/x?ids=1%2C2", URI, "/x?ids=1,2"},
		{"/x?ids=1,2", URI, "/x?ids=1%2c2"}, {"/x?a", URI, "/x?a="}, {"/x?a=", URI, "/x?a"}, {"/x?p=/y", URI, "/x?p=%2Fy"},
	} {
		l := newLocal(1000)
		e := stored(l, "http://h"+c.stored, "", l.Now())
		l.Purge(t.Context(), 0, false, []Selector{mustSelect(t, c.kind, "http://h"+c.name)})
		if v := l.Check(e, 0); v != Gone {
			t.Errorf("%s, purged by %v %s: %v", c.stored, c.kind, c.name, v)
		}
	}
}

func TestSelectRefuses(t *testing.T) {
	for _, name := range []string{"", "a\nb", "a\r", strings.Repeat("x", MaxName+1)} {
		if s, err := Select(Tag, name); err == nil {
			t.Errorf("%q became %+v", name, s)
		}
	}
	if s, err := Select(All, "\n"); err != nil || s != (Selector{Kind: All}) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSoftAndHard(t *testing.T) {
	l := newLocal(1000)
	one := []Selector{{Tag, "one"}}
	e := stored(l, "http://h/a", "one\n", l.Now())
	l.Purge(t.Context(), 0, true, one)
	if v := l.Check(e, 0); v != Stale {
		t.Fatalf("softly purged: %v", v)
	}
	l.Purge(t.Context(), 0, false, one)
	l.Purge(t.Context(), 0, true, one)
	if v := l.Check(e, 0); v != Gone {
		t.Fatalf("purged between two soft purges: %v", v)
	}
	for i := range 2 * maxRecent { // out of the ring
		l.Purge(t.Context(), 0, false, []Selector{{Tag, fmt.Sprint("other", i)}})
	}
	if v := l.Check(e, 0); v != Gone {
		t.Fatalf("by the tables: %v", v)
	}
}

// What the verdict is for any history that an index of any size has seen, compared with the history itself.
func TestCheckAgainstHistory(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		l := newLocal(2 + r.IntN(40))
		type past struct {
			Selector
			soft bool
			n    uint64
		}
		var history []past
		var entries []*tiers.Entry
		name := func() string { return strings.Repeat("ab", r.IntN(4)) + string(rune('a'+r.IntN(5))) }
		matches := func(e *tiers.Entry, s Selector) bool {
			switch s.Kind {
			case URI:
				return e.Key.URI() == s.Name
			case Prefix:
				return strings.HasPrefix(e.Key.URI(), s.Name)
			case Tag:
				return strings.Contains("\n"+e.Tags, "\n"+s.Name+"\n")
			}
			return true
		}
		for range 200 {
			switch r.IntN(4) {
			case 0:
				entries = append(entries, stored(l, "http://h/"+name(), name()+"\n"+name()+"\n", l.Now()))
			case 1:
				s := Selector{Kind(r.IntN(3)), name()}
				if s.Kind != Tag {
					s.Name = "http://h/" + s.Name
				}
				if r.IntN(40) == 0 {
					s = Selector{Kind: All}
				}
				soft := r.IntN(2) == 0
				at := l.Purge(t.Context(), 0, soft, []Selector{s}).Position
				history = append(history, past{s, soft, at.N})
			default:
				if len(entries) == 0 {
					continue
				}
				e := entries[r.IntN(len(entries))]
				hard, soft := false, false
				for _, p := range history {
					if p.n > e.AsOf.N && matches(e, p.Selector) {
						hard, soft = hard || !p.soft, soft || p.soft
					}
				}
				v := l.Check(e, 0)
				floor := l.Stats().Floor
				switch {
				case v == Valid && !hard && !soft, v == Stale && soft && !hard, v == Gone && hard:
				case v == Unprovable && e.AsOf.N < floor:
				default:
					t.Fatalf("seed %d: %v for an entry at %d (hard %v, soft %v, floor %d)", seed, v, e.AsOf.N, hard, soft, floor)
				}
			}
		}
	}
}

// More lengths of prefixes than are looked up make purges wider, never narrower.
// TestLostBehindOwn: records that cannot be read are noted as lost, also when those that this process appended itself, and
// has in its index ahead of them, have filled it up to a later one.
func TestLostBehindOwn(t *testing.T) {
	g := newGeneration(1, 5, 2)
	for n := uint64(8); n <= 10; n++ {
		g.put(&Record{Gen: 1, N: n, Selectors: []Selector{{Tag, fmt.Sprint("own", n)}}})
		raise(&g.head, n)
	}
	g.jump(8)
	e := &tiers.Entry{Key: "GET http://h/", Tags: "other\n", AsOf: tiers.Position{Gen: 1, N: 5}}
	if _, _, proved := g.find(namesOf(e), 5); proved || g.quiet(5) {
		t.Error("what was lost counts as nothing")
	}
}

func TestManyPrefixes(t *testing.T) {
	l := newLocal(1000)
	e := stored(l, "http://h/"+strings.Repeat("x", 200), "", l.Now())
	for i := range 4 * maxLengths {
		l.Purge(t.Context(), 0, false, []Selector{{Prefix, "http://h/y" + strings.Repeat("y", 2*i)}})
	}
	if v := l.Check(e, 0); v != Valid {
		t.Fatalf("before: %v", v)
	}
	for _, n := range []int{1, 20, 151, 200} {
		l.Purge(t.Context(), 0, false, []Selector{{Prefix, "http://h/" + strings.Repeat("x", n)}})
		for i := range 2 * maxRecent {
			l.Purge(t.Context(), 0, false, []Selector{{Tag, fmt.Sprint(i)}})
		}
		if v := l.Check(e, 0); v != Gone {
			t.Errorf("a prefix of %d: %v", n, v)
		}
		l.Stamp(e, l.Now())
	}
}

func TestEarlier(t *testing.T) {
	a, b := tiers.Position{Gen: 1, N: 5, Own: 2}, tiers.Position{Gen: 1, N: 4, Own: 3}
	if got := a.Earlier(b); got != (tiers.Position{Gen: 1, N: 4, Own: 2}) {
		t.Errorf("%+v", got)
	}
	if got := a.Earlier(tiers.Position{Gen: 2, N: 9, Own: 9}); got != (tiers.Position{}) {
		t.Errorf("of two generations: %+v", got)
	}
}

func TestRecordText(t *testing.T) {
	r := Record{Selectors: []Selector{{URI, "http://h/ü"}, {Prefix, "p"}, {Tag, "a b"}, {Kind: All}}}
	got, err := ParseSelectors(r.Text())
	if err != nil || fmt.Sprint(got) != fmt.Sprint(r.Selectors) {
		t.Fatalf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "x1", "ta\n", "\nta"} {
		if got, err := ParseSelectors(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

// A record that cannot be read purges everything, but not before the log says that it has come so far: one that another
// program wrote further ahead must not hide those between.
func TestUnreadable(t *testing.T) {
	l := newLocal(1000)
	l.Purge(t.Context(), 0, false, []Selector{{Tag, "one"}})
	e := stored(l, "http://h/a", "two\n", l.Now())
	gen := l.Now().Gen
	if _, ok := l.deliver([]Record{Unreadable(0, 9)}); ok || l.Now().N != 1 || l.current.Load().met() != 9 {
		t.Fatalf("taken in although the log may not have it: %v, %+v", ok, l.Now())
	}
	if v := l.Check(e, 0); v != Valid {
		t.Errorf("before that: %v", v)
	}
	l.deliver([]Record{{Gen: gen, N: 2, Selectors: []Selector{{Tag, "two"}}}})
	if v := l.Check(e, 0); v != Gone {
		t.Errorf("purged by one between: %v", v)
	}
	e = stored(l, "http://h/a", "two\n", l.Now())
	raise(&l.current.Load().head, 9)
	if ask, ok := l.deliver([]Record{Unreadable(gen, 9)}); !ask || !ok || l.Now().N != 9 {
		t.Fatalf("not taken in: %v, %v, %+v", ask, ok, l.Now())
	}
	if v := l.Check(e, 0); v != Gone {
		t.Errorf("purged: %v", v)
	}
	if v := l.Check(stored(l, "http://h/a", "two\n", l.Now()), 0); v != Valid {
		t.Errorf("what was fetched afterwards is %v", v)
	}
	if _, ok := l.deliver([]Record{Unreadable(gen+1, 10)}); ok {
		t.Error("one of another generation is taken in")
	}
	if n := l.Stats().Unreadable; n != 1 {
		t.Errorf("%d counted", n)
	}
}

// What is noted at responses once something was purged takes no more memory than they count for.
func TestProofsAreCounted(t *testing.T) {
	for _, tags := range []string{"", "a\nb\nc\n"} {
		l := newLocal(1 << 10)
		entries := make([]*tiers.Entry, 50_000)
		counted := 0
		for i := range entries {
			entries[i] = &tiers.Entry{Key: tiers.Key("GET http://data-api/foods/" + strconv.Itoa(i)), Tags: tags}
			counted -= entries[i].Size()
		}
		before := heap()
		for _, e := range entries {
			l.Stamp(e, l.Now())
			counted += e.Size()
		}
		l.local(false, []Selector{{Tag, "another"}})
		for _, e := range entries {
			if v := l.Check(e, 0); v != Valid || e.Proof.Names.Load() == nil {
				t.Fatal(v)
			}
		}
		taken := int(heap() - before)
		t.Logf("tags %q: %d bytes each, counted %d", tags, taken/len(entries), counted/len(entries))
		if taken > counted+counted/8 {
			t.Errorf("tags %q: %d bytes, counted %d", tags, taken, counted)
		}
		runtime.KeepAlive(entries)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
