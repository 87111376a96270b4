package redis

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newBreaker() *breaker {
	b := new(breaker)
	b.init()
	return b
}

// trip reports failures until the breaker is open.
func trip(b *breaker) {
	for range failuresToOpen {
		state, _ := b.enter()
		if b.failed(state, 1) {
			b.signal()
		}
	}
}

func TestBreakerOpens(t *testing.T) {
	b := newBreaker()
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
	b = newBreaker()
	trip(b)
	if _, ok := b.enter(); ok || !b.isOpen() {
		t.Error("not open")
	}
}

// TestBreakerStragglers: what was on its way when the breaker opened says nothing once it is closed.
func TestBreakerStragglers(t *testing.T) {
	b := newBreaker()
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
	b := newBreaker()
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
		b := newBreaker()
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		var probes []time.Duration
		var outages []time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.guard(ctx, func(context.Context) error {
				probes = append(probes, time.Since(began))
				if len(probes)%7 == 0 {
					return nil
				}
				return errors.New("away")
			}, func() {}, func(away time.Duration) { outages = append(outages, away) })
		}()
		trip(b)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if b.isOpen() || len(outages) != 1 || outages[0] != 1575*time.Millisecond {
			t.Errorf("open %v, outages %v", b.isOpen(), outages)
		}
		want := []time.Duration{25, 75, 175, 375, 775, 1175, 1575}
		for i, at := range probes {
			if at != want[i]*time.Millisecond {
				t.Errorf("probe %d after %v, want %v ms", i, at, want[i])
			}
		}
		trip(b) // and again
		time.Sleep(30 * time.Millisecond)
		cancel()
		<-done
		if !b.isOpen() || len(probes) != 8 {
			t.Errorf("open %v after %d probes", b.isOpen(), len(probes))
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	t := &Tier{gate: newBreaker()}
	trip(t.gate)
	for b.Loop() {
		_, _ = t.Get(context.Background(), "k", nil)
	}
}
