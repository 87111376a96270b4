package proxy

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/upstream"
)

// readContent reads the content of a query, which belongs into its Key (RFC 10008 §2.7). A query with more than
// QUERY_MAX_BYTES, or for which POOL_QUEUE_BYTES has no room, is passed. The content that was read is x.body, and what
// is left of it x.rest.
func (x *exchange) readContent() *refusal {
	x.body = x.body[:0]
	if !x.req.Is(policy.Content) {
		return nil
	}
	limit := int64(x.h.Config.QueryMaxBytes)
	length := int64(x.ctx.Request.Header.ContentLength())
	stream := &content{ctx: x.ctx, body: x.ctx.RequestBodyStream()}
	x.rest = stream
	switch {
	case length > limit:
		x.passContent(policy.ReasonTooLarge)
		return nil
	case !x.h.budget.take(limit):
		x.passContent(policy.ReasonNoRoom)
		return nil
	}
	x.room = limit
	x.body = slices.Grow(x.body, int(min(max(length, 512), limit))+1)
	err := x.fillBody(stream, limit)
	switch {
	case errors.Is(err, io.EOF):
		x.rest = nil
		x.room = int64(len(x.body))
		x.h.budget.give(limit - x.room)
	case err != nil:
		return contentFailed
	default:
		x.passContent(policy.ReasonTooLarge)
	}
	return nil
}

// fillBody reads up to limit bytes, and returns io.EOF when there are no more.
func (x *exchange) fillBody(from io.Reader, limit int64) error {
	for {
		if len(x.body) == cap(x.body) {
			x.body = append(x.body, 0)[:len(x.body)]
		}
		room := min(int64(cap(x.body)), limit+1) - int64(len(x.body))
		n, err := from.Read(x.body[len(x.body) : int64(len(x.body))+room])
		x.body = x.body[:len(x.body)+n]
		if err != nil || int64(len(x.body)) > limit {
			return err
		}
	}
}

// passContent has the request passed, and says why.
func (x *exchange) passContent(why policy.Reason) {
	x.req.Cond |= policy.Unkeyed
	x.detail = why
}

// keptBody is the memory of x.body that is worth keeping for the next query.
func (x *exchange) keptBody() []byte {
	if cap(x.body) > 16<<10 {
		return nil
	}
	return x.body[:0]
}

// content gives the request's content to q: from memory when it is there whole, else as a stream.
func (x *exchange) content(q *upstream.Request) {
	switch {
	case !x.req.Is(policy.Content):
		q.ContentLength = 0
	case x.req.Method == policy.Query && x.rest == nil:
		q.BodyBytes = x.body
	case x.req.Method == policy.Query:
		q.ContentLength = int64(x.ctx.Request.Header.ContentLength())
		q.Body = io.MultiReader(bytes.NewReader(x.body), x.rest)
	default:
		q.ContentLength = int64(x.ctx.Request.Header.ContentLength())
		q.Body = &content{ctx: x.ctx, body: x.ctx.RequestBodyStream()}
	}
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
