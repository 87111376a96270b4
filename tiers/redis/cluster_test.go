package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

func TestCluster(t *testing.T) {
	nodes, _ := redistest.Cluster(t, 3, false)
	t.Run("contract", func(t *testing.T) { combinations(t, config(redistest.ClusterURL(nodes))) })
	t.Run("from one address", func(t *testing.T) {
		cfg := config(nodes[1].URL())
		cfg.Mode = "cluster"
		contract(t, cfg)
	})
	t.Run("all nodes are used", func(t *testing.T) {
		for _, n := range nodes {
			if len(n.Keys("nearside:*")) == 0 {
				t.Errorf("no keys on %s", n.Addr())
			}
		}
	})
	t.Run("one round trip", func(t *testing.T) {
		tier := open(t, patient(config(redistest.ClusterURL(nodes))))
		req := tierstest.Request{"accept": "a"}
		for range 20 {
			e := tierstest.NewVariant(tierstest.NewKey(), "x", "accept", req)
			if err := tier.Put(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			before := tier.Stats().RoundTrips
			if _, err := tier.Get(t.Context(), e.Key, req); err != nil {
				t.Fatal(err)
			}
			if n := tier.Stats().RoundTrips - before; n != 1 {
				t.Errorf("%d round trips", n)
			}
		}
	})
	t.Run("a slot moves", func(t *testing.T) { slotMove(t, nodes, config(redistest.ClusterURL(nodes))) })
	t.Run("a node hangs", func(t *testing.T) { nodeHangs(t, nodes) })
}

// slotMove moves the slots of all keys of the traffic from node to node while it runs.
func slotMove(t *testing.T, nodes []*redistest.Server, cfg redis.Config) {
	for _, n := range nodes {
		n.Do("flushall")
	}
	cfg.Timeout = 5 * time.Second // what counts here is that nothing is lost, not how long it takes
	tier := open(t, cfg)
	r := startTraffic(t, tier)
	slots := map[int64]bool{}
	for _, n := range nodes {
		for _, key := range n.Keys("nearside:*") {
			slots[n.Do("cluster", "keyslot", key).(int64)] = true
		}
	}
	asked, missed := r.hits.Load(), r.misses.Load()+r.failed.Load()+r.open.Load()
	began := time.Now()
	for slot := range slots {
		redistest.MoveSlot(t, nodes, slot, 5*time.Millisecond)
	}
	time.Sleep(time.Until(began.Add(2 * time.Second)))
	r.end()
	if len(slots) == 0 {
		t.Error("no slot moved")
	}
	asked, missed = r.hits.Load()-asked, r.misses.Load()+r.failed.Load()+r.open.Load()-missed
	if r.wrong.Load() > 0 || missed > asked/100+trafficWorkers {
		t.Errorf("%d wrong, %d missed while %d slots moved and %d look-ups hit", r.wrong.Load(), missed, len(slots), asked)
	}
	t.Logf("%d slots moved in %v: %d hit, %d missed:%s", len(slots), time.Since(began).Round(time.Millisecond), asked, missed, results(tier, redis.OpGet))
}

// nodeHangs: the keys of the other nodes do not suffer from one that hangs.
func nodeHangs(t *testing.T, nodes []*redistest.Server) {
	tier := open(t, config(redistest.ClusterURL(nodes)))
	r := startTraffic(t, tier)
	nodes[2].Hang()
	defer nodes[2].Resume()
	eventually(t, 10*time.Second, "the node's breaker opens", func() bool { return tier.Stats().Open })
	failed := r.failed.Load()
	hits, open := r.hits.Load(), r.open.Load()
	time.Sleep(500 * time.Millisecond)
	if r.hits.Load()-hits < 50 || r.open.Load()-open < 20 {
		t.Errorf("%d hits from the other nodes, %d not asked", r.hits.Load()-hits, r.open.Load()-open)
	}
	if n := r.failed.Load() - failed; n > trafficWorkers {
		t.Errorf("%d look-ups failed after the breaker was open", n)
	}
	nodes[2].Resume()
	eventually(t, 10*time.Second, "the breaker closes", func() bool { return !tier.Stats().Open })
	r.end()
	if r.wrong.Load() > 0 {
		t.Errorf("%d wrong bodies", r.wrong.Load())
	}
}

// TestClusterFailover: a master is killed, and its replica takes over.
func TestClusterFailover(t *testing.T) {
	nodes, copies := redistest.Cluster(t, 3, true)
	cfg := config(redistest.ClusterURL(nodes))
	tier := open(t, cfg)
	r := startTraffic(t, tier)
	eventually(t, 10*time.Second, "the replica has the keys", func() bool {
		return len(copies[0].Keys("nearside:*")) == len(nodes[0].Keys("nearside:*"))
	})
	nodes[0].Kill()
	eventually(t, 20*time.Second, "the replica takes over", func() bool {
		return strings.Contains(copies[0].Do("role").([]any)[0].(string), "master")
	})
	took := eventually(t, 10*time.Second, "all keys are found again", func() bool {
		for i := range trafficKeys {
			if _, err := tier.Get(t.Context(), trafficKey(i), nil); err != nil {
				return false
			}
		}
		return true
	})
	r.end()
	if r.wrong.Load() > 0 {
		t.Errorf("%d wrong bodies", r.wrong.Load())
	}
	t.Logf("all keys found %v after the replica took over", took)
}

// TestClusterReplicas: look-ups go to masters and replicas, and to the masters when the replicas are away.
func TestClusterReplicas(t *testing.T) {
	nodes, copies := redistest.Cluster(t, 3, true)
	cfg := patient(config(redistest.ClusterURL(nodes)))
	writer := open(t, cfg)
	gets := func(servers []*redistest.Server) (n int) {
		for _, s := range servers {
			n += s.Calls("pttl")
		}
		return n
	}
	entries := make([]*tiers.Entry, 30)
	req := tierstest.Request{"accept": "a"}
	for i := range entries {
		entries[i] = tierstest.NewVariant(tierstest.NewKey(), "x", "accept", req)
		if err := writer.Put(t.Context(), entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range copies {
		eventually(t, 30*time.Second, "the masters name the replicas", func() bool {
			for _, m := range nodes {
				if !strings.Contains(fmt.Sprint(m.Do("cluster", "slots")), " "+n.Port+" ") {
					return false
				}
			}
			return true
		})
	}
	cfg.ReadReplicas = true
	tier := open(t, cfg)
	eventually(t, 10*time.Second, "the replicas have the keys", func() bool {
		for _, e := range entries {
			if _, err := tier.Get(t.Context(), e.Key, req); err != nil {
				return false
			}
		}
		return true
	})
	before := gets(nodes)
	for _, e := range entries {
		got, err := tier.Get(t.Context(), e.Key, req)
		if err != nil {
			t.Fatal(err)
		}
		tierstest.Same(t, got, e)
	}
	if masters, replicas := gets(nodes)-before, gets(copies); masters == 0 || replicas == 0 {
		t.Errorf("%d look-ups went to the masters, %d to the replicas", masters, replicas)
	}
	for _, s := range copies {
		s.Kill()
	}
	eventually(t, 10*time.Second, "all keys are found on the masters", func() bool {
		for _, e := range entries {
			if _, err := tier.Get(t.Context(), e.Key, req); err != nil {
				return false
			}
		}
		return true
	})
}

// TestClusterAway: no node is there.
func TestClusterAway(t *testing.T) {
	s := redistest.Start(t)
	s.Kill()
	cfg := config(s.URL())
	cfg.Mode = "cluster"
	tier := open(t, cfg)
	refused(t, tier)
}

// TestClusterDown: a node is gone that has no replica, so the others refuse, too, until it is back.
func TestClusterDown(t *testing.T) {
	nodes, _ := redistest.Cluster(t, 3, false)
	tier := open(t, patient(config(redistest.ClusterURL(nodes))))
	asks := func(want bool) (all bool) {
		all = true
		for i := range trafficKeys {
			_, err := tier.Get(t.Context(), trafficKey(i), nil)
			all = all && (err == nil || errors.Is(err, tiers.ErrMiss)) == want
		}
		return all
	}
	if !asks(true) {
		t.Fatal("it is not well at first")
	}
	nodes[0].Kill()
	eventually(t, 20*time.Second, "the others refuse", func() bool {
		return strings.Contains(nodes[1].Do("cluster", "info").(string), "cluster_state:fail")
	})
	eventually(t, 5*time.Second, "nobody is asked", func() bool {
		before := tier.Stats().RoundTrips
		return asks(false) && tier.Stats().RoundTrips == before
	})
	nodes[0].Start()
	eventually(t, 20*time.Second, "all are asked again", func() bool { return asks(true) })
}
