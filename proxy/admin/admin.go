// Package admin is the second listener: health, readiness, metrics and purging, for whoever runs the sidecar rather
// than for the app beside it.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nearside-cache/nearside/proxy"
)

// Config is the admin part of the configuration.
type Config struct {
	Addr      proxy.Addr `env:"ADMIN_ADDR" envDefault:"127.0.0.1:8081" doc:"where health, readiness, metrics and whatever changes state are served: host:port or unix:///path"`
	Token     string     `env:"ADMIN_TOKEN" secret:"true" doc:"bearer token for whatever changes state; without it, only loopback and unix sockets may"`
	ProbeAddr proxy.Addr `env:"PROBE_ADDR" default:"off" doc:"a further listener for kubelet and Prometheus: health, readiness and metrics, nothing else"`
}

// Server answers on the admin and the probe listeners.
type Server struct {
	token  string
	ops    http.Server
	probes http.Server
	ready  atomic.Bool

	purging    context.Context // ends with EndPurges
	endPurging context.CancelFunc
}

// New makes a Server whose /metrics are written by metrics, and which purges by handler. It is not ready until
// Ready(true).
func New(cfg Config, metrics http.Handler, handler *proxy.Handler, log *slog.Logger) *Server {
	s := &Server{token: cfg.Token}
	s.purging, s.endPurging = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.readiness)
	mux.Handle("GET /metrics", metrics)
	s.probes = newServer(mux, log)
	purge := s.guard(purger{handler, log}.ServeHTTP)
	s.ops = newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Not by the mux: it would clean the path, and redirect.
		switch {
		case r.Method == "PURGE" || r.Method == http.MethodPost && r.URL.Path == "/purge":
			purge(w, r)
		case r.URL.Path == "/purge":
			w.Header().Set("Allow", "POST, PURGE")
			refuse(w, http.StatusMethodNotAllowed, "want POST /purge, or PURGE with a path")
		default:
			mux.ServeHTTP(w, r)
		}
	}), log)
	s.ops.BaseContext = func(net.Listener) context.Context { return s.purging }
	return s
}

func newServer(handler http.Handler, log *slog.Logger) http.Server {
	return http.Server{
		Handler:           handler,
		ConnContext:       withConnection,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Serve answers the connections of ln until Shutdown: with all there is.
func (s *Server) Serve(ln net.Listener) error { return serve(&s.ops, ln) }

// ServeProbes answers the connections of ln until Shutdown: with health, readiness and metrics, and nothing else.
func (s *Server) ServeProbes(ln net.Listener) error { return serve(&s.probes, ln) }

func serve(server *http.Server, ln net.Listener) error {
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Ready says whether new requests should be sent to this sidecar. Redis does not matter to it: without L2 a
// request is answered all the same.
func (s *Server) Ready(yes bool) { s.ready.Store(yes) }

// EndPurges has the purges that wait to be confirmed answered at once, with those that have not done so. They hold.
func (s *Server) EndPurges() { s.endPurging() }

// Shutdown closes the listeners and waits for answers in progress until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.EndPurges()
	return errors.Join(s.ops.Shutdown(ctx), s.probes.Shutdown(ctx))
}

// health is liveness: the process answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") }

func (s *Server) readiness(w http.ResponseWriter, _ *http.Request) {
	if s.ready.Load() {
		answer(w, http.StatusOK, "ready\n")
		return
	}
	answer(w, http.StatusServiceUnavailable, "stopping or not started\n")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) //nolint:errcheck // the prober has gone
}
