package proxy

import (
	"context"
	"io"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// pass sends a request on that the store has nothing to do with, and its answer back, both as streams. An
// unsafe request that succeeded invalidates what is stored for its target (RFC 9111 §4.4), before its client hears of it.
func (h *Handler) pass(x *exchange) {
	x.outcome = Passed
	x.entry = nil
	resp := upstream.AcquireResponse()
	if _, err := h.ask(x, resp, nil); err != nil {
		resp.Release()
		h.fail(x, err)
		return
	}
	if x.req.Method == policy.Unsafe && resp.Status >= 200 && resp.Status < 400 {
		h.invalidate(x.key())
	}
	x.relay(resp, newRelay(x, resp))
}

// invalidate removes what is stored under key from both tiers. It waits for L2, at most L2_TIMEOUT: a client
// that reads what it wrote must not get the old response from there.
func (h *Handler) invalidate(key tiers.Key) {
	h.counters.invalidations.Add(1)
	if err := h.Stack.Delete(context.Background(), key); err != nil {
		h.counters.invalidationsFailed.Add(1)
	}
}

// content gives the request's content to q, as a stream.
func (x *exchange) content(q *upstream.Request) {
	if !x.req.Is(policy.Content) {
		q.ContentLength = 0
		return
	}
	q.ContentLength = int64(x.ctx.Request.Header.ContentLength())
	q.Body = &content{ctx: x.ctx, body: x.ctx.RequestBodyStream()}
}

// content is a request's content on its way upstream. A client that sends nothing for clientStall is given
// up; one that goes on sending never is.
type content struct {
	ctx  *fasthttp.RequestCtx
	body io.Reader
}

// Read implements [io.Reader].
func (c *content) Read(p []byte) (int, error) {
	if err := c.ctx.SetReadDeadline(time.Now().Add(clientStall)); err != nil {
		return 0, err
	}
	return c.body.Read(p)
}
