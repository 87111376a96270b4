package redis

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nearside-cache/nearside/tiers"
)

// A claim is a key beside that of the response. It holds the token of the sidecar that fetches, or for a moment afterwards
// what came of it. It expires, so that the death of its holder frees it.
const (
	claimSuffix = ":claim"

	claimStored   = "+"
	claimUnshared = "-"
	claimFailed   = "!"

	// How long it is known afterwards. Stored and failed: to whoever waited for it, or looked for the response in vain just
	// before. Unshared: so that the fleet's requests do not wait for each other in vain.
	justKnown     = 500 * time.Millisecond
	unsharedKnown = 5 * time.Second
)

// Claim claims for the caller, who says so by a token of its own, what is to be stored under key, unless that is claimed
// already. A claim of the caller lasts until it yields, and ttl at most; claiming it again changes nothing. Claim makes one
// round trip, and takes no longer than a look-up may.
func (t *Tier) Claim(ctx context.Context, key tiers.Key, token string, ttl time.Duration) (tiers.Claim, error) {
	if t.isOpen() {
		return 0, t.finish(OpClaim, Open, ErrOpen)
	}
	bounded := bound(ctx, t.timeout)
	defer bounded.end()
	name := t.primary(digestOf(key)) + claimSuffix
	take := goredis.NewStatusCmd(bounded, "set", name, token, "nx", "px", max(1, ttl.Milliseconds()))
	holder := goredis.NewStringCmd(bounded, "get", name)
	if err := t.finish(OpClaim, Done, t.do(bounded, OpClaim, name, len(token), take, holder)); err != nil {
		return 0, err
	}
	switch holder.Val() {
	case token:
		return tiers.ClaimMine, nil
	case claimStored:
		return tiers.ClaimStored, nil
	case claimUnshared:
		return tiers.ClaimUnshared, nil
	case claimFailed:
		return tiers.ClaimFailed, nil
	}
	return tiers.ClaimTheirs, nil
}

// yieldSource: the claim's key; its token, what takes its place, and for how long.
const yieldSource = `
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 0
`

var yieldSHA = goredis.NewScript(yieldSource).Hash()

// Yield ends the claim under key that was made with token, if it is still that, and leaves word of what came of it:
// [tiers.ClaimStored], [tiers.ClaimUnshared] or [tiers.ClaimFailed].
func (t *Tier) Yield(ctx context.Context, key tiers.Key, token string, outcome tiers.Claim) error {
	if t.isOpen() {
		return t.finish(OpYield, Open, ErrOpen)
	}
	bounded := bound(ctx, t.timeout)
	defer bounded.end()
	left, known := claimUnshared, unsharedKnown
	switch outcome {
	case tiers.ClaimStored:
		left, known = claimStored, justKnown
	case tiers.ClaimFailed:
		left, known = claimFailed, justKnown
	}
	name := t.primary(digestOf(key)) + claimSuffix
	run := func(verb, script string) error {
		return t.do(bounded, OpYield, name, 0, goredis.NewCmd(bounded, verb, script, 1, name, token, left, known.Milliseconds()))
	}
	err := run("evalsha", yieldSHA)
	if goredis.HasErrorPrefix(err, "NOSCRIPT") {
		err = run("eval", yieldSource)
	}
	return t.finish(OpYield, Done, err)
}
