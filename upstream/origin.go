// Package upstream speaks to the one origin behind the cache. It is the only
// client of the API.
//
// A [Request] goes out as the client wrote it, byte for byte, except for what
// RFC 9110 §7.6.1 and RFC 9112 §6 have a proxy make anew: Host, the framing,
// and the fields that are about one connection. A [Response] comes back in the
// origin's own words too, and its body streams: nothing here holds a body.
//
// fasthttp's HostClient keeps the connections (how many there may be, who
// waits for one, how long one may idle), and fasthttp's parser frames the
// responses. What happens on a connection in between is this package's:
//
//  1. A connection that was idle is looked at before it is used. Anything that
//     came unasked, and be it its end, and another connection takes its place.
//  2. The request is written. An origin that refuses it early is heard early.
//  3. The response's header has until one fixed time to arrive; each next part
//     of the body has that long again.
//  4. A connection whose message ended exactly where it should goes back.
//
// One request is sent once. The only exception is a safe request without
// content on a used connection that closes without a word: that origin was
// closing it as we wrote, and the request is sent one more time.
package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// maxIdle is how long an unused connection is kept. Origins that close earlier
// do no harm: the guard sees it.
const maxIdle = 15 * time.Second

// earlyAnswer is how long an origin that took only a part of the request may
// take to let us read what it has already said.
const earlyAnswer = 10 * time.Millisecond

// Origin is one origin and the connections to it. It is safe for concurrent
// use; the zero value is not usable, see [New].
type Origin struct {
	url            URL
	host           []byte
	preserveHost   bool
	timeout        time.Duration
	connectTimeout time.Duration
	tls            *tls.Config // nil: in the clear

	client   fasthttp.HostClient
	leases   atomic.Int64 // connections in use, and requests that wait for one
	most     int64        // leases that there may be
	breaker  breaker
	hedges   hedges
	heads    sync.Pool // *[]byte, for request heads
	counters counters
}

// New returns an Origin for a valid Config. It reads the certificate files
// and does not connect.
func New(config Config) (*Origin, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	secure, err := config.tlsConfig()
	if err != nil {
		return nil, err
	}
	o := &Origin{
		url:            config.URL,
		host:           []byte(config.URL.authority),
		preserveHost:   config.Host == preserveHost,
		timeout:        config.Timeout,
		connectTimeout: config.ConnectTimeout,
		tls:            secure,
		most:           int64(config.MaxConns) + int64(config.MaxWaiting),
		breaker:        breaker{threshold: int64(config.BreakerFailures)},
		hedges:         hedges{after: config.HedgeAfter},
		heads:          sync.Pool{New: func() any { return new([]byte) }},
	}
	if config.Host != "" && !o.preserveHost {
		o.host = []byte(config.Host)
	}
	o.client = fasthttp.HostClient{
		Addr:                "origin", // for HostClient only: dial knows the address
		Dial:                func(string) (net.Conn, error) { return o.dial() },
		MaxConns:            config.MaxConns,
		MaxConnWaitTimeout:  config.ConnectTimeout,
		MaxIdleConnDuration: maxIdle,
		ReadBufferSize:      maxHead,
		ConnPoolStrategy:    fasthttp.LIFO, // the freshest connection is the likeliest to live
	}
	return o, nil
}

// CloseIdle closes the connections that carry no request. Requests in progress
// go on, and later ones dial again.
func (o *Origin) CloseIdle() { o.client.CloseIdleConnections() }

// Do sends req and returns with the final response's header in resp, whose
// Body is then read from the connection. The caller must read Body to io.EOF
// or Close resp, whichever is first; after an error there is nothing to close.
// Do blocks for up to ConnectTimeout to get a connection, for as long as the
// request's body moves, and for up to Timeout after that. The error is an
// *Error. A small GET over a warm connection allocates nothing.
func (o *Origin) Do(req *Request, resp *Response) error {
	resp.Reset()
	o.counters.requests.Add(1)
	e := errOpen
	if p := o.breaker.enter(req.streams()); p != barred {
		e = o.attend(p, req, resp)
	}
	if e != nil {
		resp.Reset()
		o.counters.error(e)
		return e
	}
	o.counters.response(resp.Status)
	return nil
}

// attend is do, and tells the breaker what came of it: of a panic, nothing.
func (o *Origin) attend(p pass, req *Request, resp *Response) *Error {
	e := errOpen
	defer func() { o.breaker.leave(p, e) }()
	e = o.do(p, req, resp)
	return e
}

func (o *Origin) do(p pass, req *Request, resp *Response) *Error {
	buf := o.heads.Get().(*[]byte)
	defer o.heads.Put(buf)
	head, e := o.appendHead((*buf)[:0], req)
	*buf = head
	if e != nil {
		return e
	}
	x := exchange{o: o, head: head, req: req, resp: resp, start: time.Now()}
	if o.hedges.after > 0 && p != probe && req.replayable() {
		return x.hedge()
	}
	return x.send()
}

// exchange is one call of Do.
type exchange struct {
	o        *Origin
	head     []byte
	req      *Request
	resp     *Response
	start    time.Time
	headerBy time.Time // when the header must be there; set once, a retry does not move it
	reused   bool      // the connection had carried a request before
}

// send makes the one attempt, or the two where the first was lost.
func (x *exchange) send() *Error {
	e := x.attempt()
	if e != nil && x.lost(e) {
		x.o.counters.retries.Add(1)
		e = x.attempt()
	}
	return e
}

// lost reports whether the request may be sent again: the origin closed a used
// connection without a byte, and a second sending can do no harm. Never after
// a timeout (RFC 9112 §9.3.1).
func (x *exchange) lost(e *Error) bool {
	return e.Kind == Closed && x.reused && x.resp.untouched && x.req.replayable()
}

// attempt sends the request on one connection and reads the response's header.
func (x *exchange) attempt() *Error {
	c, e := x.connect()
	if e != nil {
		return e
	}
	x.reused = c.used
	c.begin(x.req.Context)
	x.resp.attach(x.o, c)
	if e = x.talk(c); e != nil && x.resp.c != nil {
		x.resp.finish(false)
	}
	return e
}

func (x *exchange) talk(c *conn) *Error {
	sent := c.send(x.head, x.req, x.resp.br)
	x.resp.reusable = sent.all
	if sent.err != nil {
		return x.hearOut(sent.err)
	}
	if x.headerBy.IsZero() {
		x.headerBy = time.Now().Add(x.o.timeout)
	}
	return x.resp.readHead(x.req.Method, x.headerBy)
}

// hearOut looks for an answer that an origin gave before it stopped taking
// the request, such as a 413. Without one, the error of sending stands.
func (x *exchange) hearOut(e *Error) *Error {
	deaf := e.Kind != WriteTimeout && e.Kind != Closed
	if deaf || !x.req.hasBody() {
		return e
	}
	if x.resp.readHead(x.req.Method, time.Now().Add(earlyAnswer)) != nil {
		return e
	}
	return nil
}

// connect returns a connection that is new, or on which nothing came since its
// last response. Those found stale are thrown away; they are finitely many,
// since one that was dialled after the beginning and never used is not looked at.
func (x *exchange) connect() (*conn, *Error) {
	for {
		if ctx := x.req.Context; ctx != nil && ctx.Err() != nil {
			return nil, fail(Canceled, context.Cause(ctx))
		}
		c, err := x.o.lease()
		if err != nil {
			return nil, err
		}
		fresh := !c.used && c.born.After(x.start)
		if fresh || !c.stale() {
			return c, nil
		}
		x.o.counters.stale.Add(1)
		c.discard()
	}
}

// lease takes a connection from HostClient: an idle one, a new one, or after
// waiting the one that another request gave back. When enough wait already, it
// says so at once.
func (o *Origin) lease() (*conn, *Error) {
	if o.leases.Add(1) > o.most {
		o.leases.Add(-1)
		return nil, fail(NoConn, errCrowded)
	}
	lent, err := o.client.AcquireConn(0, false)
	if err != nil {
		o.leases.Add(-1)
		var e *Error
		if errors.As(err, &e) {
			return nil, e
		}
		return nil, fail(NoConn, err)
	}
	c := lent.Conn().(*conn)
	if c.release == nil {
		c.release = func() { o.leases.Add(-1); o.client.ReleaseConn(lent) }
		c.discard = func() { o.leases.Add(-1); o.client.CloseConn(lent) }
	}
	return c, nil
}

var errOpen = fail(Open, nil)

var errCrowded = errors.New("UPSTREAM_MAX_WAITING requests wait for a connection already")
