package proxy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nearside-cache/nearside/pool"
	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
)

// Fleet lets one sidecar of a fleet fetch for all. Its methods take no longer than a look-up in L2 may.
type Fleet interface {
	// Claim claims what is to be stored under key, for no longer than ttl. token is the caller's own.
	Claim(ctx context.Context, key tiers.Key, token string, ttl time.Duration) (tiers.Claim, error)
	// Yield ends the claim, if it is still the one made with token, and leaves word of what came of it.
	Yield(ctx context.Context, key tiers.Key, token string, outcome tiers.Claim) error
}

// claim is the fleet's word that this sidecar fetches.
type claim struct{ token string }

func newClaim(h *Handler) *claim { return &claim{fmt.Sprintf("%s %x", h.pseudonym, rand.Uint64())} }

// Another sidecar's fetch is looked after first after firstPoll, and then ever less often, down to once in longestPoll:
// for each key, whatever number of clients wait for it.
const (
	firstPoll   = 10 * time.Millisecond
	longestPoll = 50 * time.Millisecond
)

// claimLife is how long a claim lasts without word from its holder: less long than others wait for it, so that of these one
// takes it over, and has time to fetch.
func (h *Handler) claimLife() time.Duration { return h.Config.FleetTimeout * 7 / 8 }

// enlist has the leader of a flight wait for what another sidecar is fetching, if one is, for COALESCE_FLEET_TIMEOUT at
// most. Afterwards x.decision says what is left to do, and x.barred whether it is to do it alone. When Redis is away nobody
// waits.
func (h *Handler) enlist(x *exchange) {
	d := x.decision
	if h.Fleet == nil || d.Action != policy.Fetch && d.Action != policy.Revalidate || d.Reason == policy.ReasonRequest {
		return
	}
	f := x.flight
	c := newClaim(h)
	by := tiers.Now().Add(h.Config.FleetTimeout)
	for pause, waited := firstPoll, false; ; pause, waited = min(pause*3/2, longestPoll), true {
		got, err := h.Fleet.Claim(context.Background(), f.key, c.token, h.claimLife())
		switch {
		case err != nil, got == tiers.ClaimFailed:
			h.counters.fleetAlone.Add(1)
			return
		case got == tiers.ClaimUnshared:
			h.counters.fleetAlone.Add(1)
			h.bar(x)
			return
		case got == tiers.ClaimMine:
			f.claim.Store(c)
			h.counters.fleetLed.Add(1)
			if waited { // its holder is gone, or has stored it long ago
				h.lookFar(x)
			}
			return
		case got == tiers.ClaimStored:
			h.lookFar(x)
			if x.decision.Action <= policy.ServeStale {
				h.counters.fleetShared.Add(1)
			} else {
				h.counters.fleetAlone.Add(1)
			}
			return
		case tiers.Now().Add(pause) > by:
			h.counters.fleetTimedOut.Add(1)
			return
		}
		time.Sleep(pause)
	}
}

// bar notes that the responses for x's key cannot be shared, as another sidecar has found out.
func (h *Handler) bar(x *exchange) {
	x.barred = true
	if x.req.Is(policy.Authorized) {
		h.unshared.note(x.hash ^ credentials)
	} else {
		h.unshared.note(x.hash)
	}
}

// yield ends the flight's claim, if there is one, in a worker of the fills of L2: nobody waits for it. When they do not take
// it, it expires.
func (h *Handler) yield(f *flight, outcome tiers.Claim) {
	if f == nil {
		return
	}
	if c := f.claim.Swap(nil); c != nil {
		_ = h.FarFills.Submit(pool.JobFunc(func(ctx context.Context) error { //nolint:errcheck // it expires
			return h.Fleet.Yield(ctx, f.key, c.token, outcome)
		}))
	}
}

// yieldNow is yield for a worker of these.
func (h *Handler) yieldNow(ctx context.Context, f *flight, outcome tiers.Claim) {
	if f == nil {
		return
	}
	if c := f.claim.Swap(nil); c != nil {
		_ = h.Fleet.Yield(ctx, f.key, c.token, outcome) //nolint:errcheck // it expires
	}
}

// land ends a flight, which was settled, that brought nothing into the store.
func (h *Handler) land(f *flight) {
	if f == nil {
		return
	}
	h.flights.end(f)
	outcome := tiers.ClaimUnshared
	if f.result.fate == failed || policy.IsError(f.result.status) {
		outcome = tiers.ClaimFailed
	}
	h.yield(f, outcome)
}
