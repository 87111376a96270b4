package redis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

// TestStorm: the fills of a storm share round trips, and all of them arrive.
func TestStorm(t *testing.T) {
	for name, vary := range map[string]string{"plain": "", "variants": "accept-encoding"} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			cfg := config(s.URL())
			cfg.Timeout = 10 * time.Second
			tier := open(t, cfg)
			req := tierstest.Request{"accept-encoding": "gzip"}
			const fills, workers = 5000, 32
			keys := make([]tiers.Key, fills)
			for i := range keys {
				keys[i] = tierstest.NewKey()
			}
			each := func(do func(i int) error) float64 {
				t.Helper()
				trips := tier.Stats().RoundTrips
				var next atomic.Int64
				var all sync.WaitGroup
				for range workers {
					all.Go(func() {
						for i := next.Add(1) - 1; i < fills; i = next.Add(1) - 1 {
							if err := do(int(i)); err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Wait()
				return float64(tier.Stats().RoundTrips-trips) / fills
			}
			body := strings.Repeat("x", 1<<10)
			filled := each(func(i int) error {
				e := tierstest.NewEntry(keys[i], body+string(keys[i]))
				if vary != "" {
					e.Vary, e.Variant = vary, req.Variant(vary)
				}
				return tier.Put(t.Context(), e)
			})
			read := each(func(i int) error {
				e, err := tier.Get(t.Context(), keys[i], req)
				if err == nil && string(e.Body) != body+string(keys[i]) {
					err = errors.New("another's body")
				}
				return err
			})
			if filled > 1.0/8 || read > 1.0/4 {
				t.Errorf("%.3f round trips a fill, %.3f a look-up", filled, read)
			}
			t.Logf("%.3f round trips a fill, %.3f a look-up, with %d workers", filled, read, workers)
		})
	}
}

// TestStormIntoHungRedis: hundreds of callers at once lose no more than the timeout each, and no answer goes
// to the wrong one when the server wakes up with their requests in its sockets.
func TestStormIntoHungRedis(t *testing.T) {
	s := redistest.Start(t)
	cfg := config(s.URL())
	cfg.Timeout = 100 * time.Millisecond
	tier := open(t, cfg)
	keys := make([]tiers.Key, 200)
	for i := range keys {
		keys[i] = tierstest.NewKey()
		if err := tier.Put(t.Context(), tierstest.NewEntry(keys[i], string(keys[i]))); err != nil {
			t.Fatal(err)
		}
	}
	var wrong, hits, slow atomic.Int64
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	for w := range 100 {
		all.Go(func() {
			for i := w; ctx.Err() == nil; i++ {
				key := keys[i%len(keys)]
				began := time.Now()
				e, err := tier.Get(context.Background(), key, nil)
				switch {
				case err == nil && string(e.Body) != string(key):
					wrong.Add(1)
				case err == nil:
					hits.Add(1)
				case errors.Is(err, redis.ErrOpen):
					time.Sleep(time.Millisecond)
				}
				if time.Since(began) > cfg.Timeout+400*time.Millisecond {
					slow.Add(1)
				}
			}
		})
	}
	for range 4 {
		s.Hang()
		opened := eventually(t, 5*time.Second, "the breaker opens", func() bool { return tier.Stats().Open })
		s.Resume()
		eventually(t, 5*time.Second, "the breaker closes", func() bool { return !tier.Stats().Open })
		before := hits.Load()
		eventually(t, 5*time.Second, "hits", func() bool { return hits.Load() > before+1000 })
		t.Logf("opened after %v", opened)
	}
	stop()
	all.Wait()
	if wrong.Load() > 0 || slow.Load() > 0 {
		t.Errorf("%d wrong bodies, %d slow look-ups", wrong.Load(), slow.Load())
	}
}
