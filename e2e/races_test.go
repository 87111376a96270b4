package e2e

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// races is how many confirmed purges the races below go for, and how long at most: make races has time for all of them.
func races() (purges int64, atMost time.Duration) {
	if n, err := strconv.ParseInt(os.Getenv("RACES"), 10, 64); err == nil {
		return n, 30 * time.Minute
	}
	return 10_000, 15 * time.Second
}

// After a purge was confirmed, no request that is sent later gets what it purged, from any of four sidecars, whatever was
// under way at the origin and on the way to Redis. What was written through a sidecar holds there at once.
func TestPurgeRaces(t *testing.T) {
	purges, atMost := races()
	g := newRacing(t, 2*time.Second)
	g.race(purges, atMost)
	g.judge(50)
}

// The same in strict mode, while sidecars are stopped, killed and restarted, cut off from Redis or only from what is
// purged, and while Redis loses what it has.
func TestPurgeRacesInTrouble(t *testing.T) {
	purges, atMost := races()
	g := newRacing(t, time.Second, "COHERENCE=strict")
	g.race(purges, atMost, paused, killed, cutOff, cutOff, deaf, emptied)
	g.judge(20)
}
