// Package sample is a stand-in for somebody else's API: a food catalogue over HTTP that answers slowly and
// sends the right caching fields. The demo puts Nearside in front of it.
//
// The records are the same in every process. A PUT changes one of them until the server is closed.
package sample

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// DefaultDelay is how long each request takes unless [Config] says otherwise.
const DefaultDelay = 150 * time.Millisecond

// Config is what can be set. Its zero value is the API as the demo shows it.
type Config struct {
	Delay time.Duration // before each answer, errors and 304 included; 0 is [DefaultDelay], less than 0 is none
}

// Server is a running API. Its methods may be called from any goroutine.
type Server struct {
	url      string
	http     http.Server
	hangUp   context.CancelFunc // ends the delays of requests in progress
	served   chan error
	requests atomic.Uint64
}

// Start listens on addr, such as "127.0.0.1:0" for any free port, and serves until Close.
func Start(addr string, cfg Config) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	if cfg.Delay == 0 {
		cfg.Delay = DefaultDelay
	}
	ctx, hangUp := context.WithCancel(context.Background())
	s := &Server{url: "http://" + l.Addr().String(), hangUp: hangUp, served: make(chan error, 1)}
	s.http = http.Server{
		Handler:           s.slow(cfg.Delay, (&api{foods: newCatalogue()}).routes()),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { s.served <- s.http.Serve(l) }()
	return s, nil
}

// URL returns the API's base, such as "http://127.0.0.1:40123", with no slash at its end.
func (s *Server) URL() string { return s.url }

// Requests returns how many requests have arrived, whatever their answer. What a cache answers by itself
// does not arrive.
func (s *Server) Requests() uint64 { return s.requests.Load() }

// Close stops listening and drops the requests in progress. Closing again does nothing.
func (s *Server) Close() error {
	s.hangUp()
	err := s.http.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.served <- http.ErrServerClosed // for the next Close
	if err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	return nil
}

// slow counts requests, and hands each on after the delay.
func (s *Server) slow(delay time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if delay > 0 {
			wait := time.NewTimer(delay)
			defer wait.Stop()
			select {
			case <-wait.C:
			case <-r.Context().Done():
				panic(http.ErrAbortHandler) // to return would send an empty 200
			}
		}
		next.ServeHTTP(w, r)
	})
}
