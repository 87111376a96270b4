// Package embedded runs a Redis-compatible server inside the process, on miniredis, so that the demo needs
// nothing installed. It is for that demo, and for nothing else:
//
//   - Its data lives and dies with the process. It neither saves nor replicates.
//   - Its memory has no bound: there is no maxmemory and no eviction. Only expiry removes keys.
//   - Every command takes one lock, and ten times a second all keys are walked under it. A
//     command may then wait: with 10,000 keys some 10 ms, with 50,000 some 80 ms.
//   - A key may expire up to a tenth of a second early; TTL and PTTL move in such steps.
//   - It has no CLIENT TRACKING, CONFIG or ROLE, no INFO but its clients section, no password and no TLS. WAIT
//     returns 0 at once. Scripts run, on another Lua than Redis has, but not with a "#!lua" line of flags.
//   - It is no Cluster: CLUSTER SLOTS shows one node that holds every slot.
package embedded

import (
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// tick is how often keys get older. Miniredis has no clock of its own that would do: ClockTTL walks all keys
// at every command instead.
const tick = 100 * time.Millisecond

// Server is a running server. Its methods may be called from any goroutine.
type Server struct {
	url   string
	close func()
}

// Start listens on a free port of the loopback interface, and serves until Close.
func Start() (*Server, error) {
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		age(redis, stop)
	}()
	return &Server{
		url: "redis://" + redis.Addr(),
		close: sync.OnceFunc(func() {
			close(stop)
			<-stopped
			redis.Close()
		}),
	}, nil
}

// URL returns what REDIS_URL would be for this server, such as "redis://127.0.0.1:40123".
func (s *Server) URL() string { return s.url }

// Close drops the connections and the data, and returns when no goroutine of the server is left. Closing
// again does nothing.
func (s *Server) Close() { s.close() }

// age lets the keys' lifetimes run in real time until stop is closed.
func age(redis *miniredis.Miniredis, stop <-chan struct{}) {
	t := time.NewTicker(tick)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			// What has passed, not one tick: a busy machine skips some.
			now := time.Now()
			redis.FastForward(now.Sub(last))
			last = now
		}
	}
}
