package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

// startCluster runs so many masters with all slots between them, and a replica for each of them if asked for.
func startCluster(t *testing.T, masters int, replicas bool) (nodes, copies []*server) {
	t.Helper()
	return cluster(t, masters, replicas, start)
}

// cluster is startCluster with servers that are started by serve.
func cluster(t *testing.T, masters int, replicas bool, serve func(t testing.TB, args ...string) *server) (nodes, copies []*server) {
	t.Helper()
	one := func() *server {
		return serve(t, "--cluster-enabled", "yes", "--cluster-port", freePort(t), "--cluster-node-timeout", "1000",
			"--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0")
	}
	const slots = 16384
	for i := range masters {
		n := one()
		n.do("cluster", "addslotsrange", i*slots/masters, (i+1)*slots/masters-1)
		n.do("cluster", "set-config-epoch", i+1)
		nodes = append(nodes, n)
		if replicas {
			copies = append(copies, one())
		}
	}
	all := append(append([]*server(nil), nodes...), copies...)
	for _, n := range all[1:] {
		all[0].do("cluster", "meet", "127.0.0.1", n.peer, n.args[3])
	}
	settled := func(what string) {
		eventually(t, 30*time.Second, what, func() bool {
			for _, n := range all {
				info := n.do("cluster", "info").(string)
				if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(all))) {
					return false
				}
			}
			return true
		})
	}
	settled("the cluster is complete")
	for i, n := range copies {
		n.do("cluster", "replicate", nodes[i].do("cluster", "myid"))
	}
	for i, n := range copies {
		eventually(t, 30*time.Second, "a replica has its data", func() bool {
			return strings.Contains(n.do("info", "replication").(string), "master_link_status:up")
		})
		for _, m := range all {
			eventually(t, 30*time.Second, "all know the replicas", func() bool {
				return len(m.do("cluster", "replicas", nodes[i].do("cluster", "myid")).([]any)) == 1
			})
		}
	}
	return nodes, copies
}

func clusterURL(nodes []*server) string {
	url := nodes[0].url() + "?"
	for _, n := range nodes[1:] {
		url += "addr=" + n.addr() + "&"
	}
	return url
}

func TestCluster(t *testing.T) {
	nodes, _ := startCluster(t, 3, false)
	t.Run("contract", func(t *testing.T) { contract(t, config(clusterURL(nodes))) })
	t.Run("from one address", func(t *testing.T) {
		cfg := config(nodes[1].url())
		cfg.Mode = "cluster"
		contract(t, cfg)
	})
	t.Run("all nodes are used", func(t *testing.T) {
		for _, n := range nodes {
			if len(n.keys("nearside:*")) == 0 {
				t.Errorf("no keys on %s", n.addr())
			}
		}
	})
	t.Run("one round trip", func(t *testing.T) {
		tier := open(t, patient(config(clusterURL(nodes))))
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
	t.Run("a slot moves", func(t *testing.T) { slotMove(t, nodes) })
	t.Run("a node hangs", func(t *testing.T) { nodeHangs(t, nodes) })
}

// slotMove moves the slots of all keys of the traffic from node to node while it runs.
func slotMove(t *testing.T, nodes []*server) {
	for _, n := range nodes {
		n.do("flushall")
	}
	cfg := config(clusterURL(nodes))
	cfg.Timeout = 5 * time.Second // what counts here is that nothing is lost, not how long it takes
	tier := open(t, cfg)
	r := startTraffic(t, tier)
	slots := map[int64]bool{}
	for _, n := range nodes {
		for _, key := range n.keys("nearside:*") {
			slots[n.do("cluster", "keyslot", key).(int64)] = true
		}
	}
	asked, missed := r.hits.Load(), r.misses.Load()+r.failed.Load()+r.open.Load()
	began := time.Now()
	for slot := range slots {
		moveSlot(t, nodes, slot)
	}
	time.Sleep(time.Until(began.Add(2 * time.Second)))
	r.end()
	asked, missed = r.hits.Load()-asked, r.misses.Load()+r.failed.Load()+r.open.Load()-missed
	if r.wrong.Load() > 0 || missed > asked/100+trafficWorkers {
		t.Errorf("%d wrong, %d missed while %d slots moved and %d look-ups hit", r.wrong.Load(), missed, len(slots), asked)
	}
	t.Logf("%d slots moved in %v: %d hit, %d missed:%s", len(slots), time.Since(began).Round(time.Millisecond), asked, missed, results(tier, redis.OpGet))
}

// moveSlot moves a slot from the node that has it to the next one.
func moveSlot(t *testing.T, nodes []*server, slot int64) {
	t.Helper()
	from := -1
	for i, n := range nodes {
		if n.client().Do(t.Context(), "cluster", "countkeysinslot", slot).Val().(int64) > 0 {
			from = i
		}
	}
	if from < 0 {
		t.Fatalf("nobody has keys in slot %d", slot)
	}
	source, target := nodes[from], nodes[(from+1)%len(nodes)]
	sourceID, targetID := source.do("cluster", "myid"), target.do("cluster", "myid")
	target.do("cluster", "setslot", slot, "importing", sourceID)
	source.do("cluster", "setslot", slot, "migrating", targetID)
	keys := source.do("cluster", "getkeysinslot", slot, 1000).([]any)
	for _, key := range keys {
		source.do("migrate", "127.0.0.1", target.port, key, 0, 5000)
		time.Sleep(5 * time.Millisecond) // between the two
	}
	for _, n := range []*server{target, source} {
		n.do("cluster", "setslot", slot, "node", targetID)
	}
}

// nodeHangs: the keys of the other nodes do not suffer from one that hangs.
func nodeHangs(t *testing.T, nodes []*server) {
	tier := open(t, config(clusterURL(nodes)))
	r := startTraffic(t, tier)
	nodes[2].hang()
	defer nodes[2].resume()
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
	nodes[2].resume()
	eventually(t, 10*time.Second, "the breaker closes", func() bool { return !tier.Stats().Open })
	r.end()
	if r.wrong.Load() > 0 {
		t.Errorf("%d wrong bodies", r.wrong.Load())
	}
}

// TestClusterFailover: a master is killed, and its replica takes over.
func TestClusterFailover(t *testing.T) {
	nodes, copies := startCluster(t, 3, true)
	cfg := config(clusterURL(nodes))
	tier := open(t, cfg)
	r := startTraffic(t, tier)
	eventually(t, 10*time.Second, "the replica has the keys", func() bool {
		return len(copies[0].keys("nearside:*")) == len(nodes[0].keys("nearside:*"))
	})
	nodes[0].kill()
	eventually(t, 20*time.Second, "the replica takes over", func() bool {
		return strings.Contains(copies[0].do("role").([]any)[0].(string), "master")
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
	nodes, copies := startCluster(t, 3, true)
	cfg := patient(config(clusterURL(nodes)))
	writer := open(t, cfg)
	gets := func(servers []*server) (n int) {
		for _, s := range servers {
			n += s.calls("pttl")
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
				if !strings.Contains(fmt.Sprint(m.do("cluster", "slots")), " "+n.port+" ") {
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
		s.kill()
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
	s := start(t)
	s.kill()
	cfg := config(s.url())
	cfg.Mode = "cluster"
	tier := open(t, cfg)
	for range 20 {
		if _, err := tier.Get(t.Context(), "k", nil); err == nil || errors.Is(err, tiers.ErrMiss) {
			t.Fatalf("Get = %v", err)
		}
	}
	if skipped := count(tier, redis.OpGet, redis.Open); skipped < 10 {
		t.Errorf("%d look-ups of 20 did not ask", skipped)
	}
}
