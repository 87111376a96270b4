// Package tiers holds the stored response and the places that keep it.
//
// An [Entry] is one stored response (RFC 9111 §3), immutable once published and shared by pointer.
// A [Tier] keeps entries under a [Key]: package memory is the L1 in this process, package redis the L2
// that a fleet shares, and [Stack] reads one behind the other. [AppendEntry] and [DecodeEntry] are the
// format that travels.
//
// The package imports the standard library only and knows no HTTP server, client or caching rule: what
// may be stored or reused is decided elsewhere, and stands in the Entry as numbers.
package tiers

import (
	"context"
	"errors"
	"fmt"
)

// ErrMiss is what Get returns when the tier holds nothing that the request selects.
var ErrMiss = errors.New("tiers: miss")

// ErrVariant is an [ErrMiss] of a tier that knows of other variants under the key: responses that were stored for
// other request fields (RFC 9111 §4.1).
var ErrVariant = fmt.Errorf("%w: only other variants", ErrMiss)

// Tier keeps stored responses. All methods may be called at once from many goroutines.
type Tier interface {
	// Get returns the most recently stored response under key that sel selects, or [ErrMiss], which may be [ErrVariant]. Any other
	// error means that the tier could not tell; it is then treated as a miss, and counted. The entry may
	// be stale. key is not kept: its bytes may be reused when Get has returned.
	Get(ctx context.Context, key Key, sel Selector) (*Entry, error)

	// Put stores e, in place of what it replaces: the entry with the same Key, Vary and Variant. The
	// tier shares e; nobody may change it afterwards. A tier that has no room may refuse with an error.
	Put(ctx context.Context, e *Entry) error

	// Delete removes every variant under key. Deleting what is not there is no error.
	Delete(ctx context.Context, key Key) error
}

// Selector is the request's side of content negotiation (RFC 9111 §4.1).
type Selector interface {
	// Variant returns the request's values for the fields that vary names, in one string that is equal
	// for two requests exactly when a response with this Vary may serve both. vary has the form of
	// [Entry.Vary] and is not empty. The string may live only as long as the request.
	Variant(vary string) string
}

// Selects tells whether a request may be served this stored response as far as Vary is concerned.
func (e *Entry) Selects(sel Selector) bool {
	return e.Vary == "" || sel.Variant(e.Vary) == e.Variant
}
