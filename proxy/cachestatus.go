package proxy

import (
	"strconv"

	"github.com/nearside-cache/nearside/proxy/policy"
)

// appendCacheStatus appends the Cache-Status field (RFC 9211): what this cache did with the request. Lines
// of caches closer to the origin stand before it.
func (x *exchange) appendCacheStatus() {
	x.out = append(x.out, "Cache-Status: nearside"...)
	switch x.outcome {
	case Hit, StaleHit:
		x.out = append(x.out, "; hit"...)
		x.appendTTL()
		x.out = append(x.out, "; detail="...)
		if x.failing {
			x.out = append(x.out, "refresh-failed"...)
		} else {
			x.out = append(x.out, x.source.String()...)
		}
	case StaleError:
		if !x.unasked {
			x.appendForward()
			break
		}
		x.out = append(x.out, "; hit"...)
		x.appendTTL()
		x.appendDetail()
	case Revalidated, Miss, Collapsed, Passed, Failed:
		x.appendForward()
	case Refused:
		x.appendDetail()
	}
	x.out = append(x.out, "\r\n"...)
}

// appendForward tells that the request went on, why, and what came back.
func (x *exchange) appendForward() {
	if r := x.decision.Reason; r >= policy.ReasonBypass && r <= policy.ReasonStale {
		x.out = append(x.out, "; fwd="...)
		x.out = append(x.out, r.String()...)
	}
	if x.fwdStatus != 0 {
		x.out = append(x.out, "; fwd-status="...)
		x.out = strconv.AppendInt(x.out, int64(x.fwdStatus), 10)
	}
	if x.collapsed {
		x.out = append(x.out, "; collapsed"...)
	}
	if x.stored {
		x.out = append(x.out, "; stored"...)
	}
	if x.entry != nil && x.outcome != Passed {
		x.appendTTL()
	}
	x.appendDetail()
}

// appendTTL appends the freshness that is left, in seconds; it is negative for a stale response.
func (x *exchange) appendTTL() {
	x.out = append(x.out, "; ttl="...)
	x.out = strconv.AppendInt(x.out, policy.Seconds(x.entry.TTL(x.now)), 10)
}

func (x *exchange) appendDetail() {
	if x.detail != nil && x.detail != policy.ReasonNone {
		x.out = append(x.out, "; detail="...)
		x.out = append(x.out, x.detail.String()...)
	}
}

// appendXCache appends what other caches' users look for.
func (x *exchange) appendXCache() {
	if x.outcome <= Revalidated {
		x.out = append(x.out, "X-Cache: HIT\r\n"...)
		return
	}
	x.out = append(x.out, "X-Cache: MISS\r\n"...)
}
