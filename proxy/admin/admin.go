// Package admin is the second listener: health, readiness and metrics, for whoever runs the sidecar rather
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
	http  http.Server
	ready atomic.Bool
}

// New makes a Server whose /metrics are written by metrics. It is not ready until Ready(true).
func New(metrics http.Handler, log *slog.Logger) *Server {
	s := &Server{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.readiness)
	mux.Handle("GET /metrics", metrics)
	s.http = http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers the connections of ln until Shutdown. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Ready says whether new requests should be sent to this sidecar. Redis does not matter to it: without L2 a
// request is answered all the same.
func (s *Server) Ready(yes bool) { s.ready.Store(yes) }

// Shutdown closes the listeners and waits for answers in progress until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

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

// Check asks the admin listener at addr for its health, as a container's HEALTHCHECK does. It waits at
// most three seconds.
func Check(addr proxy.Addr) error {
	client := http.Client{
		Timeout: 3 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return addr.Dial(ctx)
		}},
	}
	resp, err := client.Get("http://nearside/healthz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("unhealthy: " + resp.Status)
	}
	return nil
}
