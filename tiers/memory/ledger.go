package memory

import "sync/atomic"

// ledger compares the adaptive policy with LRU in the same room. What LRU would hold follows from when keys were
// last used: those whose last uses are the most recent, as many as fit. So
//
//   - a miss of a key that LRU would still hold is a debit,
//   - a hit of a key that LRU would have dropped is a credit.
//
// Time is counted in eras. One ends when a 32nd of the room has been used in it, and a key belongs to the era of
// its last use, whether it is stored or only remembered as a ghost. The horizon is the era up to which LRU would
// have dropped all; of those in it, it would hold a part.
//
// Hits write here only when they are their node's first in an era, and take no lock. Everything else needs the
// shard's. Two writers at the same time may leave a figure wrong by a node: an era's goes with it, recent is counted
// anew with each era, and the balance is no more than an estimate.
type ledger struct {
	max     int64
	era     *atomic.Uint32
	horizon atomic.Uint32
	used    [1024]atomic.Int64 // bytes in each of the last eras
	recent  atomic.Int64       // bytes in the eras after the horizon
	balance atomic.Int64       // credits less debits, in parts of a hit
	most    atomic.Int64       // that the balance may be: a hit for each node stored
}

const (
	erasOfRoom = 32
	parts      = 512 // of a hit: one is credited for each node stored
)

func newLedger(max int64, era *atomic.Uint32) *ledger {
	era.Store(1)
	return &ledger{max: max, era: era}
}

// hit moves bytes of a node from the era of its last use to now.
func (l *ledger) hit(last, now uint32, bytes int64) {
	if lost := parts - l.kept(last); lost > 0 {
		l.balance.Store(min(l.balance.Load()+lost, l.most.Load()))
	}
	l.move(last, -bytes)
	l.move(now, bytes)
}

// miss takes bytes, which were last used in an era, from it: their key comes again.
func (l *ledger) miss(last uint32, bytes int64) {
	l.balance.Add(-l.kept(last))
	l.move(last, -bytes)
}

// move adds bytes to an era.
func (l *ledger) move(era uint32, bytes int64) {
	horizon := l.horizon.Load()
	if era >= horizon {
		l.of(era).Add(bytes)
	}
	if era > horizon {
		l.recent.Add(bytes)
	}
}

func (l *ledger) of(era uint32) *atomic.Int64 { return &l.used[era%uint32(len(l.used))] }

// kept is how much LRU would hold of what was last used in an era, in parts.
func (l *ledger) kept(era uint32) int64 {
	horizon := l.horizon.Load()
	switch {
	case era > horizon:
		return parts
	case era < horizon:
		return 0
	}
	room := l.max - l.recent.Load()
	return max(0, min(parts, room*parts/max(1, l.of(era).Load())))
}

// tick is called for each node that is stored, of which there are count already.
func (l *ledger) tick(count int) {
	l.most.Store(int64(count) * parts)
	l.balance.Store(min(l.balance.Load()+1, l.most.Load()))
	now := l.era.Load()
	if l.of(now).Load() >= l.max/erasOfRoom {
		now++
		l.of(now).Store(0)
		l.era.Store(now)
		l.recount(now)
	}
	for l.horizon.Load() < now && (now-l.horizon.Load() >= uint32(len(l.used)) || l.recent.Load() > l.max) {
		l.recent.Add(-l.of(l.horizon.Add(1)).Load())
	}
}

// recount sets recent, which may be wrong after moves at the same time.
func (l *ledger) recount(now uint32) {
	sum := int64(0)
	for era := l.horizon.Load() + 1; era <= now; era++ {
		sum += l.of(era).Load()
	}
	l.recent.Store(sum)
}
