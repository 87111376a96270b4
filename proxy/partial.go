package proxy

import (
	"io"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// answerPart passes a partial response on, and stores it: together with what is stored already, where they are
// parts of one representation (RFC 9111 §3.3, §3.4).
func (h *Handler) answerPart(x *exchange, resp *upstream.Response, t policy.Times) {
	r := x.policy.ReadResponse(resp.Status, resp.Header)
	e, why := h.judgePart(x, &r, resp, t)
	if e != nil && x.entry != nil {
		x.merge = h.merging(x.policy, x.req, x.entry, &r, t, x.asOf)
	}
	h.deliver(x, resp, e, why)
}

// judgePart makes the stored response for a 206, or tells why it is not stored.
func (h *Handler) judgePart(x *exchange, r *policy.Response, resp *upstream.Response, t policy.Times) (*tiers.Entry, policy.Reason) {
	why := h.unfit(resp)
	span, ok := policy.PartSpan(r)
	switch {
	case why != policy.ReasonNone || !h.stores():
		return nil, why
	case !x.req.Is(policy.Range): // nobody asked for a part
		return nil, policy.ReasonStatus
	case !ok || span.Len() != resp.ContentLength:
		return nil, policy.ReasonIncomplete
	}
	e, why := x.policy.NewPart(&x.req, x.header, r, t)
	if e != nil {
		e.Key = tiers.Key(strings.Clone(string(x.key())))
		h.Invalidation.Stamp(e, x.asOf)
	}
	return e, why
}

// merging returns the function that combines a part with the stored response base. It outlives the exchange and
// the response: it has a copy of the fields. What it makes is as old as the older of both.
func (h *Handler) merging(c *policy.Config, req policy.Request, base *tiers.Entry, r *policy.Response, t policy.Times, asOf tiers.Position) func(*tiers.Entry) *tiers.Entry {
	own := c.ReadResponse(r.Status, append(tiers.Header(nil), r.Header...))
	return func(part *tiers.Entry) *tiers.Entry {
		if int64(len(base.Body)+len(part.Body)) > int64(h.Config.MaxObjectBytes) {
			return part
		}
		if both := c.Combined(base, &own, part.Body, t); both != nil && c.Keepable(both, &req) {
			h.Invalidation.Stamp(both, base.AsOf.Earlier(asOf))
			return both
		}
		return part
	}
}

// complete fetches what the stored part lacks (RFC 9111 §3.4), and answers with the whole. It returns false, with
// nothing answered, when that cannot be asked, or did not fit: then the request goes on as it came.
func (h *Handler) complete(x *exchange) bool {
	lines := policy.AppendCompletion(nil, x.entry, time.Now())
	if len(lines) == 0 {
		return false
	}
	resp := upstream.AcquireResponse()
	t, err := h.ask(x, resp, lines, policy.IsCompletion)
	if h.standIn(x, resp, err) {
		return true
	}
	if resp.Status != fasthttp.StatusPartialContent {
		h.answer(x, resp, t)
		return true
	}
	defer resp.Release()
	size := resp.ContentLength
	if size < 0 || size+int64(len(x.entry.Body)) > int64(h.Config.MaxObjectBytes) || !h.budget.take(size) {
		return false
	}
	rest := make([]byte, size)
	r := x.policy.ReadResponse(resp.Status, resp.Header)
	if _, err := io.ReadFull(resp.Body, rest); err != nil {
		h.budget.give(size)
		return false
	}
	whole := x.policy.Combined(x.entry, &r, rest, t)
	if whole == nil || whole.Status != fasthttp.StatusOK {
		h.budget.give(size)
		return false
	}
	h.Invalidation.Stamp(whole, x.entry.AsOf.Earlier(x.asOf))
	if x.policy.Keepable(whole, &x.req) {
		x.stored = h.submitFill(whole, size, h.share(x, whole, nil))
	} else {
		h.budget.give(size)
	}
	x.entry, x.now = whole, tiers.Now()
	x.serve(whole)
	return true
}
