package proxy

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// relay is the content of an origin's response on its way to the client, and, when entry is set, into
// the store too. fasthttp reads it after the handler has returned, and closes it; so it owns all it needs.
type relay struct {
	h    *Handler
	resp *upstream.Response
	conn net.Conn // the client's; nil when there is none

	entry    *tiers.Entry                    // to be stored when the content is complete; nil = not stored
	merge    func(*tiers.Entry) *tiers.Entry // what it becomes with what is stored; nil = itself
	kept     []byte                          // the content so far
	reserved int64                           // bytes of the budget held for it
}

func newRelay(x *exchange, resp *upstream.Response) *relay {
	return &relay{h: x.h, resp: resp, conn: x.ctx.Conn()}
}

// Read implements [io.Reader]. It returns io.EOF only after the last byte of a complete content; any other
// error makes fasthttp cut the client's connection, so that a truncation shows.
func (r *relay) Read(p []byte) (int, error) {
	if r.conn != nil {
		_ = r.conn.SetWriteDeadline(time.Now().Add(clientStall)) //nolint:errcheck // the write that follows would fail
	}
	n, err := r.resp.Body.Read(p)
	if r.entry != nil {
		r.keep(p[:n])
	}
	switch {
	case errors.Is(err, io.EOF):
		r.finish()
	case err != nil:
		r.h.noteFailure(err)
		r.keepPart()
	}
	return n, err
}

// keep appends b to what will be stored, as long as there is room for it.
func (r *relay) keep(b []byte) {
	need := int64(len(r.kept) + len(b))
	if need > int64(r.h.Config.MaxObjectBytes) {
		r.abandon()
		return
	}
	if need > r.reserved {
		grow := min(max(need, 2*r.reserved, 4096), int64(r.h.Config.MaxObjectBytes)) - r.reserved
		if !r.h.budget.take(grow) {
			r.h.counters.fillsNoRoom.Add(1)
			r.abandon()
			return
		}
		r.reserved += grow
	}
	r.kept = append(r.kept, b...)
}

// finish hands the complete content to the fills.
func (r *relay) finish() {
	if r.entry == nil {
		return
	}
	r.entry.Body = r.kept
	if cap(r.kept)-len(r.kept) > len(r.kept)/8 {
		r.entry.Body = append(make([]byte, 0, len(r.kept)), r.kept...)
	}
	if r.merge != nil {
		r.entry = r.merge(r.entry)
	}
	r.h.submitFill(r.entry, r.reserved)
	r.entry, r.kept, r.reserved = nil, nil, 0
}

// keepPart stores what came before the content broke off, where the rest can be fetched later (RFC 9111 §3.3).
func (r *relay) keepPart() {
	if r.entry == nil {
		return
	}
	part := policy.BrokenOff(r.entry, r.kept, r.resp.ContentLength)
	if part == nil || len(policy.AppendCompletion(nil, part, time.Now())) == 0 {
		r.abandon()
		return
	}
	r.h.submitFill(part, r.reserved)
	r.entry, r.kept, r.reserved = nil, nil, 0
}

// abandon keeps nothing.
func (r *relay) abandon() {
	r.h.budget.give(r.reserved)
	r.entry, r.kept, r.reserved = nil, nil, 0
}

// Close implements [io.Closer]. The connection to the origin is used again only if the content was read to
// its end.
func (r *relay) Close() error {
	r.keepPart()
	r.resp.Release()
	return r.conn.SetWriteDeadline(time.Time{})
}
