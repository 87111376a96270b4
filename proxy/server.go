package proxy

import (
	"context"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// Limits of what clients may do. A sidecar's clients are its app: they are generous.
const (
	headerTimeout  = 30 * time.Second // to a complete request header, from a connection's or a request's first byte
	idleTimeout    = 10 * time.Minute // between two requests of a connection
	maxHeaderBytes = 32 << 10         // of a request's line and fields
	streamAbove    = 16 << 10         // request content up to this is read before the request goes on
)

// Server is the listener of the clients.
type Server struct {
	h    *Handler
	http *fasthttp.Server
}

// NewServer makes a Server that answers by h.
func NewServer(h *Handler) *Server {
	s := &Server{h: h}
	s.http = &fasthttp.Server{
		Handler:                      h.Handle,
		ErrorHandler:                 h.handleBadRequest,
		ReadTimeout:                  headerTimeout,
		IdleTimeout:                  idleTimeout,
		ReadBufferSize:               maxHeaderBytes,
		MaxRequestBodySize:           streamAbove,
		StreamRequestBody:            true,
		ReduceMemoryUsage:            true, // a buffer to write with is a connection's only while it is written to
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		NoDefaultDate:                true,
		SecureErrorLogMessage:        true,
		Logger:                       fasthttpLog{h.Log},
		ConnState:                    noteState,
	}
	return s
}

// Serve answers the connections of ln until Shutdown. It returns nil after Shutdown.
func (s *Server) Serve(ln net.Listener) error { return s.http.Serve(newLot(ln)) }

// Shutdown stops in a way that drops no request: for delay it goes on accepting and answering, each answer
// the last of its connection; then it closes the listeners and waits for requests in progress until ctx ends.
func (s *Server) Shutdown(ctx context.Context, delay time.Duration) error {
	s.h.Drain()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
	return s.http.ShutdownWithContext(ctx)
}
