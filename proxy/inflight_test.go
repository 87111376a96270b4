package proxy

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

func TestRenewedOnceAtATime(t *testing.T) {
	var f inFlight
	e, other := &tiers.Entry{Key: "k"}, &tiers.Entry{Key: "k", Vary: "a", Variant: "b"}
	if !f.begin(e) || f.begin(e) || !f.begin(other) || f.failing(e) {
		t.Fatal("the set does not keep variants apart")
	}
	f.done(e)
	if !f.begin(e) {
		t.Fatal("one that is done bars the next")
	}
	f.dropped(e)
	if !f.begin(e) {
		t.Fatal("one that was not made bars the next")
	}
	f.done(e)
	f.done(other)
	f.done(other)
	if f.known.Load() != 0 || len(f.all) != 0 {
		t.Fatal("something is left")
	}
}

// TestFailuresBackOff: the pause doubles with each failure, up to the longest, and begins anew after a success.
func TestFailuresBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f inFlight
		e := &tiers.Entry{Key: "k"}
		for _, pause := range []time.Duration{1, 2, 4, 8, 8, 8} {
			if !f.begin(e) {
				t.Fatal("not tried after the pause")
			}
			f.failed(e)
			pause *= time.Second
			if time.Sleep(pause - time.Millisecond); f.begin(e) || !f.failing(e) {
				t.Fatalf("tried within %v", pause)
			}
			time.Sleep(2 * time.Millisecond)
			if !f.failing(e) {
				t.Fatal("forgotten as soon as it may be tried")
			}
		}
		f.begin(e)
		if !f.failing(e) {
			t.Fatal("not failing while it is tried again")
		}
		f.dropped(e)
		if f.begin(e) || !f.failing(e) {
			t.Fatal("forgotten by an attempt that was not made")
		}
		f.done(e)
		if f.failing(e) || !f.begin(e) {
			t.Fatal("failing after a success")
		}
		f.failed(e)
		if time.Sleep(2*time.Second + time.Millisecond); f.failing(e) {
			t.Fatal("an old failure counts")
		}
	})
}

func TestFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f inFlight
		for i := range 2*maxPaused + 2 {
			f.failed(&tiers.Entry{Key: tiers.Key(rune(i + 1000))})
			time.Sleep(refreshPause)
		}
		if len(f.all) > maxPaused {
			t.Errorf("%d are remembered", len(f.all))
		}
	})
}
