package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner")) // ends within maxIdle
}

// peer is the origin's end of one connection, driven by a script.
type peer struct {
	net.Conn
	t  *testing.T
	br *bufio.Reader
	n  int // which connection this is, from 0
}

// request reads one request and returns its head and its body as they came,
// chunk framing included; "" when the connection ended.
func (p *peer) request() (head, body string) {
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := p.br.ReadString('\n')
		if err != nil {
			return "", ""
		}
		head += line
	}
	switch {
	case strings.Contains(head, "Transfer-Encoding: chunked"):
		var chunks strings.Builder
		for last, line := "", ""; last != "0\r\n" || line != "\r\n"; {
			var err error
			last = line
			if line, err = p.br.ReadString('\n'); err != nil {
				return "", ""
			}
			chunks.WriteString(line)
		}
		body = chunks.String()
	case strings.Contains(head, "Content-Length: "):
		_, value, _ := strings.Cut(head, "Content-Length: ")
		value, _, _ = strings.Cut(value, "\r\n")
		n, _ := strconv.Atoi(value)
		b := make([]byte, n)
		if _, err := io.ReadFull(p.br, b); err != nil {
			return "", ""
		}
		body = string(b)
	}
	return head, body
}

// say writes raw bytes.
func (p *peer) say(raw string) bool {
	_, err := io.WriteString(p.Conn, raw)
	return err == nil
}

// reset closes with RST.
func (p *peer) reset() {
	if tcp, ok := p.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = p.Conn.Close()
}

// server is a scripted origin.
type server struct {
	net.Listener
	accepted atomic.Int32
	requests atomic.Int32
	mu       sync.Mutex
	peers    []net.Conn
	running  sync.WaitGroup
}

// serve runs script on each connection, and closes it when the script returns.
func serve(t *testing.T, ln net.Listener, script func(*peer)) *server {
	t.Helper()
	s := &server{Listener: ln}
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p := &peer{Conn: c, t: t, br: bufio.NewReader(c), n: int(s.accepted.Add(1)) - 1}
			s.mu.Lock()
			s.peers = append(s.peers, c)
			s.mu.Unlock()
			s.running.Add(1)
			go func() {
				defer s.running.Done()
				defer c.Close()
				script(p)
			}()
		}
	}()
	t.Cleanup(s.stop)
	return s
}

func (s *server) stop() {
	_ = s.Close()
	s.closePeers()
	s.running.Wait()
}

func (s *server) closePeers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.peers {
		_ = c.Close()
	}
	s.peers = nil
}

// answering returns a script that answers every request with the same bytes.
func answering(raw string) func(*peer) {
	return func(p *peer) {
		for {
			if head, _ := p.request(); head == "" || !p.say(raw) {
				return
			}
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func mustURL(t testing.TB, text string) URL {
	t.Helper()
	var u URL
	if err := u.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return u
}

// open returns an Origin with short timeouts, changed by change.
func open(t testing.TB, url string, change ...func(*Config)) *Origin {
	t.Helper()
	c := Config{URL: mustURL(t, url), Timeout: 5 * time.Second, ConnectTimeout: 2 * time.Second, MaxConns: 64, MaxWaiting: 64}
	for _, f := range change {
		f(&c)
	}
	o, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.CloseIdle)
	return o
}

func timeout(d time.Duration) func(*Config) { return func(c *Config) { c.Timeout = d } }

// origin is open and serve in one.
func origin(t *testing.T, script func(*peer), change ...func(*Config)) (*Origin, *server) {
	t.Helper()
	s := serve(t, listen(t), script)
	return open(t, "http://"+s.Addr().String(), change...), s
}

func get(target string) *Request {
	return &Request{Method: []byte("GET"), Target: []byte(target)}
}

// answer is what came of a request.
type answer struct {
	Response
	body string
	err  error // of Do, else of reading the body
}

func ask(o *Origin, req *Request) *answer {
	a := new(answer)
	if a.err = o.Do(req, &a.Response); a.err != nil {
		return a
	}
	defer a.Close()
	b, err := io.ReadAll(a.Body)
	a.body, a.err = string(b), err
	return a
}

func kindOf(err error) string {
	var e *Error
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &e):
		return e.Kind.String()
	}
	return err.Error()
}

func wantKind(t *testing.T, err error, want Kind) {
	t.Helper()
	if kindOf(err) != want.String() {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func wantBody(t *testing.T, a *answer, want string) {
	t.Helper()
	if a.err != nil || a.body != want {
		t.Fatalf("got %q, %v; want %q", a.body, a.err, want)
	}
}

// within fails the test when f takes longer than a generous bound, or less
// than least.
func within(t *testing.T, least, most time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if d := time.Since(begin); d < least || d > most {
		t.Errorf("took %v, want %v to %v", d, least, most)
	}
}

// eventually waits for what another goroutine is about to bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func header(lines ...string) []byte {
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n")
}

// parsed reads field lines the way another program would.
func parsed(t *testing.T, lines []byte) textproto.MIMEHeader {
	t.Helper()
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(bytes.Clone(lines), "\r\n"...)))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("%v in %q", err, lines)
	}
	return h
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := t.TempDir() + "/" + name
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
