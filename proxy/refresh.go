package proxy

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// refresh is the Job that fetches anew what was served stale (RFC 5861 §3). It has copies of all it needs: the
// request it came from is long answered.
type refresh struct {
	h      *Handler
	policy *policy.Config
	key    tiers.Key    // of the request
	entry  *tiers.Entry // what was served
	req    policy.Request
	header tiers.Header
	method []byte
	body   []byte // of a query
	target []byte
	host   []byte
}

// submitRefresh has the exchange's entry refreshed, unless that is under way.
func (h *Handler) submitRefresh(x *exchange) {
	if !h.inFlight.begin(x.entry) {
		return
	}
	r := &refresh{
		h: h, policy: x.policy, key: tiers.Key(strings.Clone(string(x.key()))), entry: x.entry, req: x.req, method: []byte("GET"),
		header: append(tiers.Header(nil), x.header...),
		target: append([]byte(nil), x.target.raw...),
		host:   append([]byte(nil), x.host...),
	}
	r.req.CC = policy.Directives{}
	if r.req.Method == policy.Query {
		r.method, r.body = append([]byte(nil), x.ctx.Method()...), append([]byte(nil), x.body...)
	} else {
		r.req.Method = policy.Get
	}
	if !h.budget.take(int64(len(r.body))) {
		r.body = nil
		r.Drop()
		return
	}
	if h.Refreshes.Submit(r) != nil {
		r.Drop()
	}
}

// Drop is called in place of Execute when the pool gives the job up.
func (r *refresh) Drop() {
	r.h.budget.give(int64(len(r.body)))
	r.h.inFlight.end(r.entry, 0)
	r.h.counters.refreshesDropped.Add(1)
}

// refreshPause is how long a key whose refresh failed is left alone.
const refreshPause = time.Second

// Execute implements [pool.Job].
func (r *refresh) Execute(ctx context.Context) error {
	defer r.h.budget.give(int64(len(r.body)))
	err := r.run(ctx)
	if err != nil {
		r.h.counters.refreshesFailed.Add(1)
		r.h.inFlight.end(r.entry, refreshPause)
		return err
	}
	r.h.counters.refreshesDone.Add(1)
	r.h.inFlight.end(r.entry, 0)
	return nil
}

// run asks whether the entry still holds, and fetches it whole when the 304 is about something else.
func (r *refresh) run(ctx context.Context) error {
	confirmed, err := r.fetch(ctx, policy.AppendConditions(nil, r.entry))
	if err == nil && !confirmed {
		_, err = r.fetch(ctx, nil)
	}
	return err
}

// fetch makes one request and stores what it says. It returns false for a 304 that is of no use.
func (r *refresh) fetch(ctx context.Context, conditions tiers.Header) (bool, error) {
	h := r.h
	q := upstream.Request{
		Context: ctx, Method: r.method, BodyBytes: r.body, Target: r.target, Header: r.header, ClientHost: r.host,
		Extra: h.appendVia(conditions, true),
		Omit:  clientsOwn,
	}
	resp := upstream.AcquireResponse()
	t, err := h.do(&q, resp)
	if err == nil && !policy.IsError(resp.Status) && resp.Status != fasthttp.StatusNotModified {
		return true, r.replace(ctx, resp, t)
	}
	defer resp.Release()
	switch {
	case err != nil:
		h.noteFailure(err)
		return true, err
	case policy.IsError(resp.Status):
		return true, errOriginFailed
	}
	return r.confirm(ctx, resp, t)
}

// clientsOwn names the fields that were about the answer to one client, and not about what is stored.
func clientsOwn(name []byte) bool {
	return policy.IsCompletion(name) || tiers.EqualFold(name, "Cache-Control") || tiers.EqualFold(name, "Pragma")
}

// confirm stores the entry with what a 304 says of it, or returns false when the 304 is not about it.
func (r *refresh) confirm(ctx context.Context, resp *upstream.Response, t policy.Times) (bool, error) {
	answer := r.policy.ReadResponse(resp.Status, resp.Header)
	fresh := r.policy.Freshened(r.entry, &answer, t)
	switch {
	case fresh == nil:
		return false, nil
	case !r.policy.Keepable(fresh, &r.req):
		return true, r.h.Stack.Delete(ctx, r.entry.Key)
	}
	r.h.submitFill(fresh, 0, nil)
	return true, nil
}

// replace stores the origin's new response, which it owns. One that may not be stored still ends the old one.
func (r *refresh) replace(ctx context.Context, resp *upstream.Response, t policy.Times) error {
	h := r.h
	e, _ := h.judge(r.policy, r.key, &r.req, r.header, resp, t)
	if e == nil {
		resp.Release()
		return h.Stack.Delete(ctx, r.entry.Key)
	}
	reserved := max(0, resp.ContentLength)
	if !h.budget.take(reserved) {
		resp.Release()
		h.counters.fillsNoRoom.Add(1)
		return errNoRoom
	}
	return newStream(h, resp, e, reserved).pump()
}

var (
	errOriginFailed = errors.New("refresh: the origin answered with a server error")
	errNoRoom       = errors.New("refresh: POOL_QUEUE_BYTES is used up")
)

// inFlight is the set of entries that are being refreshed, or whose refresh failed a moment ago. The zero
// inFlight is empty.
type inFlight struct {
	mu    sync.Mutex
	until map[variant]tiers.Instant // when it may be tried again; never = under way
}

type variant struct {
	key     tiers.Key
	variant string
}

const never = tiers.Instant(1<<63 - 1)

// begin adds e, and tells whether it was not there.
func (f *inFlight) begin(e *tiers.Entry) bool {
	v := variant{e.Key, e.Variant}
	f.mu.Lock()
	defer f.mu.Unlock()
	if until, there := f.until[v]; there && tiers.Now() < until {
		return false
	}
	if f.until == nil {
		f.until = map[variant]tiers.Instant{}
	}
	f.until[v] = never
	return true
}

// end takes e out, after a pause.
func (f *inFlight) end(e *tiers.Entry, pause time.Duration) {
	v := variant{e.Key, e.Variant}
	f.mu.Lock()
	defer f.mu.Unlock()
	if pause == 0 {
		delete(f.until, v)
		return
	}
	f.until[v] = tiers.Now().Add(pause)
	if len(f.until) > maxPaused {
		now := tiers.Now()
		maps.DeleteFunc(f.until, func(_ variant, until tiers.Instant) bool { return until <= now })
	}
}

// maxPaused is how many keys may be remembered before those whose pause is over are forgotten.
const maxPaused = 4096
