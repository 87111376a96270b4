package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/nearside-cache/nearside/tiers/redis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a redis-server process with a directory of its own. It listens on a socket and on a port of the
// loopback interface.
type server struct {
	t    testing.TB
	dir  string
	port string
	peer string // the port at which other servers find it
	args []string
	cmd  *exec.Cmd
	out  *bytes.Buffer
}

// start runs a redis-server with additional arguments until the test ends.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "nearside") // short enough for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, port: freePort(t), args: args}
	s.peer = s.port
	t.Cleanup(func() {
		s.kill()
		_ = os.RemoveAll(dir)
	})
	s.start()
	return s
}

// start runs the process, again after kill.
func (s *server) start() {
	s.t.Helper()
	args := append([]string{"--port", s.port, "--bind", "127.0.0.1", "--unixsocket", s.socket(), "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--enable-debug-command", "yes"}, s.args...)
	s.out = new(bytes.Buffer)
	s.cmd = exec.Command("redis-server", args...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("the tests need redis-server: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", s.socket())
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.kill()
			s.t.Fatalf("redis-server does not listen: %v\n%s", err, s.out)
		}
	}
}

// kill ends the process at once, stopped or not.
func (s *server) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
		_ = os.Remove(s.socket())
	}
}

// hang stops the process; it still has its connections, and takes new ones, but does not answer.
func (s *server) hang()   { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }
func (s *server) resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

func (s *server) socket() string { return filepath.Join(s.dir, "s") }
func (s *server) addr() string   { return "127.0.0.1:" + s.port }
func (s *server) url() string    { return "redis://" + s.addr() }

// client returns a client that looks at the server from outside.
func (s *server) client() *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Network: "unix", Addr: s.socket(), Protocol: 2})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// do runs one command as redis-cli would.
func (s *server) do(args ...any) any {
	s.t.Helper()
	v, err := s.client().Do(context.Background(), args...).Result()
	if err != nil && !errors.Is(err, goredis.Nil) {
		s.t.Fatalf("%v: %v", args, err)
	}
	return v
}

// keys lists the keys that match a pattern.
func (s *server) keys(pattern string) []string {
	s.t.Helper()
	keys, err := s.client().Keys(context.Background(), pattern).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// calls is how often a command was run.
func (s *server) calls(command string) (n int) {
	s.t.Helper()
	for _, line := range strings.Split(s.do("info", "commandstats").(string), "\n") {
		if _, err := fmt.Sscanf(line, "cmdstat_"+command+":calls=%d", &n); err == nil {
			return n
		}
	}
	return 0
}

func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// lines is a log that a test can look into.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(b))
	return len(b), nil
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.text...)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// config is the default configuration for a URL.
func config(url string) redis.Config {
	return redis.Config{URL: url, KeyPrefix: "nearside", Timeout: 50 * time.Millisecond, MaxTTL: 24 * time.Hour}
}

// open makes a tier that the test closes.
func open(t testing.TB, cfg redis.Config) *redis.Tier {
	t.Helper()
	return openLogged(t, cfg, new(lines))
}

func openLogged(t testing.TB, cfg redis.Config, log *lines) *redis.Tier {
	t.Helper()
	tier, err := redis.New(cfg, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tier.Close)
	return tier
}

// count is how often an operation had a result.
func count(tier *redis.Tier, op redis.Op, r redis.Result) uint64 {
	s := tier.Stats()
	return s.Operations[op][r]
}

// results lists how often an operation had which result.
func results(tier *redis.Tier, op redis.Op) (text string) {
	for _, r := range redis.Results() {
		if n := count(tier, op, r); n > 0 {
			text += fmt.Sprintf(" %s %d", r, n)
		}
	}
	return text
}

// eventually waits until ok holds, and tells how long that took.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// wantResult fails unless err is an Error with this result.
func wantResult(t testing.TB, err error, want redis.Result) {
	t.Helper()
	var failure *redis.Error
	if !errors.As(err, &failure) || failure.Result != want {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func text(values []string) string { return strings.Join(values, "") }
