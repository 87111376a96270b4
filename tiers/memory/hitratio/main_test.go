package main

import (
	"compress/gzip"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nearside-cache/nearside/tiers/memory"
)

// synthetic is popular keys, with a scan now and then.
func synthetic(accesses int) []uint32 {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.05, 1, 20_000)
	trace := make([]uint32, accesses)
	scan := uint32(100_000)
	for i := range trace {
		if i/3000%5 == 4 {
			scan++
			trace[i] = scan
			continue
		}
		trace[i] = uint32(zipf.Uint64())
	}
	return trace
}

func TestOptimal(t *testing.T) {
	for _, c := range []struct {
		trace    []uint32
		capacity int
		hits     int
	}{
		{[]uint32{1, 2, 3, 1, 2, 3}, 3, 3},
		{[]uint32{1, 2, 3, 1, 2, 3}, 2, 2},
		{[]uint32{1, 1, 1, 1}, 1, 3},
		// Silberschatz's reference string: 9 faults of 20 with 3 frames.
		{[]uint32{7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1}, 3, 11},
	} {
		want := 100 * float64(c.hits) / float64(len(c.trace))
		if got := optimal(c.trace, c.capacity); got != want {
			t.Errorf("%v in %d: %.2f %%, want %.2f", c.trace, c.capacity, got, want)
		}
	}
}

// TestReplayLRU compares the tier with a list that is searched from the front.
func TestReplayLRU(t *testing.T) {
	const capacity = 100
	trace := synthetic(30_000)
	var order []uint32
	hits := 0
	for _, id := range trace {
		at := 0
		for at < len(order) && order[at] != id {
			at++
		}
		switch {
		case at < len(order):
			hits++
		case len(order) < capacity:
			order = append(order, 0)
		default:
			at = capacity - 1
		}
		copy(order[1:at+1], order[:at])
		order[0] = id
	}
	want := 100 * float64(hits) / float64(len(trace))
	if got := replay(trace, capacity, memory.LRU); got != want {
		t.Errorf("%.4f %%, want %.4f", got, want)
	}
}

func TestAdaptiveOnSyntheticTrace(t *testing.T) {
	trace := synthetic(200_000)
	for _, capacity := range []int{100, 1000} {
		r := measure(trace, capacity)
		t.Logf("capacity %d: %+v", capacity, r)
		if r.adaptive < r.lru+3 || r.adaptive > r.optimal || r.lru > r.optimal {
			t.Errorf("capacity %d: %+v", capacity, r)
		}
	}
}

// TestPublishedTraces checks the figures that the README gives, where the traces are at hand: TRACES names
// their directory. Where they are not, a small trace of the same form shows that they would be read.
func TestPublishedTraces(t *testing.T) {
	dir := os.Getenv("TRACES")
	if dir == "" {
		small := source{"small", "small.gz", 8, binary.BigEndian, []int{3}}
		var table strings.Builder
		if err := run(&table, pack(t, small), []source{small}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(table.String(), "| small | 3 | 25.00 | 25.00 | 25.00 | 100.0 | 100.0 |") {
			t.Errorf("the table is\n%s", table.String())
		}
		return
	}
	var rows, sum float64
	for _, source := range sources {
		trace, err := source.read(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, capacity := range source.capacities {
			r := measure(trace, capacity)
			if r.adaptive < r.lru-0.3 {
				t.Errorf("%s, %d: %+v", source.name, capacity, r)
			}
			rows++
			sum += 100 * r.adaptive / r.optimal
		}
	}
	if mean := sum / rows; mean < 93.9 {
		t.Errorf("%.2f %% of the optimum in the mean, want 93.9", mean)
	}
}

// pack writes a trace of four accesses, one of which can hit, and returns its directory.
func pack(t *testing.T, s source) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, s.file))
	if err != nil {
		t.Fatal(err)
	}
	w := gzip.NewWriter(f)
	if err := binary.Write(w, s.order, []uint64{1 << 40, 7, 1 << 40, 9}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}
