package proxy

import (
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// everySecond lets one event a second through, and counts those that it holds back. The zero value is
// ready.
type everySecond struct {
	next atomic.Int64
	held atomic.Int64
}

// allow tells whether the event may be shown, and how many were held back since the last one that was.
func (s *everySecond) allow() (held int64, ok bool) {
	now := int64(tiers.Now())
	next := s.next.Load()
	if next != 0 && now < next || !s.next.CompareAndSwap(next, now+int64(time.Second)) {
		s.held.Add(1)
		return 0, false
	}
	return s.held.Swap(0), true
}

// noteFailure logs that the upstream failed, at most once a second.
func (h *Handler) noteFailure(err error) {
	if held, ok := h.failures.allow(); ok {
		h.Log.Warn("the upstream failed", "error", err, "more_since_last", held)
	}
}
