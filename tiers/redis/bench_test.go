package redis_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

// cpu is the processor time that this process has used, without that of redis-server.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// atOnce runs do b.N times from so many goroutines, and reports processor time and round trips for each.
func atOnce(b *testing.B, tier *redis.Tier, callers int, do func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	var next, failed atomic.Int64
	var all sync.WaitGroup
	trips, used := tier.Stats().RoundTrips, cpu()
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(b.N) {
					return
				}
				if do(int(i)) != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/1e3/n, "cpu-µs/op")
	b.ReportMetric(float64(tier.Stats().RoundTrips-trips)/n, "trips/op")
	if failed.Load() > 0 {
		b.ReportMetric(float64(failed.Load()), "failed")
	}
}

var callers = []int{1, 4, 8, 64, 256}

const objects = 1000

// filled returns a tier with objects of a size.
func filled(b *testing.B, size int) (*redis.Tier, []tiers.Key) {
	b.Helper()
	tier := open(b, patient(config("unix://"+redistest.Start(b).Socket())))
	keys := make([]tiers.Key, objects)
	for i := range keys {
		keys[i] = tierstest.NewKey()
		if err := tier.Put(b.Context(), tierstest.NewEntry(keys[i], strings.Repeat("x", size))); err != nil {
			b.Fatal(err)
		}
	}
	return tier, keys
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10} {
		tier, keys := filled(b, size)
		for _, n := range callers {
			b.Run(fmt.Sprintf("%dKiB/%d", size>>10, n), func(b *testing.B) {
				atOnce(b, tier, n, func(i int) error {
					_, err := tier.Get(b.Context(), keys[i%objects], nil)
					return err
				})
			})
		}
	}
}

func BenchmarkPut(b *testing.B) {
	tier, keys := filled(b, 1)
	body := strings.Repeat("x", 1<<10)
	req := tierstest.Request{"accept-encoding": "gzip"}
	for _, n := range callers {
		b.Run(fmt.Sprintf("plain/%d", n), func(b *testing.B) {
			atOnce(b, tier, n, func(i int) error {
				return tier.Put(b.Context(), tierstest.NewEntry(keys[i%objects], body))
			})
		})
	}
	for _, n := range callers {
		b.Run(fmt.Sprintf("variant/%d", n), func(b *testing.B) {
			atOnce(b, tier, n, func(i int) error {
				return tier.Put(b.Context(), tierstest.NewVariant(keys[i%objects], body, "accept-encoding", req))
			})
		})
	}
}
