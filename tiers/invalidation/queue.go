package invalidation

import (
	"context"
	"slices"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// queue holds what this process purged and the log has not acknowledged. Until it has, marks stand for it.
type queue struct {
	waiting []*purge
	size    int    // selectors in waiting
	held    []held // acknowledged by a generation that this process has not adopted yet
	wake    chan struct{}
	failing bool // the last attempt failed, so whoever waits would wait in vain
}

// purge is one call, or several in one.
type purge struct {
	soft, ask bool
	selectors []Selector
	done      []chan<- acknowledged
}

// acknowledged tells where a purge stands in the log, and since when it is known to.
type acknowledged struct {
	at   tiers.Position
	when tiers.Instant
}

type held struct {
	gen     uint64
	records []Record
	purge   *purge
}

// How many selectors may wait for the log: fewer while it is out of reach, when they may wait for long. Instead of more,
// everything is purged: nothing is lost.
const (
	maxQueued = 1 << 14
	maxBurst  = 1 << 17
)

// maxBatch is how many selectors are sent to the journal at a time, about.
const maxBatch = 1 << 12

func (q *queue) init() { q.wake = make(chan struct{}, 1) }

// enqueue marks what p is about, so that this process serves nothing older from now on, and has it appended. It returns
// the number of the mark, and whether the log is out of reach.
func (l *Log) enqueue(p *purge) (nth uint64, failing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := &l.queue
	q.waiting = append(q.waiting, p)
	if q.size += len(p.selectors); q.size > maxBurst || q.failing && q.size > maxQueued {
		l.log.Warn("everything is purged, as too many purges wait for the log", "selectors", q.size)
		p = q.everything()
		l.counters.overflows.Add(1)
	}
	nth = l.mark(p)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nth, q.failing
}

// everything makes one purge of all that wait, softly if they all are soft.
func (q *queue) everything() *purge {
	all := &purge{selectors: []Selector{{Kind: All}}, soft: true}
	for _, w := range q.waiting {
		all.soft = all.soft && w.soft
		all.ask = all.ask || w.ask
		all.done = append(all.done, w.done...)
		w.done = nil // should it be on its way to the log
	}
	q.waiting, q.size = []*purge{all}, 1
	return all
}

// mark notes p's selectors until the log has them, and returns the number of the mark.
func (l *Log) mark(p *purge) uint64 {
	nth := l.marked.Add(1)
	marks := l.marks.Load()
	if marks == nil {
		marks = newTable(firstPlaces)
	}
	if marks.used > 2*max(maxQueued, l.queue.size) { // many were acknowledged meanwhile
		marks = newTable(firstPlaces)
		for _, w := range l.queue.waiting {
			marks = marks.mark(w, nth)
		}
		for _, h := range l.queue.held {
			marks = marks.mark(h.purge, nth)
		}
	}
	l.marks.Store(marks.mark(p, nth))
	l.changed()
	return nth
}

// mark puts all of p's selectors, and returns the table that has them.
func (t *table) mark(p *purge, nth uint64) *table {
	for _, s := range p.selectors {
		if t.full() {
			t = t.grown()
		}
		t.put(s, p.soft, nth)
	}
	return t
}

// batch returns what is to be appended next.
func (l *Log) batch() (purges []*purge, all []Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.queue.waiting {
		if len(all) > 0 && (len(all)+1)*MaxSelectors+len(p.selectors) > maxBatch {
			break
		}
		purges = append(purges, p)
		all = append(all, records(p.soft, p.ask, p.selectors)...)
	}
	return purges, all
}

// acknowledged takes in that the log has what batch returned, the last record at position at.
func (l *Log) acknowledged(purges []*purge, all []Record, at tiers.Position, now tiers.Instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue.failing = false
	for i := range all {
		all[i].Gen, all[i].N = at.Gen, at.N-uint64(len(all)-1-i)
	}
	g := l.current.Load()
	if known := at.Gen == g.gen; known {
		l.own(g, all)
	} else {
		rest := all
		for _, p := range purges {
			n := (len(p.selectors) + MaxSelectors - 1) / MaxSelectors
			l.queue.held = append(l.queue.held, held{at.Gen, rest[:n:n], p})
			rest = rest[n:]
		}
		l.renewSoon()
	}
	for _, p := range purges {
		if i := slices.Index(l.queue.waiting, p); i >= 0 {
			l.queue.waiting = slices.Delete(l.queue.waiting, i, i+1)
			l.queue.size -= len(p.selectors)
		}
		for _, done := range p.done { // each has room for one, and gets one
			done <- acknowledged{at, now}
		}
		p.done = nil
	}
	l.unmark()
	l.changed()
	l.settle()
}

// own takes this process's own records into the index: as applied when they are next in the log, else ahead of
// those before them.
func (l *Log) own(g *generation, all []Record) {
	if len(all) > 0 && all[0].N <= g.applied.Load()+1 {
		n, _, _ := g.apply(all)
		l.counters.applied.Add(uint64(n))
		return
	}
	for i := range all {
		g.put(&all[i])
		raise(&g.head, all[i].N)
	}
}

// readopt settles what was acknowledged before g was known here. What another generation had, this one must get again.
func (l *Log) readopt(g *generation) {
	for _, h := range l.queue.held {
		if h.gen == g.gen {
			l.own(g, slices.DeleteFunc(h.records, func(r Record) bool { return r.N <= g.applied.Load() }))
			continue
		}
		l.queue.waiting = append(l.queue.waiting, h.purge)
		l.queue.size += len(h.purge.selectors)
		select {
		case l.queue.wake <- struct{}{}:
		default:
		}
	}
	l.queue.held = nil
	l.unmark()
}

// unmark forgets the marks when the log has all they stand for.
func (l *Log) unmark() {
	if len(l.queue.waiting) == 0 && len(l.queue.held) == 0 {
		l.marks.Store(nil)
	}
}

// appendLoop sends to the journal what is queued, again and again until it is acknowledged.
func (l *Log) appendLoop(ctx context.Context) {
	pause := l.patience() / 20
	for wait := pause; ; {
		purges, all := l.batch()
		if len(all) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-l.queue.wake:
			}
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, l.patience())
		at, err := l.journal.Append(bounded, all)
		cancel()
		if err == nil {
			l.acknowledged(purges, all, at, tiers.Now())
			l.counters.appended.Add(uint64(len(all)))
			wait = pause
			continue
		}
		l.appendFailed(err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, l.patience())
	}
}

func (l *Log) appendFailed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.queue.failing {
		l.log.Warn("purges cannot be appended to the log; they hold here, and are tried again", "error", err)
	}
	l.queue.failing = true
	l.counters.appendsFailed.Add(1)
}

// patience bounds one call to the journal.
func (l *Log) patience() time.Duration { return min(max(l.lease/3, 100*time.Millisecond), time.Second) }
