package invalidation

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Result is what became of a purge.
type Result struct {
	Position    tiers.Position // of its last record; zero while it waits to be appended
	Confirmed   bool           // no request sent from now on gets what it purged, from any sidecar
	Sidecars    int            // how many there are; 0 when that is not known
	Unconfirmed []string       // those that may still serve it, by name, if they are known
}

// Wait is how long confirming a purge takes at most, as far as clocks are concerned.
func (l *Log) Wait() time.Duration {
	if l.journal == nil {
		return 0
	}
	return l.term() + 100*time.Millisecond
}

// Purge purges what the selectors name, hard or softly, and waits until all sidecars have, or must have, taken that in;
// at the latest until wait is over. It waits somewhat longer for the log to have it. In any case it holds in this process
// from the beginning, and is appended to the log sooner or later. The selectors are not kept.
func (l *Log) Purge(ctx context.Context, wait time.Duration, soft bool, selectors []Selector) (r Result) {
	defer func() {
		l.counters.purges.Add(1)
		if !r.Confirmed {
			l.counters.unconfirmed.Add(1)
		}
	}()
	if l.journal == nil {
		return Result{Position: l.local(soft, selectors), Confirmed: true, Sidecars: 1}
	}
	by := time.Now().Add(wait)
	for pause := time.Duration(0); ; pause = l.patience() / 20 { // whatever it is that the log is lost to, over and over
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		done := make(chan acknowledged, 1)
		l.enqueue(&purge{soft: soft, ask: wait > 0, selectors: slices.Clone(selectors), done: []chan<- acknowledged{done}})
		appending := time.NewTimer(max(time.Until(by), l.patience()))
		select {
		case <-ctx.Done():
			return l.unappended()
		case <-appending.C:
			return l.unappended()
		case ack := <-done:
			appending.Stop()
			again := false
			if r, again = l.confirm(ctx, by, ack); !again {
				return r
			}
		}
	}
}

// unappended is the result of a purge that the log does not have yet: this process has it, the others that were there the
// last time that it looked do not.
func (l *Log) unappended() (r Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Sidecars = len(l.silent)
	for id := range l.silent {
		if id != l.id {
			r.Unconfirmed = append(r.Unconfirmed, id)
		}
	}
	slices.Sort(r.Unconfirmed)
	return r
}

// Invalidate purges what the selectors name, and waits until the log has it, for as long as ctx allows; not at all while
// the log is out of reach. It tells whether the log has it: if not, it holds here, and will be appended. The selectors
// become the Log's.
//
// The purge is the work of a request that began at asOf, whose answer may itself be stored: after is the answer's
// position, later than the purge if nothing else was purged since the request began, else asOf.
func (l *Log) Invalidate(ctx context.Context, asOf tiers.Position, selectors []Selector) (after tiers.Position, done bool) {
	n := uint64(len(records(false, false, selectors)))
	next := func(at tiers.Position, nth uint64) tiers.Position {
		if at.Gen != asOf.Gen || at.N != asOf.N+n || nth > asOf.Own+1 {
			return asOf
		}
		return tiers.Position{Gen: at.Gen, N: at.N, Own: nth}
	}
	if l.journal == nil {
		return next(l.local(false, selectors), asOf.Own), true
	}
	acknowledgement := make(chan acknowledged, 1)
	nth, failing := l.enqueue(&purge{selectors: selectors, done: []chan<- acknowledged{acknowledgement}})
	if failing {
		return asOf, false
	}
	select {
	case <-ctx.Done():
		return asOf, false
	case ack := <-acknowledgement:
		return next(ack.at, nth), true
	}
}

// local is a log in this process.
func (l *Log) local(soft bool, selectors []Selector) tiers.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.current.Load()
	all := records(soft, false, selectors)
	for i := range all {
		all[i].Gen, all[i].N = g.gen, g.applied.Load()+1+uint64(i)
	}
	g.apply(all)
	l.changed()
	l.counters.applied.Add(uint64(len(all)))
	return tiers.Position{Gen: g.gen, N: g.applied.Load()}
}

// confirm waits until no sidecar can serve what was purged, or the time is over. again tells that the log was lost
// meanwhile, and the record with it.
func (l *Log) confirm(ctx context.Context, by time.Time, ack acknowledged) (r Result, again bool) {
	r.Position = ack.at
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	late := time.Now().Add(50 * time.Millisecond) // by then all that are well have said so
	for ctx.Err() == nil {
		gen, members, err := l.members(ctx, time.Now().Before(late))
		v := l.judge(ack, tiers.Now(), gen, members, err)
		if err == nil || v.done {
			r = v.result
		}
		for _, m := range v.remove {
			_ = l.journal.Remove(ctx, m) //nolint:errcheck // found again by the next one
		}
		if v.done || v.again {
			return r, v.again
		}
	}
	return r, false
}

// judgement is what is known of a purge at one moment.
type judgement struct {
	result Result
	done   bool     // it is confirmed
	again  bool     // the log was lost, and a sidecar in available mode may never see it
	remove []Member // they have been silent for so long that they do not count
}

// lastSeen is since when a member has not said anything new, in the generation that it was a member of.
type lastSeen struct {
	value string
	since tiers.Instant
	gen   uint64
}

// forgotten is for how long a silent member in available mode is reported: it may be cut off, and serving.
const forgotten = time.Minute

// term is how long a sidecar's trust lasts at most, by the clock of another one.
func (l *Log) term() time.Duration {
	if !ruleMargin {
		return l.lease
	}
	return l.lease + l.margin
}

// judge tells whether a purge that was acknowledged is confirmed at now, by what the journal says of the members.
func (l *Log) judge(ack acknowledged, now tiers.Instant, gen uint64, members []Member, err error) (v judgement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	term := l.term()
	v.result.Position = ack.at
	byTime := now.Sub(ack.when) >= term || !ruleTime
	if err == nil {
		waiting := l.waiting(&v, now, gen, members, ack.at)
		known := gen == ack.at.Gen && l.current.Load().gen == gen
		fast := known && now.Sub(l.since) >= term
		v.done = len(waiting) == 0 && gen == ack.at.Gen && (fast || byTime)
		v.again = gen != ack.at.Gen && !l.strict
		v.result.Unconfirmed = waiting
	}
	if l.strict && byTime { // whoever has not applied it has stopped trusting
		v.done = true
	}
	if v.result.Confirmed = v.done; v.done {
		v.result.Unconfirmed = nil
	}
	return v
}

// waiting lists the members that have not applied a position, and notes which of them count no more.
func (l *Log) waiting(v *judgement, now tiers.Instant, gen uint64, members []Member, at tiers.Position) (names []string) {
	limit := l.term()
	if !l.strict {
		limit = max(limit, forgotten)
	}
	there := make(map[string]bool, len(members))
	for _, m := range members {
		there[m.ID] = true
		seen := l.silent[m.ID]
		if seen.value != m.Value || seen.gen != gen {
			seen = lastSeen{m.Value, now, gen}
			l.silent[m.ID] = seen
		}
		switch {
		case now.Sub(seen.since) >= limit:
			v.remove = append(v.remove, m)
			continue
		case gen != at.Gen || m.At < 0 || uint64(m.At) < at.N:
			names = append(names, m.ID)
		}
		v.result.Sidecars++
	}
	// Those that are not there have left; unless the hash was lost, and they have not been able to join again.
	maps.DeleteFunc(l.silent, func(id string, seen lastSeen) bool {
		return !there[id] && (l.strict || seen.gen == gen || now.Sub(seen.since) >= limit)
	})
	for id := range l.silent {
		if !there[id] {
			names = append(names, id)
			v.result.Sidecars++
		}
	}
	return names
}

// prune looks who is there, and takes out members that have been silent for long. It is for whoever the others keep from
// joining, and for whoever must know who was there when the log is out of reach, or lost: in available mode they go on
// serving.
func (l *Log) prune(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.patience())
	defer cancel()
	gen, members, err := l.journal.Members(ctx)
	if err != nil {
		if ctx.Err() == nil && !l.blind.Swap(true) {
			l.log.Warn("who is in the fleet cannot be read, so no purge is confirmed", "error", err)
		}
		return
	}
	l.blind.Store(false)
	var v judgement
	l.mu.Lock()
	l.waiting(&v, tiers.Now(), gen, members, tiers.Position{})
	l.mu.Unlock()
	for _, m := range v.remove {
		_ = l.journal.Remove(ctx, m) //nolint:errcheck // tried again
	}
}
