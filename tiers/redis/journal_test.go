package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
)

// journal opens a journal that the test closes.
func journal(t testing.TB, url string, cfg invalidation.Config) *redis.Journal {
	t.Helper()
	if cfg.Retention == 0 {
		cfg.Retention = 100_000
	}
	j, err := redis.NewJournal(config(url), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j
}

// The journal's keys.
const ctlKey, logKey = "nearside:v1:{nearside}:ctl", "nearside:v1:{nearside}:log"

func tags(names ...string) (records []invalidation.Record) {
	for _, name := range names {
		records = append(records, invalidation.Record{Selectors: []invalidation.Selector{{Kind: invalidation.Tag, Name: name}}})
	}
	return records
}

// names writes records as position:selectors.
func names(records []invalidation.Record) (all []string) {
	for i := range records {
		all = append(all, fmt.Sprintf("%d:%s", records[i].N, strings.ReplaceAll(records[i].Text(), "\n", " ")))
	}
	return all
}

func wantNames(t testing.TB, got []invalidation.Record, err error, want ...string) {
	t.Helper()
	if err != nil || !slices.Equal(names(got), want) {
		t.Fatalf("%v, %v; want %v", names(got), err, want)
	}
}

func TestJournalAppendsAndReads(t *testing.T) {
	t.Parallel()
	j := journal(t, redistest.Start(t).URL(), invalidation.Config{})
	ctx := t.Context()
	first, err := j.Append(ctx, tags("a", "b"))
	if err != nil || first.N != 2 || first.Gen == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	mixed := []invalidation.Record{{Soft: true, Ask: true, Selectors: []invalidation.Selector{
		{Kind: invalidation.URI, Name: "http://h/ü?a=1"}, {Kind: invalidation.Prefix, Name: "http://h/p"}, {Kind: invalidation.All},
	}}}
	second, err := j.Append(ctx, mixed)
	if err != nil || second != (tiers.Position{Gen: first.Gen, N: 3}) {
		t.Fatalf("%+v, %v", second, err)
	}
	got, err := j.Read(ctx, 0, 0)
	wantNames(t, got, err, "1:ta", "2:tb", "3:uhttp://h/ü?a=1 phttp://h/p a")
	if got[0].Soft || got[0].Ask || !got[2].Soft || !got[2].Ask || got[2].Gen != first.Gen {
		t.Errorf("flags or generation of %+v", got)
	}
	got, err = j.Read(ctx, 2, 0)
	wantNames(t, got, err, "3:uhttp://h/ü?a=1 phttp://h/p a")
	got, err = j.Before(ctx, 2, 10)
	wantNames(t, got, err, "2:tb", "1:ta")
	got, err = j.Read(ctx, 3, 20*time.Millisecond)
	wantNames(t, got, err)
}

func TestJournalReadWaits(t *testing.T) {
	t.Parallel()
	j := journal(t, redistest.Start(t).URL(), invalidation.Config{})
	type result struct {
		records []invalidation.Record
		err     error
	}
	read := make(chan result, 1)
	go func() {
		records, err := j.Read(t.Context(), 0, 10*time.Second)
		read <- result{records, err}
	}()
	for done := false; !done; {
		if _, err := j.Append(t.Context(), tags("a")); err != nil {
			t.Fatal(err)
		}
		select {
		case r := <-read:
			if r.err != nil || len(r.records) == 0 {
				t.Fatalf("%+v", r)
			}
			done = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		records, err := j.Read(ctx, 1000, 2*time.Second)
		read <- result{records, err}
	}()
	cancel()
	if r := <-read; !errors.Is(r.err, context.Canceled) {
		t.Fatalf("a cancelled read: %+v", r)
	}
}

func TestJournalTrims(t *testing.T) {
	t.Parallel()
	j := journal(t, redistest.Start(t).URL(), invalidation.Config{Retention: 2})
	if _, err := j.Append(t.Context(), tags("a", "b", "c", "d", "e")); err != nil {
		t.Fatal(err)
	}
	got, err := j.Read(t.Context(), 1, 0)
	wantNames(t, got, err, "4:td", "5:te")
}

// renew renews and returns the position.
func renew(t testing.TB, j *redis.Journal, id string, at tiers.Position, counter uint64) tiers.Position {
	t.Helper()
	p, err := j.Renew(t.Context(), invalidation.Renewal{ID: id, At: at, Counter: counter, Terms: "strict 3s"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestJournalMembers(t *testing.T) {
	t.Parallel()
	j := journal(t, redistest.Start(t).URL(), invalidation.Config{})
	at := renew(t, j, "one", tiers.Position{Gen: 1, N: 77}, 1) // of another generation
	if _, err := j.Append(t.Context(), tags("a")); err != nil {
		t.Fatal(err)
	}
	renew(t, j, "two", tiers.Position{Gen: at.Gen, N: 1}, 1)
	gen, members, err := j.Members(t.Context())
	slices.SortFunc(members, func(a, b invalidation.Member) int { return strings.Compare(a.ID, b.ID) })
	want := []invalidation.Member{{ID: "one", At: -1, Value: "-1 1"}, {ID: "two", At: 1, Value: "1 1"}}
	if err != nil || gen != at.Gen || !slices.Equal(members, want) {
		t.Fatalf("%d %+v, %v", gen, members, err)
	}
	stale := members[0]
	renew(t, j, "one", at, 2)
	if err := j.Remove(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	if _, members, _ = j.Members(t.Context()); len(members) != 2 {
		t.Fatalf("a member that renewed was removed: %+v", members)
	}
	for _, m := range []invalidation.Member{{ID: "one"}, want[1]} {
		if err := j.Remove(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if _, members, _ = j.Members(t.Context()); len(members) != 0 {
		t.Fatalf("left: %+v", members)
	}
}

// Sidecars with other terms are refused, as long as there is one with the first ones.
func TestJournalTerms(t *testing.T) {
	t.Parallel()
	j := journal(t, redistest.Start(t).URL(), invalidation.Config{})
	renew(t, j, "one", tiers.Position{}, 1)
	other := invalidation.Renewal{ID: "two", Terms: "available 3s"}
	if _, err := j.Renew(t.Context(), other); !errors.Is(err, invalidation.ErrTerms) || !strings.Contains(err.Error(), "strict 3s") {
		t.Fatalf("other terms: %v", err)
	}
	if err := j.Remove(t.Context(), invalidation.Member{ID: "one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Renew(t.Context(), other); err != nil {
		t.Fatal(err)
	}
}

// Whatever happens to the data, a log that is not the one before has another generation.
func TestJournalGenerations(t *testing.T) {
	t.Parallel()
	const ctl, log = ctlKey, logKey
	for name, c := range map[string]struct {
		harm  func(s *redistest.Server)
		other bool
	}{
		"nothing":             {func(*redistest.Server) {}, false},
		"FLUSHALL":            {func(s *redistest.Server) { s.Do("flushall") }, true},
		"the hash is gone":    {func(s *redistest.Server) { s.Do("del", ctl) }, true},
		"the stream is gone":  {func(s *redistest.Server) { s.Do("del", log) }, false},
		"its head is gone":    {func(s *redistest.Server) { s.Do("hdel", ctl, "head") }, true},
		"the head went back":  {func(s *redistest.Server) { s.Do("hset", ctl, "head", "1") }, true},
		"a head of letters":   {func(s *redistest.Server) { s.Do("hset", ctl, "head", "x1") }, true},
		"a head of 30 digits": {func(s *redistest.Server) { s.Do("hset", ctl, "head", strings.Repeat("9", 30)) }, true},
		"a generation of no":  {func(s *redistest.Server) { s.Do("hset", ctl, "gen", "no") }, true},
		"the hash is a list":  {func(s *redistest.Server) { s.Do("del", ctl); s.Do("lpush", ctl, "x") }, true},
		"another's record":    {func(s *redistest.Server) { s.Do("xadd", log, "*", "a", "b") }, true},
		"another type":        {func(s *redistest.Server) { s.Do("del", log); s.Do("set", log, "x") }, true},
		"restart":             {func(s *redistest.Server) { s.Kill(); s.Start() }, true},
		"restart from an RDB": {func(s *redistest.Server) { s.Do("save"); s.Kill(); s.Start() }, true},
		"an older RDB":        {func(s *redistest.Server) { s.Do("save"); s.Do("xtrim", log, "maxlen", "0"); s.Kill(); s.Start() }, true},
		"another replid":      {func(s *redistest.Server) { s.Do("hset", ctl, "replid", "0123") }, true},
		"no memory, noevict":  {func(s *redistest.Server) { s.Do("config", "set", "maxmemory", "1") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			j := journal(t, s.URL(), invalidation.Config{})
			before, err := j.Append(t.Context(), tags("a", "b", "c"))
			if err != nil {
				t.Fatal(err)
			}
			c.harm(s)
			var after tiers.Position
			eventually(t, 5*time.Second, "append", func() bool {
				after, err = j.Append(t.Context(), tags("d"))
				return err == nil
			})
			if other := after.Gen != before.Gen; other != c.other {
				t.Fatalf("another generation: %v, want %v (%+v, %+v)", other, c.other, before, after)
			}
			want := tiers.Position{Gen: after.Gen, N: 4}
			if c.other {
				want.N = 1
			}
			if after != want {
				t.Fatalf("at %+v, want %+v", after, want)
			}
			got, err := j.Read(t.Context(), after.N-1, 0)
			wantNames(t, got, err, fmt.Sprintf("%d:td", after.N))
		})
	}
}

// A renewal, too, begins another generation when the hash is damaged, or when a member has met what the log does not have.
func TestJournalRenewsDamaged(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	j := journal(t, s.URL(), invalidation.Config{})
	at, err := j.Append(t.Context(), tags("a", "b", "c"))
	if err != nil {
		t.Fatal(err)
	}
	again := func(met uint64) tiers.Position {
		t.Helper()
		p, err := j.Renew(t.Context(), invalidation.Renewal{ID: "one", At: at, Met: met})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := again(3); p != at {
		t.Fatalf("%+v, want %+v", p, at)
	}
	s.Do("hset", ctlKey, "m:two", "x y")
	if _, members, err := j.Members(t.Context()); err != nil || len(members) != 2 || members[0].At*members[1].At != -3 {
		t.Errorf("with a damaged member: %+v, %v", members, err)
	}
	for _, harm := range []func(){
		func() {},
		func() { s.Do("hset", ctlKey, "head", "x1") },
		func() { s.Do("del", ctlKey); s.Do("set", ctlKey, "x") },
	} {
		harm()
		p := again(at.N + 1)
		if p.Gen == at.Gen || p.N != 0 {
			t.Errorf("%+v after %+v", p, at)
		}
		at = p
	}
}

// Whoever may not append does not end the generation by trying to.
func TestJournalMayNotAppend(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("acl", "setuser", "app", "on", ">pw", "~nearside:*", "+@all", "-xadd")
	j := journal(t, "redis://app:pw@"+s.Addr(), invalidation.Config{})
	before := renew(t, j, "one", tiers.Position{}, 1)
	if _, err := j.Append(t.Context(), tags("a")); err == nil {
		t.Fatal("appended")
	}
	if after := renew(t, j, "one", tiers.Position{}, 2); after != before {
		t.Errorf("%+v, want %+v", after, before)
	}
}

// INVALIDATION_REPLICAS: without the replicas there is neither trust nor an acknowledgement.
func TestJournalReplicas(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	j := journal(t, master.URL(), invalidation.Config{Replicas: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := j.Renew(ctx, invalidation.Renewal{ID: "one"}); err == nil {
		t.Fatal("a renewal that no replica has counted")
	}
	redistest.Start(t, "--replicaof", "127.0.0.1", master.Port)
	eventually(t, 20*time.Second, "a replica has it", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := j.Append(ctx, tags("a"))
		return err == nil
	})
	if _, err := j.Renew(t.Context(), invalidation.Renewal{ID: "one"}); err != nil {
		t.Fatal(err)
	}
}

// In a cluster the log is where its slot is: on the replica that took over, or on the node that the slot moved to, as
// another generation each time, with INVALIDATION_REPLICAS or without.
func TestJournalInACluster(t *testing.T) {
	t.Parallel()
	nodes, copies := redistest.Cluster(t, 3, true)
	url := redistest.ClusterURL(nodes)
	plain, replicated := journal(t, url, invalidation.Config{}), journal(t, url, invalidation.Config{Replicas: 1})
	slot := nodes[0].Do("cluster", "keyslot", "{nearside}").(int64)
	owner := int(slot) * len(nodes) / 16384
	var last tiers.Position
	works := func(when string) {
		t.Helper()
		var at [2]tiers.Position
		for i, j := range []*redis.Journal{replicated, plain} {
			eventually(t, 20*time.Second, "append "+when, func() (ok bool) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var err error
				at[i], err = j.Append(ctx, tags("a"))
				return err == nil
			})
			got, err := j.Read(t.Context(), at[i].N-1, time.Second)
			wantNames(t, got, err, fmt.Sprintf("%d:ta", at[i].N))
			renew(t, j, "one", at[i], at[i].N)
			if gen, members, err := j.Members(t.Context()); err != nil || gen != at[i].Gen || len(members) != 1 {
				t.Errorf("%s: %d %+v, %v", when, gen, members, err)
			}
		}
		if at[0].Gen == last.Gen || at[1] != (tiers.Position{Gen: at[0].Gen, N: at[0].N + 1}) {
			t.Errorf("%s: at %+v, after %+v", when, at, last)
		}
		last = at[1]
	}
	works("at first")
	copies[owner].Do("cluster", "failover")
	eventually(t, 20*time.Second, "the replica takes over", func() bool { return copies[owner].Do("role").([]any)[0] == "master" })
	works("after a failover")
	all := slices.Clone(nodes)
	all[owner] = copies[owner]
	redistest.MoveSlot(t, all, slot, time.Millisecond)
	works("after the slot moved")
}

// The node with the log's slot is killed: the log is found at the replica soon after that took over.
func TestJournalMasterKilled(t *testing.T) {
	t.Parallel()
	nodes, copies := redistest.Cluster(t, 3, true)
	j := journal(t, redistest.ClusterURL(nodes), invalidation.Config{})
	owner := int(nodes[0].Do("cluster", "keyslot", "{nearside}").(int64)) * len(nodes) / 16384
	works := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := j.Append(ctx, tags("a"))
		return err == nil
	}
	eventually(t, 10*time.Second, "append", works)
	nodes[owner].Kill()
	eventually(t, 30*time.Second, "the replica takes over", func() bool {
		works() // whatever the client library learns from failing, it learns before
		return copies[owner].Do("role").([]any)[0] == "master"
	})
	t.Logf("found %v after another node had it", eventually(t, 10*time.Second, "append", works))
}

// Whoever may not read the log's state does not begin it anew, and is told what is missing.
func TestJournalMayNotRead(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Do("acl", "setuser", "app", "on", ">pw", "~nearside:*", "+@all", "-hmget")
	before := renew(t, journal(t, s.URL(), invalidation.Config{}), "one", tiers.Position{}, 1)
	j := journal(t, "redis://app:pw@"+s.Addr(), invalidation.Config{})
	if at, err := j.Renew(t.Context(), invalidation.Renewal{ID: "two"}); err == nil || !strings.Contains(err.Error(), "README") {
		t.Errorf("%+v, %v", at, err)
	}
	if after := renew(t, journal(t, s.URL(), invalidation.Config{}), "one", tiers.Position{}, 2); after != before {
		t.Errorf("%+v, want %+v", after, before)
	}
}

func TestJournalAdvice(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	j := journal(t, s.URL(), invalidation.Config{})
	for _, c := range []struct{ memory, policy, want string }{
		{"0", "allkeys-lru", ""}, {"100mb", "volatile-lru", ""}, {"100mb", "noeviction", ""}, {"100mb", "allkeys-lru", "allkeys-lru"},
	} {
		s.Do("config", "set", "maxmemory", c.memory, "maxmemory-policy", c.policy)
		if got := j.Advice(t.Context()); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func BenchmarkJournalAppend(b *testing.B) {
	j := journal(b, redistest.Start(b).URL(), invalidation.Config{})
	for b.Loop() {
		if _, err := j.Append(b.Context(), tags("a")); err != nil {
			b.Fatal(err)
		}
	}
}
