// Package proxy is a request's one way down: read it, look it up, decide, and then serve, revalidate,
// fetch, pass or refuse. [Handler] holds the steps, [Server] the connections of the clients.
package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/pool"
	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/proxy/routes"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/upstream"
)

// Parts is what a Handler is made of. All but Stack.Near and Stack.Far must be there.
type Parts struct {
	Config    Config
	Policy    policy.Config
	Routes    []routes.Rule // what differs by method and path; the first that matches counts
	Stack     *tiers.Stack
	Fleet     Fleet // nil = each sidecar fetches by itself
	Origin    *upstream.Origin
	Upstream  upstream.Config
	Fills     *pool.Pool // writes what was fetched to L1, and hands it on to
	FarFills  *pool.Pool // which writes it to L2
	Refreshes *pool.Pool // fetches what is served stale
	Log       *slog.Logger

	Invalidation *invalidation.Log // what was purged; nil = a log of its own
	LogTimeout   time.Duration     // the most that it may add to an unsafe request; 0 = 50 ms
}

// Handler answers requests. Make one with [New]; its methods may be called from many goroutines.
type Handler struct {
	Parts

	routes       *routes.Table
	searches     searches
	uriPrefix    string // the upstream's URI, the beginning of each target URI
	origin       string // the same without its base path
	preserveHost bool   // the client's Host goes upstream, so it belongs to the Key
	hostName     string // a configured Host goes upstream: the same
	pseudonym    []byte // this process's name in Via (RFC 9110 §7.6.3)
	seed         uint64 // of the draws for early refreshes: other sidecars draw otherwise

	budget    budget
	farBytes  atomic.Int64 // of the budget, what waits for L2
	flights   *flights
	unshared  unshared
	inFlight  inFlight
	draining  atomic.Bool
	failures  everySecond
	exchanges sync.Pool
	shards    [statsShards]statsShard
	counters  counters
}

// New makes a Handler of parts. Credentials are hashed with the policy's CredentialSecret, or else with a key of this
// process alone.
func New(p Parts) *Handler {
	secret := []byte(p.Policy.CredentialSecret)
	if len(secret) == 0 {
		secret = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, rand.Uint64()), rand.Uint64())
	}
	p.Policy.SetSecret(secret)
	if p.Invalidation == nil {
		p.Invalidation = invalidation.New(invalidation.Config{Index: 1 << 16}, nil, p.Log)
	}
	if p.LogTimeout == 0 {
		p.LogTimeout = 50 * time.Millisecond
	}
	h := &Handler{
		Parts:     p,
		searches:  searches{seed: maphash.MakeSeed()},
		routes:    routes.NewTable(p.Routes, p.Policy),
		uriPrefix: p.Upstream.URL.Prefix(),
		pseudonym: fmt.Appendf(nil, "nearside-%08x", rand.Uint32()),
		seed:      rand.Uint64(),
		budget:    budget{limit: int64(p.Config.QueueBytes)},
		flights:   newFlights(),
	}
	h.origin = strings.TrimSuffix(h.uriPrefix, p.Upstream.URL.Base())
	switch p.Upstream.Host {
	case "preserve":
		h.preserveHost = true
	default:
		h.hostName = p.Upstream.Host
	}
	h.Stack.Admit = func(e *tiers.Entry) bool { return h.Invalidation.Check(e, tiers.Now()) <= invalidation.Orphan }
	var shard atomic.Uint32
	h.exchanges.New = func() any { return newExchange(&h.shards[shard.Add(1)%statsShards]) }
	return h
}

// Handle answers one request. It is a fasthttp.RequestHandler.
func (h *Handler) Handle(ctx *fasthttp.RequestCtx) {
	x := h.begin(ctx)
	defer h.end(x)
	if why := x.read(); why != nil {
		x.refuse(why)
		return
	}
	h.lookup(x)
	if x.decision.Action > policy.ServeStale && h.seek(x) {
		return
	}
	switch x.decision.Action {
	case policy.Serve:
		x.serve(x.entry)
		if x.policy.DueEarly(x.entry, x.now, h.seed) {
			h.submitRefresh(x)
		}
	case policy.ServeStale:
		x.failing = h.inFlight.failing(x.entry)
		x.serve(x.entry)
		h.submitRefresh(x)
	case policy.Revalidate, policy.Fetch:
		h.fetch(x)
	case policy.Pass:
		h.pass(x)
	case policy.Refuse:
		x.refuse(onlyIfCached)
	}
}

// lookup finds the stored response that the request selects in L1, and decides.
func (h *Handler) lookup(x *exchange) {
	if ok, _ := x.req.Usable(); !ok {
		x.decision = policy.Decide(&x.req, nil, x.now)
		return
	}
	e, err := h.getNear(x)
	if err == nil {
		x.found(e, tiers.L1)
	}
	x.decide(err)
}

// lookFar asks L2, unless what L1 has cannot be bettered there, and decides again.
func (h *Handler) lookFar(x *exchange) {
	if ok, _ := x.req.Usable(); !ok {
		return
	}
	if h.Stack.Far != nil && (x.entry == nil || x.decision.Reason != policy.ReasonRequest) {
		e, err := h.getFar(x)
		x.now = tiers.Now()
		if err == nil && (x.entry == nil || e.Born > x.entry.Born.Add(sameBirth)) {
			x.found(e, tiers.L2)
		}
		x.decide(err)
	}
	h.prefer(x)
}

// sameBirth is how far the ages that L1 and L2 tell of one response may differ: Redis counts in milliseconds.
const sameBirth = 20 * time.Millisecond

// decide decides by what was found so far. miss is why the tier that was asked last found nothing.
func (x *exchange) decide(miss error) {
	others := x.decision.Reason == policy.ReasonVaryMiss || errors.Is(miss, tiers.ErrVariant)
	x.decision = policy.Decide(&x.req, x.entry, x.now)
	if x.decision.Reason == policy.ReasonURIMiss && others {
		x.decision.Reason = policy.ReasonVaryMiss
	}
}

// prefer, where VARY_SELECT is on, takes another variant in L1 that the request likes as well (see [policy.Suits]).
func (h *Handler) prefer(x *exchange) {
	if !x.policy.VarySelect || x.decision.Reason != policy.ReasonVaryMiss {
		return
	}
	for _, e := range x.bases(x.key()) {
		if d := policy.Decide(&x.req, e, x.now); d.Action <= policy.ServeStale && x.policy.Suits(e, x.header) {
			x.entry, x.source, x.decision = e, tiers.L1, d
			return
		}
	}
}

// end is the one place where a request is counted and logged.
func (h *Handler) end(x *exchange) {
	if v := recover(); v != nil {
		h.counters.panics.Add(1)
		h.Log.Error("panic while answering a request", "panic", v, "stack", string(debug.Stack()))
		x.ctx.Response.Reset()
		x.refuse(panicked)
	}
	h.settle(x, result{}) // if nothing else did, nobody waits any longer
	h.land(x.handOver())
	took := tiers.Now().Sub(x.begun)
	from := tiers.None
	if x.outcome <= Revalidated {
		from = x.source
	}
	x.shard.count(x.outcome, from, took)
	if h.Config.AccessLog {
		h.logAccess(x, from, took)
	}
	x.release()
}

func (h *Handler) logAccess(x *exchange, from tiers.Source, took time.Duration) {
	attrs := []any{
		"method", string(x.ctx.Method()), "target", string(x.ctx.Request.Header.RequestURI()),
		"status", x.status, "outcome", x.outcome.String(), "took", took,
	}
	if x.route != nil && x.route.Name != "" {
		attrs = append(attrs, "route", x.route.Name)
	}
	if from != tiers.None {
		attrs = append(attrs, "tier", from.String())
	}
	if x.decision.Reason != policy.ReasonNone {
		attrs = append(attrs, "reason", x.decision.Reason.String())
	}
	if x.detail != nil {
		attrs = append(attrs, "detail", x.detail.String())
	}
	h.Log.Info("request", attrs...)
}

// Drain makes every answer from now on the last of its connection.
func (h *Handler) Drain() { h.draining.Store(true) }
