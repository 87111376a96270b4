package proxy

import (
	"context"
	"strings"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// pass sends a request on that the store has nothing to do with, and its answer back, both as streams. An
// unsafe request that succeeded invalidates what is stored for its target (RFC 9111 §4.4), before its client hears of it.
func (h *Handler) pass(x *exchange) {
	x.outcome = Passed
	resp := upstream.AcquireResponse()
	t, err := h.ask(x, resp, nil, nil)
	if err != nil {
		resp.Release()
		h.fail(x, err)
		return
	}
	switch {
	case x.req.Method == policy.Head && x.entry != nil && !x.doubted && x.ownsEntry() && !x.req.CC.Has(policy.DirNoStore):
		h.learn(x, resp, t)
	case policy.Invalidates(x.req.Method, resp.Status):
		e, why := h.judgePost(x, resp, t, h.invalidate(x, resp.Header))
		h.deliver(x, resp, e, why)
		return
	}
	x.entry = nil
	h.forward(x, resp)
}

// ownsEntry tells whether the stored response may change by what the origin tells this client.
func (x *exchange) ownsEntry() bool {
	return !x.req.Is(policy.Authorized) || x.req.Is(policy.Partitioned)
}

// learn takes in what the answer to a HEAD request says of the stored response to GET (RFC 9111 §4.3.5).
func (h *Handler) learn(x *exchange, resp *upstream.Response, t policy.Times) {
	r := x.policy.ReadResponse(resp.Status, resp.Header)
	fresh := x.policy.HeadFreshened(x.entry, &r, resp.ContentLength, t)
	if fresh == nil {
		return
	}
	h.Invalidation.Stamp(fresh, x.entry.AsOf.Earlier(x.asOf))
	if fresh.Expires() > t.Received && x.policy.Keepable(fresh, &policy.Request{Method: policy.Get, Cond: x.req.Cond & (policy.Authorized | policy.Partitioned)}) {
		h.submitFill(fresh, 0, nil)
		return
	}
	_ = h.Stack.Delete(context.Background(), x.key()) //nolint:errcheck // it is stale all the same
}

// judgePost makes the stored response for the answer to a POST that says it is what a GET would get (RFC 9110
// §9.3.3), or tells why it is not stored. asOf is its position: what it replaces was purged just now.
func (h *Handler) judgePost(x *exchange, resp *upstream.Response, t policy.Times, asOf tiers.Position) (*tiers.Entry, policy.Reason) {
	if h.unfit(resp) != policy.ReasonNone || !h.stores() {
		return nil, policy.ReasonNone
	}
	r := x.policy.ReadResponse(resp.Status, resp.Header)
	e, _ := x.policy.NewEntryOfPost(x.ctx.Method(), strings.TrimPrefix(x.key().URI(), h.origin), x.isUpstream, &x.req, x.header, &r, t)
	if e != nil {
		e.Key = tiers.Key(strings.Clone(string(x.key())))
		h.Invalidation.Stamp(e, asOf)
	}
	return e, policy.ReasonNone
}
