package proxy

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// fetch gets the response that the store could not give: by a conditional request when there is a stored
// response to confirm, else by the request as it came.
func (h *Handler) fetch(x *exchange) {
	if h.spare(x) { // with what L2 had
		return
	}
	x.outcome = Miss
	switch {
	case x.decision.Action == policy.Revalidate && h.revalidate(x, x.entry),
		x.decision.Reason == policy.ReasonVaryMiss && h.revalidate(x, tagged(x.bases(x.key()))...),
		x.decision.Reason == policy.ReasonPartial && !x.req.Is(policy.Range) && h.complete(x):
		return
	}
	var omit func([]byte) bool
	if x.unconditional {
		omit = policy.IsCondition
	}
	resp := upstream.AcquireResponse()
	t, err := h.ask(x, resp, nil, omit)
	if h.standIn(x, resp, err) {
		return
	}
	h.answer(x, resp, t)
}

// revalidate asks the origin whether one of the stored responses entries holds (RFC 9111 §4.3), and answers. It
// returns false, with nothing answered, when that cannot be asked, or when the 304 is about none of them: then the request
// goes on as it came.
func (h *Handler) revalidate(x *exchange, entries ...*tiers.Entry) bool {
	entries = x.firm(entries)
	conditions := policy.AppendConditions(nil, entries...)
	if len(conditions) == 0 {
		return false
	}
	resp := upstream.AcquireResponse()
	t, err := h.ask(x, resp, conditions, policy.IsCondition)
	if h.standIn(x, resp, err) {
		return true
	}
	if resp.Status != fasthttp.StatusNotModified {
		h.answer(x, resp, t)
		return true
	}
	defer resp.Release()
	r := x.policy.ReadResponse(resp.Status, resp.Header)
	fresh := h.freshened(x, &r, t, entries)
	if fresh == nil || x.doubted && policy.Doubtful(resp.Header) {
		return false
	}
	h.Invalidation.Stamp(fresh, x.asOf)
	if !x.req.CC.Has(policy.DirNoStore) && x.policy.Keepable(fresh, &x.req) {
		x.stored = h.submitFill(fresh, 0, h.share(x, fresh, nil))
	}
	x.outcome, x.entry, x.now = Revalidated, fresh, tiers.Now()
	x.serve(fresh)
	return true
}

// tagged returns those of the variants that have an entity tag: Last-Modified does not tell variants apart, so a lone one
// is given twice, for which no If-Modified-Since is made.
func tagged(variants []*tiers.Entry) (with []*tiers.Entry) {
	for _, e := range variants {
		if e.Header.Has("ETag") {
			with = append(with, e)
		}
	}
	if len(with) == 1 {
		with = append(with, with[0])
	}
	return with
}

// freshened makes the stored response that a 304 selects and freshens, or nil. One that other request fields had
// selected becomes a variant for this request's.
func (h *Handler) freshened(x *exchange, r *policy.Response, t policy.Times, entries []*tiers.Entry) *tiers.Entry {
	selected := policy.Selected(r, entries...)
	if len(selected) == 0 {
		return nil
	}
	fresh := x.policy.Freshened(selected[0], r, t)
	if fresh != nil && fresh.Vary != "" {
		fresh.Variant = strings.Clone(x.Variant(fresh.Vary))
	}
	return fresh
}

// ask sends the exchange's request upstream. The lines of extra, if there are any, stand in for the client's own
// that replaced names.
func (h *Handler) ask(x *exchange, resp *upstream.Response, extra tiers.Header, replaced func(name []byte) bool) (policy.Times, error) {
	q := upstream.Request{
		Method:     x.ctx.Method(),
		Target:     x.target.raw,
		Header:     x.header,
		Extra:      h.appendVia(extra, x.ctx.Request.Header.IsHTTP11()),
		Omit:       replaced,
		ClientHost: x.host,
	}
	if x.hops > 0 {
		q.Omit = isMaxForwards
		q.Extra = fmt.Appendf(q.Extra, "Max-Forwards: %d\r\n", x.hops-1)
	}
	x.content(&q)
	t, err := h.do(&q, resp)
	if err == nil {
		x.fwdStatus = resp.Status
	}
	return t, err
}

// appendVia appends the line that names this proxy (RFC 9110 §7.6.3).
func (h *Handler) appendVia(dst tiers.Header, http11 bool) tiers.Header {
	if http11 {
		dst = append(dst, "Via: 1.1 "...)
	} else {
		dst = append(dst, "Via: 1.0 "...)
	}
	dst = append(dst, h.pseudonym...)
	return append(dst, "\r\n"...)
}

// do asks the origin and takes the time.
func (h *Handler) do(q *upstream.Request, resp *upstream.Response) (t policy.Times, err error) {
	t.Requested = tiers.Now()
	err = h.Origin.Do(q, resp)
	resp.Header = joinCodings(resp.Header)
	t.Received, t.Wall = tiers.Now(), time.Now()
	return t, err
}

// standIn deals with an origin that failed: it answers with the stale response where that is allowed (RFC
// 5861 §4), or with an error of this proxy's own when there is no response to pass on. It returns false when the origin's
// response should go its way.
func (h *Handler) standIn(x *exchange, resp *upstream.Response, err error) bool {
	if err == nil && !policy.IsError(resp.Status) {
		return false
	}
	if policy.StandIn(&x.req, x.entry, tiers.Now()) {
		h.inFlight.failed(x.entry)
		h.settle(x, result{fate: failed, status: resp.Status, err: err})
		resp.Release()
		x.standIn()
		return true
	}
	if err == nil {
		return false
	}
	resp.Release()
	h.fail(x, err)
	return true
}

// standIn answers with the stale response.
func (x *exchange) standIn() {
	x.outcome, x.detail, x.now = StaleError, policy.ReasonStaleOnError, tiers.Now()
	x.serve(x.entry)
}

// fail answers for an origin that gave no usable response.
func (h *Handler) fail(x *exchange, err error) {
	h.noteFailure(err)
	h.settle(x, result{fate: failed, err: err})
	x.fail(err)
}

func (x *exchange) fail(err error) {
	why := upstreamAway
	var ue *upstream.Error
	if errors.As(err, &ue) {
		x.detail = ue.Kind
		switch {
		case ue.Kind == upstream.NoConn:
			why = upstreamFull
		case ue.Kind == upstream.Open:
			why = upstreamOpen
		case ue.Kind == upstream.BadRequest:
			why = notForwarded
		case ue.Kind == upstream.RequestBody:
			why = contentFailed
		case ue.Kind.Timeout():
			why = upstreamSlow
		}
	}
	if why.reason == policy.ReasonUpstream && policy.NeverStale(x.entry) {
		why = staleBarred
	}
	x.refuse(why)
}

// smallBody is up to where a body is read before the answer begins: one that breaks off is then answered
// by an error of our own, and never by half a body.
const smallBody = 64 << 10

// answer passes the origin's response on and, when it may be stored, has it filled into the tiers.
func (h *Handler) answer(x *exchange, resp *upstream.Response, t policy.Times) {
	if resp.Status == fasthttp.StatusPartialContent {
		h.answerPart(x, resp, t)
		return
	}
	e, why := h.judge(x.policy, x.key(), &x.req, x.header, resp, t, x.asOf)
	h.deliver(x, resp, e, why)
}

// deliver answers with the origin's response. It is stored as e, unless e is nil: then why says why not.
func (h *Handler) deliver(x *exchange, resp *upstream.Response, e *tiers.Entry, why policy.Reason) {
	x.entry = e
	size := max(0, resp.ContentLength) // a chunked body tells it when it ends; 204 has none
	if e != nil && !h.budget.take(size) {
		h.counters.fillsNoRoom.Add(1)
		e, why = nil, policy.ReasonNoRoom
	}
	switch {
	case e == nil:
		h.keepApart(x, resp.Status, why)
		x.detail = why
		h.forward(x, resp)
	case resp.Framing == upstream.Chunked || size > smallBody:
		h.deliverLarge(x, resp, size)
	default:
		h.deliverSmall(x, resp, size)
	}
}

// forward answers with a response that is not stored.
func (h *Handler) forward(x *exchange, resp *upstream.Response) {
	if resp.Framing != upstream.Length || resp.ContentLength > smallBody {
		x.relay(resp, newRelay(x, resp))
		return
	}
	defer resp.Release()
	body := make([]byte, resp.ContentLength)
	if _, err := io.ReadFull(resp.Body, body); err != nil {
		h.fail(x, err)
		return
	}
	x.relayWhole(resp, body)
}

// deliverLarge answers while the content arrives.
func (h *Handler) deliverLarge(x *exchange, resp *upstream.Response, size int64) {
	x.stored = true
	s := newStream(h, resp, x.entry, size)
	s.merge = x.merge
	s.flight = h.share(x, x.entry, s)
	content, sent := s.read(x.client()), false
	defer func() {
		if !sent { // a panic: others may be reading all the same
			content.Close()
		}
		go s.pump()
	}()
	x.relay(resp, content)
	sent = true
}

// deliverSmall reads the content before it answers.
func (h *Handler) deliverSmall(x *exchange, resp *upstream.Response, size int64) {
	defer resp.Release()
	e := x.entry
	e.Body = make([]byte, size)
	if _, err := io.ReadFull(resp.Body, e.Body); err != nil {
		h.budget.give(size)
		x.entry = nil
		h.fail(x, err)
		return
	}
	body := e.Body
	if x.merge != nil {
		e = x.merge(e)
		x.entry = e
	}
	if x.stored = h.submitFill(e, size, h.share(x, e, nil)); !x.stored {
		x.detail = policy.ReasonNoRoom
	}
	x.now = tiers.Now()
	if resp.Status == fasthttp.StatusOK && x.req.Method.Stored() && x.req.Is(policy.Range|policy.IfNoneMatch|policy.IfModifiedSince) {
		x.serve(e) // the origin was not asked for it in these words
		return
	}
	x.relayWhole(resp, body)
}

// judge decides whether the origin's response to req, which began at asOf, may be stored, and makes the Entry if so, but
// for its body. The entry shares nothing with key, header or resp.
func (h *Handler) judge(c *policy.Config, key tiers.Key, req *policy.Request, header tiers.Header, resp *upstream.Response, t policy.Times, asOf tiers.Position) (*tiers.Entry, policy.Reason) {
	if why := h.unfit(resp); why != policy.ReasonNone || !h.stores() {
		return nil, why
	}
	r := c.ReadResponse(resp.Status, resp.Header)
	e, why := c.NewEntry(req, header, &r, t)
	if e != nil {
		e.Key = h.storedKey(key, resp.Header)
		h.Invalidation.Stamp(e, asOf)
	}
	return e, why
}

// stores tells whether there is a tier to store anything in.
func (h *Handler) stores() bool { return h.Stack.Near != nil || h.Stack.Far != nil }

// unfit tells why a response is not stored whatever its fields say, or ReasonNone.
func (h *Handler) unfit(resp *upstream.Response) policy.Reason {
	switch {
	case resp.Framing == upstream.UntilClose: // RFC 9111 §3.3, RFC 9112 §8
		return policy.ReasonIncomplete
	case resp.ContentLength > int64(h.Config.MaxObjectBytes):
		return policy.ReasonTooLarge
	}
	return policy.ReasonNone
}
