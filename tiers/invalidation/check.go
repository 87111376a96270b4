package invalidation

import (
	"github.com/nearside-cache/nearside/tiers"
)

// Verdict is what the log says of a stored response.
type Verdict uint8

// The verdicts.
const (
	// Valid: nothing has purged it.
	Valid Verdict = iota
	// Stale: it was purged softly. It may be used as a stale response may.
	Stale
	// Orphan: it is of the generation before this one, and neither has purged it. It may be served while it is
	// refreshed. Available mode only.
	Orphan
	// Unprovable: it is older than what is known. It may be served when the origin confirms it by a strong validator.
	Unprovable
	// Untrusted: this process does not know what the others purged. The same applies.
	Untrusted
	// Gone: it was purged. It must not be used, nor be the base of a conditional request.
	Gone
)

// String returns the verdict as it stands in metrics and Cache-Status.
func (v Verdict) String() string {
	return [...]string{"valid", "purged-softly", "other-generation", "unprovable", "untrusted", "purged"}[v]
}

// Check says whether a stored response may be served to a request that was read at now or before, from whichever tier it
// came; and whether a request that joins another's fetch may have what that brings, with the position of that. It
// allocates nothing but the names of an Entry that is checked for the first time.
func (l *Log) Check(e *tiers.Entry, now tiers.Instant) Verdict {
	// In this order: whoever is trusted at now has, in the index that is looked at afterwards, all that was confirmed
	// before now.
	if ruleOrder && !l.trusted(now) {
		return Untrusted
	}
	stall("between trust and index")
	version := l.version.Load()
	if e.Proof != nil && e.Proof.Checked.Load() == version && ruleOrder {
		return Valid
	}
	v := l.prove(e, version)
	if !ruleOrder {
		stall("between index and trust")
		if !l.trusted(now) {
			return Untrusted
		}
	}
	if v != Valid {
		l.counters.verdicts[v].Add(1)
	}
	return v
}

// Joins tells whether a request that was read at now may have what another's fetch brings, which began at asOf.
func (l *Log) Joins(e *tiers.Entry, now tiers.Instant) bool {
	return !ruleFollower || l.Check(e, now) <= Valid
}

// trusted tells whether this process knows what the others purged, as far as it must.
func (l *Log) trusted(now tiers.Instant) bool {
	if int64(now) < l.trustedUntil.Load() {
		return true
	}
	if l.strict || l.refused.Load() {
		return false
	}
	g := l.current.Load()
	return g.head.Load() <= g.applied.Load()
}

// prove compares e with what was purged.
func (l *Log) prove(e *tiers.Entry, version uint64) Verdict {
	g := l.current.Load()
	applied := g.applied.Load() // before the look-up: what comes during it is not in it for certain
	marks := l.marks.Load()
	if marks == nil && e.AsOf.Gen == g.gen && g.quiet(e.AsOf.N) { // whatever it is called
		return proven(e, applied, version)
	}
	n := namesOf(e)
	var soft bool
	if marks != nil {
		hard, mild := marks.find(n)
		if hard > e.AsOf.Own && ruleMarks {
			return Gone
		}
		soft = mild > e.AsOf.Own
	}
	if e.AsOf.Gen != g.gen && ruleGeneration {
		return l.orphan(e, n, g)
	}
	known := e.AsOf.N
	if e.Proof != nil {
		known = max(known, e.Proof.Proven.Load())
	}
	stall("index")
	hard, mild, proved := g.find(n, known)
	switch {
	case hard > e.AsOf.N:
		return Gone
	case !proved:
		return Unprovable
	case soft || mild > e.AsOf.N:
		return Stale
	}
	return proven(e, applied, version)
}

// proven notes that nothing purged e.
func proven(e *tiers.Entry, applied, version uint64) Verdict {
	if e.Proof != nil {
		e.Proof.Proven.Store(applied)
		e.Proof.Checked.Store(version)
	}
	return Valid
}

// orphan judges a response of another generation. One of the generation before may be used once more, when all that this
// one purged is known, and nothing in either has purged it.
func (l *Log) orphan(e *tiers.Entry, n *tiers.Names, g *generation) Verdict {
	known := e.AsOf.N
	if e.Proof != nil {
		known = max(known, e.Proof.Proven.Load())
	}
	hard, soft, all := g.find(n, 0)
	switch old := g.before; {
	case hard > 0:
		return Gone
	case l.strict || soft > 0 || !all || old == nil || old.gen != e.AsOf.Gen:
		return Unprovable
	default:
		hard, soft, all = old.find(n, known)
		switch {
		case hard > e.AsOf.N:
			return Gone
		case soft > e.AsOf.N || !all:
			return Unprovable
		}
	}
	return Orphan
}
