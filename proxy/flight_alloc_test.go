//go:build !race

package proxy

import (
	"testing"
	"time"
)

// TestLoneMissAllocates: no more than the flight and its key.
func TestLoneMissAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(1000, missing(t, time.Second)); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
