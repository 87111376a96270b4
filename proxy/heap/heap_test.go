package heap

import (
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

const mib = tiers.ByteSize(1 << 20)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		l1, queue, limit tiers.ByteSize
		want             string // how the mistake begins and ends; empty for none
	}{
		{64 * mib, 64 * mib, 256 * mib, ""},
		{64 * mib, 64 * mib, 128 * mib, ""},
		{0, 64 * mib, 64 * mib, ""},
		{1024 * mib, 64 * mib, 256 * mib, "L1_MAX_BYTES: … want at most 185MiB"},
		{185 * mib, 64 * mib, 256 * mib, ""},
		{200 * mib, 16 * mib, 256 * mib, "L1_MAX_BYTES: … want at most 185MiB"},
		{64 * mib, 128 * mib, 128 * mib, "POOL_QUEUE_BYTES: … want at most 64MiB"},
		{64 * mib, 64 * mib, 16 * mib, "L1_MAX_BYTES: … want at most 0"},
		{0, 64 * mib, 32 * mib, "POOL_QUEUE_BYTES: … want at most 32MiB"},
	} {
		begin, end, _ := strings.Cut(c.want, "…")
		err := Check(c.l1, c.queue, c.limit)
		if (err != nil) != (c.want != "") || err != nil && !(strings.HasPrefix(err.Error(), begin) && strings.HasSuffix(err.Error(), end)) {
			t.Errorf("L1 %v, queue %v, limit %v: %v; want %q", c.l1, c.queue, c.limit, err, c.want)
		}
	}
}

// TestPace: garbage and limit by what lives, in MiB, with an L1 and in a container of so many.
func TestPace(t *testing.T) {
	const none = math.MaxInt64 >> 20
	for _, c := range []struct{ l1, container, live, beside, garbage, limit int64 }{
		{0, none, 5, 3, 24, 56},
		{64, none, 5, 3, 24, 120},
		{64, none, 70, 2, 24, 120},
		{64, none, 400, 90, 80, 590}, // many connections
		{1024, none, 1100, 9, 220, 1384},
		{1024, none, 40, 3, 24, 1320},
		{64, 100, 40, 3, 24, 90},
		{64, 256, 400, 9, 80, 230}, // more than there is
	} {
		p := newPace(c.l1<<20, c.container<<20)
		live := c.live << 20
		if got := live * p.percentFor(live) / 100 >> 20; got > c.garbage || got < c.garbage*9/10-1 {
			t.Errorf("L1 %d, container %d, live %d: %d MiB of garbage, want %d", c.l1, c.container, c.live, got, c.garbage)
		}
		if got := p.limitFor(live, c.beside<<20) >> 20; got != c.limit {
			t.Errorf("L1 %d, container %d, live %d: limit %d MiB, want %d", c.l1, c.container, c.live, got, c.limit)
		}
	}
}

// TestFollow: the pace goes on from collection to collection.
func TestFollow(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}()
	p := newPace(64<<20, math.MaxInt64)
	p.paces, p.limits = true, true
	p.follow()
	if got := debug.SetMemoryLimit(-1); got != 120<<20 {
		t.Errorf("limit %d MiB at first", got>>20)
	}
	ballast := make([]byte, 200<<20)
	for range 100 { // the second collection sees what the first was followed by
		runtime.GC()
		time.Sleep(time.Millisecond)
		if debug.SetMemoryLimit(-1) > 200<<20 {
			break
		}
	}
	if got := debug.SetMemoryLimit(-1) >> 20; got < 249 || got > 290 {
		t.Errorf("limit %d MiB with 200 MiB that live", got)
	}
	runtime.KeepAlive(ballast)
}
