package upstream

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const soon = 20 * time.Millisecond

func hedging(c *Config) { c.HedgeAfter = soon }

// warm saves up allowance for n second requests.
func warm(t *testing.T, o *Origin, n int) {
	t.Helper()
	for range n * hedgeCost {
		wantBody(t, ask(o, get("/quick")), "ok")
	}
}

// TestHedge: when the first request gets no answer the second does, and the first ends.
func TestHedge(t *testing.T) {
	var slow atomic.Int32
	gone := make(chan struct{}, 1)
	o, _ := origin(t, func(p *peer) {
		for {
			head, _ := p.request()
			switch {
			case head == "":
				return
			case strings.HasPrefix(head, "GET /slow ") && slow.Add(1) == 1:
				if h, _ := p.request(); h == "" { // until the other side closes
					gone <- struct{}{}
				}
				return
			}
			if !p.say("HTTP/1.1 200 OK\r\nX-From: second\r\nContent-Length: 2\r\n\r\nok") {
				return
			}
		}
	}, hedging)
	warm(t, o, 1)
	a := ask(o, get("/slow"))
	wantBody(t, a, "ok")
	if string(a.Header) != "X-From: second\r\n" || a.Status != 200 || a.ContentLength != 2 || a.Framing != Length {
		t.Errorf("%d %q %d %v", a.Status, a.Header, a.ContentLength, a.Framing)
	}
	<-gone
	if st := o.Stats(); st.Hedges != 1 || st.HedgesWon != 1 || st.Requests != hedgeCost+1 {
		t.Errorf("%+v", st)
	}
	eventually(t, "no connection is in use", func() bool { return o.leases.Load() == 0 })
}

// TestHedgesAreFew: however slow the origin is, it gets no more than one request in twenty more.
func TestHedgesAreFew(t *testing.T) {
	gate := make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	o, s := origin(t, func(p *peer) {
		for {
			head, _ := p.request()
			if head == "" {
				return
			}
			if strings.HasPrefix(head, "GET /slow ") {
				<-gate
			}
			if !p.say(ok) {
				return
			}
		}
	}, hedging)
	t.Cleanup(release)
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() { wantBody(t, ask(o, get("/slow")), "ok") })
	}
	eventually(t, "all are sent, and one again", func() bool { return s.accepted.Load() > 60 })
	time.Sleep(5 * soon) // for whatever else would be sent again
	release()
	wg.Wait()
	if n := o.Stats().Hedges; n < 1 || n > 3 {
		t.Errorf("%d second requests for 60 first ones", n)
	}
}

// TestNoHedge: what must not be sent twice is not.
func TestNoHedge(t *testing.T) {
	var slow atomic.Int32
	o, _ := origin(t, func(p *peer) {
		for {
			head, _ := p.request()
			if head == "" {
				return
			}
			if strings.Contains(head, "/slow ") {
				slow.Add(1)
				time.Sleep(3 * soon)
			}
			if !p.say(ok) {
				return
			}
		}
	}, hedging)
	warm(t, o, 3)
	wantBody(t, ask(o, &Request{Method: []byte("POST"), Target: []byte("/slow")}), "ok")
	wantBody(t, ask(o, &Request{Method: []byte("QUERY"), Target: []byte("/slow"), BodyBytes: []byte("q")}), "ok")
	if n := slow.Load(); n != 2 {
		t.Errorf("%d requests arrived, 2 were made", n)
	}
}

// TestHedgeFails: an error is told when both requests failed.
func TestHedgeFails(t *testing.T) {
	o, _ := origin(t, func(p *peer) {
		for {
			head, _ := p.request()
			if head == "" || strings.HasPrefix(head, "GET /slow ") {
				time.Sleep(2 * soon)
				return
			}
			if !p.say(ok) {
				return
			}
		}
	}, hedging)
	warm(t, o, 2)
	wantKind(t, ask(o, get("/slow")).err, Closed)
	eventually(t, "no connection is in use", func() bool { return o.leases.Load() == 0 })
}
