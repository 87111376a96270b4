package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkServed: what a request costs that a tier answers. It reports the processor time of a sidecar with one core,
// for 1 KiB over 64 connections; clients, Redis and the origin run on the other cores as well.
func BenchmarkServed(b *testing.B) {
	dir := b.TempDir()
	plain := filepath.Join(dir, "nearside") // without the race detector
	if out, err := exec.Command("go", "build", "-o", plain, "..").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<10)) // the client tells
	}))
	b.Cleanup(origin.Close)
	socket := filepath.Join(dir, "redis")
	background(b, exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "no"))
	for _, tier := range []struct{ name, l1 string }{{"L1", "64MiB"}, {"L2", "0"}} {
		b.Run(tier.name, func(b *testing.B) {
			cmd, log := exec.Command("taskset", "-c", "0", plain), new(lines)
			cmd.Env = command(nil, "GOMAXPROCS=1", "UPSTREAM_URL="+origin.URL, "REDIS_URL=unix://"+socket, "L1_MAX_BYTES="+tier.l1,
				"L2_TIMEOUT=2s", "SHUTDOWN_DELAY=0s").Env
			cmd.Stderr = log
			background(b, cmd)
			for begun := time.Now(); !log.has("msg=ready"); time.Sleep(time.Millisecond) {
				if time.Since(begun) > patience {
					b.Fatalf("not ready:\n%s", log.String())
				}
			}
			addr := log.listening("clients")
			from64(b, addr, 4096, "") // warm
			before := processorTime(cmd.Process.Pid)
			b.ResetTimer()
			from64(b, addr, b.N, "hit; detail="+tier.name)
			b.StopTimer()
			b.ReportMetric(float64(processorTime(cmd.Process.Pid)-before)/float64(time.Microsecond)/float64(b.N), "cpu-µs/op")
		})
	}
}

// from64 makes n requests over 64 connections, and wants each answered as it says, if it says something.
func from64(b *testing.B, addr string, n int, want string) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			c, err := connect(addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.conn.Close()
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				r, err := c.exchange(request(fmt.Sprintf("GET /item/%d", i%1000)))
				if err != nil || want != "" && r.cache() != want {
					b.Errorf("%v %+v, want %q", err, r, want)
					return
				}
			}
		})
	}
	all.Wait()
}

// background runs a program until the benchmark ends.
func background(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // gone already: the benchmark has failed
		_ = cmd.Wait()
	})
}

// processorTime is what a process has used, to a hundredth of a second.
func processorTime(pid int) time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // gone: nothing
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11]) // the kernel writes numbers
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
