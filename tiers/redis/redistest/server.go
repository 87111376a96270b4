// Package redistest runs real redis-servers for tests: one, a cluster of them, or some that Sentinels watch.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a redis-server process with a directory of its own. It listens on a socket and on a port.
type Server struct {
	IP   string
	Port string
	Peer string   // the port at which other servers find it
	Args []string // further ones, for the next Start

	t   testing.TB
	by  []string // a command that runs another one
	dir string
	cmd *exec.Cmd
}

// Start runs a redis-server with additional arguments until the test ends, at a port of the loopback interface.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return StartIn(t, nil, "127.0.0.1", args...)
}

// StartIn is Start by way of a command that runs another one, at an address that is there then.
func StartIn(t testing.TB, by []string, ip string, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, by: by, IP: ip, dir: shortDir(t), Port: FreePort(t), Args: args}
	s.Peer = s.Port
	t.Cleanup(s.Kill)
	s.Start()
	return s
}

// shortDir makes a directory for a socket, whose name must not be long, and removes it when the test ends.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nearside")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Start runs the process, again after Kill: with what it saved, if it did.
func (s *Server) Start() {
	s.t.Helper()
	s.cmd = run(s.t, s.by, s.Socket(), append([]string{"--port", s.Port, "--bind", s.IP, "--protected-mode", "no",
		"--unixsocket", s.Socket(), "--dir", s.dir, "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"}, s.Args...))
}

// run starts a redis-server and waits until it listens on its socket.
func run(t testing.TB, by []string, socket string, args []string) *exec.Cmd {
	t.Helper()
	argv := append(append([]string(nil), by...), append([]string{"redis-server"}, args...)...)
	cmd := exec.Command(argv[0], argv[1:]...)
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("the tests need redis-server: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close()
			return cmd
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("redis-server does not listen: %v\n%s", err, out)
		}
	}
}

// Kill ends the process at once, stopped or not.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
		_ = os.Remove(s.Socket())
	}
}

// Hang stops the process; it still has its connections, and takes new ones, but does not answer.
func (s *Server) Hang() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends that.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Socket is the path of the socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "s") }

// Addr is the address and the port.
func (s *Server) Addr() string { return net.JoinHostPort(s.IP, s.Port) }

// URL is what REDIS_URL would be.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Client returns a client that looks at the server from outside.
func (s *Server) Client() *redis.Client {
	c := s.dial()
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Server) dial() *redis.Client {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: s.Socket(), Protocol: 2, ReadTimeout: patience})
}

// Do runs one command as redis-cli would.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	v, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return v
}

func (s *Server) try(args ...any) (any, error) {
	c := s.dial()
	defer c.Close()
	v, err := c.Do(context.Background(), args...).Result()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return v, err
}

// Keys lists the keys that match a pattern.
func (s *Server) Keys(pattern string) []string {
	s.t.Helper()
	var keys []string
	for _, key := range s.Do("keys", pattern).([]any) {
		keys = append(keys, key.(string))
	}
	return keys
}

// Calls is how often a command was run.
func (s *Server) Calls(command string) (n int) {
	s.t.Helper()
	for line := range strings.Lines(s.Do("info", "commandstats").(string)) {
		if _, err := fmt.Sscanf(line, "cmdstat_"+command+":calls=%d", &n); err == nil {
			return n
		}
	}
	return 0
}

// FreePort is a port of the loopback interface that nobody listens at.
func FreePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
}

// patience is the longest that anything may take.
const patience = 30 * time.Second

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
