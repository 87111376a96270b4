package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

func TestBudgetHoldsItsLimit(t *testing.T) {
	b := budget{limit: 100}
	var held, most atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10_000 {
				if !b.take(30) {
					continue
				}
				n := held.Add(30)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				held.Add(-30)
				b.give(30)
			}
		})
	}
	wg.Wait()
	if most.Load() > 100 || b.used.Load() != 0 {
		t.Errorf("held %d at most, %d are left", most.Load(), b.used.Load())
	}
	if !b.take(100) || b.take(1) {
		t.Error("the limit is not 100")
	}
}

func TestARefreshIsUnderWayOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f inFlight
		e, other := &tiers.Entry{Key: "k"}, &tiers.Entry{Key: "k", Vary: "a", Variant: "b"}
		if !f.begin(e) || f.begin(e) || !f.begin(other) {
			t.Fatal("the set does not keep variants apart")
		}
		f.end(e, 0)
		if !f.begin(e) {
			t.Fatal("a refresh that is done bars the next")
		}
		f.end(e, time.Second)
		if time.Sleep(time.Second / 2); f.begin(e) {
			t.Fatal("a failed refresh is tried again too soon")
		}
		if time.Sleep(time.Second); !f.begin(e) {
			t.Fatal("a failed refresh is never tried again")
		}
	})
}

func TestPausedRefreshesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f inFlight
		for i := range 2*maxPaused + 2 {
			e := &tiers.Entry{Key: tiers.Key(rune(i + 1000))}
			f.begin(e)
			f.end(e, time.Millisecond)
			time.Sleep(time.Millisecond)
		}
		if len(f.until) > maxPaused {
			t.Errorf("%d keys are remembered", len(f.until))
		}
	})
}

func TestEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s everySecond
		shown := 0
		var heldBack int64
		for range 30 {
			if held, ok := s.allow(); ok {
				shown++
				heldBack += held
			}
			time.Sleep(100 * time.Millisecond)
		}
		if shown != 3 || heldBack != 18 {
			t.Errorf("%d shown, %d held back", shown, heldBack)
		}
	})
}
