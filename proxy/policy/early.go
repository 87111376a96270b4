package policy

import (
	"math"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// DueEarly tells whether the fresh response e should be refreshed at now, before it is stale: XFetch (Vattani,
// Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, PVLDB 8, 2015), but drawn once for each stored
// response and not for each request, since a hot response would be refreshed with its first requests then. The time before
// its end is exponentially distributed; its mean is the time that fetching it took, times EARLY_REFRESH_BETA. Processes
// with other seeds draw otherwise.
func (c *Config) DueEarly(e *tiers.Entry, now tiers.Instant, seed uint64) bool {
	if c.EarlyRefreshBeta == 0 || e.FetchTime <= 0 || e.Flags&tiers.NoCache != 0 {
		return false
	}
	mean, left := c.EarlyRefreshBeta*float64(e.FetchTime), float64(e.TTL(now))
	if left < 0 || left > mean*farthest {
		return false
	}
	return left <= -mean*math.Log(draw(seed^uint64(e.Born)))
}

// farthest is -ln of the least that is drawn: nothing is refreshed earlier than so many means before its end.
const farthest = 37

// draw makes of n, by the finalizer of SplitMix64, a number of (0, 1].
func draw(n uint64) float64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	n ^= n >> 31
	return float64(n>>11+1) / (1 << 53)
}

// Jitter shortens the freshness lifetime of e, which nobody else has yet, by up to TTL_JITTER of it; part, from 0 to 1,
// says how much of that.
func (c *Config) Jitter(e *tiers.Entry, part float64) {
	if c.TTLJitter > 0 {
		e.Lifetime -= time.Duration(part * c.TTLJitter * float64(e.Lifetime))
	}
}
