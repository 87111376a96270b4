package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// The users of an API whose answers name who asked. The tokens stand where secrets stand.
var users = []struct{ name, field string }{
	{"alice", "Authorization: Bearer " + canary + "-alice"},
	{"bob", "Authorization: Bearer " + canary + "-bob"},
	{"carol", "X-Api-Key: " + canary + "-carol"},
	{"dave", "Cookie: session=" + canary + "-dave"},
	{"nobody", "Accept: */*"},
}

// whoAsks tells the user of a request at the origin.
func whoAsks(c *call) string {
	for _, u := range users[:len(users)-1] {
		name, value, _ := strings.Cut(u.field, ": ")
		if c.field(name) == value {
			return u.name
		}
	}
	return "nobody"
}

// greets has the origin answer everything with a text that names the user, who is the only one to see it.
func greets(o *origin) {
	o.on("*", func(c *call) {
		c.readBody()
		time.Sleep(5 * time.Millisecond) // long enough for others to ask for the same
		fields := []string{"Cache-Control: private, max-age=1, stale-while-revalidate=60"}
		if whoAsks(c) == "nobody" {
			fields[0] = "Cache-Control: max-age=1, stale-while-revalidate=60"
		}
		if strings.HasPrefix(c.target, "/varies") {
			fields = append(fields, "Vary: Authorization, Cookie, X-Api-Key, Accept-Language")
		}
		if strings.HasPrefix(c.target, "/tagged") {
			fields = append(fields, `ETag: "`+whoAsks(c)+`"`)
			if c.field("If-None-Match") == `"`+whoAsks(c)+`"` {
				fields = append(fields, "Status: 304")
			}
		}
		c.say(reply(whoAsks(c)+" at "+c.target+" "+c.body, fields...))
	})
}

// Where each credential has its own stored responses, nobody ever gets another's: from L1, from L2, from a refresh,
// or by asking at the same time. And the credentials are nowhere to be found.
func TestCredentialsNeverCross(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	greets(o)
	env := []string{o.env(), r.env(), "AUTHORIZATION=per-credential", "CREDENTIAL_HEADERS=X-Api-Key,Cookie",
		"CREDENTIAL_SECRET=" + canary + "-secret", "ACCESS_LOG=true", "LOG_LEVEL=debug"}
	sidecars := []*sidecar{nearside(t, env...), nearside(t, env...), nearside(t, append(env, "L1_MAX_BYTES=0")...)}

	const clients, each = 16, 625
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{} // by what the cache did
	for range clients {
		all.Go(func() {
			s := sidecars[rand.N(len(sidecars))]
			c, err := connect(s.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.conn.Close()
			for i := range each {
				u := users[rand.N(len(users))]
				method, content := "GET", ""
				target := fmt.Sprintf("/%s/%d", []string{"plain", "varies", "tagged"}[rand.N(3)], rand.N(7))
				if i < 50 { // all ask for what nobody has asked for, at about the same time
					target = fmt.Sprintf("/plain/cold-%d", i)
				}
				raw := request(method+" "+target, u.field)
				if rand.N(5) == 0 {
					method, content = "QUERY", "q"+fmt.Sprint(rand.N(3))
					raw = request(method+" "+target, u.field, "Content-Type: text/plain", "Content-Length: 2") + content
				}
				got, err := c.exchange(raw)
				if err != nil {
					t.Errorf("no answer: %v", err)
					return
				}
				if want := u.name + " at " + target + " " + content; got.body != want {
					t.Errorf("%s %s of %s: got %q, %s", method, target, u.name, got.body, got.cache())
				}
				cache := got.cache()
				if strings.Contains(cache, "collapsed") {
					cache = "collapsed"
				}
				mu.Lock()
				seen[cache]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, s := range sidecars {
		s.settled()
	}
	t.Logf("%d requests, of which the origin got %d: %v", clients*each, o.count(""), seen)
	for _, cache := range []string{"hit; detail=L1", "hit; detail=L2", "collapsed"} {
		if seen[cache] == 0 {
			t.Errorf("no request was answered so: %s", cache)
		}
	}
	refreshed := 0
	for _, s := range sidecars {
		refreshed += s.metric(`refreshes_total{result="done"}`)
		if s.stderr.has(canary) {
			t.Errorf("a secret in the log: %s", lineWith(s.stderr.String(), canary))
		}
		if _, text := ask(t, s.admin, "/metrics"); strings.Contains(text, canary) {
			t.Error("a secret in the metrics")
		}
	}
	if refreshed == 0 {
		t.Error("no response was refreshed")
	}
	noCanary(t, r)
}

// noCanary looks for secrets in all keys and values of a Redis.
func noCanary(t *testing.T, r *redisServer) {
	t.Helper()
	ctx := context.Background()
	keys, err := r.client.Keys(ctx, "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("%d keys in Redis: %v", len(keys), err)
	}
	for _, key := range keys {
		value, err := r.client.Dump(ctx, key).Result()
		if err != nil && r.client.Exists(ctx, key).Val() == 1 {
			t.Errorf("key %s cannot be read: %v", key, err)
		}
		if strings.Contains(key+value, canary) {
			t.Errorf("a secret in Redis, under %s", key)
		}
	}
}

// By the RFC's own rules a response to a request with credentials is shared when it says so, and stored nowhere else.
// What it varies on is a secret all the same.
func TestCredentialsByTheRFC(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	alice, bob := users[0].field, users[1].field
	s := nearside(t, o.env(), r.env(), "CREDENTIAL_HEADERS=X-Api-Key")
	contains(t, "log", s.stderr.String(), "AUTHORIZATION=per-credential")

	o.says("/silent", reply("x", "Cache-Control: max-age=60"))
	o.says("/public", reply("x", "Cache-Control: public, max-age=60"))
	o.says("/varies", reply("alice", "Cache-Control: public, max-age=60", "Vary: Authorization"), reply("bob", "Cache-Control: public, max-age=60", "Vary: Authorization"))
	for _, field := range []string{alice, users[2].field} {
		s.get("/silent", field).wants(200, "fwd=uri-miss; fwd-status=200; detail=authorization", "x")
	}
	s.get("/public", alice).wants(200, "fwd=uri-miss; fwd-status=200; stored", "x")
	s.settled()
	s.get("/public", bob).wants(200, "hit; detail=L1", "x")

	s.get("/varies", alice).wants(200, "fwd=uri-miss; fwd-status=200; stored", "alice")
	s.settled()
	s.get("/varies", bob).wants(200, "fwd=vary-miss; fwd-status=200; stored", "bob")
	s.settled()
	s.get("/varies", alice).wants(200, "hit; detail=L1", "alice")
	s.get("/varies", bob).wants(200, "hit; detail=L1", "bob")
	noCanary(t, r)
}

// A fleet shares what it stored for a credential when it has one secret, and each process alone has its own when
// there is none.
func TestCredentialSecret(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	greets(o)
	mode := "AUTHORIZATION=per-credential"
	code, _, stderr := run(t, nil, o.env(), r.env(), mode)
	equal(t, "exit code", code, 2)
	contains(t, "message", stderr, "CREDENTIAL_SECRET (not set): AUTHORIZATION=per-credential with REDIS_URL needs it, or L2_SECRET")

	alice := users[0].field
	first := nearside(t, o.env(), r.env(), mode, "L2_SECRET=one-secret-for-all")
	first.get("/plain", alice).wants(200, "fwd=uri-miss; fwd-status=200; stored", "alice at /plain ")
	first.settled()
	same := nearside(t, o.env(), r.env(), mode, "L2_SECRET=one-secret-for-all")
	contains(t, "served from L2", same.get("/plain", alice).cache(), "hit; detail=L2")
	other := nearside(t, o.env(), r.env(), mode, "L2_SECRET=one-secret-for-all", "CREDENTIAL_SECRET=another-secret-here")
	other.get("/plain", alice).wants(200, "fwd=uri-miss; fwd-status=200; stored", "alice at /plain ")

	alone := nearside(t, o.env(), mode)
	alone.get("/plain", alice).wants(200, "fwd=uri-miss; fwd-status=200; stored", "alice at /plain ")
	alone.settled()
	contains(t, "served from L1", alone.get("/plain", alice).cache(), "hit; detail=L1")
}
