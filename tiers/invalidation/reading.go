package invalidation

import "time"

// reading is what tailLoop knows of a log that cannot be read, or not in part.
type reading struct {
	failingSince time.Time // zero while it can be read
	toldFailing  time.Time

	unreadable     uint64 // records, that the operator was told of
	toldUnreadable time.Time
}

// How often the operator is told of what goes on.
const (
	tellFailing    = time.Minute
	tellUnreadable = time.Second
)

// couldRead takes in that the log was read.
func (l *Log) couldRead() {
	r := &l.reading
	if !r.toldFailing.IsZero() {
		l.log.Info("the invalidation log can be read again")
	}
	r.failingSince, r.toldFailing = time.Time{}, time.Time{}
}

// couldNotRead takes in that the log could not be read. While renewals fail, too, the log is away, and that is told there.
// Otherwise, what could not be read for a lease is given up: all that is older is revalidated, and what is fetched from
// now on may be stored again.
func (l *Log) couldNotRead(err error) {
	l.counters.readsFailed.Add(1)
	r, now := &l.reading, time.Now()
	switch {
	case l.away.Load():
		r.failingSince = time.Time{}
		return
	case r.failingSince.IsZero():
		r.failingSince = now
	}
	if now.Sub(r.failingSince) < l.lease {
		return
	}
	if g := l.current.Load(); g.head.Load() > g.applied.Load() {
		l.missing(g.gen, g.head.Load())
		l.renewSoon() // whoever purged waits for this
	}
	if now.Sub(r.toldFailing) >= tellFailing {
		r.toldFailing = now
		l.log.Warn("the invalidation log cannot be read: each purge has everything revalidated", "error", err)
	}
}

// tellUnreadable tells the operator of records that cannot be read.
func (l *Log) tellUnreadable() {
	r, n := &l.reading, l.counters.unreadable.Load()
	if n == r.unreadable || time.Since(r.toldUnreadable) < tellUnreadable {
		return
	}
	l.log.Warn("records of the invalidation log cannot be read, and stand for a purge of everything", "records", n-r.unreadable)
	r.unreadable, r.toldUnreadable = n, time.Now()
}
