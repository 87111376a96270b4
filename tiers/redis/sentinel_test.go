package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

func TestSentinel(t *testing.T) {
	p := redistest.Watch(t, 1)
	t.Run("contract", func(t *testing.T) { contract(t, config(p.URL())) })
	t.Run("forced failover", func(t *testing.T) {
		failover(t, p, config(p.URL()), p.Replicas[0], func() {
			if err := p.Ask("sentinel", "failover", "cache").Err(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestSentinelMasterKilled(t *testing.T) {
	p := redistest.Watch(t, 1)
	failover(t, p, config(p.URL()), p.Replicas[0], p.Master.Kill)
}

func TestSentinelMasterHung(t *testing.T) {
	p := redistest.Watch(t, 1)
	failover(t, p, config(p.URL()), p.Replicas[0], p.Master.Hang)
}

// failover lets another server take over under traffic.
func failover(t *testing.T, p *redistest.Watched, cfg redis.Config, next *redistest.Server, begin func()) {
	t.Helper()
	log := new(lines)
	tier := openLogged(t, cfg, log)
	r := startTraffic(t, tier)
	eventually(t, 10*time.Second, "the replica has the keys", func() bool { return len(next.Keys("nearside:v1:*")) >= trafficKeys })
	began := time.Now()
	begin()
	p.Leads(t, next)
	led := time.Since(began)
	took := eventually(t, 15*time.Second, "reads and writes succeed", func() bool {
		return tier.Put(t.Context(), tierstest.NewEntry(tierstest.NewKey(), "x")) == nil && !tier.Stats().Open
	})
	// Connections to the old master may still be found out one by one, but soon nothing is lost any more.
	settled := eventually(t, 10*time.Second, "nothing but hits", func() bool {
		hits, others := r.hits.Load(), r.misses.Load()+r.failed.Load()+r.open.Load()
		eventually(t, 10*time.Second, "hits", func() bool { return r.hits.Load() > hits+200 })
		return r.misses.Load()+r.failed.Load()+r.open.Load() == others
	})
	r.end()
	if r.wrong.Load() > 0 {
		t.Errorf("%d wrong bodies", r.wrong.Load())
	}
	wantQuiet(t, log, 3+int(time.Since(began).Seconds()))
	longest, _ := r.worst()
	t.Logf("another master after %v, in use %v later, 200 hits in a row %v after that; %d failed, %d not asked, %d missed; failing took %v at most", led, took, settled, r.failed.Load(), r.open.Load(), r.misses.Load(), longest)
}

// TestSentinelUnknownMaster: the sentinels know no master of that name.
func TestSentinelUnknownMaster(t *testing.T) {
	p := redistest.Watch(t, 0)
	log := new(lines)
	tier := openLogged(t, config(strings.Replace(p.URL(), "master_name=cache", "master_name=other", 1)), log)
	refused(t, tier)
	if all := text(log.all()); !strings.Contains(all, "the sentinels know no such master_name") {
		t.Errorf("the log does not tell of it:\n%s", all)
	}
}

// refused wants look-ups to fail and the breaker to open.
func refused(t *testing.T, tier *redis.Tier) {
	t.Helper()
	for range 20 {
		if _, err := tier.Get(t.Context(), "k", nil); err == nil || errors.Is(err, tiers.ErrMiss) {
			t.Fatalf("Get = %v", err)
		}
	}
	if skipped := count(tier, redis.OpGet, redis.Open); skipped < 10 {
		t.Errorf("%d look-ups of 20 did not ask: %s", skipped, results(tier, redis.OpGet))
	}
}

// TestSentinelReplicas: look-ups go to the replica, and to the master when it is away.
func TestSentinelReplicas(t *testing.T) {
	p := redistest.Watch(t, 1)
	cfg := patient(config(p.URL()))
	cfg.ReadReplicas = true
	tier := open(t, cfg)
	e := tierstest.NewEntry(tierstest.NewKey(), "x")
	if err := tier.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	found := func() bool { _, err := tier.Get(t.Context(), e.Key, nil); return err == nil }
	eventually(t, 10*time.Second, "the replica has it", found)
	for range 20 {
		if !found() {
			t.Fatal("lost")
		}
	}
	// The probe goes there, to find out whether what is to be stored would be.
	if n := p.Master.Calls("pttl"); n > 1 {
		t.Errorf("%d look-ups went to the master", n)
	}
	p.Replicas[0].Kill()
	eventually(t, 10*time.Second, "the master serves", found)
}
