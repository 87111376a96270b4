// Package memory is the L1: stored responses in this process, bounded by the bytes that they use, on the
// lists of golang-lru.
//
// A look-up takes no lock: each shard has an index that readers walk without one (index.go), and a hit
// leaves no more than a mark on the node that it found. What to evict is decided when something is stored,
// under the shard's lock.
package memory

import (
	"context"
	"errors"
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Config is the tier's configuration.
type Config struct {
	MaxBytes tiers.ByteSize `env:"L1_MAX_BYTES" envDefault:"64MiB" doc:"memory for responses kept in this process; 0 turns L1 off"`
	MaxTTL   time.Duration  `env:"L1_MAX_TTL" default:"none" doc:"the longest that a response stays in L1, whatever its own lifetime; 0 sets no limit"`
	Policy   Policy         `env:"L1_POLICY" envDefault:"adaptive" doc:"what L1 evicts: adaptive, or lru for the strictly least recently used"`
}

// ErrRefused is what Put returns for an entry that is too large for its shard, of no use any more, or not
// worth the room.
var ErrRefused = errors.New("memory: entry refused")

// Tier is a [tiers.Tier] in memory. Its methods ignore their context, and never fail but for [ErrRefused].
// It starts no goroutine and needs no closing.
type Tier struct {
	seed    maphash.Seed
	shift   uint // of the hash, to get the shard
	shards  []shard
	maxTTL  time.Duration
	refused atomic.Int64
	_       [64]byte
	lookups lookups
}

var _ tiers.Tier = (*Tier)(nil)

// New returns an empty tier that holds at most cfg.MaxBytes. With MaxBytes 0 it holds nothing; callers that
// want no L1 should make none.
func New(cfg Config) *Tier {
	n := shardsFor(int64(cfg.MaxBytes))
	t := &Tier{
		seed:   maphash.MakeSeed(),
		shift:  uint(64 - bits.Len(uint(n-1))),
		shards: make([]shard, n),
		maxTTL: cfg.MaxTTL,
	}
	for i := range t.shards {
		t.shards[i].init(cfg.Policy, int64(cfg.MaxBytes)/int64(n))
	}
	return t
}

// shardsFor returns how many shards a tier has: a power of two, about as many as cores can store at once, but
// each large enough that objects of some megabytes are small in it.
func shardsFor(maxBytes int64) int {
	const least = 64 << 20
	n := 1
	for n < 4*runtime.GOMAXPROCS(0) && maxBytes/int64(2*n) >= least {
		n *= 2
	}
	return n
}

// Get returns the most recently stored entry under key that sel selects, [tiers.ErrMiss] or [tiers.ErrVariant]. It takes no
// lock and allocates nothing; with the [LRU] policy a hit takes the shard's lock for a moment.
func (t *Tier) Get(_ context.Context, key tiers.Key, sel tiers.Selector) (*tiers.Entry, error) {
	h := t.hash(key)
	now := tiers.Now()
	e, other := t.shard(h).get(h, key, sel, now)
	count := &t.lookups[t.lookups.mine()]
	if e == nil {
		count.misses.Add(1)
		if other {
			return nil, tiers.ErrVariant
		}
		return nil, tiers.ErrMiss
	}
	count.hits.Add(1)
	return e, nil
}

// Variants returns the entries of all variants under key, the most recently stored first. It takes no lock.
func (t *Tier) Variants(key tiers.Key) []*tiers.Entry {
	h := t.hash(key)
	n := t.shard(h).look(h, key)
	if n == nil {
		return nil
	}
	return n.all(tiers.Now())
}

// Put stores e, which the tier shares from then on. It holds the shard's lock for a microsecond or two, and
// for some tens of them when many entries must be looked at to find one to evict.
//
// It returns [ErrRefused] for an entry that expired or that alone would use more than half of its shard; what
// was stored in its place before is then gone, too. The [Adaptive] policy also refuses, in a full tier, a new
// entry that is much larger than the others, until it is put a second time not long after.
func (t *Tier) Put(_ context.Context, e *tiers.Entry) error {
	h := t.hash(e.Key)
	if !t.shard(h).put(h, e, tiers.Now(), t.maxTTL) {
		t.refused.Add(1)
		return ErrRefused
	}
	return nil
}

// Delete removes all variants under key. It returns nil.
func (t *Tier) Delete(_ context.Context, key tiers.Key) error {
	h := t.hash(key)
	t.shard(h).delete(h, key)
	return nil
}

func (t *Tier) hash(key tiers.Key) uint64 { return maphash.String(t.seed, string(key)) }

func (t *Tier) shard(h uint64) *shard { return &t.shards[h>>t.shift] }
