package upstream

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"
)

// hedges is the allowance for second requests: one for twenty first ones, so that the origin has at most 5 % more to do.
type hedges struct {
	after  time.Duration // 0 = none are sent
	credit atomic.Int64  // in twentieths of a request
	sent   atomic.Uint64
	won    atomic.Uint64
}

const (
	hedgeCost = 20
	hedgeMost = 10 * hedgeCost // what can be saved up: ten at once
)

// earn takes in one first request.
func (h *hedges) earn() {
	for c := h.credit.Load(); c < hedgeMost && !h.credit.CompareAndSwap(c, c+1); c = h.credit.Load() {
	}
}

// spend reports whether a second request may be sent.
func (h *hedges) spend() bool {
	for c := h.credit.Load(); c >= hedgeCost; c = h.credit.Load() {
		if h.credit.CompareAndSwap(c, c-hedgeCost) {
			h.sent.Add(1)
			return true
		}
	}
	return false
}

// try is one of the requests for one response.
type try struct {
	x      exchange
	resp   *Response
	cancel context.CancelFunc
	err    *Error
}

// hedge sends x's request, and when no response has begun after a while and the allowance permits, a second time. The first
// response counts; the other request ends at once. Only requests that may be sent twice come here. What they need is
// theirs: the one that lost may go on for a moment after the caller has its response.
func (x *exchange) hedge() *Error {
	h := &x.o.hedges
	h.earn()
	method, head := bytes.Clone(x.req.Method), bytes.Clone(x.head)
	ended := make(chan *try, 2)
	first := x.begin(method, head, ended)
	timer := time.NewTimer(h.after)
	defer timer.Stop()
	select {
	case <-ended:
		return x.take(first)
	case <-timer.C:
	}
	if !h.spend() {
		return x.take(<-ended)
	}
	second := x.begin(method, head, ended)
	winner := <-ended
	if winner.err != nil {
		winner.drop()
		return x.take(<-ended)
	}
	loser := first
	if winner == first {
		loser = second
	} else {
		h.won.Add(1)
	}
	loser.cancel()
	go func() { (<-ended).drop() }()
	return x.take(winner)
}

// begin sends the request, and gives the try to ended when it knows what came of it.
func (x *exchange) begin(method, head []byte, ended chan<- *try) *try {
	ctx := x.req.Context
	if ctx == nil {
		ctx = context.Background()
	}
	t := &try{resp: AcquireResponse()}
	req := &Request{Method: method}
	req.Context, t.cancel = context.WithCancel(ctx)
	t.x = exchange{o: x.o, head: head, req: req, resp: t.resp, start: time.Now()}
	go func() {
		t.err = t.x.send()
		ended <- t
	}()
	return t
}

// drop ends a try that nobody wants.
func (t *try) drop() {
	t.resp.Release()
	t.cancel()
}

// take makes what t brought x's own.
func (x *exchange) take(t *try) *Error {
	if t.err != nil {
		t.drop()
		return t.err
	}
	r := x.resp
	r.Status, r.ContentLength, r.Framing = t.resp.Status, t.resp.ContentLength, t.resp.Framing
	r.Header = append(r.Header[:0], t.resp.Header...)
	r.Body, r.from = t.resp.Body, t
	return nil
}
