// Hitratio replays access traces against the real L1 and prints a table in Markdown: the hit ratio of each
// policy beside that of an optimal cache which knows the future.
//
//	hitratio -traces DIR
//
// DIR holds the traces that trace.go lists, packed as they are published; .xz needs the xz program. Every
// access counts, the cache starts empty, a miss stores. All entries have the same size, so that a capacity
// in entries is one in bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/memory"
)

func main() {
	log.SetFlags(0)
	dir := flag.String("traces", os.Getenv("TRACES"), "directory of the traces; default $TRACES")
	flag.Parse()
	if *dir == "" {
		log.Fatal("hitratio: say where the traces are, with -traces or TRACES")
	}
	if err := run(os.Stdout, *dir, sources); err != nil {
		log.Fatal("hitratio: ", err)
	}
}

// run prints the table.
func run(w io.Writer, dir string, sources []source) error {
	fmt.Fprint(w, "| trace | capacity | lru | adaptive | optimal | lru / optimal | adaptive / optimal |\n|---|---|---|---|---|---|---|\n")
	var rows, sumLRU, sumAdaptive float64
	for _, source := range sources {
		trace, err := source.read(dir)
		if err != nil {
			return err
		}
		for _, capacity := range source.capacities {
			r := measure(trace, capacity)
			fmt.Fprintf(w, "| %s | %d | %.2f | %.2f | %.2f | %.1f | %.1f |\n", source.name, capacity,
				r.lru, r.adaptive, r.optimal, 100*r.lru/r.optimal, 100*r.adaptive/r.optimal)
			rows++
			sumLRU += r.lru / r.optimal
			sumAdaptive += r.adaptive / r.optimal
		}
	}
	_, err := fmt.Fprintf(w, "| **mean** | | | | | **%.2f** | **%.2f** |\n", 100*sumLRU/rows, 100*sumAdaptive/rows)
	return err
}

// ratios are hit ratios in percent.
type ratios struct{ lru, adaptive, optimal float64 }

func measure(trace []uint32, capacity int) ratios {
	return ratios{
		lru:      replay(trace, capacity, memory.LRU),
		adaptive: replay(trace, capacity, memory.Adaptive),
		optimal:  optimal(trace, capacity),
	}
}

// replay returns the hit ratio in percent of a new tier with room for capacity entries.
func replay(trace []uint32, capacity int, policy memory.Policy) float64 {
	tier := memory.New(memory.Config{MaxBytes: tiers.ByteSize(capacity) * weight(policy), Policy: policy})
	ctx := context.Background()
	var buf []byte
	hits := 0
	for _, id := range trace {
		buf = appendKey(buf[:0], id)
		if _, err := tier.Get(ctx, tiers.Key(buf), nil); err == nil {
			hits++
			continue
		}
		if err := tier.Put(ctx, entry(id)); err != nil {
			log.Fatal("hitratio: ", err)
		}
	}
	return 100 * float64(hits) / float64(len(trace))
}

// appendKey writes id's key, which is as long as every other.
func appendKey(dst []byte, id uint32) []byte {
	return strconv.AppendUint(append(dst, "GET http://trace/"...), uint64(id)+1<<32, 10)
}

func entry(id uint32) *tiers.Entry {
	return &tiers.Entry{Key: tiers.Key(appendKey(nil, id)), Status: 200, Born: tiers.Now(), Lifetime: 24 * time.Hour}
}

// weight is what one entry counts for.
func weight(policy memory.Policy) tiers.ByteSize {
	tier := memory.New(memory.Config{MaxBytes: 1 << 20, Policy: policy})
	if err := tier.Put(context.Background(), entry(0)); err != nil {
		log.Fatal("hitratio: ", err)
	}
	return tiers.ByteSize(tier.Stats().Bytes)
}
