package redis

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// slow remembers targets whose responses are large, and of these the ones that a look-up could not read in time: they are
// left out of L2 for a while, so that they are not written again and again for nobody, nor hold up what is read beside them.
// Targets that fall on one place push each other out; the table never grows.
type slow [1 << 10]atomic.Pointer[slowTarget]

type slowTarget struct {
	digest digest
	until  tiers.Instant // left out so long; 0 = not
}

const (
	large    = 64 << 10    // bytes of a value
	leaveOut = time.Minute // until it is tried again
)

func (s *slow) at(d digest) *atomic.Pointer[slowTarget] {
	return &s[binary.LittleEndian.Uint64(d[:])%uint64(len(s))]
}

// stored notes that a large response was stored.
func (s *slow) stored(d digest) {
	if x := s.at(d).Load(); x == nil || x.digest != d {
		s.at(d).Store(&slowTarget{digest: d})
	}
}

// late notes that a response did not come in time. It is nothing to a target that is not known to be large.
func (s *slow) late(d digest, now tiers.Instant) {
	if x := s.at(d).Load(); x != nil && x.digest == d {
		s.at(d).Store(&slowTarget{d, now.Add(leaveOut)})
	}
}

// leavesOut tells whether a target is left out of L2.
func (s *slow) leavesOut(d digest, now tiers.Instant) bool {
	x := s.at(d).Load()
	return x != nil && x.digest == d && now < x.until
}
