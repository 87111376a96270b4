package redis

import (
	"encoding/binary"
	"strings"
	"sync/atomic"
)

// hints remember the epoch and the first Vary list of targets with variants, so that a variant can be asked
// for in the same round trip as the index that proves it. A wrong hint costs a round trip, never an answer.
// Targets that fall on one place push each other out; the table never grows.
type hints [1 << 13]atomic.Pointer[hint]

type hint struct {
	digest digest
	epoch  epoch
	vary   string
}

func (h *hints) at(d digest) *atomic.Pointer[hint] {
	return &h[binary.LittleEndian.Uint64(d[:])%uint64(len(h))]
}

// get returns what is known of a target, or nil.
func (h *hints) get(d digest) *hint {
	if x := h.at(d).Load(); x != nil && x.digest == d {
		return x
	}
	return nil
}

// set remembers. It keeps no reference to vary, which may be a piece of something larger.
func (h *hints) set(d digest, e epoch, vary string) {
	if x := h.get(d); x != nil && x.epoch == e && x.vary == vary {
		return
	}
	h.at(d).Store(&hint{d, e, strings.Clone(vary)})
}

// drop forgets a target.
func (h *hints) drop(d digest) {
	if x := h.get(d); x != nil {
		h.at(d).CompareAndSwap(x, nil)
	}
}
