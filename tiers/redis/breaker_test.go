package redis

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// trip reports failures until the breaker is open.
func trip(b *breaker) {
	for range failuresToOpen {
		state, _ := b.enter()
		b.failed(state, 1)
	}
}

func TestBreakerOpens(t *testing.T) {
	b := new(breaker)
	for i := range 100 {
		state, ok := b.enter()
		if !ok {
			t.Fatal("open after failures that were not in a row")
		}
		if i%failuresToOpen == 0 {
			b.succeeded()
		} else {
			b.failed(state, 1)
		}
	}
	b = new(breaker)
	trip(b)
	if _, ok := b.enter(); ok || !b.isOpen() {
		t.Error("not open")
	}
}

// TestBreakerStragglers: what was on its way when the breaker opened says nothing once it is closed.
func TestBreakerStragglers(t *testing.T) {
	b := new(breaker)
	before, _ := b.enter()
	trip(b)
	b.close()
	for range 100 {
		b.failed(before, 1)
	}
	if b.isOpen() {
		t.Error("open again")
	}
}

func TestBreakerOpensOnce(t *testing.T) {
	b := new(breaker)
	state, _ := b.enter()
	var opened int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if b.failed(state, 1) {
				mu.Lock()
				opened++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if opened != 1 {
		t.Errorf("opened %d times", opened)
	}
}

// TestBreakerProbes: how soon, and how often.
func TestBreakerProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(breaker)
		trip(b)
		began := time.Now()
		var probes []time.Duration
		probe := func(context.Context) error {
			probes = append(probes, time.Since(began))
			if len(probes) == 7 {
				return nil
			}
			return errors.New("away")
		}
		away, ok := b.mend(t.Context(), probe, func() {})
		if !ok || b.isOpen() || away != 1575*time.Millisecond {
			t.Errorf("mended %v, open %v, away for %v", ok, b.isOpen(), away)
		}
		for i, want := range []time.Duration{25, 75, 175, 375, 775, 1175, 1575} {
			if probes[i] != want*time.Millisecond {
				t.Errorf("probe %d after %v, want %v ms", i, probes[i], want)
			}
		}
		trip(b) // and again
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, ok := b.mend(ctx, probe, func() {}); ok || !b.isOpen() || len(probes) != 8 {
			t.Errorf("mended %v, open %v after %d probes", ok, b.isOpen(), len(probes))
		}
		if _, ok := b.mend(t.Context(), func(context.Context) error { return errGone }, func() {}); ok {
			t.Error("mended although the node has left")
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	t := &Tier{gate: new(breaker)}
	trip(t.gate)
	for b.Loop() {
		_, _ = t.Get(context.Background(), "k", nil)
	}
}
