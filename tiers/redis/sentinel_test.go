package redis_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

// pair is a master with a replica, and a sentinel that watches them.
type pair struct {
	master, replica *server
	sentinel        string // its address
}

func startPair(t *testing.T) *pair {
	t.Helper()
	return startPairOf(t, start, "")
}

// startPairOf is startPair with servers that are started by serve, and more lines of the sentinel's configuration.
func startPairOf(t *testing.T, serve func(t testing.TB, args ...string) *server, more string) *pair {
	t.Helper()
	p := &pair{master: serve(t, "--repl-diskless-sync-delay", "0")}
	p.replica = serve(t, "--replicaof", "127.0.0.1 "+p.master.peer, "--repl-diskless-sync-delay", "0")
	port := freePort(t)
	p.sentinel = "127.0.0.1:" + port
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, more+"port %s\nbind 127.0.0.1\nsentinel monitor cache 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds cache 500\nsentinel failover-timeout cache 3000\n", port, p.master.peer), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, 30*time.Second, "the sentinel knows the replica", func() bool {
		replicas, err := p.ask(t, "sentinel", "replicas", "cache").Slice()
		return err == nil && len(replicas) == 1 && strings.Contains(fmt.Sprint(replicas), "flags slave ") &&
			strings.Contains(p.replica.do("info", "replication").(string), "master_link_status:up")
	})
	return p
}

// ask sends a command to the sentinel.
func (p *pair) ask(t *testing.T, args ...any) *goredis.Cmd {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: p.sentinel, Protocol: 2})
	defer c.Close()
	return c.Do(t.Context(), args...)
}

func (p *pair) config() redis.Config { return config("redis://" + p.sentinel + "?master_name=cache") }

// leads waits until the sentinel names the server as the master, and the server knows it.
func (p *pair) leads(t *testing.T, s *server) {
	t.Helper()
	eventually(t, 30*time.Second, "the replica takes over", func() bool {
		addr, err := p.ask(t, "sentinel", "get-master-addr-by-name", "cache").Slice()
		return err == nil && len(addr) == 2 && addr[1] == s.peer && s.do("role").([]any)[0] == "master"
	})
}

func TestSentinel(t *testing.T) {
	p := startPair(t)
	t.Run("contract", func(t *testing.T) { contract(t, p.config()) })
	t.Run("forced failover", func(t *testing.T) {
		failover(t, p, p.config(), p.replica, func() {
			if err := p.ask(t, "sentinel", "failover", "cache").Err(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestSentinelMasterKilled(t *testing.T) {
	p := startPair(t)
	failover(t, p, p.config(), p.replica, p.master.kill)
}

func TestSentinelMasterHung(t *testing.T) {
	p := startPair(t)
	failover(t, p, p.config(), p.replica, p.master.hang)
}

// failover lets another server take over under traffic.
func failover(t *testing.T, p *pair, cfg redis.Config, next *server, begin func()) {
	t.Helper()
	log := new(lines)
	tier := openLogged(t, cfg, log)
	r := startTraffic(t, tier)
	eventually(t, 10*time.Second, "the replica has the keys", func() bool { return len(next.keys("nearside:v1:*")) >= trafficKeys })
	began := time.Now()
	begin()
	p.leads(t, next)
	led := time.Since(began)
	took := eventually(t, 15*time.Second, "reads and writes succeed", func() bool {
		return tier.Put(t.Context(), tierstest.NewEntry(tierstest.NewKey(), "x")) == nil && !tier.Stats().Open
	})
	// Connections to the old master may still be found out one by one, but soon nothing is lost any more.
	settled := eventually(t, 10*time.Second, "nothing but hits", func() bool {
		hits, others := r.hits.Load(), r.misses.Load()+r.failed.Load()+r.open.Load()
		eventually(t, 10*time.Second, "hits", func() bool { return r.hits.Load() > hits+200 })
		return r.misses.Load()+r.failed.Load()+r.open.Load() == others
	})
	r.end()
	if r.wrong.Load() > 0 {
		t.Errorf("%d wrong bodies", r.wrong.Load())
	}
	wantQuiet(t, log, 3+int(time.Since(began).Seconds()))
	longest, _ := r.worst()
	t.Logf("another master after %v, in use %v later, 200 hits in a row %v after that; %d failed, %d not asked, %d missed; failing took %v at most", led, took, settled, r.failed.Load(), r.open.Load(), r.misses.Load(), longest)
}

// TestSentinelReplicas: look-ups go to the replica, and to the master when it is away.
func TestSentinelReplicas(t *testing.T) {
	p := startPair(t)
	cfg := patient(p.config())
	cfg.ReadReplicas = true
	tier := open(t, cfg)
	e := tierstest.NewEntry(tierstest.NewKey(), "x")
	if err := tier.Put(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	found := func() bool { _, err := tier.Get(t.Context(), e.Key, nil); return err == nil }
	eventually(t, 10*time.Second, "the replica has it", found)
	for range 20 {
		if !found() {
			t.Fatal("lost")
		}
	}
	// The probe goes there, to find out whether what is to be stored would be.
	if n := p.master.calls("pttl"); n > 1 {
		t.Errorf("%d look-ups went to the master", n)
	}
	p.replica.kill()
	eventually(t, 10*time.Second, "the master serves", found)
}
