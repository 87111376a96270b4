package invalidation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// MaxSelectors is how many selectors a Record holds at most.
const MaxSelectors = 64

// Record is one entry of the log.
type Record struct {
	Gen, N    uint64 // where it stands; 0 before it was appended
	Soft      bool   // what matches is stale, rather than gone
	Ask       bool   // somebody waits for it to be applied: say so at once
	Selectors []Selector

	unreadable bool
}

// Unreadable returns what stands for a record that is found at a position of the log and cannot be read: a purge of
// everything. gen is 0 where that cannot be read either.
func Unreadable(gen, n uint64) Record {
	return Record{Gen: gen, N: n, Ask: true, Selectors: []Selector{{Kind: All}}, unreadable: true}
}

// records splits a purge into records.
func records(soft, ask bool, selectors []Selector) (all []Record) {
	for len(selectors) > 0 {
		n := min(len(selectors), MaxSelectors)
		all = append(all, Record{Soft: soft, Ask: ask, Selectors: selectors[:n:n]})
		selectors = selectors[n:]
	}
	return all
}

// Text returns the selectors as a journal keeps them: one a line, its kind's first letter before its name.
func (r *Record) Text() string {
	var b strings.Builder
	for i, s := range r.Selectors {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteByte("upta"[s.Kind])
		b.WriteString(s.Name)
	}
	return b.String()
}

// ParseSelectors reads what [Record.Text] wrote.
func ParseSelectors(text string) (selectors []Selector, err error) {
	for line := range strings.SplitSeq(text, "\n") {
		kind := -1
		if line != "" {
			kind = strings.IndexByte("upta", line[0])
		}
		if kind < 0 {
			return nil, fmt.Errorf("invalidation: %q is no selector", line)
		}
		selectors = append(selectors, Selector{Kind(kind), line[1:]})
	}
	return selectors, nil
}

// ErrTerms is what [Journal.Renew] returns when the fleet has another lease or another mode.
var ErrTerms = errors.New("COHERENCE or COHERENCE_LEASE differ from the fleet's")

// Journal keeps the log that a fleet shares. Its methods may be called from several goroutines; each ends with its
// context, and may fail at any time, with or without having done its work.
type Journal interface {
	// Append adds records, and returns the position of the last one.
	Append(ctx context.Context, records []Record) (tiers.Position, error)

	// Renew says that a member is alive and what it has applied, and returns the log's generation and the position of
	// its last record. It returns [ErrTerms] for a member whose terms are not those of the others. When the member has
	// met records of this generation beyond the last one, others write there, too, and Renew begins another one.
	Renew(ctx context.Context, m Renewal) (tiers.Position, error)

	// Read returns the first records after a position, in order. It waits for one for as long as wait when there
	// is none, and then returns none.
	Read(ctx context.Context, after uint64, wait time.Duration) ([]Record, error)

	// Before returns up to count records at and before a position, the latest first.
	Before(ctx context.Context, at uint64, count int) ([]Record, error)

	// Members returns the generation and who is known in it.
	Members(ctx context.Context) (gen uint64, members []Member, err error)

	// Remove takes a member out, if it did not renew since.
	Remove(ctx context.Context, m Member) error
}

// Renewal is what a member says of itself.
type Renewal struct {
	ID      string
	At      tiers.Position // what it has applied
	Met     uint64         // the highest position that it has applied, or found something unreadable at
	Counter uint64         // another one each time
	Terms   string         // the same for the whole fleet
}

// Member is what the journal knows of one.
type Member struct {
	ID    string
	At    int64  // what it had applied when it renewed last; -1 when that was of another generation
	Value string // changes with each renewal
}
