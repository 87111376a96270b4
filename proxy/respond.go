package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// This file is the only writer of clients' responses. Each is composed as a header block in x.out and handed
// to fasthttp by way of its parser: so the origin's Date, the order, the spelling and the duplicates of fields survive,
// which its setters do not keep.

// serve answers with a stored response, or with 304 when the client has it already.
func (x *exchange) serve(e *tiers.Entry) {
	if x.decision.Action <= policy.ServeStale && x.outcome == Hit && e.TTL(x.now) <= 0 {
		x.outcome = StaleHit
	}
	if x.saysNotModified(e) {
		x.serveNotModified(e)
		return
	}
	span, answer := policy.Span{}, policy.AnswerWhole
	if x.req.Is(policy.Range) {
		span, answer = x.req.Answer(x.header, e, time.Now())
	}
	switch answer {
	case policy.AnswerPart:
		x.servePart(e, span)
	case policy.AnswerUnsatisfiable:
		x.serveUnsatisfiable(e, span)
	default:
		x.serveBody(e)
	}
}

// saysNotModified tells whether the client has what e holds.
func (x *exchange) saysNotModified(e *tiers.Entry) bool {
	return x.req.Is(policy.IfNoneMatch|policy.IfModifiedSince) && policy.NotModified(&x.req, x.header, e, time.Now())
}

// serveArriving answers with all of the entry, whose content of so many bytes is still arriving.
func (x *exchange) serveArriving(e *tiers.Entry, length int64, content io.ReadCloser) {
	x.beginStored(e)
	x.sendStream(length, content)
}

// beginStored begins the block with the stored fields.
func (x *exchange) beginStored(e *tiers.Entry) {
	x.beginResponse(e.Status)
	if e.Flags&tiers.HasLocation != 0 {
		x.appendMapped(e.Header)
	} else {
		x.out = append(x.out, e.Header...)
	}
	x.appendAge(e)
}

// serveBody answers with all of the entry.
func (x *exchange) serveBody(e *tiers.Entry) {
	body := e.Body
	x.beginStored(e)
	x.appendLength(int64(len(body)))
	x.endResponse()
	x.ctx.Response.SetBodyRaw(body)
}

// servePart answers with a part of the stored content (RFC 9110 §15.3.7).
func (x *exchange) servePart(e *tiers.Entry, span policy.Span) {
	body := policy.ContentOf(e, span)
	x.beginResponse(fasthttp.StatusPartialContent)
	for n, v, rest := e.Header.Next(); n != nil; n, v, rest = rest.Next() {
		if !tiers.EqualFold(n, "Content-Range") {
			x.out = x.out.AppendLine(n, v)
		}
	}
	x.out = append(x.out, "Content-Range: "...)
	x.out = append(policy.AppendContentRange(x.out, span), "\r\n"...)
	x.appendAge(e)
	x.appendLength(int64(len(body)))
	x.endResponse()
	x.ctx.Response.SetBodyRaw(body)
}

// serveUnsatisfiable answers 416 (RFC 9110 §15.5.17).
func (x *exchange) serveUnsatisfiable(e *tiers.Entry, whole policy.Span) {
	x.beginResponse(fasthttp.StatusRequestedRangeNotSatisfiable)
	x.appendDate()
	x.out = append(x.out, "Content-Range: "...)
	x.out = append(policy.AppendUnsatisfied(x.out, whole.Complete), "\r\n"...)
	x.appendAge(e)
	x.appendLength(0)
	x.endResponse()
}

// serveNotModified answers 304 (RFC 9110 §15.4.5).
func (x *exchange) serveNotModified(e *tiers.Entry) {
	x.beginResponse(fasthttp.StatusNotModified)
	for n, v, rest := e.Header.Next(); n != nil; n, v, rest = rest.Next() {
		if policy.StaysIn304(n) {
			x.out = x.out.AppendLine(n, v)
		}
	}
	x.appendAge(e)
	x.endResponse()
	x.ctx.Response.SkipBody = true
}

// relay answers with the origin's response, and with its content, which owns resp from here on.
func (x *exchange) relay(resp *upstream.Response, content io.ReadCloser) {
	x.appendOrigin(resp)
	if resp.Framing != upstream.None {
		x.sendStream(resp.ContentLength, content)
		return
	}
	if resp.ContentLength >= 0 && resp.Status != fasthttp.StatusNoContent {
		x.appendLength(resp.ContentLength)
	}
	x.endResponse()
	x.ctx.Response.SkipBody = true
	_ = content.Close() //nolint:errcheck // there is none
}

// relayWhole is relay for content that has come.
func (x *exchange) relayWhole(resp *upstream.Response, body []byte) {
	x.appendOrigin(resp)
	x.appendLength(int64(len(body)))
	x.endResponse()
	x.ctx.Response.SetBodyRaw(body)
}

// sendStream ends the block, and has fasthttp send content, whose length is -1 where it is not known.
func (x *exchange) sendStream(length int64, content io.ReadCloser) {
	switch {
	case length >= 0:
		x.appendLength(length)
	case !x.ctx.Request.Header.IsHTTP11():
		x.sendUntilClose(content)
		return
	default:
		x.out = append(x.out, "Transfer-Encoding: chunked\r\n"...)
	}
	x.endResponse()
	x.ctx.Response.ImmediateHeaderFlush = length < 0 || length > smallBody // whoever waits for the header need not wait for content
	x.ctx.Response.SetBodyStream(content, int(length))
}

// appendOrigin begins the block with the origin's own words.
func (x *exchange) appendOrigin(resp *upstream.Response) {
	x.beginResponse(resp.Status)
	x.appendMapped(x.shown(resp.Header))
	if !tiers.Header(resp.Header).Has("Date") { // RFC 9110 §6.6.1
		x.appendDate()
	}
}

// sendUntilClose answers an HTTP/1.0 client with content of unknown length: its end is the connection's
// (RFC 9112 §6.3). fasthttp would send it in chunks, so the connection is taken from it.
func (x *exchange) sendUntilClose(content io.ReadCloser) {
	x.out = append(x.out, "Connection: close\r\n"...)
	x.endBlock()
	block := bytes.Clone(x.out)
	client := x.client()
	x.ctx.HijackSetNoResponse(true)
	x.ctx.Hijack(func(c net.Conn) {
		defer content.Close()
		if _, err := c.Write(block); err != nil {
			return
		}
		if _, err := io.Copy(c, content); err != nil && client != nil {
			client.cut()
		}
	})
}

// refuse answers by this proxy's own authority.
func (x *exchange) refuse(why *refusal) {
	x.outcome = Refused
	if why.reason == policy.ReasonUpstream {
		x.outcome = Failed
	}
	if x.detail == nil {
		x.detail = why.reason
	}
	x.beginResponse(why.status)
	x.appendDate()
	x.out = append(x.out, "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"...)
	switch why.status {
	case fasthttp.StatusMethodNotAllowed:
		x.out = append(x.out, "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, QUERY\r\n"...)
	case fasthttp.StatusServiceUnavailable:
		x.out = append(x.out, "Retry-After: 1\r\n"...)
	}
	body := why.text
	if body != "" {
		body = "nearside: " + body + "\n"
	}
	x.appendLength(int64(len(body)))
	x.endResponse()
	x.ctx.Response.SetBodyString(body)
	if why.status == fasthttp.StatusBadRequest || why.status >= 500 && x.ctx.Request.IsBodyStream() {
		x.ctx.Response.Header.SetConnectionClose() // what follows on the connection is not to be trusted
	}
}

// draft is what a header block is written in, and read from by fasthttp. It is not the exchange's for longer than that: of
// a thousand that wait for one response, those that are being answered share the few that are warm.
type draft struct {
	out    tiers.Header
	block  bytes.Reader
	reader *bufio.Reader // reads block
}

var drafts = sync.Pool{New: func() any { return &draft{reader: bufio.NewReaderSize(nil, 4096)} }}

func (x *exchange) beginResponse(status int) {
	if x.draft == nil {
		x.draft = drafts.Get().(*draft)
	}
	x.status = status
	x.out = append(x.draft.out[:0], "HTTP/1.1 "...)
	x.out = strconv.AppendInt(x.out, int64(status), 10)
	x.out = append(x.out, ' ')
	x.out = append(x.out, fasthttp.StatusMessage(status)...)
	x.out = append(x.out, "\r\n"...)
}

// appendAge appends the Age that a response from the store must have (RFC 9111 §5.1).
func (x *exchange) appendAge(e *tiers.Entry) {
	x.out = append(x.out, "Age: "...)
	x.out = strconv.AppendInt(x.out, int64(e.Age(x.now)/time.Second), 10)
	x.out = append(x.out, "\r\n"...)
}

func (x *exchange) appendDate() {
	x.out = append(x.out, "Date: "...)
	x.out = policy.AppendDate(x.out, time.Now())
	x.out = append(x.out, "\r\n"...)
}

func (x *exchange) appendLength(n int64) {
	x.out = append(x.out, "Content-Length: "...)
	x.out = strconv.AppendInt(x.out, n, 10)
	x.out = append(x.out, "\r\n"...)
}

// endResponse ends the block and hands it to fasthttp.
func (x *exchange) endResponse() {
	x.endBlock()
	d := x.draft
	d.block.Reset(x.out)
	if len(x.out) > d.reader.Size() {
		d.reader = bufio.NewReaderSize(nil, 2*len(x.out))
	}
	d.reader.Reset(&d.block)
	head := &x.ctx.Response.Header
	head.DisableNormalizing()
	if err := head.Read(d.reader); err != nil && err != io.EOF {
		panic("response header that cannot be sent: " + err.Error())
	}
	d.out, x.out, x.draft = x.out, nil, nil
	drafts.Put(d)
	if x.h.draining.Load() {
		head.SetConnectionClose()
	}
}

// endBlock adds what every response has.
func (x *exchange) endBlock() {
	x.out = append(x.out, "Via: 1.1 "...)
	x.out = append(x.out, x.h.pseudonym...)
	x.out = append(x.out, "\r\n"...)
	x.appendCacheStatus()
	if x.h.Config.XCache {
		x.appendXCache()
	}
	x.out = append(x.out, "\r\n"...)
}
