package e2e

import (
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a real redis-server on a unix socket.
type redisServer struct {
	t      *testing.T
	argv   []string // the program, perhaps behind another one that runs it, and more options
	dir    string
	socket string
	cmd    *exec.Cmd
	client *redis.Client
}

// newRedis starts a redis-server that keeps its data in memory only.
func newRedis(t *testing.T) *redisServer {
	t.Helper()
	return newRedisIn(t, nil, "--port", "0")
}

// newRedisIn is newRedis by way of a command that runs another one, and with further options.
func newRedisIn(t *testing.T, command []string, options ...string) *redisServer {
	t.Helper()
	argv := append(slices.Clone(command), program(t, "redis-server", "redis-server"))
	r := &redisServer{t: t, argv: append(argv, options...), dir: t.TempDir()}
	r.socket = filepath.Join(r.dir, "redis.sock")
	r.client = redis.NewClient(&redis.Options{Network: "unix", Addr: r.socket, MaxRetries: -1, DialTimeout: time.Second})
	t.Cleanup(func() {
		r.kill()
		r.client.Close()
	})
	r.start()
	return r
}

// noRedis is the URL of a server that is not there; start brings it up.
func noRedis(t *testing.T) *redisServer {
	t.Helper()
	r := newRedis(t)
	r.kill()
	return r
}

// start runs the server, empty, and waits until it answers.
func (r *redisServer) start() {
	r.t.Helper()
	argv := append(slices.Clone(r.argv), "--unixsocket", r.socket, "--dir", r.dir, "--save", "", "--appendonly", "no")
	r.cmd = exec.Command(argv[0], argv[1:]...)
	r.cmd.Stdout = io.Discard
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, "redis-server answers", func() bool { return r.client.Ping(context.Background()).Err() == nil })
}

// env is the variable that has a sidecar use the server.
func (r *redisServer) env() string { return "REDIS_URL=unix://" + r.socket }

// kill ends the server, as a crash does.
func (r *redisServer) kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill() // gone already
		_ = r.cmd.Wait()         // killed
		r.cmd = nil
	}
}

// freeze has the server hang: its socket takes connections and bytes, and nothing comes back.
func (r *redisServer) freeze() { r.signal(syscall.SIGSTOP) }

// thaw ends that.
func (r *redisServer) thaw() { r.signal(syscall.SIGCONT) }

func (r *redisServer) signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// keys returns how many keys there are, those of the invalidation log left out.
func (r *redisServer) keys() int {
	r.t.Helper()
	ctx := context.Background()
	n, err := r.client.DBSize(ctx).Result()
	if err != nil {
		r.t.Fatal(err)
	}
	return int(n - r.client.Exists(ctx, logKeys...).Val())
}

// calls returns how often a command was called.
func (r *redisServer) calls(command string) int {
	r.t.Helper()
	info, err := r.client.Info(context.Background(), "commandstats").Result()
	if err != nil {
		r.t.Fatal(err)
	}
	_, info, _ = strings.Cut(info, "cmdstat_"+command+":calls=")
	n, _, _ := strings.Cut(info, ",")
	calls, _ := strconv.Atoi(n) // not called yet
	return calls
}

// logKeys are the two keys of the invalidation log.
var logKeys = []string{"nearside:v1:{nearside}:ctl", "nearside:v1:{nearside}:log"}
