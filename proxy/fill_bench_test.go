package proxy

import (
	"context"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// BenchmarkFill: from the response to L1, by way of the pool, with L1 full.
func BenchmarkFill(b *testing.B) {
	s, _ := newTestServer(b, nil)
	h := s.h
	h.Fills.Start(b.Context())
	entries := make([]*tiers.Entry, 200_000)
	for i := range entries {
		entries[i] = &tiers.Entry{
			Key: tiers.Key("GET http://127.0.0.1:9/items/" + strconv.Itoa(i)), Status: 200,
			Header: tiers.Header(usualHeader), Body: make([]byte, 1024), Born: tiers.Now(), Lifetime: time.Hour,
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		e := entries[i%len(entries)]
		for !h.budget.take(1024) || !h.submitFill(e, 1024, nil) {
			runtime.Gosched() // the queue is full
		}
	}
	if err := h.Fills.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
	if stored := h.Stats().FillsStored; stored != uint64(b.N) {
		b.Fatalf("%d fills stored of %d", stored, b.N)
	}
}
