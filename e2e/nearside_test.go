package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// sidecar is one running Nearside.
type sidecar struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string // of the clients' listener: host:port, or a path
	admin  string
	probes string // "" without PROBE_ADDR
	stdout lines
	stderr lines
	exited chan struct{}
	code   int // valid once exited is closed

	wantCode int // what the test's end expects
}

// nearside starts a sidecar with the variables of env, and waits until it is ready. At the test's end it is
// stopped: it must then exit with 0, and have reported neither a race nor an error. L2 gets more time than by default,
// since a busy machine would turn hits into misses.
func nearside(t *testing.T, env ...string) *sidecar {
	t.Helper()
	return launch(t, nil, env)
}

func launch(t *testing.T, args, env []string) *sidecar {
	t.Helper()
	return watch(t, command(args, append(slices.Clone(quick), env...)...))
}

// launchIn is nearside by way of a command that runs another one.
func launchIn(t *testing.T, by, env []string) *sidecar {
	t.Helper()
	cmd := exec.Command(by[0], append(by[1:], binary)...)
	cmd.Env = command(nil, append(slices.Clone(quick), env...)...).Env
	return watch(t, cmd)
}

// quick are the settings of sidecars that tests start.
var quick = []string{"SHUTDOWN_DELAY=0s", "L2_TIMEOUT=2s"}

// watch runs the command of a sidecar.
func watch(t *testing.T, cmd *exec.Cmd) *sidecar {
	t.Helper()
	s := &sidecar{t: t, cmd: cmd, exited: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // the code says it
		s.code = s.cmd.ProcessState.ExitCode()
		close(s.exited)
	}()
	t.Cleanup(s.end)
	eventually(t, "ready", func() bool {
		select {
		case <-s.exited:
			t.Fatalf("nearside exited with %d:\n%s", s.code, s.stderr.String())
		default:
		}
		return s.stderr.has("msg=ready") || s.stderr.has(`"msg":"ready"`)
	})
	s.addr, s.admin, s.probes = s.listening("clients"), s.listening("admin"), s.listening("probes")
	return s
}

// command makes a command with no more in its environment than it is given. (Without GORACE, the race detector waits
// for a second at the end.)
func command(args []string, env ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=50", "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"}, env...)
	return cmd
}

// run runs the program to its end.
func run(t *testing.T, args []string, env ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := command(args, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	_ = cmd.Wait() // the code says it
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

var listening = regexp.MustCompile(`"?msg"?[=:]"?listening"?[ ,]"?for"?[=:]"?(\w+)"?[ ,]"?addr"?[=:]"?([^"\s]+)`)

// listening reads the address of a listener from the log.
func (s *sidecar) listening(what string) string { return s.stderr.listening(what) }

func (l *lines) listening(what string) string {
	for _, m := range listening.FindAllStringSubmatch(l.String(), -1) {
		if m[1] == what {
			return m[2]
		}
	}
	return ""
}

// stop sends SIGTERM, waits for the end, and returns the exit code.
func (s *sidecar) stop() int {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	return s.wait()
}

func (s *sidecar) signal(sig os.Signal) {
	_ = s.cmd.Process.Signal(sig) // gone already: wait tells
}

// wait waits for the end.
func (s *sidecar) wait() int {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		_ = s.cmd.Process.Signal(syscall.SIGABRT) // the stacks say where it hangs
		<-s.exited
		s.t.Errorf("nearside did not stop:\n%s", s.stderr.tail(200))
	}
	return s.code
}

// end stops the sidecar and looks at what it left.
func (s *sidecar) end() {
	if code := s.stop(); code != s.wantCode {
		s.t.Errorf("nearside exited with %d, want %d", code, s.wantCode)
	}
	log := s.stderr.String()
	for _, bad := range []string{"DATA RACE", "panic", "level=ERROR", "fatal error"} {
		if strings.Contains(log, bad) {
			s.t.Errorf("%q in the log:\n%s", bad, s.stderr.tail(200))
		}
	}
	if s.t.Failed() {
		s.t.Logf("log of nearside at %s:\n%s", s.addr, s.stderr.tail(40))
	}
}

// ask asks a listener of the process for a path, over a connection of its own.
func ask(t *testing.T, addr, path string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial(network(addr), addr) },
	}}
	resp, err := client.Get("http://admin" + path)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return resp.StatusCode, string(text)
}

func network(addr string) string {
	if strings.HasPrefix(addr, "/") {
		return "unix"
	}
	return "tcp"
}

// metrics returns all samples by their series, such as nearside_fills_total{result="stored"}.
func (s *sidecar) metrics() map[string]float64 {
	s.t.Helper()
	status, text := ask(s.t, s.admin, "/metrics")
	equal(s.t, "status of /metrics", status, 200)
	samples := map[string]float64{}
	for line := range strings.Lines(text) {
		series, value, found := strings.Cut(strings.TrimSpace(line), "} ")
		if found {
			series += "}"
		} else {
			series, value, _ = strings.Cut(strings.TrimSpace(line), " ")
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			samples[series] = v
		}
	}
	return samples
}

// metric returns one sample; 0 when the series is not there.
func (s *sidecar) metric(series string) int {
	s.t.Helper()
	return int(s.metrics()["nearside_"+series])
}

// fills returns how many responses had their fill end so: stored, failed, dropped or no-room.
func (s *sidecar) fills(result string) int {
	s.t.Helper()
	return s.metric(fmt.Sprintf("fills_total{result=%q}", result))
}

// settled waits until no fill and no refresh is queued or running. What was submitted before the call is
// then in the tiers, or counted as not.
func (s *sidecar) settled() {
	s.t.Helper()
	eventually(s.t, "pools at rest", func() bool {
		m := s.metrics()
		var open float64
		for _, pool := range []string{"refresh", "fill", "fill-l2"} {
			jobs := func(result string) float64 {
				return m[fmt.Sprintf("nearside_pool_jobs_total{pool=%q,result=%q}", pool, result)]
			}
			open += jobs("submitted") - jobs("done") - jobs("failed") - jobs("panicked") - jobs("dropped")
		}
		return open == 0
	})
}

// rss is the resident memory of the process, in bytes; 0 when it has none any more.
func (s *sidecar) rss() int64 { return s.status("VmRSS:") }

// peak is the most that it ever was.
func (s *sidecar) peak() int64 { return s.status("VmHWM:") }

func (s *sidecar) status(name string) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)) // gone: without it
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			kib, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64) // the kernel writes numbers
			return kib << 10
		}
	}
	return 0
}

// lines is what a process wrote. It may be read while the process writes.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) has(part string) bool { return strings.Contains(l.String(), part) }

// tail returns the last n lines.
func (l *lines) tail(n int) string {
	var all []string
	for scan := bufio.NewScanner(strings.NewReader(l.String())); scan.Scan(); {
		all = append(all, scan.Text())
	}
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
