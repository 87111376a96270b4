package proxy

import (
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// unshared remembers for a short time of which keys the responses could not be shared, so that requests for them do not
// wait for each other in vain. It has a fixed size: a key may be forgotten early, and, as rarely as 32 bits of two
// hashes are equal, one may be taken for another; both cost no more than what coalescing would have spared. The zero
// unshared is empty.
type unshared [4096]atomic.Uint64

// unsharedFor is how long a key is remembered, unless a response for it proves that it can be shared.
const unsharedFor = 5 * time.Second

// credentials tells apart what cannot be shared by requests with Authorization only.
const credentials = 0x9e3779b97f4a7c15

const ticks = 1 << 26 // ns, about 67 ms: 2³² of them are nine years

func (u *unshared) slot(hash uint64) (*atomic.Uint64, uint64) {
	return &u[hash%uint64(len(u))], hash >> 32 << 32
}

// note remembers the key with this hash.
func (u *unshared) note(hash uint64) {
	slot, mark := u.slot(hash)
	slot.Store(mark | uint64(tiers.Now().Add(unsharedFor)/ticks)&(1<<32-1))
}

// has tells whether the key with this hash is remembered.
func (u *unshared) has(hash uint64) bool {
	slot, mark := u.slot(hash)
	v := slot.Load()
	return v != 0 && v>>32<<32 == mark && uint64(tiers.Now()/ticks)&(1<<32-1) < v&(1<<32-1)
}

// forget takes the key with this hash out.
func (u *unshared) forget(hash uint64) {
	slot, mark := u.slot(hash)
	if v := slot.Load(); v>>32<<32 == mark {
		slot.CompareAndSwap(v, 0)
	}
}
