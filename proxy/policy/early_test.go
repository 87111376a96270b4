package policy

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// TestDueEarly: over many stored responses the time before the end is distributed as it should be; for one response the
// answer turns once, from no to yes.
func TestDueEarly(t *testing.T) {
	const n = 20_000
	for _, beta := range []float64{0.5, 1, 3} {
		c := &Config{EarlyRefreshBeta: beta}
		fetch := 100 * time.Millisecond
		mean := beta * float64(fetch)
		var atMean, atThree int
		for range n {
			e := &tiers.Entry{Born: tiers.Instant(rand.Int64N(1 << 40)), Lifetime: time.Hour, FetchTime: fetch}
			end := e.Born.Add(e.Lifetime)
			was := false
			for _, means := range []float64{40, 10, 3, 1, 0.1, 0} {
				due := c.DueEarly(e, end.Add(-time.Duration(means*mean)), 7)
				if was && !due {
					t.Fatal("drawn anew")
				}
				was = due
				switch {
				case due && means == 40:
					t.Fatal("far too early")
				case due && means == 3:
					atThree++
				case due && means == 1:
					atMean++
				}
			}
			if !was {
				t.Fatal("not due at its end")
			}
		}
		for name, row := range map[string][2]float64{"1 mean": {float64(atMean) / n, math.Exp(-1)}, "3 means": {float64(atThree) / n, math.Exp(-3)}} {
			if math.Abs(row[0]-row[1]) > 0.02 {
				t.Errorf("beta %v: %.3f are due %s before the end, want %.3f", beta, row[0], name, row[1])
			}
		}
	}
	e := &tiers.Entry{Lifetime: time.Hour, FetchTime: time.Second}
	end := e.Born.Add(e.Lifetime)
	for _, row := range []struct {
		c Config
		e tiers.Entry
	}{{Config{}, *e}, {Config{EarlyRefreshBeta: 1}, tiers.Entry{Lifetime: time.Hour}}, {Config{EarlyRefreshBeta: 1}, tiers.Entry{Lifetime: time.Hour, FetchTime: 1, Flags: tiers.NoCache}}} {
		if row.c.DueEarly(&row.e, end, 7) {
			t.Errorf("%+v, %+v: due", row.c, row.e)
		}
	}
	c := &Config{EarlyRefreshBeta: 1}
	differ := 0
	for seed := range uint64(100) {
		if c.DueEarly(e, end.Add(-time.Second), seed) {
			differ++
		}
	}
	if differ == 0 || differ == 100 {
		t.Error("all processes draw the same")
	}
}

func TestJitter(t *testing.T) {
	for _, row := range []struct {
		jitter, part float64
		want         time.Duration
	}{{0, 1, 100}, {0.1, 0, 100}, {0.1, 1, 90}, {0.5, 0.5, 75}} {
		e := &tiers.Entry{Lifetime: 100}
		(&Config{TTLJitter: row.jitter}).Jitter(e, row.part)
		if e.Lifetime != row.want {
			t.Errorf("%+v: %d", row, e.Lifetime)
		}
	}
}
