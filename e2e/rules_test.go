//go:build rules

package e2e

import (
	"math"
	"os"
	"testing"
	"time"
)

func init() { buildFlags = []string{"-tags", "rules"} }

// longest is how long a race without a rule may take to find an old response.
const longest = 3 * time.Minute

// Each rule of the invalidation log is needed: with it switched off in all sidecars, races like those of
// [TestPurgeRaces] find an old response. With RACES set (make races) it is switched on again: then the same races, which
// last longer, find none.
//
// Two rules are shown by the model only (tiers/invalidation): that clocks drift, which those of one machine do not, and
// that trust counts from the request for it, which takes a renewal's answer that comes late and nothing else after it.
func TestRules(t *testing.T) {
	few := []string{"INVALIDATION_INDEX=2", "INVALIDATION_RETENTION=2"}
	for _, c := range []struct {
		rule     string
		env      []string
		troubles []trouble
	}{
		{"fence", nil, nil},
		{"follower", nil, nil},
		{"time", nil, nil},
		{"catch-up", nil, []trouble{deaf}},
		{"order", []string{"RULES_STALL=500ms"}, []trouble{cutOff}},
		{"floor", few, []trouble{cutOff}},
		{"generation", nil, []trouble{emptied}},
		{"marks", nil, []trouble{cutOff}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			const lease = 500 * time.Millisecond
			env := append([]string{"COHERENCE=strict"}, c.env...)
			begun := time.Now()
			off := newRacing(t, lease, append(env, "RULES_OFF="+c.rule)...)
			off.stopAtOld = true
			off.race(math.MaxInt64, longest, c.troubles...)
			took := time.Since(begun)
			if off.first.Load() == nil {
				t.Errorf("no old response without it, in %v: %s", took, off.report())
			} else {
				t.Logf("without it, after %v: %s; %s", took, *off.first.Load(), off.report())
			}
			if os.Getenv("RACES") == "" {
				return
			}
			on := newRacing(t, lease, env...)
			on.race(math.MaxInt64, min(max(10*took, 20*time.Second), time.Minute), c.troubles...)
			on.judge(1)
		})
	}
}
