// Package redis is the L2: stored responses in a Redis that a fleet of sidecars shares.
//
// A look-up is one round trip, also for a response with variants when the target was met before, and takes no
// longer than [Config.Timeout] in any case. A Redis that fails is not asked any more until a probe in the background has
// found it well again (breaker.go). What is read is a stored response only when it is whole and its own key,
// Vary and Variant are those asked for; anything else is a miss that is counted.
//
// The time that a response spent in Redis is told by Redis's own clock, as the lifetime that its key was given less the
// lifetime that is left, so that sidecars whose clocks differ agree about its age.
package redis

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nearside-cache/nearside/tiers"
)

// Tier is a [tiers.Tier] in Redis. Errors of its methods are [ErrOpen], [*Error], [tiers.ErrMiss] or [tiers.ErrVariant].
type Tier struct {
	prefix  string
	timeout time.Duration // of a look-up
	maxTTL  time.Duration

	reads  reads
	sealer *sealer

	clients  []goredis.UniversalClient
	route    route
	gate     *breaker // before all else: that of the only server, or of the cluster as a whole; nil when there are two
	counters counters
	log      *throttle
	hints    hints
	slow     slow

	base context.Context // ends with Close
	stop context.CancelFunc
	crew crew
}

var _ tiers.Tier = (*Tier)(nil)

// maxFields is what a stored response may have beyond its body, in bytes; mostly it is the header.
const maxFields = 256 << 10

func fields(e *tiers.Entry) int {
	return len(e.Header) + len(e.Key) + len(e.Vary) + len(e.Variant) + len(e.Tags)
}

// New returns a tier on the Redis of cfg. Redis need not be there: New waits for no connection. It fails when
// cfg is not valid. The tier owns connections until Close, and goroutines while there is much to do or a server is away.
func New(cfg Config, log *slog.Logger) (*Tier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if !cfg.Enabled() {
		return nil, errors.New("redis: REDIS_URL is empty")
	}
	logLibraryTo(log)
	sealer, err := newSealer(&cfg)
	if err != nil {
		return nil, err
	}
	client, replicas, err := newClients(&cfg, patience(cfg.Timeout)+mostOfSize)
	if err != nil {
		return nil, err
	}
	t := &Tier{
		prefix:  cfg.KeyPrefix,
		timeout: cfg.Timeout,
		maxTTL:  cfg.MaxTTL,
		clients: []goredis.UniversalClient{client},
		log:     newThrottle(log),

		sealer: sealer,
	}
	if replicas != nil {
		t.clients = append(t.clients, replicas)
	}
	t.reads.init(int(cfg.maxValue()) - 1)
	t.base, t.stop = context.WithCancel(context.Background())
	t.route = t.dial(client, replicas, cfg.ReadReplicas)
	if replicas == nil {
		t.gate = &t.route.all()[0].breaker
	}
	t.crew.hire(t.greet)
	return t, nil
}

// greet makes the first connections before anybody needs them.
func (t *Tier) greet() {
	for _, client := range t.clients {
		if err := t.probe(t.base, client); err != nil && t.base.Err() == nil {
			t.log.write(levelWarn, "L2 does not answer", "error", err)
		}
	}
}

// Close ends the goroutines and closes the connections. Operations in progress fail, later ones too.
func (t *Tier) Close() {
	t.stop()
	for _, client := range t.clients {
		_ = client.Close() //nolint:errcheck // nothing can be done about it
	}
	t.crew.dismiss()
	t.sealer.close()
}

// do sends cmds, all for keys of one target of which one is given, in one round trip, follows redirections,
// and classifies and logs what came of it. It returns ErrOpen when the server's breaker is open, else nil or
// an [*Error]; that a key does not exist is none. bytes is the size of the values to be sent.
func (t *Tier) do(ctx *bounded, op Op, key string, bytes int, cmds ...goredis.Cmder) error {
	lane, err := t.route.lane(ctx, key, op)
	if err == nil {
		err = lane.do(ctx, op, cmds, bytes)
	}
	if err == nil || errors.Is(err, ErrOpen) {
		return err
	}
	r := classify(ctx, err)
	if r == Moved {
		if err = t.route.again(ctx, op, cmds); err == nil {
			return nil
		}
		r = classify(ctx, err)
	}
	err = explained(err)
	failure := &Error{op, r, err}
	if r != Cancelled && !goredis.HasErrorPrefix(err, "NOSCRIPT") {
		t.log.write(levelWarn, "L2 failed", "operation", op.String(), "result", r.String(), "error", err)
	}
	return failure
}

// isOpen tells whether Redis is not asked at all.
func (t *Tier) isOpen() bool { return t.gate != nil && t.gate.isOpen() }

// Get returns the most recently stored response under key that sel selects, or [tiers.ErrMiss]; it is a
// response of its own that nobody else refers to. It takes no longer than the configured timeout or ctx's
// deadline, whichever is sooner, and next to nothing while the breaker is open.
func (t *Tier) Get(ctx context.Context, key tiers.Key, sel tiers.Selector) (*tiers.Entry, error) {
	if t.isOpen() {
		return nil, t.finish(OpGet, Open, ErrOpen)
	}
	d := digestOf(key)
	if t.slow.leavesOut(d, tiers.Now()) {
		return nil, t.finish(OpGet, TooLarge, &Error{OpGet, TooLarge, errSlow})
	}
	bounded := bound(ctx, t.timeout)
	defer bounded.end()
	e, result, err := t.lookup(bounded, key, d, sel)
	if err != nil && resultOf(err, result) == Timeout && !bounded.hurried {
		t.slow.late(d, tiers.Now())
	}
	return e, t.finish(OpGet, result, err)
}

var errSlow = errors.New("could not be read in L2_TIMEOUT a moment ago")

// finish counts an operation and returns its error.
func (t *Tier) finish(op Op, r Result, err error) error {
	if err != nil {
		r = resultOf(err, r)
	}
	t.counters.count(op, r)
	if err == nil && op == OpGet {
		switch r {
		case Hit:
		case Other:
			return tiers.ErrVariant
		default:
			return tiers.ErrMiss
		}
	}
	return err
}

// resultOf is what an operation's error says that it came to, or r when it does not say.
func resultOf(err error, r Result) Result {
	var failure *Error
	switch {
	case errors.Is(err, ErrOpen):
		return Open
	case errors.As(err, &failure):
		return failure.Result
	}
	return r
}

// lookup reads the primary, and with it the variant that is probably wanted. When the primary is an index
// that says otherwise, it reads the variants that the index lists.
func (t *Tier) lookup(ctx *bounded, key tiers.Key, d digest, sel tiers.Selector) (*tiers.Entry, Result, error) {
	name := t.primary(d)
	now := tiers.Now() // before Redis tells the time that is left: ages are rather too high than too low
	primary, ahead := t.reads.of(name), t.guess(d, name, sel)
	if err := t.do(ctx, OpGet, name, 0, append(primary.cmds(), ahead.cmds()...)...); err != nil {
		return nil, 0, err
	}
	defer t.reads.free(primary)
	defer t.reads.free(ahead)
	if !isIndex(primary.value.Val()) {
		if ahead != nil {
			t.hints.drop(d)
		}
		return t.entry(primary, now, wanted{key: key})
	}
	ix, ok := parseIndex(primary.value.Val(), key)
	if !ok {
		return nil, Corrupt, nil
	}
	t.remember(d, ix)
	for v, variant := range ix.selects(sel) {
		read := ahead
		if at := variantKey(name, ix.epoch, v.id); read == nil || read.key != at {
			now, read = tiers.Now(), t.reads.of(at)
			if err := t.do(ctx, OpGet, name, 0, read.cmds()...); err != nil {
				return nil, 0, err
			}
		}
		if e, result, err := t.entry(read, now, wanted{key, v.vary, variant}); result != Miss {
			return e, result, err
		}
	}
	return nil, Other, nil
}

// guess returns the read of the variant that is probably wanted, or nil.
func (t *Tier) guess(d digest, name string, sel tiers.Selector) *read {
	h := t.hints.get(d)
	if h == nil || sel == nil {
		return nil
	}
	return t.reads.of(variantKey(name, h.epoch, variantID(h.vary, sel.Variant(h.vary))))
}

func (t *Tier) remember(d digest, ix *index) {
	if len(ix.variants) > 0 {
		t.hints.set(d, ix.epoch, ix.variants[0].vary)
	}
}

// Put stores e until it expires, or for the longest time that was configured. What is of no more use is left
// out, without an error. It may take much longer than a look-up, since no client waits for it: see patience.
func (t *Tier) Put(ctx context.Context, e *tiers.Entry) error {
	if t.isOpen() {
		return t.finish(OpPut, Open, ErrOpen)
	}
	now := tiers.Now()
	ttl := min(e.Expires().Sub(now), t.maxTTL).Truncate(time.Millisecond)
	if ttl <= 0 {
		t.counters.count(OpPut, Expired)
		return nil
	}
	switch {
	case len(e.Body) > t.sealer.maxBody, fields(e) > maxFields:
		return t.finish(OpPut, TooLarge, &Error{OpPut, TooLarge, errors.New("larger than MAX_OBJECT_BYTES, or its fields are")})
	case strings.ContainsRune(e.Vary, '\n'):
		return t.finish(OpPut, Failed, &Error{OpPut, Failed, errors.New("a Vary list with a line end")})
	}
	if e.Size() >= large {
		d := digestOf(e.Key)
		if t.slow.leavesOut(d, now) {
			return t.finish(OpPut, TooLarge, &Error{OpPut, TooLarge, errSlow})
		}
		t.slow.stored(d)
	}
	bounded := bound(ctx, writeTime(t.timeout, e.Size()))
	defer bounded.end()
	value := t.sealer.seal(e, now, ttl)
	if e.Vary == "" {
		return t.finish(OpPut, Done, t.putPrimary(bounded, e, value, now.Add(ttl)))
	}
	return t.finish(OpPut, Done, t.putVariant(bounded, e, value, now.Add(ttl)))
}

func (t *Tier) putPrimary(ctx *bounded, e *tiers.Entry, value []byte, until tiers.Instant) error {
	d := digestOf(e.Key)
	t.hints.drop(d)
	name := t.primary(d)
	return t.do(ctx, OpPut, name, len(value), set(ctx, name, value, until))
}

// putVariant lists the variant and stores it, in one round trip when it knows the index's epoch or when
// there is no index yet.
func (t *Tier) putVariant(ctx *bounded, e *tiers.Entry, value []byte, until tiers.Instant) error {
	d, ttl := digestOf(e.Key), max(time.Millisecond, until.Sub(tiers.Now()))
	name, id := t.primary(d), variantID(e.Vary, e.Variant)
	fresh := epoch(rand.Uint64())
	guess := fresh
	if h := t.hints.get(d); h != nil {
		guess = h.epoch
	}
	reply := enlist(ctx, false, name, fresh, id, e, ttl)
	err := t.do(ctx, OpPut, name, len(value), reply, set(ctx, variantKey(name, guess, id), value, until))
	if goredis.HasErrorPrefix(err, "NOSCRIPT") {
		reply = enlist(ctx, true, name, fresh, id, e, ttl)
		err = t.do(ctx, OpPut, name, len(value), reply, set(ctx, variantKey(name, guess, id), value, until))
	}
	if err != nil {
		return err
	}
	text, _ := reply.Text()
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return &Error{OpPut, Failed, err}
	}
	actual := epoch(n)
	t.hints.set(d, actual, e.Vary)
	if actual == guess {
		return nil
	}
	return t.do(ctx, OpPut, name, len(value), set(ctx, variantKey(name, actual, id), value, until),
		goredis.NewIntCmd(ctx, "unlink", variantKey(name, guess, id)))
}

// Delete removes key with all of its variants, in one round trip: without their index they cannot be found,
// and expire.
func (t *Tier) Delete(ctx context.Context, key tiers.Key) error {
	if t.isOpen() {
		return t.finish(OpDelete, Open, ErrOpen)
	}
	bounded := bound(ctx, t.timeout)
	defer bounded.end()
	d := digestOf(key)
	t.hints.drop(d)
	name := t.primary(d)
	return t.finish(OpDelete, Done, t.do(bounded, OpDelete, name, 0, goredis.NewIntCmd(bounded, "unlink", name)))
}
