package proxy

import (
	"fmt"
	"io"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/proxy/routes"
	"github.com/nearside-cache/nearside/tiers"
)

// exchange is one request on its way down. It is reused: what it refers to is the request's until the
// handler returns, and what must live longer is cloned.
type exchange struct {
	h   *Handler
	ctx *fasthttp.RequestCtx

	begun tiers.Instant // when the handler was called
	now   tiers.Instant // the time that is decided by: begun, or when L2 had answered

	// The request.
	route     *routes.Route
	policy    *policy.Config // the route's
	req       policy.Request
	header    tiers.Header // the client's field lines, as they came
	target    target
	host      []byte    // the client's Host, or the authority that replaces it
	hops      int       // Max-Forwards of an OPTIONS request; 0 = none
	body      []byte    // the content, when it is in memory: that of a query
	room      int64     // bytes of the budget held for it
	rest      io.Reader // of a query's content that is too large, what was not read
	keyBuf    []byte    // the Key's bytes
	searchBuf []byte    // those of its Key by what its path said, see search.go
	flightBuf []byte    // those of its flight where it is not that of a Key
	varied    []byte    // what Variant has made so far
	hash      uint64    // of the Key, once it was needed

	asOf    tiers.Position // the log position that was applied when the request began
	doubted bool           // what was found may have been purged: only a strong validator confirms it

	// What it has to do with others that ask for the same.
	flight        *flight // that it leads; nil = none
	unconditional bool    // it leads for others: the client's own conditions are not sent on
	barred        bool    // it goes alone, as the key's responses could not be shared
	collapsed     bool    // its answer is what another request fetched
	unasked       bool    // the origin was not asked, as it failed a moment ago

	// What was found and decided.
	entry    *tiers.Entry
	source   tiers.Source
	decision policy.Decision
	merge    func(*tiers.Entry) *tiers.Entry // what a fetched part becomes with what is stored; nil = itself

	// What became of it, for Cache-Status, metrics and the log.
	outcome   Outcome
	status    int
	fwdStatus int          // the origin's status code; 0 = it was not asked, or gave none
	failing   bool         // the stale response could not be refreshed the last time
	stored    bool         // the response was handed to the fills
	detail    fmt.Stringer // why, where the decision does not say; nil = nothing to add

	out   tiers.Header // the response's header block, while it is written
	draft *draft       // where out is written; nil before and after
	shard *statsShard
}

func newExchange(shard *statsShard) *exchange { return &exchange{shard: shard} }

// begin makes the exchange for ctx.
func (h *Handler) begin(ctx *fasthttp.RequestCtx) *exchange {
	x := h.exchanges.Get().(*exchange)
	x.h, x.ctx, x.begun = h, ctx, tiers.Now()
	x.now, x.asOf = x.begun, h.Invalidation.Now()
	return x
}

// release gives the exchange back, without what it referred to.
func (x *exchange) release() {
	h := x.h
	if x.room > 0 {
		h.budget.give(x.room)
	}
	*x = exchange{
		body: x.keptBody(), keyBuf: x.keyBuf[:0], searchBuf: x.searchBuf[:0], flightBuf: x.flightBuf[:0], varied: x.varied[:0], shard: x.shard,
	}
	h.exchanges.Put(x)
}

// key is the request's Key; its bytes are the exchange's.
func (x *exchange) key() tiers.Key { return bytesKey(x.keyBuf) }

// bytesKey is b as a Key, for as long as b does not change.
func bytesKey(b []byte) tiers.Key { return tiers.Key(unsafe.String(unsafe.SliceData(b), len(b))) }

// Variant implements [tiers.Selector]. The string is valid until the exchange is released.
func (x *exchange) Variant(vary string) string {
	start := len(x.varied)
	x.varied = x.policy.AppendVariant(x.varied, vary, x.header)
	made := x.varied[start:]
	return unsafe.String(unsafe.SliceData(made), len(made))
}
