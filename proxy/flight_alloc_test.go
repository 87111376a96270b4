//go:build !race

package proxy

import "testing"

// TestLoneMissAllocates: no more than the flight and its key.
func TestLoneMissAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(1000, missing(t)); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
