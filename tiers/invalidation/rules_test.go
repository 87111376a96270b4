//go:build rules

package invalidation

import (
	"testing"
	"time"
)

// stopping is true while a sidecar is stopped in the middle of a check.
var stopping bool

// stall stops the sidecar that checks: others go on, and what came for it meanwhile waits until it goes on itself.
func (w *world) stall() {
	c := checking
	if c == nil || stopping || !w.chance(10) {
		return
	}
	stopping = true
	defer func() { stopping, checking = false, c }()
	c.stopped = max(c.stopped, w.now+time.Duration(w.Int64N(int64(2*lease))))
	w.until(c.stopped + time.Duration(w.Int64N(int64(lease/3))))
}

// Each rule is needed: with it switched off, the model breaks the promise. This is also what shows that the model would
// notice. With all of them on, sidecars that stop between two reads of one check break nothing.
func TestRules(t *testing.T) {
	stalled = func(string) {
		if playing != nil {
			playing.stall()
		}
	}
	defer func() { stalled = nil }()
	stops := weather{strict: true, faults: true, index: 64, stalls: true}
	check(t, 3000, stops)
	fine, faults := weather{strict: true, index: 64}, weather{strict: true, faults: true, index: 64}
	needed := map[string]weather{
		"fence": fine, "follower": fine, "catch-up": faults, "order": stops, "floor": {strict: true, faults: true, index: 2},
		"generation": faults, "marks": faults, "sent": faults, "time": faults, "margin": {strict: true, faults: true, cuts: true, index: 64},
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			*rule = false
			defer func() { *rule = true }()
			broken, total := schedules(100_000, 1, needed[name])
			if len(broken) == 0 {
				t.Fatalf("nothing breaks without it, in %d purges", total.purges)
			}
			t.Logf("after %d purges: %s", total.purges, broken[0])
		})
	}
}
