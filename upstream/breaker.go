package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// breaker keeps requests from an origin that gives no answers. It opens after so many failures in a row, and closes with
// the first response. While it is open, one request at a time, and no more than one in probeEvery, is let through. One whose
// body is its client's to send may take any time, so the next does not wait for its end.
type breaker struct {
	threshold int64        // failures in a row that open it; 0 = it never opens
	failures  atomic.Int64 // in a row
	open      atomic.Bool
	opened    atomic.Uint64 // how often

	mu      sync.Mutex
	probing bool
	next    time.Time // when the next probe may go
}

const probeEvery = time.Second

// pass is what a request has to give back to the breaker that let it through.
type pass uint8

const (
	barred pass = iota
	through
	probe
)

// enter lets a request through, or does not; streams says whether its body comes from a client. It costs one load while the
// breaker is closed.
func (b *breaker) enter(streams bool) pass {
	if !b.open.Load() {
		return through
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case !b.open.Load():
		return through
	case b.probing || now.Before(b.next):
		return barred
	}
	b.next = now.Add(probeEvery)
	if streams {
		return through
	}
	b.probing = true
	return probe
}

// leave takes in how the request ended; e is nil when the origin gave a response.
func (b *breaker) leave(p pass, e *Error) {
	failed := e != nil && e.Kind.silent()
	if !failed && p == through && b.failures.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = b.probing && p != probe
	switch {
	case e == nil:
		b.failures.Store(0)
		b.open.Store(false)
	case failed && b.threshold > 0 && b.failures.Add(1) >= b.threshold && !b.open.Load():
		b.open.Store(true)
		b.opened.Add(1)
		b.next = time.Now().Add(probeEvery)
	}
}

// silent reports whether the origin gave no answer for a reason of its own, whatever it was asked.
func (k Kind) silent() bool {
	switch k {
	case Refused, Unreachable, ConnectTimeout, TLS, WriteTimeout, HeaderTimeout, Closed:
		return true
	}
	return false
}

// Open reports whether the origin is not asked at present, but for a probe now and then, as it gave no answers.
// It takes no lock.
func (o *Origin) Open() bool { return o.breaker.open.Load() }
