package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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
