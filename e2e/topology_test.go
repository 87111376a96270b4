package e2e

import (
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers/redis/redistest"
)

// In a cluster each kind of purge reaches both tiers of both sidecars, too.
func TestPurgeInACluster(t *testing.T) {
	t.Parallel()
	nodes, _ := redistest.Cluster(t, 3, false)
	purgeKinds(t, "REDIS_URL="+redistest.ClusterURL(nodes))
}

// agree waits until a purge through any sidecar is confirmed by all of them.
func (g *racing) agree() {
	g.t.Helper()
	for i := range g.cars {
		eventually(g.t, "all confirm", func() bool {
			return g.cars[i].now.Load().confirms(named("10s", "/marker")).Sidecars == len(g.cars)
		})
	}
}

// raceWhile is a race while something happens to a Redis of more than one server. happen tells whether it did.
func (g *racing) raceWhile(what string, happen func() bool) {
	g.t.Helper()
	purges, atMost := racesInPassing()
	n := 0
	g.race(purges, atMost, func(_ *racing, _ *racer, long time.Duration) {
		if happen() {
			n++
		}
		time.Sleep(long)
	})
	g.agree()
	g.judge(20)
	g.t.Logf("%s: %d", what, n)
	if n == 0 {
		g.t.Error("nothing happened to Redis")
	}
}

// racesInPassing is as races, but shorter where there is no time for all of them.
func racesInPassing() (purges int64, atMost time.Duration) {
	purges, atMost = races()
	return purges, atMost / 3
}

// at has racers use a Redis.
func at(url string) func(*racer) string { return func(*racer) string { return "REDIS_URL=" + url } }

// The log's slot moves from one master of a cluster to the next, again and again.
func TestPurgeRacesInACluster(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, mode string) {
		nodes, _ := redistest.Cluster(t, 3, false)
		slot := nodes[0].Do("cluster", "keyslot", logKeys[0]).(int64)
		g := newRacingAt(t, 2*time.Second, at(redistest.ClusterURL(nodes)), "COHERENCE="+mode)
		g.raceWhile("moves of the log's slot", func() bool {
			redistest.MoveSlot(t, nodes, slot, 10*time.Millisecond)
			return true
		})
	})
}

// Another server becomes the master, in order: by a command to the Sentinel.
func TestPurgeRacesAtFailovers(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		replicas int
		env      []string
	}{
		"one replica":  {1, []string{"COHERENCE=available"}},
		"two replicas": {2, []string{"COHERENCE=strict", "INVALIDATION_REPLICAS=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := redistest.Watch(t, row.replicas)
			g := newRacingAt(t, 2*time.Second, at(w.URL()), row.env...)
			g.raceWhile("failovers", func() bool { return w.Ask("sentinel", "failover", "cache").Err() == nil }) // one at a time
		})
	}
}

// Sidecars are stopped and replaced, one after the other, and asked until the end.
func TestPurgeRacesInRestarts(t *testing.T) {
	t.Parallel()
	purges, atMost := racesInPassing()
	modes(t, func(t *testing.T, mode string) {
		g := newRacing(t, 2*time.Second, "COHERENCE="+mode, "SHUTDOWN_DELAY=300ms")
		g.race(purges, atMost, restarted)
		g.agree()
		g.judge(20)
	})
}
