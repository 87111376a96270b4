package upstream

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestRefused(t *testing.T) {
	ln := listen(t)
	o := open(t, "http://"+ln.Addr().String())
	_ = ln.Close()
	within(t, 0, 5*time.Second, func() { wantKind(t, ask(o, get("/")).err, Refused) })
	if got := o.Stats(); got.Errors[Refused] != 1 || got.Retries != 0 || got.Dialed != 0 || got.Open != 0 {
		t.Errorf("%+v", got)
	}
}

func TestUnreachable(t *testing.T) {
	for _, url := range []string{"http://name.invalid", "unix:///nowhere/at/all.sock"} {
		a := ask(open(t, url), get("/"))
		if k := kindOf(a.err); k != "unreachable" && !(k == "connect-timeout" && strings.HasPrefix(url, "http")) {
			t.Errorf("%s: %v", url, a.err)
		}
	}
}

// fullListener listens, never accepts, and has no room for another connection.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, _ := syscall.Getsockname(fd)
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 4 {
		c, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	return addr
}

func TestConnectTimeout(t *testing.T) {
	o := open(t, "http://"+fullListener(t), func(c *Config) { c.ConnectTimeout = 200 * time.Millisecond })
	within(t, 150*time.Millisecond, 10*time.Second, func() { wantKind(t, ask(o, get("/")).err, ConnectTimeout) })
}

func TestNoConn(t *testing.T) {
	release := make(chan struct{})
	o, s := origin(t, func(p *peer) {
		p.request()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		<-release
		p.say("ok")
		answering(ok)(p)
	}, func(c *Config) { c.MaxConns, c.ConnectTimeout = 2, 200*time.Millisecond })
	var held [2]Response
	for i := range held {
		if err := o.Do(get("/"), &held[i]); err != nil {
			t.Fatal(err)
		}
	}
	within(t, 150*time.Millisecond, 10*time.Second, func() { wantKind(t, ask(o, get("/")).err, NoConn) })
	close(release)
	for i := range held {
		if _, err := io.Copy(io.Discard, held[i].Body); err != nil {
			t.Fatal(err)
		}
	}
	wantBody(t, ask(o, get("/")), "ok")
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections, at most 2 allowed", n)
	}
}

func TestWaitingForAConnection(t *testing.T) {
	o, s := origin(t, answering(ok), func(c *Config) { c.MaxConns = 3 })
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				if a := ask(o, get("/")); a.body != "ok" {
					t.Error(a.err)
				}
			}
		})
	}
	wg.Wait()
	if n := s.accepted.Load(); n > 3 {
		t.Errorf("%d connections", n)
	}
}

func TestFewMayWait(t *testing.T) {
	release := make(chan struct{})
	o, _ := origin(t, func(p *peer) {
		<-release
		answering(ok)(p)
	}, func(c *Config) { c.MaxConns, c.MaxWaiting = 2, 3 })
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if a := ask(o, get("/")); a.body != "ok" {
				t.Error(a.err)
			}
		})
	}
	eventually(t, "two are sent and three wait", func() bool { return o.Stats().Waiting == 3 })
	for range 10 {
		wantKind(t, ask(o, get("/")).err, NoConn)
	}
	close(release)
	wg.Wait()
	if s := o.Stats(); s.Waiting != 0 || s.Errors[NoConn] != 10 {
		t.Errorf("%d wait afterwards, %d were refused", s.Waiting, s.Errors[NoConn])
	}
	wantBody(t, ask(o, get("/")), "ok")
}

func TestHeaderTimeoutIsNotRetried(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	var s *server
	o, s := origin(t, func(p *peer) {
		for {
			head, _ := p.request()
			if head == "" {
				return
			}
			s.requests.Add(1)
			if strings.Contains(head, "/hang") {
				<-done
			}
			p.say(ok)
		}
	}, timeout(200*time.Millisecond))
	wantBody(t, ask(o, get("/")), "ok") // so that the connection is a used one
	within(t, 200*time.Millisecond, 10*time.Second, func() { wantKind(t, ask(o, get("/hang")).err, HeaderTimeout) })
	if s.requests.Load() != 2 || o.Stats().Retries != 0 {
		t.Errorf("%d requests, %d retries", s.requests.Load(), o.Stats().Retries)
	}
}

// dyingOn answers the first request of each connection and closes without a
// word when it has read the next one.
func dyingOn(s **server) func(*peer) {
	return func(p *peer) {
		if head, _ := p.request(); head == "" {
			return
		}
		(*s).requests.Add(1)
		p.say(ok)
		if head, _ := p.request(); head != "" {
			(*s).requests.Add(1)
		}
	}
}

func TestRetries(t *testing.T) {
	for _, c := range []struct {
		method, body   string
		retries, total int32 // total counts the request that warms the connection
	}{
		{"GET", "", 1, 3}, {"HEAD", "", 1, 3}, {"OPTIONS", "", 1, 3},
		{"GET", "x", 0, 2}, {"POST", "", 0, 2}, {"PUT", "x", 0, 2}, {"DELETE", "", 0, 2}, {"get", "", 0, 2},
	} {
		var s *server
		o, s := origin(t, func(p *peer) { dyingOn(&s)(p) })
		wantBody(t, ask(o, get("/")), "ok")
		req := get("/")
		req.Method, req.BodyBytes = []byte(c.method), []byte(c.body)
		a := ask(o, req)
		if want := [...]string{"closed", "none"}[c.retries]; kindOf(a.err) != want {
			t.Errorf("%s %q: %v, want %s", c.method, c.body, a.err, want)
		}
		if n := s.requests.Load(); n != c.total || o.Stats().Retries != uint64(c.retries) {
			t.Errorf("%s %q: %d requests, %d retries", c.method, c.body, n, o.Stats().Retries)
		}
	}
}

func TestRetryIsOnceAndNeverOnANewConnection(t *testing.T) {
	var s *server
	o, s := origin(t, func(p *peer) {
		if head, _ := p.request(); head != "" {
			s.requests.Add(1)
		}
	})
	wantKind(t, ask(o, get("/")).err, Closed)
	if n := s.requests.Load(); n != 1 || o.Stats().Retries != 0 {
		t.Errorf("%d requests, %d retries", n, o.Stats().Retries)
	}
}

func TestNoRetryOnceAByteCame(t *testing.T) {
	for _, first := range []string{"H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"} {
		var s *server
		o, s := origin(t, func(p *peer) {
			p.request()
			s.requests.Add(1)
			p.say(ok)
			p.request()
			s.requests.Add(1)
			p.say(first)
		})
		wantBody(t, ask(o, get("/")), "ok")
		wantKind(t, ask(o, get("/")).err, Closed)
		if n := s.requests.Load(); n != 2 || o.Stats().Retries != 0 {
			t.Errorf("%q: %d requests, %d retries", first, n, o.Stats().Retries)
		}
	}
}

func TestManyStaleConnectionsAreSkipped(t *testing.T) {
	const n = 50
	var together sync.WaitGroup
	together.Add(n)
	var o *Origin
	o, s := origin(t, func(p *peer) {
		if p.n < n {
			p.request()
			together.Done()
			together.Wait() // so that all n connections are needed
			p.say(ok)
		}
		answering(ok)(p)
	})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if a := ask(o, get("/")); a.body != "ok" {
				t.Error(a.err)
			}
		})
	}
	wg.Wait()
	if got := o.Stats(); got.Idle != n {
		t.Fatalf("%d idle connections", got.Idle)
	}
	s.closePeers()
	time.Sleep(20 * time.Millisecond)
	req := get("/")
	req.Method = []byte("POST") // which may not be sent twice
	req.Body, req.ContentLength = strings.NewReader("once"), 4
	wantBody(t, ask(o, req), "ok")
	if got := o.Stats(); got.Stale != n || got.Dialed != n+1 || got.Open != 1 || got.Retries != 0 {
		t.Errorf("%+v", got)
	}
}

// Poison: an origin says more than it was asked. Nothing of the surplus may
// become the answer to another request. What comes after that request was sent
// cannot be told from its answer, so the late surplus is awaited.
const (
	poisonRounds = 10000
	surplus      = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
)

func TestPoisonAtOnce(t *testing.T) {
	o, _ := origin(t, answering(ok+surplus))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range poisonRounds / 8 {
				if a := ask(o, get("/")); a.err != nil || a.body != "ok" {
					t.Errorf("%q, %v", a.body, a.err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := o.Stats(); got.Dialed != poisonRounds {
		t.Errorf("a connection with a surplus was used again: %+v", got)
	}
}

func TestPoisonLater(t *testing.T) {
	const parallel = 250
	said := make([]chan bool, parallel)
	s := serve(t, listen(t), func(p *peer) {
		for {
			head, _ := p.request()
			if head == "" || !p.say(ok) {
				return
			}
			var worker int
			_, _ = fmt.Sscanf(head, "GET /%d", &worker)
			time.Sleep(50 * time.Millisecond)
			p.say(surplus)
			said[worker] <- true
		}
	})
	var wg sync.WaitGroup
	for i := range parallel {
		said[i] = make(chan bool)
		o := open(t, "http://"+s.Addr().String())
		req := get("/" + strconv.Itoa(i))
		wg.Go(func() {
			for range poisonRounds / parallel {
				if a := ask(o, req); a.err != nil || a.body != "ok" {
					t.Errorf("%q, %v", a.body, a.err)
				}
				<-said[i]
			}
			if got := o.Stats(); got.Dialed != poisonRounds/parallel {
				t.Errorf("a connection with a surplus was used again: %+v", got)
			}
		})
	}
	wg.Wait()
}

func TestSurplusBehindEveryFraming(t *testing.T) {
	for _, raw := range []string{
		"HTTP/1.1 304 Not Modified\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		o, _ := origin(t, answering(raw+surplus))
		for range 20 {
			if a := ask(o, get("/")); a.err != nil || a.body != "" {
				t.Fatalf("%q: %q, %v", raw, a.body, a.err)
			}
		}
	}
}

func TestUnixSocket(t *testing.T) {
	path := t.TempDir() + "/api.sock"
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	serve(t, ln, func(p *peer) {
		for {
			head, _ := p.request()
			if head == "" {
				return
			}
			got <- head
			p.say(ok)
		}
	})
	o := open(t, "unix://"+path)
	for range 3 {
		wantBody(t, ask(o, get("/x")), "ok")
		if head := <-got; head != "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n" {
			t.Errorf("got %q", head)
		}
	}
	if n := o.Stats().Dialed; n != 1 {
		t.Errorf("%d connections", n)
	}
	_ = ln.Close()
	_ = os.Remove(path)
}

func TestStats(t *testing.T) {
	statuses := []string{"200", "204", "301", "404", "404", "500", "999"}
	o, _ := origin(t, func(p *peer) {
		for _, status := range statuses {
			p.request()
			p.say("HTTP/1.1 " + status + " x\r\nContent-Length: 0\r\n\r\n")
		}
	})
	for range statuses {
		if a := ask(o, get("/")); a.err != nil {
			t.Fatal(a.err)
		}
	}
	if got, want := o.Stats().Responses, [6]uint64{1, 0, 2, 1, 2, 1}; got != want {
		t.Errorf("got %v", got)
	}
	ask(o, get("bad"))
	if got := o.Stats(); got.Requests != 8 || got.Errors[BadRequest] != 1 || got.Open != 1 {
		t.Errorf("%+v", got)
	}
	o.CloseIdle()
	if got := o.Stats(); got.Open != 0 || got.Idle != 0 {
		t.Errorf("%+v", got)
	}
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if name := k.String(); name == "" || seen[name] || !isToken([]byte(name)) {
			t.Errorf("%d is called %q", k, name)
		}
		seen[k.String()] = true
	}
	if !HeaderTimeout.Timeout() || Refused.Timeout() || !fail(ReadTimeout, nil).Timeout() {
		t.Error("Timeout")
	}
	if got := fail(Refused, io.EOF).Error(); got != "upstream: refused: EOF" {
		t.Error(got)
	}
}
