package redis_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
)

func wantClaim(t *testing.T, tier *redis.Tier, key tiers.Key, token string, ttl time.Duration, want tiers.Claim) {
	t.Helper()
	if got, err := tier.Claim(context.Background(), key, token, ttl); err != nil || got != want {
		t.Fatalf("%s claims %s: %v, %v; want %v", token, key, got, err, want)
	}
}

func yield(t *testing.T, tier *redis.Tier, key tiers.Key, token string, outcome tiers.Claim) {
	t.Helper()
	if err := tier.Yield(context.Background(), key, token, outcome); err != nil {
		t.Fatal(err)
	}
}

// claims is what every kind of Redis must do.
func claims(t *testing.T, a, b *redis.Tier) {
	t.Helper()
	const long = time.Minute
	for i := range 20 { // on all nodes of a cluster
		key := tiers.Key(fmt.Sprintf("GET http://o.test/%d", i))
		wantClaim(t, a, key, "a", long, tiers.ClaimMine)
		wantClaim(t, a, key, "a", long, tiers.ClaimMine)
		wantClaim(t, b, key, "b", long, tiers.ClaimTheirs)
		yield(t, b, key, "b", tiers.ClaimStored) // not its to yield
		wantClaim(t, b, key, "b", long, tiers.ClaimTheirs)
		yield(t, a, key, "a", tiers.ClaimUnshared)
		wantClaim(t, b, key, "b", long, tiers.ClaimUnshared)
	}
	const failed = "GET http://o.test/failed"
	wantClaim(t, a, failed, "a", long, tiers.ClaimMine)
	yield(t, a, failed, "a", tiers.ClaimFailed)
	wantClaim(t, b, failed, "b", long, tiers.ClaimFailed)
	const key = "GET http://o.test/stored"
	wantClaim(t, a, key, "a", long, tiers.ClaimMine)
	yield(t, a, key, "a", tiers.ClaimStored)
	wantClaim(t, b, key, "b", long, tiers.ClaimStored)
	eventually(t, 20*time.Second, "the word is forgotten", func() bool {
		got, err := b.Claim(context.Background(), key, "b", long)
		return err == nil && got == tiers.ClaimMine
	})
	yield(t, a, key, "a", tiers.ClaimStored) // late: it is another's by now
	wantClaim(t, a, key, "a", long, tiers.ClaimTheirs)
}

func TestClaims(t *testing.T) {
	s := redistest.Start(t)
	claims(t, open(t, patient(config(s.URL()))), open(t, patient(config(s.URL()))))
}

func TestClaimsOfACluster(t *testing.T) {
	nodes, _ := redistest.Cluster(t, 3, false)
	cfg := patient(config(nodes[0].URL() + "?addr=" + nodes[1].Addr()))
	claims(t, open(t, cfg), open(t, cfg))
}

func TestClaimsBehindSentinel(t *testing.T) {
	p := redistest.Watch(t, 1)
	claims(t, open(t, patient(config(p.URL()))), open(t, patient(config(p.URL()))))
}

// TestClaimExpires: the death of its holder frees a claim.
func TestClaimExpires(t *testing.T) {
	s := redistest.Start(t)
	a, b := open(t, patient(config(s.URL()))), open(t, patient(config(s.URL())))
	wantClaim(t, a, "k", "a", 50*time.Millisecond, tiers.ClaimMine)
	eventually(t, 20*time.Second, "another's", func() bool {
		got, err := b.Claim(context.Background(), "k", "b", time.Minute)
		return err == nil && got == tiers.ClaimMine
	})
}

// TestOneHolder: of many who claim at the same time one succeeds.
func TestOneHolder(t *testing.T) {
	s := redistest.Start(t)
	a, b := open(t, patient(config(s.URL()))), open(t, patient(config(s.URL())))
	for round := range 20 {
		var mine atomic.Int32
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				tier := []*redis.Tier{a, b}[i%2]
				got, err := tier.Claim(context.Background(), tiers.Key(fmt.Sprint(round)), fmt.Sprint(i), time.Minute)
				if err != nil {
					t.Error(err)
				} else if got == tiers.ClaimMine {
					mine.Add(1)
				}
			})
		}
		wg.Wait()
		if mine.Load() != 1 {
			t.Fatalf("%d hold the claim", mine.Load())
		}
	}
}

// TestClaimWithoutRedis: an error at once.
func TestClaimWithoutRedis(t *testing.T) {
	s := redistest.Start(t)
	tier := open(t, patient(config(s.URL())))
	wantClaim(t, tier, "k", "a", time.Minute, tiers.ClaimMine)
	s.Kill()
	eventually(t, 20*time.Second, "the breaker is open", func() bool {
		_, err := tier.Claim(context.Background(), "k", "b", time.Minute)
		return err == redis.ErrOpen
	})
	if err := tier.Yield(context.Background(), "k", "a", tiers.ClaimStored); err != redis.ErrOpen {
		t.Error(err)
	}
}
