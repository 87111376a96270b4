package redistest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Sentinel watches a master, which it calls "cache".
type Sentinel struct {
	Addr string

	socket string
}

// StartSentinel runs a redis-server in Sentinel mode until the test ends, by way of a command if that is not nil, at an IP
// address. It takes so many Sentinels to find the master down. more are further lines of its configuration.
func StartSentinel(t testing.TB, by []string, ip string, master *Server, quorum int, more string) *Sentinel {
	t.Helper()
	dir, port := shortDir(t), FreePort(t)
	s := &Sentinel{Addr: ip + ":" + port, socket: filepath.Join(dir, "s")}
	file := filepath.Join(dir, "sentinel.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, more+"port %s\nbind %s\nunixsocket %s\nsentinel monitor cache %s %s %d\n"+
		"sentinel down-after-milliseconds cache 500\nsentinel failover-timeout cache 3000\n", port, ip, s.socket, master.IP, master.Peer, quorum), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := run(t, by, s.socket, []string{file, "--sentinel"})
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	// Ten times as quick as by default, to see who is there and to have an old master follow the new one.
	if err := s.Ask("sentinel", "debug", "publish-period", 200, "info-period", 1000).Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

// URL is what REDIS_URL would be.
func (s *Sentinel) URL() string { return "redis://" + s.Addr + "?master_name=cache" }

// Ask sends a command to the Sentinel.
func (s *Sentinel) Ask(args ...any) *redis.Cmd {
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket, Protocol: 2})
	defer c.Close()
	return c.Do(context.Background(), args...)
}

// Knows waits until the Sentinel knows so many replicas, and other Sentinels.
func (s *Sentinel) Knows(t testing.TB, replicas, sentinels int) {
	t.Helper()
	eventually(t, "the sentinel knows the others", func() bool {
		r, err := s.Ask("sentinel", "replicas", "cache").Slice()
		others, err2 := s.Ask("sentinel", "sentinels", "cache").Slice()
		return err == nil && err2 == nil && len(r) == replicas && strings.Count(fmt.Sprint(r), "flags slave ") == replicas && len(others) == sentinels
	})
}

// Leads waits until the Sentinel names a server as the master, and the server knows it.
func (s *Sentinel) Leads(t testing.TB, master *Server) {
	t.Helper()
	eventually(t, "another server is the master", func() bool {
		addr, err := s.Ask("sentinel", "get-master-addr-by-name", "cache").Slice()
		return err == nil && len(addr) == 2 && addr[0] == master.IP && addr[1] == master.Peer && master.Do("role").([]any)[0] == "master"
	})
}

// Promotes waits until one of the replicas is the master, and returns it.
func (s *Sentinel) Promotes(t testing.TB, replicas ...*Server) (master *Server) {
	t.Helper()
	eventually(t, "a replica is promoted", func() bool {
		for _, r := range replicas {
			if r.Do("role").([]any)[0] == "master" {
				master = r
			}
		}
		return master != nil
	})
	s.Leads(t, master)
	return master
}

// Watched is a master with replicas, and a Sentinel that watches them.
type Watched struct {
	*Sentinel
	Master   *Server // at first
	Replicas []*Server
}

// Watch runs a master with so many replicas.
func Watch(t testing.TB, replicas int) *Watched {
	t.Helper()
	return WatchOf(t, replicas, Start, "")
}

// WatchOf is Watch with servers that are started by serve, and more lines of the Sentinel's configuration.
func WatchOf(t testing.TB, replicas int, serve func(t testing.TB, args ...string) *Server, more string) *Watched {
	t.Helper()
	w := &Watched{Master: serve(t, "--repl-diskless-sync-delay", "0")}
	for range replicas {
		w.Replicas = append(w.Replicas, serve(t, "--replicaof", w.Master.IP+" "+w.Master.Peer, "--repl-diskless-sync-delay", "0"))
	}
	w.Sentinel = StartSentinel(t, nil, "127.0.0.1", w.Master, 1, more)
	w.Knows(t, replicas, 0)
	for _, r := range w.Replicas {
		eventually(t, "the replica has its data", r.linked)
	}
	return w
}
