package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// origin is an upstream on raw sockets. Scripts write the exact bytes of its answers; it counts and keeps the
// requests.
type origin struct {
	t        *testing.T
	listener net.Listener

	mu      sync.Mutex
	scripts map[string]func(*call) // by target; "*" is for all others
	calls   []*call
	conns   map[net.Conn]bool
	closed  bool
	serving sync.WaitGroup
}

// call is one request, as the origin got it.
type call struct {
	origin *origin
	conn   net.Conn
	reader *bufio.Reader
	nth    int // of the requests for its target, from 1

	method, target string
	head           string // the request line and the fields, each with its CRLF
	body           string // once read
	done           bool   // close the connection behind the answer
}

// newOrigin starts an origin at a free port.
func newOrigin(t *testing.T) *origin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOrigin(t, l)
}

// serveOrigin starts an origin at a listener.
func serveOrigin(t *testing.T, l net.Listener) *origin {
	o := &origin{t: t, listener: l, scripts: map[string]func(*call){}, conns: map[net.Conn]bool{}}
	o.serving.Add(1)
	go o.accept()
	t.Cleanup(o.close)
	return o
}

func (o *origin) accept() {
	defer o.serving.Done()
	for {
		c, err := o.listener.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		o.conns[c] = true
		if o.closed {
			c.Close()
		}
		o.serving.Add(1)
		o.mu.Unlock()
		go o.serve(c)
	}
}

// close ends the origin: from here on connections are refused.
func (o *origin) close() {
	o.mu.Lock()
	o.closed = true
	o.listener.Close()
	for c := range o.conns {
		c.Close()
	}
	o.mu.Unlock()
	o.serving.Wait()
}

// serve answers the requests of one connection.
func (o *origin) serve(conn net.Conn) {
	defer o.serving.Done()
	defer func() {
		conn.Close()
		o.mu.Lock()
		delete(o.conns, conn)
		o.mu.Unlock()
	}()
	reader := bufio.NewReader(conn)
	for {
		c := &call{origin: o, conn: conn, reader: reader}
		if !c.readHead() {
			return
		}
		script := o.note(c)
		script(c)
		if c.done {
			return
		}
	}
}

// note keeps a call and finds its script.
func (o *origin) note(c *call) func(*call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c.nth = 1
	for _, other := range o.calls {
		if other.target == c.target {
			c.nth++
		}
	}
	o.calls = append(o.calls, c)
	for _, target := range []string{c.target, "*"} {
		if script := o.scripts[target]; script != nil {
			return script
		}
	}
	return func(c *call) { c.say(reply(c.target, "Status: 404", "Cache-Control: no-store")) }
}

// url is the origin's address as a URL, with path behind it.
func (o *origin) url(path string) string { return "http://" + o.addr() + path }

func (o *origin) addr() string { return o.listener.Addr().String() }

// env is the variable that has a sidecar use the origin as its upstream.
func (o *origin) env() string { return "UPSTREAM_URL=" + o.url("") }

// on has requests for target run script.
func (o *origin) on(target string, script func(*call)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scripts[target] = script
}

// says has the origin answer requests for target with these bytes in turn, the last ones for ever.
func (o *origin) says(target string, answers ...string) {
	o.on(target, func(c *call) {
		c.readBody()
		c.say(answers[min(c.nth, len(answers))-1])
	})
}

// requests returns what came for target so far, and for all targets if that is "".
func (o *origin) requests(target string) (calls []*call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.calls {
		if target == "" || c.target == target {
			calls = append(calls, c)
		}
	}
	return calls
}

// count is how many requests came for target so far.
func (o *origin) count(target string) int { return len(o.requests(target)) }

// last is the latest request for target.
func (o *origin) last(target string) *call {
	o.t.Helper()
	calls := o.requests(target)
	if len(calls) == 0 {
		o.t.Fatalf("no request for %q arrived", target)
	}
	return calls[len(calls)-1]
}

// reply composes an answer of 200 with a Date of now and Content-Length. Among the fields, "Status: 503" sets the
// status code; "Date: …" replaces the date, and "Date:" alone leaves it out.
func reply(body string, fields ...string) string {
	status, date, rest := 200, "Date: {now}\r\n", ""
	for _, f := range fields {
		if code, ok := strings.CutPrefix(f, "Status: "); ok {
			status, _ = strconv.Atoi(code) // a typo shows as 0
		} else if strings.HasPrefix(f, "Date:") {
			date = f + "\r\n"
			if f == "Date:" {
				date = ""
			}
		} else {
			rest += f + "\r\n"
		}
	}
	if status != 304 && status != 204 {
		rest += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return fmt.Sprintf("HTTP/1.1 %d %s\r\n%s%s\r\n%s", status, http.StatusText(status), date, rest, body)
}

var moment = regexp.MustCompile(`\{(now|[+-]\d+)\}`)

// stamp puts the time in place of {now}, and that of so many seconds from now in place of {+60} or {-60}.
func stamp(raw string) string {
	if !strings.Contains(raw, "{") {
		return raw
	}
	return moment.ReplaceAllStringFunc(raw, func(m string) string {
		seconds, _ := strconv.Atoi(m[1 : len(m)-1]) // now: 0
		return httpDate(time.Duration(seconds) * time.Second)
	})
}

// httpDate is the time after d from now, as HTTP writes it.
func httpDate(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }

func (c *call) readHead() bool {
	for !strings.HasSuffix(c.head, "\r\n\r\n") {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return false
		}
		c.head += line
	}
	c.head = strings.TrimSuffix(c.head, "\r\n")
	words := strings.SplitN(c.head, " ", 3)
	if len(words) == 3 {
		c.method, c.target = words[0], words[1]
	}
	return true
}

// content is a reader of the request's content.
func (c *call) content() io.Reader {
	if strings.EqualFold(c.field("Transfer-Encoding"), "chunked") {
		return io.MultiReader(httputil.NewChunkedReader(c.reader), chunkedEnd{c.reader})
	}
	n, _ := strconv.ParseInt(c.field("Content-Length"), 10, 64) // none: 0
	return io.LimitReader(c.reader, n)
}

// chunkedEnd takes the empty line behind the last chunk, which is no content.
type chunkedEnd struct{ r *bufio.Reader }

// Read implements [io.Reader].
func (e chunkedEnd) Read([]byte) (int, error) {
	if _, err := e.r.ReadString('\n'); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// readBody reads the request's content.
func (c *call) readBody() {
	body, err := io.ReadAll(c.content())
	c.origin.mu.Lock()
	defer c.origin.mu.Unlock()
	c.body = string(body)
	c.done = c.done || err != nil
}

// field returns the values of the lines with this name, joined.
func (c *call) field(name string) string { return strings.Join(fieldValues(c.head, name), ", ") }

// say writes raw bytes, with times put in.
func (c *call) say(raw string) {
	if _, err := io.WriteString(c.conn, stamp(raw)); err != nil {
		c.done = true
	}
}

// gate is what scripts wait at. It is open at the latest when the test ends.
func gate(t *testing.T) (wait <-chan struct{}, open func()) {
	c := make(chan struct{})
	open = sync.OnceFunc(func() { close(c) })
	t.Cleanup(open)
	return c, open
}

// hang waits until the other side gives up.
func (c *call) hang() {
	_, _ = c.reader.ReadByte() // that is the end of it
	c.done = true
}

// reset closes the connection with a reset.
func (c *call) reset() {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then it is a plain close
	}
	c.conn.Close()
	c.done = true
}

// fieldValues returns the values of a head's lines with this name.
func fieldValues(head, name string) (values []string) {
	for line := range strings.Lines(head) {
		n, v, found := strings.Cut(line, ":")
		if found && strings.EqualFold(n, name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}
