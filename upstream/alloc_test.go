//go:build !race

package upstream

import "testing"

func TestSmallGetAllocatesNothing(t *testing.T) {
	o := open(t, "http://"+echoing(t, typical))
	req, resp, buf := typicalGet(), new(Response), make([]byte, 4096)
	for range 10 {
		once(t, o, req, resp, buf)
	}
	if n := testing.AllocsPerRun(1000, func() { once(t, o, req, resp, buf) }); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}
