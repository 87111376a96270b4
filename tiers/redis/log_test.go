package redis_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
)

// member is a sidecar's log on a journal in Redis.
func member(t testing.TB, url string, cfg invalidation.Config) *invalidation.Log {
	t.Helper()
	return memberLogged(t, url, cfg, new(lines))
}

func memberLogged(t testing.TB, url string, cfg invalidation.Config, log *lines) *invalidation.Log {
	t.Helper()
	if cfg.Coherence == "" {
		cfg.Coherence = "available"
	}
	if cfg.Lease == 0 {
		cfg.Lease = 600 * time.Millisecond
	}
	if cfg.Index == 0 {
		cfg.Index = 1000
	}
	l := invalidation.New(cfg, journal(t, url, cfg), log.logger())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	l.Start(ctx)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		l.Close(ctx)
	})
	return l
}

// stored makes an entry whose request began now.
func stored(l *invalidation.Log) *tiers.Entry {
	e := &tiers.Entry{Key: "GET http://h/a", Tags: "one\n"}
	l.Stamp(e, l.Now())
	return e
}

func verdict(l *invalidation.Log, e *tiers.Entry) invalidation.Verdict {
	return l.Check(e, tiers.Now())
}

var one = []invalidation.Selector{{Kind: invalidation.Tag, Name: "one"}}

// long is a wait that ends before a test does.
const long = 20 * time.Second

func TestLogConfirms(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"available", "strict"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			cfg := invalidation.Config{Coherence: mode}
			a, b := member(t, s.URL(), cfg), member(t, s.URL(), cfg)
			ea, eb := stored(a), stored(b)
			if verdict(a, ea) != invalidation.Valid || verdict(b, eb) != invalidation.Valid {
				t.Fatal("valid entries are not")
			}
			r := a.Purge(t.Context(), long, false, one)
			if !r.Confirmed || r.Sidecars != 2 || r.Position.N == 0 || len(r.Unconfirmed) > 0 {
				t.Fatalf("%+v", r)
			}
			if verdict(a, ea) != invalidation.Gone || verdict(b, eb) != invalidation.Gone {
				t.Fatalf("confirmed, but %v and %v", verdict(a, ea), verdict(b, eb))
			}
			if v := verdict(b, stored(b)); v != invalidation.Valid {
				t.Fatalf("fetched after it: %v", v)
			}
		})
	}
}

// Without waiting, a purge is appended and reaches the others all the same.
func TestLogWithoutWaiting(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a, b := member(t, s.URL(), invalidation.Config{}), member(t, s.URL(), invalidation.Config{})
	e := stored(b)
	if r := a.Purge(t.Context(), 0, true, one); r.Confirmed || r.Position.N == 0 {
		t.Fatalf("%+v", r)
	}
	eventually(t, long, "stale", func() bool { return verdict(b, e) == invalidation.Stale })
}

// With Redis away, what this process purges holds here at once, and reaches the others when it is back.
func TestLogThroughAnOutage(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a, b := member(t, s.URL(), invalidation.Config{}), member(t, s.URL(), invalidation.Config{})
	ea, eb := stored(a), stored(b)
	s.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, done := a.Invalidate(ctx, a.Now(), one); done {
		t.Fatal("a Redis that hangs acknowledged")
	}
	if verdict(a, ea) != invalidation.Gone || verdict(b, eb) != invalidation.Valid {
		t.Fatalf("%v here, %v there", verdict(a, ea), verdict(b, eb))
	}
	s.Resume()
	eventually(t, long, "gone there", func() bool { return verdict(b, eb) == invalidation.Gone })
	eventually(t, long, "nothing queued", func() bool { return a.Stats().Queued == 0 })
	if verdict(a, ea) != invalidation.Gone || verdict(a, stored(a)) != invalidation.Valid {
		t.Error("acknowledged, and forgotten")
	}
}

// In strict mode, nothing is trusted without contact; a purge is confirmed by time; and after a restart of Redis, what is
// older is not trusted.
func TestLogStrict(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	cfg := invalidation.Config{Coherence: "strict"}
	a, b := member(t, s.URL(), cfg), member(t, s.URL(), cfg)
	ea, eb := stored(a), stored(b)
	s.Kill()
	eventually(t, long, "no trust", func() bool {
		return verdict(a, ea) == invalidation.Untrusted && verdict(b, eb) == invalidation.Untrusted
	})
	s.Start()
	eventually(t, long, "another generation", func() bool { return verdict(a, stored(a)) == invalidation.Valid })
	if v := verdict(a, ea); v != invalidation.Unprovable {
		t.Errorf("from before the restart: %v", v)
	}
	eventually(t, long, "another generation", func() bool { return verdict(b, stored(b)) == invalidation.Valid })
	if r := a.Purge(t.Context(), long, false, one); !r.Confirmed {
		t.Errorf("%+v", r)
	}
}

// In available mode, what neither generation purged is served once more; a silent member is named, and keeps a purge from
// being confirmed.
func TestLogAvailable(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a, b := member(t, s.URL(), invalidation.Config{}), member(t, s.URL(), invalidation.Config{})
	e := stored(a)
	s.Kill()
	s.Start()
	eventually(t, long, "another generation", func() bool { return verdict(a, e) == invalidation.Orphan })
	if r := a.Purge(t.Context(), long, false, one); !r.Confirmed {
		t.Fatalf("%+v", r)
	}
	if v := verdict(a, e); v != invalidation.Gone {
		t.Errorf("an orphan that was purged: %v", v)
	}
	cfg := invalidation.Config{}
	silent := journal(t, s.URL(), cfg)
	renewed, err := silent.Renew(t.Context(), invalidation.Renewal{ID: "silent-1", Terms: "available 600ms"})
	if err != nil {
		t.Fatal(err)
	}
	r := b.Purge(t.Context(), 2*time.Second, false, one)
	if r.Confirmed || len(r.Unconfirmed) != 1 || r.Unconfirmed[0] != "silent-1" || r.Position.Gen != renewed.Gen {
		t.Errorf("%+v", r)
	}
}

// A member that went away properly is not waited for; strict ones that did not are removed when their lease is over.
func TestLogLeaving(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	cfg := invalidation.Config{Coherence: "strict"}
	a, b := member(t, s.URL(), cfg), member(t, s.URL(), cfg)
	j := journal(t, s.URL(), cfg)
	if _, err := j.Renew(t.Context(), invalidation.Renewal{ID: "crashed", Terms: "strict 600ms"}); err != nil {
		t.Fatal(err)
	}
	b.Close(t.Context())
	if v := verdict(b, stored(b)); v != invalidation.Untrusted {
		t.Errorf("after leaving: %v", v)
	}
	for _, sidecars := range []int{1, 1} {
		eventually(t, long, "confirmed, and counted", func() bool {
			r := a.Purge(t.Context(), long, false, one)
			return r.Confirmed && r.Sidecars == sidecars
		})
	}
}

// A sidecar that missed what was trimmed does not trust what is older; one that finds no room in its index neither.
func TestLogGaps(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a := member(t, s.URL(), invalidation.Config{Retention: 2})
	b := member(t, s.URL(), invalidation.Config{Retention: 2, Index: 2})
	ea, eb := stored(a), stored(b)
	s.Hang()
	for i := range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		a.Invalidate(ctx, a.Now(), []invalidation.Selector{{Kind: invalidation.Tag, Name: fmt.Sprint("other", i)}})
		cancel()
	}
	s.Resume()
	eventually(t, long, "unprovable", func() bool { return verdict(b, eb) == invalidation.Unprovable })
	if v := verdict(a, ea); v != invalidation.Valid {
		t.Errorf("for whom it was its own purges: %v", v)
	}
}

// One that joins later knows what was purged before, if the log still has it.
func TestLogRecalls(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a := member(t, s.URL(), invalidation.Config{})
	gone, kept := stored(a), &tiers.Entry{Key: "GET http://h/b"}
	a.Stamp(kept, a.Now())
	for i := range 3000 {
		a.Purge(t.Context(), 0, false, []invalidation.Selector{{Kind: invalidation.Tag, Name: fmt.Sprint(i % 100)}})
	}
	a.Purge(t.Context(), 0, false, one)
	b := member(t, s.URL(), invalidation.Config{Index: 1 << 16})
	for _, e := range []*tiers.Entry{gone, kept} { // as L2 has them
		e.Proof, e.AsOf.Own = new(tiers.Proof), 0
	}
	eventually(t, long, "all recalled", func() bool { return verdict(b, kept) == invalidation.Valid })
	if v := verdict(b, gone); v != invalidation.Gone {
		t.Errorf("purged before it joined: %v", v)
	}
}

// A record that cannot be read, or that another program wrote, purges everything once, is counted and told; and the log
// goes on behind it.
func TestLogUnreadable(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(s *redistest.Server){
		"a damaged record": func(s *redistest.Server) {
			s.Do("xadd", logKey, "2-0", "g", "zz", "k", "h", "s", "tx\n")
			s.Do("hset", ctlKey, "head", "2")
		},
		"a later format": func(s *redistest.Server) {
			s.Do("xadd", logKey, "2-0", "g", s.Do("hget", ctlKey, "gen"), "k", "z", "s", "tx")
			s.Do("hset", ctlKey, "head", "2")
		},
		"another's":             func(s *redistest.Server) { s.Do("xadd", logKey, "*", "a", "b") },
		"another's, the next":   func(s *redistest.Server) { s.Do("xadd", logKey, "2-0", "a", "b") },
		"another's, half a one": func(s *redistest.Server) { s.Do("xadd", logKey, "2-7", "a", "b") },
		"another's, the last":   func(s *redistest.Server) { s.Do("xadd", logKey, "18446744073709551615-18446744073709551615", "a", "b") },
	} {
		for _, mode := range []string{"available", "strict"} {
			t.Run(name+", "+mode, func(t *testing.T) {
				t.Parallel()
				s := redistest.Start(t)
				cfg, log := invalidation.Config{Coherence: mode}, new(lines)
				a, b := memberLogged(t, s.URL(), cfg, log), member(t, s.URL(), cfg)
				if r := a.Purge(t.Context(), long, false, one); !r.Confirmed || r.Position.N != 1 {
					t.Fatalf("%+v", r)
				}
				e := stored(a)
				if v := verdict(a, e); v != invalidation.Valid {
					t.Fatalf("before: %v", v)
				}
				spoil(s)
				eventually(t, long, "the old response is not valid", func() bool { return verdict(a, e) != invalidation.Valid })
				works(t, a, b)
				if n := a.Stats().Unreadable; n != 1 {
					t.Errorf("%d unreadable records", n)
				}
				if all := text(log.all()); strings.Count(all, "cannot be read, and stand for a purge of everything") != 1 {
					t.Errorf("the log does not tell of it once:\n%s", all)
				}
				if v := verdict(a, e); v == invalidation.Valid {
					t.Errorf("the old response is %v", v)
				}
			})
		}
	}
}

// works fails unless what is stored now can be served soon, and a purge of it is confirmed.
func works(t *testing.T, a, b *invalidation.Log) {
	t.Helper()
	var ea, eb *tiers.Entry
	fresh := func() bool {
		ea, eb = stored(a), stored(b)
		return verdict(a, ea) == invalidation.Valid && verdict(b, eb) == invalidation.Valid
	}
	eventually(t, long, "new responses are valid", fresh)
	if r := b.Purge(t.Context(), long, false, one); !r.Confirmed {
		t.Fatalf("%+v", r)
	}
	if verdict(a, ea) == invalidation.Valid || verdict(b, eb) == invalidation.Valid {
		t.Error("a purge has no effect")
	}
	eventually(t, long, "new responses are valid again", fresh)
}

// Records between two of the log's own, which another program wrote, are passed over, and not read again and again.
func TestLogBetweenRecords(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a, b := member(t, s.URL(), invalidation.Config{}), member(t, s.URL(), invalidation.Config{})
	if r := a.Purge(t.Context(), long, false, one); !r.Confirmed {
		t.Fatalf("%+v", r)
	}
	s.Do("xadd", logKey, "1-7", "a", "b")
	reads, began := s.Calls("xread"), time.Now()
	time.Sleep(300 * time.Millisecond)
	if n, took := s.Calls("xread")-reads, time.Since(began); n > 10+int(took/(50*time.Millisecond)) {
		t.Errorf("read %d times in %v", n, took)
	}
	works(t, a, b)
}

// Without the right to read the log, each purge has everything revalidated; that is counted and told.
func TestLogCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"available", "strict"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			s.Do("acl", "setuser", "app", "on", ">pw", "~nearside:*", "+@all", "-xread")
			url, log := "redis://app:pw@"+s.Addr(), new(lines)
			cfg := invalidation.Config{Coherence: mode}
			a, b := memberLogged(t, url, cfg, log), member(t, url, cfg)
			works(t, a, b)
			works(t, b, a)
			if n := a.Stats().ReadsFailed; n == 0 {
				t.Error("not counted")
			}
			eventually(t, long, "the log tells of it", func() bool { return strings.Contains(text(log.all()), "cannot be read: each purge") })
			s.Do("acl", "setuser", "app", "+xread")
			eventually(t, long, "the log tells that it is over", func() bool { return strings.Contains(text(log.all()), "can be read again") })
			if all := text(log.all()); strings.Count(all, "cannot be read") != 1 {
				t.Errorf("told more than once:\n%s", all)
			}
			works(t, a, b)
		})
	}
}

// Sidecars with other terms than the fleet's store and trust nothing.
func TestLogTerms(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a := member(t, s.URL(), invalidation.Config{Coherence: "strict"})
	cfg := invalidation.Config{Coherence: "available", Lease: 600 * time.Millisecond, Index: 10}
	b := invalidation.New(cfg, journal(t, s.URL(), cfg), new(lines).logger())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	b.Start(ctx)
	t.Cleanup(func() { b.Close(t.Context()) })
	near, far := b.Keeps(b.Now())
	if near || far || verdict(b, stored(b)) != invalidation.Untrusted {
		t.Errorf("keeps: %v, %v; %v", near, far, verdict(b, stored(b)))
	}
	a.Close(t.Context())
	eventually(t, long, "joined", func() bool { return verdict(b, stored(b)) == invalidation.Valid })
}

// Everything is purged rather than anything lost when too much waits.
func TestLogOverflow(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a, b := member(t, s.URL(), invalidation.Config{}), member(t, s.URL(), invalidation.Config{})
	eb := stored(b)
	s.Hang()
	a.Purge(t.Context(), 0, false, []invalidation.Selector{{Kind: invalidation.Tag, Name: "other"}}) // finds out
	for i := range 20_000 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		a.Invalidate(ctx, a.Now(), []invalidation.Selector{{Kind: invalidation.Tag, Name: fmt.Sprint("other", i)}})
	}
	if n := a.Stats().Overflows; n != 1 {
		t.Errorf("%d overflows", n)
	}
	s.Resume()
	eventually(t, long, "everything gone", func() bool {
		v := verdict(b, eb)
		return v == invalidation.Gone || v == invalidation.Unprovable // once what came later has filled the index
	})
}

// As long as the log takes them in, many purges at the same time stay what they are, and what is too much even so becomes
// one soft purge if all were soft.
func TestLogBurst(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	a, b := member(t, s.URL(), invalidation.Config{}), member(t, s.URL(), invalidation.Config{Index: 1 << 18})
	eb := stored(b)
	burst := func(n, each int) {
		t.Helper()
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				selectors := make([]invalidation.Selector, each)
				for k := range selectors {
					selectors[k] = invalidation.Selector{Kind: invalidation.Tag, Name: fmt.Sprint("other", i, "-", k)}
				}
				if r := a.Purge(t.Context(), long, true, selectors); !r.Confirmed {
					t.Errorf("%+v", r)
				}
			})
		}
		all.Wait()
	}
	burst(4, 20_000)
	if v, n := verdict(b, eb), a.Stats().Overflows; v != invalidation.Valid || n != 0 {
		t.Errorf("%v, after %d overflows", v, n)
	}
	burst(1, 140_000)
	if v, n := verdict(b, eb), a.Stats().Overflows; v != invalidation.Stale || n != 1 {
		t.Errorf("%v, after %d overflows", v, n)
	}
}
