package proxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/upstream"
)

// refresh is the Job that fetches anew what was served stale (RFC 5861 §3), or what soon will be. It leads a flight:
// requests that cannot be served meanwhile follow it. It has copies of all it needs: the request it came from is long
// answered.
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
	flight *flight // nil = none

	asOf    tiers.Position // when it began
	base    *tiers.Entry   // of the conditional request
	doubted bool           // only a strong validator confirms it
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
	r.h.inFlight.dropped(r.entry)
	r.h.counters.refreshesDropped.Add(1)
}

// Execute implements [pool.Job].
func (r *refresh) Execute(ctx context.Context) error {
	defer r.h.budget.give(int64(len(r.body)))
	if !r.takeOff() { // a request is fetching it, or what was fetched is on its way into L1
		r.h.inFlight.done(r.entry)
		return nil
	}
	err := r.run(ctx)
	r.land(err)
	if errors.Is(err, errElsewhere) {
		r.h.inFlight.rest(r.entry)
		return nil
	}
	if err != nil {
		r.h.counters.refreshesFailed.Add(1)
		r.h.inFlight.failed(r.entry)
		return err
	}
	r.h.counters.refreshesDone.Add(1)
	r.h.inFlight.done(r.entry)
	return nil
}

// takeOff begins the flight, and returns false when there is one. Parts have none.
func (r *refresh) takeOff() (leads bool) {
	if r.h.Config.CoalesceTimeout == 0 || r.entry.Status == fasthttp.StatusPartialContent {
		return true
	}
	key := r.entry.Key
	if r.entry.Vary != "" {
		key = bytesKey(appendFlightVariant([]byte(key), r.entry.Vary, r.entry.Variant))
	}
	r.flight, leads = r.h.flights.join(key, true)
	if !leads {
		r.flight = nil
	}
	return leads
}

// share settles the flight with e, and returns the flight for the fill to end it.
func (r *refresh) share(e *tiers.Entry, arriving *stream, status int) *flight {
	f := r.flight
	if f != nil && e.TTL(tiers.Now()) > 0 && e.Flags&tiers.NoCache == 0 {
		r.h.flights.settle(f, result{fate: shared, entry: e, arriving: arriving, status: status})
		r.flight = nil
		return f
	}
	return nil
}

// land settles the flight if that has not been done.
func (r *refresh) land(err error) {
	if r.flight == nil {
		return
	}
	end := result{}
	switch {
	case errors.Is(err, errElsewhere):
		end.fate = again
	case err != nil:
		end.fate, end.err = failed, err
	}
	r.flight.found, r.flight.foundIn = r.entry, tiers.L1
	r.h.flights.settle(r.flight, end)
	r.h.land(r.flight)
	r.flight = nil
}

// run looks whether the fleet has something newer, asks whether the entry still holds, unless it was purged meanwhile, and
// fetches it whole when the 304 is about something else.
func (r *refresh) run(ctx context.Context) error {
	defer func() {
		if v := recover(); v != nil {
			r.land(nil)
			panic(v)
		}
	}()
	r.asOf = r.h.Invalidation.Now() // before anything is looked at
	if e, err := r.h.Stack.GetFar(ctx, r.entry.Key, r); err == nil && e.Born > r.entry.Born.Add(sameBirth) && e.TTL(tiers.Now()) > 0 && r.h.Invalidation.Check(e, tiers.Now()) == invalidation.Valid {
		if f := r.share(e, nil, 0); f != nil {
			r.h.flights.end(f)
		}
		return nil
	}
	if r.elsewhere(ctx) {
		return errElsewhere
	}
	base, doubted := r.h.standing(r.entry, tiers.Now())
	if base != nil && len(policy.AppendConditions(nil, base)) > 0 && (!doubted || policy.Strong(base, time.Now())) {
		r.base, r.doubted = base, doubted
		if confirmed, err := r.fetch(ctx, policy.AppendConditions(nil, base)); err != nil || confirmed {
			return err
		}
	}
	_, err := r.fetch(ctx, nil)
	return err
}

// elsewhere tells whether another sidecar is fetching the same, or has just done so.
func (r *refresh) elsewhere(ctx context.Context) bool {
	f := r.flight
	if r.h.Fleet == nil || f == nil {
		return false
	}
	c := newClaim(r.h)
	switch got, err := r.h.Fleet.Claim(ctx, f.key, c.token, r.h.claimLife()); {
	case err != nil, got >= tiers.ClaimUnshared:
		return false
	case got == tiers.ClaimMine:
		f.claim.Store(c)
		return false
	}
	return true
}

// Variant implements [tiers.Selector].
func (r *refresh) Variant(vary string) string {
	return string(r.policy.AppendVariant(nil, vary, r.header))
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
	if r.base == nil {
		return false, errNothingAsked
	}
	fresh := r.policy.Freshened(r.base, &answer, t)
	switch {
	case fresh == nil || r.doubted && policy.Doubtful(resp.Header):
		return false, nil
	case !r.policy.Keepable(fresh, &r.req):
		return true, r.h.Stack.Delete(ctx, r.entry.Key)
	}
	r.h.Invalidation.Stamp(fresh, r.asOf)
	r.policy.Jitter(fresh, rand.Float64())
	r.h.submitFill(fresh, 0, r.share(fresh, nil, resp.Status))
	return true, nil
}

// replace stores the origin's new response, which it owns. One that may not be stored still ends the old one.
func (r *refresh) replace(ctx context.Context, resp *upstream.Response, t policy.Times) error {
	h := r.h
	e, _ := h.judge(r.policy, r.key, &r.req, r.header, resp, t, r.asOf)
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
	r.policy.Jitter(e, rand.Float64())
	s := newStream(h, resp, e, reserved)
	s.flight = r.share(e, s, resp.Status)
	return s.pump()
}

var (
	errOriginFailed = errors.New("refresh: the origin answered with a server error")
	errNothingAsked = errors.New("refresh: a 304 to a request without conditions")
	errElsewhere    = errors.New("refresh: another sidecar is fetching it")
	errNoRoom       = errors.New("refresh: POOL_QUEUE_BYTES is used up")
)
