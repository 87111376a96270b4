package proxy

import (
	"errors"
	"io"

	"github.com/nearside-cache/nearside/upstream"
)

// relay is the content of an origin's response on its way to one client, and to nowhere else. fasthttp reads it after
// the handler has returned, and closes it; so it owns all it needs.
type relay struct {
	h    *Handler
	resp *upstream.Response
}

func newRelay(x *exchange, resp *upstream.Response) *relay { return &relay{h: x.h, resp: resp} }

// Read implements [io.Reader]. It returns io.EOF only after the last byte of a complete content; any other
// error makes fasthttp cut the client's connection, so that a truncation shows.
func (r *relay) Read(p []byte) (int, error) {
	n, err := r.resp.Body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.h.noteFailure(err)
	}
	return n, err
}

// Close implements [io.Closer]. The connection to the origin is used again only if the content was read to
// its end.
func (r *relay) Close() error {
	r.resp.Release()
	return nil
}
