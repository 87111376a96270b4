package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// How long a purge takes until eight sidecars on one Redis have confirmed it. In contact that does not wait for a lease.
func TestPurgeFigures(t *testing.T) {
	alone(t)
	o, r := newOrigin(t), newRedis(t)
	o.items("Cache-Control: max-age=600")
	sidecars := make([]*sidecar, 8)
	for i := range sidecars {
		sidecars[i] = nearside(t, o.env(), r.env())
		sidecars[i].get("/a")
	}
	// Until the fleet has been in contact for a lease, confirming takes that long.
	sidecars[0].purge(`{"type": "uri", "selectors": ["/first"]}`)
	took := make([]time.Duration, full(1000, 20))
	for i := range took {
		began := time.Now()
		answer := sidecars[i%len(sidecars)].purge(fmt.Sprintf(`{"type": "uri", "selectors": ["/a", "/%d"]}`, i))
		took[i] = time.Since(began)
		equal(t, "sidecars", answer.Sidecars, len(sidecars))
		s := sidecars[(i+1)%len(sidecars)]
		if cache := s.get("/a").cache(); cache == "hit; detail=L1" || cache == "hit; detail=L2" {
			t.Fatalf("after purge %d: %s", i, cache)
		}
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("a purge until eight sidecars confirmed it: p50 %v, p99 %v", p50, p99)
	if figures && (p50 > 5*time.Millisecond || p99 > 25*time.Millisecond) {
		t.Error("want 5 ms and 25 ms at most")
	}
}
