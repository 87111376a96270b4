package proxy

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// inFlight is what is known of attempts to renew stored responses: which are under way, and which failed a moment ago. The
// zero inFlight is empty.
type inFlight struct {
	known atomic.Int64 // len(all), to be read without the lock
	mu    sync.Mutex
	all   map[variant]attempt
}

type variant struct {
	key     tiers.Key
	variant string
}

type attempt struct {
	until    tiers.Instant // when the next may begin; never = it is under way
	failures int           // in a row
}

const (
	never = tiers.Instant(1<<63 - 1)

	// refreshPause is how long a response whose renewal failed is left alone, and longestPause what that grows to as it
	// goes on failing.
	refreshPause = time.Second
	longestPause = 8 * time.Second

	// maxPaused is how many may be remembered before those whose pause is over are forgotten.
	maxPaused = 4096
)

func (a attempt) pause() time.Duration {
	return min(refreshPause<<min(max(a.failures-1, 0), 8), longestPause)
}

// begin tells whether e may be renewed now. Then it is under way, until it is ended by done, failed or dropped.
func (f *inFlight) begin(e *tiers.Entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, there := f.all[variant{e.Key, e.Variant}]
	if there && tiers.Now() < a.until {
		return false
	}
	a.until = never
	f.set(e, a)
	return true
}

// done takes e out. It is cheap when nothing is known of any.
func (f *inFlight) done(e *tiers.Entry) {
	if f.known.Load() == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, variant{e.Key, e.Variant})
	f.known.Store(int64(len(f.all)))
}

// failed has e left alone for a while, the longer the more often it failed.
func (f *inFlight) failed(e *tiers.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.all[variant{e.Key, e.Variant}]
	a.failures++
	a.until = tiers.Now().Add(a.pause())
	f.set(e, a)
}

// rest has e left alone for a moment, in which another sidecar may be done with it.
func (f *inFlight) rest(e *tiers.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.all[variant{e.Key, e.Variant}]
	a.until = tiers.Now().Add(2 * longestPoll)
	f.set(e, a)
}

// dropped ends an attempt that was not made.
func (f *inFlight) dropped(e *tiers.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.all[variant{e.Key, e.Variant}]; a.failures > 0 {
		a.until = tiers.Now().Add(refreshPause)
		f.set(e, a)
		return
	}
	delete(f.all, variant{e.Key, e.Variant})
	f.known.Store(int64(len(f.all)))
}

// failing tells whether the last attempt to renew e failed, not long ago.
func (f *inFlight) failing(e *tiers.Entry) bool {
	if f.known.Load() == 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := f.all[variant{e.Key, e.Variant}]
	return a.failures > 0 && (a.until == never || tiers.Now() < a.until.Add(a.pause()))
}

// set notes a for e, whose bytes may be part of a value that must not be kept for their sake.
func (f *inFlight) set(e *tiers.Entry, a attempt) {
	v := variant{e.Key, e.Variant}
	if _, has := f.all[v]; !has {
		v = variant{tiers.Key(strings.Clone(string(e.Key))), strings.Clone(e.Variant)}
	}
	if f.all == nil {
		f.all = map[variant]attempt{}
	}
	f.all[v] = a
	if len(f.all) > maxPaused {
		now := tiers.Now()
		maps.DeleteFunc(f.all, func(_ variant, a attempt) bool { return a.until <= now })
	}
	f.known.Store(int64(len(f.all)))
}
