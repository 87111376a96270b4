package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers/redis/redistest"
)

// Every packet between a sidecar and Redis is dropped: no client notices, what L1 has goes on being served, and L2 serves again
// when the network does.
func TestPartition(t *testing.T) {
	t.Parallel()
	n := newCable(t)
	r := watched(t, redistest.StartIn(t, n.far.inside(), n.far.ip))
	o, upstream := reachable(t)
	o.items("Cache-Control: max-age=600")
	env := []string{upstream, "REDIS_URL=" + r.URL(), "L2_TIMEOUT=50ms"}
	far, both := n.near.sidecar(t, append(env, "L1_MAX_BYTES=0")...), n.near.sidecar(t, env...)
	l := traffic(t, far, 8, func(n int64) string { return fmt.Sprintf("/item/%d", n%20) })
	warm := traffic(t, both, 2, func(n int64) string { return fmt.Sprintf("/item/%d", n%20) })
	l.more("hits of L2", &l.fromL2, 100)
	warm.more("hits of L1", &warm.fromL1, 100)

	n.cut()
	eventually(t, "breaker opens", func() bool { return far.metric("l2_breaker_open") == 1 })
	l.more("requests without Redis", &l.requests, 300)
	warm.more("hits of L1 without Redis", &warm.fromL1, 300)
	status, _ := ask(t, far.admin, "/readyz")
	equal(t, "readiness without Redis", status, 200)

	n.mend()
	mended := time.Now()
	eventually(t, "breaker closes", func() bool { return far.metric("l2_breaker_open") == 0 })
	t.Logf("the breaker closed %v after the network was mended", time.Since(mended).Round(time.Millisecond))
	l.more("hits of L2 after the partition", &l.fromL2, 100)
	l.end()
	warm.end()
	if r.keys() == 0 {
		t.Error("Redis holds nothing")
	}
	// As when Redis hangs: a request loses 50ms at most before the breaker opens, and after it next to nothing.
	if slowest := time.Duration(l.slowest.Load()); slowest > 3*time.Second {
		t.Errorf("a request took %v", slowest)
	}
}
