// Package invalidation is the log of what was purged, and the proof that a stored response is none of it.
//
// A purge is a record in a log that the fleet shares (a [Journal]; without one the log is in this process). Nothing is
// looked for among the stored responses: each has the position of the log that was applied when the request for it
// began ([tiers.Entry.AsOf]), and [Log.Check] compares it, where it is served, with the positions at which its URI, a
// prefix of it, one of its tags or everything was purged last. So what began before a purge and was stored after it is
// dead on arrival, in any tier of any sidecar.
//
// What cannot be proved is not trusted: records that could not be read, or that the index had no room for, raise the
// floor below which nothing is known; and a log that was lost, or that went back, is another generation.
package invalidation

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Config is the log's part of the configuration.
type Config struct {
	Coherence string        `env:"COHERENCE" envDefault:"available" oneof:"available|strict" doc:"what a sidecar does that has lost contact with the log: available goes on serving what is fresh, strict trusts nothing after COHERENCE_LEASE; the same for the fleet"`
	Lease     time.Duration `env:"COHERENCE_LEASE" envDefault:"3s" min:"100ms" doc:"how long a sidecar trusts what it has without hearing from the log, and so the most that confirming a purge takes; the same for the fleet"`
	Retention int           `env:"INVALIDATION_RETENTION" envDefault:"100000" min:"1" doc:"records of up to 64 purged selectors that the log in Redis keeps, about; a sidecar that missed more revalidates what it has"`
	Replicas  int           `env:"INVALIDATION_REPLICAS" envDefault:"0" min:"0" doc:"replicas of Redis that must have a purge, and each renewal of trust, before it counts: with half of them or more, only one side of a split Redis counts; 0 = none"`
	Index     int           `env:"INVALIDATION_INDEX" envDefault:"262144" min:"2" doc:"purged selectors that this process remembers; what it forgot has responses revalidated that are older; about 50 bytes each"`
}

// Strict tells whether a sidecar without contact stops trusting what it has.
func (c *Config) Strict() bool { return c.Coherence == "strict" }

// Log is a process's view of the log. Make one with [New]. Its methods may be called from many goroutines; those
// for the way of a request take no lock.
type Log struct {
	cfg     Config
	id      string
	terms   string
	strict  bool
	lease   time.Duration
	margin  time.Duration // what both clocks may drift in a lease
	journal Journal       // nil = the log is in this process
	log     *slog.Logger

	version      atomic.Uint64 // changes with whatever Check looks at
	trustedUntil atomic.Int64  // an Instant
	current      atomic.Pointer[generation]
	marks        atomic.Pointer[table]
	marked       atomic.Uint64 // how many marks were ever made
	joined       atomic.Bool   // the current generation is the journal's
	away         atomic.Bool   // the last renewal failed
	blind        atomic.Bool   // who is in the fleet could not be read
	refused      atomic.Bool   // the fleet has other terms

	mu      sync.Mutex // held by whoever changes any of the above
	pending []renewed
	since   tiers.Instant // when the current generation became known
	queue   queue
	counter uint64 // of renewals
	silent  map[string]lastSeen

	census  census
	reading reading // of tailLoop alone

	kick    chan struct{} // renew now
	adopted chan struct{} // closed and replaced with each generation
	stop    context.CancelFunc
	running sync.WaitGroup

	counters counters
}

// renewed is a reply to a renewal that waits for its head to be applied.
type renewed struct {
	until tiers.Instant
	head  uint64
}

const (
	forever = tiers.Instant(math.MaxInt64)
	never   = tiers.Instant(math.MinInt64)
)

// New makes a Log on a journal; nil is a log in this process. A Log with a journal knows nothing until [Log.Start].
func New(cfg Config, journal Journal, log *slog.Logger) *Log {
	l := &Log{
		cfg: cfg, id: newID(), strict: cfg.Strict(), lease: cfg.Lease, margin: cfg.Lease / 40,
		terms: cfg.Coherence + " " + cfg.Lease.String(), journal: journal, log: log,
		kick: make(chan struct{}, 1), adopted: make(chan struct{}), silent: map[string]lastSeen{},
	}
	l.queue.init()
	l.version.Store(1)
	l.current.Store(newGeneration(random(), 0, cfg.Index)) // a private one
	l.trustedUntil.Store(int64(never))
	if journal == nil {
		l.trustedUntil.Store(int64(forever))
	}
	return l
}

// newID names this process in the fleet.
func newID() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "sidecar"
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) //nolint:errcheck // never fails
	return host + "-" + hex.EncodeToString(b[:])
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) //nolint:errcheck // never fails
	return binary.LittleEndian.Uint64(b[:]) | 1
}

// ID is the name by which this process is reported when it could not confirm a purge.
func (l *Log) ID() string { return l.id }

// Now is the position that a request which begins now may rely on. It is to be taken before the request looks
// anything up, and given to [Log.Stamp] with what comes of it.
func (l *Log) Now() tiers.Position {
	g := l.current.Load()
	return tiers.Position{Gen: g.gen, N: g.applied.Load(), Own: l.marked.Load()}
}

// Stamp gives e, which is not published yet, the position at which the request for it began, and a proof of its own.
func (l *Log) Stamp(e *tiers.Entry, asOf tiers.Position) {
	if !ruleFence {
		asOf = l.Now()
	}
	e.AsOf, e.Proof = asOf, new(tiers.Proof)
}

// Keeps tells which tiers may store a response of this position: none before a strict sidecar knows the fleet's log, and
// not the one that the fleet shares before an available one does.
func (l *Log) Keeps(asOf tiers.Position) (near, far bool) {
	switch {
	case l.journal == nil:
		return true, true
	case l.refused.Load():
		return false, false
	case !l.joined.Load() || asOf.Gen != l.current.Load().gen:
		return !l.strict, false
	}
	return true, true
}

// changed tells readers that what they compared with is another one.
func (l *Log) changed() { l.version.Add(1) }

// settle extends the trust by the renewals whose head was applied. It is called with the lock.
func (l *Log) settle() {
	applied := l.current.Load().applied.Load()
	kept := l.pending[:0]
	for _, p := range l.pending {
		if p.head > applied && ruleCatchUp {
			kept = append(kept, p)
			continue
		}
		if int64(p.until) > l.trustedUntil.Load() {
			l.trustedUntil.Store(int64(p.until))
		}
	}
	l.pending = kept
}

// maxPending bounds how many renewals may wait for records: the older ones are of no more use.
const maxPending = 64

// renewed takes in the reply to a renewal that was sent at sent.
func (l *Log) renewed(sent tiers.Instant, at tiers.Position, now tiers.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.current.Load()
	if at.Gen != g.gen && (ruleGeneration || !l.joined.Load()) {
		g = l.adopt(at, now)
	}
	l.refused.Store(false)
	raise(&g.head, at.N)
	if len(l.pending) == maxPending {
		l.pending = append(l.pending[:0], l.pending[1:]...)
	}
	if !ruleSent {
		sent = now
	}
	l.pending = append(l.pending, renewed{sent.Add(l.lease), at.N})
	l.settle()
}

// adopt begins with a generation that is new to this process. It is called with the lock.
func (l *Log) adopt(at tiers.Position, now tiers.Instant) *generation {
	old := l.current.Load()
	g := newGeneration(at.Gen, at.N, l.cfg.Index)
	g.before = &generation{gen: old.gen, limit: old.limit}
	g.before.index.Store(old.index.Load())
	g.before.recent.Store(old.recent.Load())
	l.current.Store(g)
	l.joined.Store(true)
	l.pending, l.since = nil, now
	l.readopt(g)
	l.changed()
	l.counters.generations.Add(1)
	close(l.adopted)
	l.adopted = make(chan struct{})
	return g
}

// deliver takes in records that were read from the log. It returns whether somebody waits for them, and false for ok
// when a renewal is needed to go on.
func (l *Log) deliver(batch []Record) (ask, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.current.Load()
	if met := g.meet(batch); met > 0 {
		l.counters.unreadable.Add(uint64(met))
	}
	if len(batch) > 0 && batch[0].Gen == g.gen && batch[0].N > g.applied.Load()+1 { // those before it were trimmed
		l.counters.gaps.Add(1)
	}
	n, ask, ok := g.apply(batch)
	if n > 0 {
		l.changed()
		l.settle()
		l.counters.applied.Add(uint64(n))
	}
	return ask, ok
}

// missing takes in that a read that began when head was known found nothing.
func (l *Log) missing(gen, head uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.current.Load()
	if g.gen != gen || head <= g.applied.Load() {
		return
	}
	g.jump(head)
	l.changed()
	l.settle()
	l.counters.gaps.Add(1)
}

// lapsed takes in that the fleet has other terms.
func (l *Log) lapsed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trustedUntil.Store(int64(never))
	l.refused.Store(true)
	l.changed()
}
