package redistest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Cluster runs so many masters with all slots between them, and a replica for each of them if asked for.
func Cluster(t testing.TB, masters int, replicas bool) (nodes, copies []*Server) {
	t.Helper()
	return ClusterOf(t, masters, replicas, Start)
}

// ClusterOf is Cluster with servers that are started by serve.
func ClusterOf(t testing.TB, masters int, replicas bool, serve func(t testing.TB, args ...string) *Server) (nodes, copies []*Server) {
	t.Helper()
	bus := map[*Server]string{}
	one := func() *Server {
		port := FreePort(t)
		s := serve(t, "--cluster-enabled", "yes", "--cluster-port", port, "--cluster-node-timeout", "1000",
			"--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0")
		bus[s] = port
		return s
	}
	const slots = 16384
	for i := range masters {
		n := one()
		n.Do("cluster", "addslotsrange", i*slots/masters, (i+1)*slots/masters-1)
		n.Do("cluster", "set-config-epoch", i+1)
		nodes = append(nodes, n)
		if replicas {
			copies = append(copies, one())
		}
	}
	all := append(append([]*Server(nil), nodes...), copies...)
	for _, n := range all[1:] {
		all[0].Do("cluster", "meet", n.IP, n.Peer, bus[n])
	}
	eventually(t, "the cluster is complete", func() bool {
		for _, n := range all {
			info := n.Do("cluster", "info").(string)
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(all))) {
				return false
			}
		}
		return true
	})
	for i, n := range copies {
		n.Do("cluster", "replicate", nodes[i].Do("cluster", "myid"))
	}
	for i, n := range copies {
		eventually(t, "a replica has its data", n.linked)
		for _, m := range all {
			eventually(t, "all know the replicas", func() bool {
				return len(m.Do("cluster", "replicas", nodes[i].Do("cluster", "myid")).([]any)) == 1
			})
		}
	}
	return nodes, copies
}

// linked tells whether a replica follows its master.
func (s *Server) linked() bool {
	return strings.Contains(s.Do("info", "replication").(string), "master_link_status:up")
}

// ClusterURL is what REDIS_URL would be.
func ClusterURL(nodes []*Server) string {
	url := nodes[0].URL() + "?"
	for _, n := range nodes[1:] {
		url += "addr=" + n.Addr() + "&"
	}
	return url
}

// MoveSlot moves a slot from the node that has keys in it to the next one. It takes pause for each key.
func MoveSlot(t testing.TB, nodes []*Server, slot int64, pause time.Duration) {
	t.Helper()
	from := -1
	for i, n := range nodes {
		if n.Do("cluster", "countkeysinslot", slot).(int64) > 0 {
			from = i
		}
	}
	if from < 0 {
		t.Fatalf("nobody has keys in slot %d", slot)
	}
	source, target := nodes[from], nodes[(from+1)%len(nodes)]
	sourceID, targetID := source.Do("cluster", "myid"), target.Do("cluster", "myid")
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) { // it may not have heard yet that the source is a master
		_, err := target.try("cluster", "setslot", slot, "importing", sourceID)
		if err == nil {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal(err)
		}
	}
	source.Do("cluster", "setslot", slot, "migrating", targetID)
	keys := source.Do("cluster", "getkeysinslot", slot, 1000).([]any)
	for _, key := range keys {
		source.Do("migrate", target.IP, target.Peer, key, 0, 5000)
		time.Sleep(pause) // between the two
	}
	for _, n := range []*Server{target, source} {
		n.Do("cluster", "setslot", slot, "node", targetID)
	}
}
