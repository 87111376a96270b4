package proxy

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// This file is what several requests for the same do about each other (RFC 9111 §4: collapsed requests).

// rounds is how many flights one request may wait for: a further one when the first brought another variant, a 304 to
// its leader's own condition, or what was purged before the request began.
const rounds = 3

// seek gets x further than L1 did: as the leader of a flight, as a follower of one, or alone. It returns true when x
// was answered with what another request fetched; else x goes on as its decision says.
func (h *Handler) seek(x *exchange) (answered bool) {
	if h.spare(x) {
		return true
	}
	if h.Config.CoalesceTimeout == 0 || !h.stores() || x.decision.Action > policy.Fetch || !policy.Collapsible(&x.req) {
		h.lookFar(x)
		return false
	}
	x.hash = h.flights.hash(x.key())
	if h.unshared.has(x.hash) || x.req.Is(policy.Authorized) && h.unshared.has(x.hash^credentials) {
		h.counters.flightsBarred.Add(1)
		x.barred = true
		h.lookFar(x)
		return false
	}
	by := x.begun.Add(h.Config.CoalesceTimeout)
	vary := h.varyOf(x)
	for round := range rounds {
		f, leads := h.flights.join(h.flightKey(x, vary), false)
		if leads {
			x.flight, x.unconditional = f, round > 0
			h.lead(x)
			return false
		}
		if f.refresh && x.entry == nil { // L2 may have what is being renewed
			if h.lookFar(x); x.decision.Action <= policy.ServeStale {
				return false
			}
		}
		if !h.await(f, by) {
			h.counters.followersTimedOut.Add(1)
			return h.weary(x)
		}
		switch h.admit(x, f, by) {
		case answeredHere:
			return true
		case alone:
			return false
		case next:
			if f.result.entry != nil {
				vary = f.result.entry.Vary
			}
		}
	}
	h.counters.followersReleased.Add(1)
	return false
}

// weary deals with a follower that has waited long enough: it gets a stale response where that is allowed, else it goes
// alone.
func (h *Handler) weary(x *exchange) (answered bool) {
	if policy.StandIn(&x.req, x.entry, tiers.Now()) {
		x.unasked = true
		x.standIn()
		return true
	}
	h.lookFar(x)
	return false
}

// spare answers with a stale response that stands in for an error, without asking, when the origin failed a moment ago:
// for this response, or for so many that it is not asked. Whether it is well again is found out in the background.
func (h *Handler) spare(x *exchange) (answered bool) {
	if x.decision.Action != policy.Revalidate || !policy.StandIn(&x.req, x.entry, x.now) || !h.Origin.Open() && !h.inFlight.failing(x.entry) {
		return false
	}
	h.settle(x, result{fate: failed})
	x.unasked = true
	x.standIn()
	h.submitRefresh(x)
	return true
}

// varyOf is what the stored response varies on, or, where there is none, those for other request fields: then the
// requests with one set of values have a flight of their own.
func (h *Handler) varyOf(x *exchange) string {
	if x.entry != nil {
		return x.entry.Vary
	}
	if x.decision.Reason != policy.ReasonVaryMiss {
		return ""
	}
	for _, e := range h.Stack.Variants(x.key()) {
		return e.Vary
	}
	return ""
}

// flightKey names what x asks for: the Key under which its response would be stored, as far as is known, the part that is
// asked for, and the values for the fields that vary names. The bytes are the exchange's.
func (h *Handler) flightKey(x *exchange, vary string) tiers.Key {
	key, said := h.searchKey(x)
	if said == nil {
		key = x.key()
	}
	if vary == "" && !x.req.Is(policy.Range) {
		return key
	}
	b := append(x.flightBuf[:0], key...)
	if x.req.Is(policy.Range) {
		b = strconv.AppendInt(append(b, 0, 'r'), x.req.Asked.First, 10)
		b = strconv.AppendInt(append(b, '-'), x.req.Asked.Last, 10)
	}
	if vary != "" {
		b = appendFlightVariant(b, vary, x.Variant(vary))
	}
	x.flightBuf = b
	return bytesKey(b)
}

func appendFlightVariant(key []byte, vary, variant string) []byte {
	return append(append(append(append(key, 0, 'v'), vary...), 0), variant...)
}

// lead has the leader of a flight look at L1 once more, as what it missed may have landed meanwhile, and then at L2.
func (h *Handler) lead(x *exchange) {
	x.reconsider()
	if !h.lookAgain(x) {
		if h.lookFar(x); x.decision.Action > policy.ServeStale {
			h.enlist(x)
		}
	}
	f := x.flight
	f.found, f.foundIn = x.entry, x.source
	switch {
	case x.decision.Action <= policy.ServeStale:
		h.settle(x, result{fate: shared, entry: x.entry, source: x.source})
		h.yield(f, tiers.ClaimStored)
		h.flights.end(x.handOver())
	case x.barred: // by another sidecar's word
		h.settle(x, result{fate: released})
	}
}

// lookAgain tells whether L1 has by now what x may be served. It is not counted as a look-up.
func (h *Handler) lookAgain(x *exchange) bool {
	if h.lookAt(x, x.bases(x.key())) {
		return true
	}
	key, said := h.searchKey(x)
	return said != nil && h.lookAt(x, x.bases(key))
}

// lookAt tells whether x may be served one of the stored responses that were found.
func (h *Handler) lookAt(x *exchange, found []*tiers.Entry) bool {
	for _, e := range found {
		if e == x.entry || !e.Selects(x) {
			continue
		}
		if d := policy.Decide(&x.req, e, x.now); d.Action <= policy.ServeStale {
			x.entry, x.source, x.decision = e, tiers.L1, d
			return true
		}
	}
	return false
}

// await waits until f is settled, and returns false when that does not come to pass in time.
func (h *Handler) await(f *flight, by tiers.Instant) bool {
	if f.ready == nil { // settled before this follower joined
		return true
	}
	h.counters.followers.Add(1)
	defer h.counters.followers.Add(-1)
	timer := time.NewTimer(by.Sub(tiers.Now()))
	defer timer.Stop()
	select {
	case <-f.ready:
		return true
	case <-timer.C:
		return false
	}
}

// boarding is what becomes of a follower.
type boarding uint8

const (
	alone        boarding = iota // it goes on by itself, at once
	next                         // it may share the next flight
	answeredHere                 // it has its answer
)

// admit is the one place where a follower gets what a settled flight brought, or does not.
func (h *Handler) admit(x *exchange, f *flight, by tiers.Instant) boarding {
	r := &f.result
	switch {
	case r.fate == again:
		return next
	case r.fate != shared:
		return h.disembark(x, f)
	case !h.isFor(x, r.entry):
		h.counters.followersReleased.Add(1)
		return alone
	case !r.entry.Selects(x):
		return next
	}
	e := r.entry
	x.now = tiers.Now()
	if !x.mayShare(f, e) { // those that it came too late for share the next one
		h.flights.end(f)
		h.counters.followersLate.Add(1)
		return next
	}
	if r.source != tiers.None {
		h.take(x, e, r.source)
		return alone // as its own decision about it says
	}
	if policy.Decide(&x.req, e, x.now).Action > policy.ServeStale {
		h.counters.followersReleased.Add(1)
		if r.arriving == nil {
			h.take(x, e, tiers.None)
		}
		return alone
	}
	x.outcome, x.collapsed, x.fwdStatus = Collapsed, true, r.status
	if r.arriving == nil {
		x.entry = e
		x.serve(e)
		return answeredHere
	}
	if h.follow(x, e, r.arriving, by) {
		return answeredHere
	}
	x.outcome, x.collapsed, x.fwdStatus = Hit, false, 0
	h.counters.followersReleased.Add(1)
	return alone
}

// isFor tells whether e, which a request for the same flight brought, is a response for x's target: the query that it was
// fetched with may be another one, which No-Vary-Search must take for the same.
func (h *Handler) isFor(x *exchange, e *tiers.Entry) bool {
	if e.Key == x.key() {
		return true
	}
	key, said := h.searchKey(x)
	return said != nil && e.Key == key && sameSearch(e, said, x.keyBuf)
}

// take has x decide by what its flight's leader found, which spares it a look of its own.
func (h *Handler) take(x *exchange, e *tiers.Entry, from tiers.Source) {
	x.now = tiers.Now()
	x.found(e, from)
	x.decide(nil)
}

// disembark deals with the follower of a flight that brought nothing to share. Where the origin failed, a stale
// response stands in, or the failure is the follower's as well; else it goes on by itself, knowing what the leader found.
func (h *Handler) disembark(x *exchange, f *flight) boarding {
	r := &f.result
	if f.found != nil && f.found != x.entry && h.isFor(x, f.found) && f.found.Selects(x) && (x.entry == nil || f.found.Born > x.entry.Born) {
		h.take(x, f.found, f.foundIn)
		if x.decision.Action <= policy.ServeStale {
			return alone
		}
	}
	switch {
	case r.fate == failed || policy.IsError(r.status):
		if policy.StandIn(&x.req, x.entry, tiers.Now()) {
			x.collapsed, x.fwdStatus = true, r.status
			x.standIn()
			return answeredHere
		}
		if r.err != nil && everybodys(r.err) {
			x.collapsed, x.outcome = true, Failed
			x.fail(r.err)
			return answeredHere
		}
	case r.status == 304:
		return next
	}
	h.counters.followersReleased.Add(1)
	return alone
}

// everybodys tells whether an error is any other request's as well: no other request would have fared better.
func everybodys(err error) bool {
	var ue *upstream.Error
	if !errors.As(err, &ue) {
		return false
	}
	switch ue.Kind {
	case upstream.NoConn, upstream.Open, upstream.Refused, upstream.Unreachable, upstream.ConnectTimeout, upstream.TLS, upstream.HeaderTimeout:
		return true
	}
	return false
}

// follow answers x with e, whose content is arriving. It returns false, with nothing answered, when the content's
// beginning is not there any more, or what x asks for needs it all and does not come in time.
func (h *Handler) follow(x *exchange, e *tiers.Entry, s *stream, by tiers.Instant) bool {
	if whole := s.whole(); whole != nil {
		return x.serveArrived(whole)
	}
	if x.saysNotModified(e) {
		x.entry = e
		x.serveNotModified(e)
		return true
	}
	if x.req.Is(policy.Range) || s.merge != nil {
		timer := time.NewTimer(by.Sub(tiers.Now()))
		defer timer.Stop()
		select {
		case <-s.done:
		case <-timer.C:
		}
		whole := s.whole()
		return whole != nil && x.serveArrived(whole)
	}
	content := s.read(x.client())
	if content == nil {
		return false
	}
	x.entry = e
	x.serveArriving(e, s.length, content)
	return true
}

// serveArrived answers with e if x may have it: parts may have been combined into it.
func (x *exchange) serveArrived(e *tiers.Entry) bool {
	x.now = tiers.Now()
	if policy.Decide(&x.req, e, x.now).Action > policy.ServeStale {
		return false
	}
	x.entry = e
	x.serve(e)
	return true
}

// settle lets the followers of x's flight go, if it leads one.
func (h *Handler) settle(x *exchange, r result) {
	if x.flight == nil {
		return
	}
	h.flights.settle(x.flight, r)
}

// share settles x's flight with e, which was fetched or confirmed, and returns the flight, for the fill to end it. What
// could not be served to a second request like x is not shared.
func (h *Handler) share(x *exchange, e *tiers.Entry, arriving *stream) *flight {
	h.inFlight.done(e)
	x.policy.Jitter(e, rand.Float64())
	if policy.Decide(&x.req, e, tiers.Now()).Action > policy.ServeStale {
		why := policy.ReasonNone
		if e.Lifetime == 0 || e.Flags&tiers.NoCache != 0 {
			why = policy.ReasonNoFreshness
		}
		h.keepApart(x, e.Status, why)
		return nil
	}
	if x.barred {
		h.unshared.forget(x.hash)
		h.unshared.forget(x.hash ^ credentials)
	}
	h.settle(x, result{fate: shared, entry: e, arriving: arriving, status: x.fwdStatus})
	return x.handOver()
}

// keepApart settles x's flight with nothing to share, and notes the key when the next flight would bring nothing either.
func (h *Handler) keepApart(x *exchange, status int, why policy.Reason) {
	if x.hash != 0 {
		if likely, credentialed := policy.Unshareable(status, why); credentialed {
			h.unshared.note(x.hash ^ credentials)
		} else if likely {
			h.unshared.note(x.hash)
		}
	}
	h.settle(x, result{fate: released, status: status})
}

// handOver takes the flight from x: somebody else ends it.
func (x *exchange) handOver() *flight {
	f := x.flight
	x.flight = nil
	return f
}
