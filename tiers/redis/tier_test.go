package redis_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/tiers/memory"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/embedded"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

func TestContract(t *testing.T) {
	s := redistest.Start(t)
	t.Run("tcp", func(t *testing.T) { combinations(t, config(s.URL())) })
	t.Run("socket", func(t *testing.T) { contract(t, config("unix://"+s.Socket())) })
	t.Run("database", func(t *testing.T) { contract(t, config(s.URL()+"/3")) })
	t.Run("signed", func(t *testing.T) { contract(t, sealed(config(s.URL()), "off")) })
	for _, level := range []string{"fast", "default", "best"} {
		t.Run("compressed "+level, func(t *testing.T) {
			cfg := config(s.URL())
			cfg.Compression = level
			contract(t, cfg)
		})
	}
}

// TestEmbedded: the demo's server will do, although its clock moves in steps.
func TestEmbedded(t *testing.T) {
	s, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tier := open(t, patient(config(s.URL())))
	req := tierstest.Request{"accept": "a"}
	for _, e := range []*tiers.Entry{
		tierstest.NewEntry(tierstest.NewKey(), "x"),
		tierstest.NewVariant(tierstest.NewKey(), "y", "accept", req),
	} {
		for range 2 {
			if err := tier.Put(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			got, err := tier.Get(t.Context(), e.Key, req)
			if err != nil {
				t.Fatal(err)
			}
			tierstest.Same(t, got, e)
		}
		if err := tier.Delete(t.Context(), e.Key); err != nil {
			t.Fatal(err)
		}
		if _, err := tier.Get(t.Context(), e.Key, req); !errors.Is(err, tiers.ErrMiss) {
			t.Errorf("Get = %v after Delete", err)
		}
	}
}

// patient is cfg with more time than a busy machine takes.
func patient(cfg redis.Config) redis.Config {
	cfg.Timeout = 10 * time.Second
	return cfg
}

func contract(t *testing.T, cfg redis.Config) {
	t.Helper()
	tierstest.Run(t, func(t *testing.T) tiers.Tier { return open(t, patient(cfg)) })
}

// combinations is contract for the tier alone, with values that are signed and compressed, and below an L1.
func combinations(t *testing.T, cfg redis.Config) {
	t.Helper()
	t.Run("alone", func(t *testing.T) { contract(t, cfg) })
	t.Run("signed and compressed", func(t *testing.T) { contract(t, sealed(cfg, "default")) })
	t.Run("stack", func(t *testing.T) {
		tierstest.Run(t, func(t *testing.T) tiers.Tier {
			return &tiers.Stack{Near: memory.New(memory.Config{MaxBytes: 64 << 20}), Far: open(t, patient(sealed(cfg, "fast")))}
		})
	})
}

// sealed is cfg with values that are signed, and compressed at a level.
func sealed(cfg redis.Config, level string) redis.Config {
	cfg.Secret, cfg.Compression = "a secret of some length", level
	return cfg
}

// TestShared: what one sidecar stores, another one finds, and ages agree.
func TestShared(t *testing.T) {
	s := redistest.Start(t)
	a, b := open(t, patient(config(s.URL()))), open(t, patient(config("unix://"+s.Socket())))
	e := tierstest.NewEntry(tierstest.NewKey(), "x")
	e.Born = tiers.Now().Add(-10 * time.Minute)
	if err := a.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	got, err := b.Get(t.Context(), e.Key, nil)
	if err != nil {
		t.Fatal(err)
	}
	tierstest.Same(t, got, e)
	now := tiers.Now()
	// What the way to Redis took is not counted, what the way back took is counted whole.
	if d := got.Age(now) - e.Age(now); d < -500*time.Millisecond || d > 500*time.Millisecond {
		t.Errorf("the ages differ by %v", d)
	}
	other := config(s.URL())
	other.KeyPrefix = "other"
	if _, err := open(t, patient(other)).Get(t.Context(), e.Key, nil); !errors.Is(err, tiers.ErrMiss) {
		t.Errorf("under another prefix: %v, want a miss", err)
	}
}

// TestLifetime: a key lives as long as its entry is of use, but no longer than configured.
func TestLifetime(t *testing.T) {
	s := redistest.Start(t)
	cfg := patient(config(s.URL()))
	cfg.MaxTTL = time.Hour
	tier := open(t, cfg)
	for _, c := range []struct {
		lifetime, stale, age time.Duration
		want                 int64 // ms; 0 = not stored
	}{
		{time.Minute, 0, 0, 60_000},
		{time.Minute, 0, 45 * time.Second, 15_000},
		{time.Minute, time.Minute, 90 * time.Second, 30_000},
		{2 * time.Hour, 0, 0, 3_600_000},
		{time.Minute, 0, time.Minute, 0},
		{0, 0, 0, 0},
	} {
		s.Do("flushall")
		e := tierstest.NewEntry(tierstest.NewKey(), "x")
		e.Lifetime, e.Keep, e.Born = c.lifetime, c.stale, tiers.Now().Add(-c.age)
		if err := tier.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		keys := s.Keys("*")
		if len(keys) == 0 {
			if c.want != 0 {
				t.Errorf("%+v: not stored", c)
			}
			continue
		}
		if left := s.Do("pttl", keys[0]).(int64); left > c.want || left < c.want-2000 {
			t.Errorf("%+v: %d ms left", c, left)
		}
	}
	if n := count(tier, redis.OpPut, redis.Expired); n != 2 {
		t.Errorf("%d puts counted as expired, want 2", n)
	}
}

// TestTooLarge: what could not be read again is not stored.
func TestTooLarge(t *testing.T) {
	s := redistest.Start(t)
	cfg := patient(config(s.URL()))
	cfg.MaxObject = 1000
	tier := open(t, cfg)
	e := tierstest.NewEntry(tierstest.NewKey(), strings.Repeat("x", 1000))
	if err := tier.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e = tierstest.NewEntry(tierstest.NewKey(), strings.Repeat("x", 1001))
	wantResult(t, tier.Put(t.Context(), e), redis.TooLarge)
	if n := len(s.Keys("*")); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// TestRoundTrips: what each operation costs.
func TestRoundTrips(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	other := open(t, patient(config(s.URL())))
	req := func(lang string) tierstest.Request { return tierstest.Request{"accept-language": lang} }
	plain, missing, varied := tierstest.NewKey(), tierstest.NewKey(), tierstest.NewKey()
	put := func(tier *redis.Tier, e *tiers.Entry) func() error {
		return func() error { return tier.Put(t.Context(), e) }
	}
	get := func(tier *redis.Tier, key tiers.Key, lang string) func() error {
		return func() error { _, err := tier.Get(t.Context(), key, req(lang)); return err }
	}
	en := tierstest.NewVariant(varied, "en", "accept-language", req("en"))
	for _, tier := range []*redis.Tier{tier, other} { // the script is on the server from here on, and the server's time known
		if err := tier.Put(t.Context(), tierstest.NewVariant(tierstest.NewKey(), "", "accept-language", req("en"))); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name string
		tier *redis.Tier
		do   func() error
		want uint64
		err  error
	}{
		{"miss", tier, get(tier, missing, "en"), 1, tiers.ErrMiss},
		{"put", tier, put(tier, tierstest.NewEntry(plain, "x")), 1, nil},
		{"hit", tier, get(tier, plain, "en"), 1, nil},
		{"hit of another's", other, get(other, plain, "en"), 1, nil},
		{"delete", tier, func() error { return tier.Delete(t.Context(), plain) }, 1, nil},
		{"first variant", tier, put(tier, en), 1, nil},
		{"second variant", tier, put(tier, tierstest.NewVariant(varied, "de", "accept-language", req("de"))), 1, nil},
		{"hit of a variant", tier, get(tier, varied, "en"), 1, nil},
		{"variant of an unknown target", other, get(other, varied, "de"), 2, nil},
		{"variant of a known target", other, get(other, varied, "en"), 1, nil},
		{"missing variant", other, get(other, varied, "fr"), 1, tiers.ErrMiss},
		{"variant of a known target of another's", other, put(other, en), 1, nil},
		{"delete of all variants", tier, func() error { return tier.Delete(t.Context(), varied) }, 1, nil},
		{"variant of a deleted target", other, get(other, varied, "en"), 1, tiers.ErrMiss},
		{"variant again", other, put(other, en), 1, nil},
	} {
		before := step.tier.Stats().RoundTrips
		if err := step.do(); !errors.Is(err, step.err) {
			t.Fatalf("%s: %v", step.name, err)
		}
		if n := step.tier.Stats().RoundTrips - before; n != step.want {
			t.Errorf("%s: %d round trips, want %d", step.name, n, step.want)
		}
	}
}

// TestReadable: redis-cli shows whose entry it is.
func TestReadable(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	key := tiers.Key("GET http://origin.test/a?b")
	if err := tier.Put(t.Context(), tierstest.NewEntry(key, "x")); err != nil {
		t.Fatal(err)
	}
	name := "nearside:v1:{90e8e4d9f48b6b8d2f42ab0ba7f3a3cd}"
	keys := s.Keys("*")
	if len(keys) != 1 || len(keys[0]) != len(name) || !strings.HasPrefix(keys[0], "nearside:v1:{") {
		t.Fatalf("keys %q, want one like %q", keys, name)
	}
	if v := s.Do("get", keys[0]).(string); !strings.Contains(v, string(key)) {
		t.Errorf("%q does not contain %q", v, key)
	}
	if err := tier.Put(t.Context(), tierstest.NewVariant(key, "x", "accept", tierstest.Request{"accept": "a"})); err != nil {
		t.Fatal(err)
	}
	if v := s.Do("get", keys[0]).(string); !strings.HasPrefix(v, "NSV1 ") || !strings.HasSuffix(v, " accept\n\n"+string(key)) {
		t.Errorf("the index is %q", v)
	}
}

func TestPassword(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "correct")
	t.Run("in the URL", func(t *testing.T) { contract(t, config("redis://:correct@"+s.Addr())) })
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("correct\n")
	cfg := config(s.URL())
	cfg.PasswordFile = file
	t.Run("in a file", func(t *testing.T) { contract(t, cfg) })

	t.Run("that changes", func(t *testing.T) {
		tier := open(t, patient(cfg))
		c := s.Client()
		write("changed")
		for _, args := range [][]any{{"auth", "correct"}, {"config", "set", "requirepass", "changed"}, {"client", "kill", "type", "normal"}} {
			if err := c.Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, 5*time.Second, "a hit with the changed password", func() bool {
			return tier.Put(t.Context(), tierstest.NewEntry(tierstest.NewKey(), "x")) == nil
		})
	})
}

// TestWrongPassword: it is told apart, opens the breaker, and stands in no log.
func TestWrongPassword(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "correct")
	const canary = "cAnArYpAsSwOrD"
	for name, url := range map[string]string{"wrong": "redis://:" + canary + "@" + s.Addr(), "none": s.URL()} {
		t.Run(name, func(t *testing.T) {
			log := new(lines)
			tier := openLogged(t, patient(config(url)), log)
			var texts []string
			for range 20 {
				_, err := tier.Get(t.Context(), "k", nil)
				if err == nil || errors.Is(err, tiers.ErrMiss) {
					t.Fatalf("Get = %v", err)
				}
				texts = append(texts, err.Error())
				_ = tier.Put(t.Context(), tierstest.NewEntry("k", "x")) // refused, which says nothing for Redis
			}
			if auth, skipped := count(tier, redis.OpGet, redis.Auth), count(tier, redis.OpGet, redis.Open); auth != 5 || skipped != 15 {
				t.Errorf("%d auth errors, %d not asked; want 5 and 15", auth, skipped)
			}
			cfg := config(url)
			if all := text(texts) + text(log.all()) + cfg.Describe(); strings.Contains(all, canary) {
				t.Errorf("the password is in %s", all)
			}
		})
	}
}

// rights are those that the README says Redis's user needs; more is what it says of other cases.
func rights(t *testing.T, more ...any) (args []any) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(readme), "ACL SETUSER nearside ")
	text, _, closed := strings.Cut(text, "```")
	if !found || !closed {
		t.Fatal("the README has no ACL")
	}
	args = []any{"acl", "setuser", "nearside"}
	for word := range strings.FieldsSeq(text) {
		args = append(args, word)
	}
	for _, right := range more {
		if !strings.Contains(string(readme), "`"+right.(string)+"`") {
			t.Errorf("the README does not mention %s", right)
		}
	}
	return append(args, more...)
}

// denied lists what the user was not allowed to do.
func denied(s *redistest.Server) (all []string) {
	for _, entry := range s.Do("acl", "log").([]any) {
		all = append(all, fmt.Sprint(entry))
	}
	return all
}

// TestACLIsEnough: the user that the README describes may do all that Nearside does, and nothing else.
func TestACLIsEnough(t *testing.T) {
	t.Parallel()
	use := func(t *testing.T, url string, cfg invalidation.Config) {
		contract(t, config(url))
		claims(t, open(t, config(url)), open(t, config(url)))
		a := member(t, url, cfg)
		works(t, a, member(t, url, cfg))
		works(t, a, member(t, url, cfg)) // which recalls what was purged before
		if err := journal(t, url, cfg).Remove(t.Context(), invalidation.Member{ID: "x", Value: "y"}); err != nil {
			t.Fatal(err)
		}
		if _, err := journal(t, url, cfg).Renew(t.Context(), invalidation.Renewal{ID: "x", Terms: "other"}); !errors.Is(err, invalidation.ErrTerms) {
			t.Errorf("with other terms: %v", err)
		}
		a.Close(t.Context())
		_ = journal(t, url, cfg).Advice(t.Context())
	}
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		args := rights(t)
		s.Do(args...)
		use(t, "redis://nearside:password@"+s.Addr(), invalidation.Config{})
		for _, no := range denied(s) {
			t.Errorf("not allowed: %s", no)
		}
		for _, arg := range args {
			if command, ok := strings.CutPrefix(arg.(string), "+"); ok && s.Calls(command) == 0 {
				t.Errorf("%s is not needed", arg)
			}
		}
	})
	t.Run("a database and replicas", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		redistest.Start(t, "--replicaof", "127.0.0.1", s.Port)
		s.Do(rights(t, "+select", "+wait")...)
		use(t, "redis://nearside:password@"+s.Addr()+"/1", invalidation.Config{Replicas: 1})
		for _, no := range denied(s) {
			t.Errorf("not allowed: %s", no)
		}
	})
	t.Run("a cluster", func(t *testing.T) {
		t.Parallel()
		nodes, _ := redistest.Cluster(t, 3, false)
		for _, n := range nodes {
			n.Do(rights(t, "+cluster|slots", "+command", "+asking", "+readonly")...)
		}
		use(t, strings.Replace(redistest.ClusterURL(nodes), "redis://", "redis://nearside:password@", 1), invalidation.Config{})
		for _, n := range nodes {
			for _, no := range denied(n) {
				t.Errorf("not allowed: %s", no)
			}
		}
	})
}

func TestACL(t *testing.T) {
	s := redistest.Start(t)
	s.Do("acl", "setuser", "app", "on", ">pw", "~nearside:*", "+get", "+getrange", "+pttl", "+set", "+unlink", "+eval", "+evalsha", "+ping", "+hello")
	s.Do("acl", "setuser", "reader", "on", ">pw", "~nearside:*", "+getrange", "+pttl", "+ping", "+hello")
	t.Run("reads only", func(t *testing.T) {
		writer, reader := open(t, patient(config(s.URL()))), open(t, patient(config("redis://reader:pw@"+s.Addr())))
		e := tierstest.NewEntry(tierstest.NewKey(), "x")
		if err := writer.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			wantResult(t, reader.Put(t.Context(), e), redis.Auth)
		}
		if _, err := reader.Get(t.Context(), e.Key, nil); err != nil {
			t.Errorf("reads suffer: %v", err)
		}
	})
	t.Run("other keys only", func(t *testing.T) {
		cfg := patient(config("redis://app:pw@" + s.Addr()))
		cfg.KeyPrefix = "other"
		tier := open(t, cfg)
		_, err := tier.Get(t.Context(), "k", nil)
		wantResult(t, err, redis.Auth)
	})
}
