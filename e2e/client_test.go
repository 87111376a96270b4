package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// client is a connection to a sidecar, on which a test writes exact bytes.
type client struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

// response is an answer, as it came.
type response struct {
	t       *testing.T
	proto   string
	status  int
	head    string // the field lines, each with its CRLF
	body    string
	chunked bool
	cut     error // the body did not end as its framing says
}

// dial connects to a sidecar.
func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := connect(addr)
	if err != nil {
		t.Fatal(err)
	}
	c.t = t
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// connect is dial for goroutines that are not the test's.
func connect(addr string) (*client, error) {
	conn, err := net.Dial(network(addr), addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, reader: bufio.NewReader(conn)}, nil
}

// send writes bytes.
func (c *client) send(raw string) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := io.WriteString(c.conn, raw)
	return err
}

// request composes a request without content.
func request(line string, fields ...string) string {
	raw := line + " HTTP/1.1\r\n"
	if !strings.Contains(strings.ToLower(strings.Join(fields, "\n")), "host:") {
		raw += "Host: client.test\r\n"
	}
	for _, f := range fields {
		raw += f + "\r\n"
	}
	return raw + "\r\n"
}

// exchange sends raw bytes and reads the answer to a request of that method.
func (c *client) exchange(raw string) (*response, error) {
	if err := c.send(raw); err != nil {
		return nil, err
	}
	method, _, _ := strings.Cut(raw, " ")
	return c.read(method)
}

// ask is exchange for tests that cannot go on without an answer.
func (c *client) ask(raw string) *response {
	c.t.Helper()
	r, err := c.exchange(raw)
	if err != nil {
		c.t.Fatalf("no answer to %q: %v", raw, err)
	}
	r.t = c.t
	return r
}

// read reads one final response.
func (c *client) read(method string) (*response, error) {
	r, err := c.readHead()
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.content(c.reader, method))
	r.body, r.cut = string(body), err
	return r, nil
}

// readHead reads a final response up to its body.
func (c *client) readHead() (*response, error) {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for {
		r, err := c.readAnyHead()
		if err != nil || r.status >= 200 {
			return r, err
		}
	}
}

// readAnyHead reads the head of a response, be it an interim one.
func (c *client) readAnyHead() (*response, error) {
	line, err := c.reader.ReadString('\n')
	if err != nil {
		return nil, err
	}
	words := strings.SplitN(strings.TrimRight(line, "\r\n"), " ", 3)
	if len(words) < 2 {
		return nil, fmt.Errorf("no status line: %q", line)
	}
	r := &response{t: c.t, proto: words[0]}
	if r.status, err = strconv.Atoi(words[1]); err != nil {
		return nil, fmt.Errorf("no status line: %q", line)
	}
	for {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line == "\r\n" {
			return r, nil
		}
		r.head += line
	}
}

// content is a reader of the response's body; it ends with io.EOF only where the framing says so.
func (r *response) content(from *bufio.Reader, method string) io.Reader {
	r.chunked = r.field("Transfer-Encoding") != ""
	length := r.field("Content-Length")
	switch {
	case method == "HEAD" || r.status == 204 || r.status == 304:
		return strings.NewReader("")
	case r.chunked:
		return io.MultiReader(httputil.NewChunkedReader(from), chunkedEnd{from})
	case length != "":
		n, err := strconv.ParseInt(length, 10, 64)
		return &exactly{from: from, left: n, err: err}
	}
	return from
}

// exactly reads as many bytes as were promised.
type exactly struct {
	from io.Reader
	left int64
	err  error
}

var errShort = errors.New("the body is shorter than its Content-Length")

// Read implements [io.Reader].
func (e *exactly) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.from.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if e.left > 0 && err != nil {
		return n, fmt.Errorf("%w: %w", errShort, err)
	}
	return n, nil
}

// ended tells whether the sidecar has closed the connection, with nothing more on it.
func (c *client) ended() bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience)) // the read tells
	_, err := c.reader.ReadByte()
	return err != nil && !os.IsTimeout(err)
}

// send sends one request over a connection of its own.
func (s *sidecar) send(raw string) *response {
	s.t.Helper()
	c := dial(s.t, s.addr)
	defer c.conn.Close()
	return c.ask(raw)
}

// get asks for a target over a connection of its own.
func (s *sidecar) get(target string, fields ...string) *response {
	s.t.Helper()
	return s.send(request("GET "+target, fields...))
}

// do sends a request without content, over a connection of its own.
func (s *sidecar) do(line string, fields ...string) *response {
	s.t.Helper()
	return s.send(request(line, fields...))
}

// field returns the values of the lines with this name, joined.
func (r *response) field(name string) string { return strings.Join(fieldValues(r.head, name), ", ") }

var (
	ownStatus = regexp.MustCompile(`(?:^|, )nearside((?:; [^,]*)?)$`)
	ttlMember = regexp.MustCompile(`; ttl=(-?\d+)`)
)

// cache returns what Cache-Status says of this cache, but for the ttl: "hit; detail=L1".
func (r *response) cache() string {
	m := ownStatus.FindStringSubmatch(r.field("Cache-Status"))
	if m == nil {
		return "?? " + r.field("Cache-Status")
	}
	return strings.TrimPrefix(ttlMember.ReplaceAllString(m[1], ""), "; ")
}

// ttl returns the freshness that is left, in seconds.
func (r *response) ttl() int {
	r.t.Helper()
	m := ttlMember.FindStringSubmatch(r.field("Cache-Status"))
	if m == nil {
		r.t.Fatalf("no ttl in Cache-Status: %s", r.field("Cache-Status"))
	}
	n, _ := strconv.Atoi(m[1]) // the expression has digits only
	return n
}

// age returns the value of Age, and -1 where there is none.
func (r *response) age() int {
	n, err := strconv.Atoi(r.field("Age"))
	if err != nil {
		return -1
	}
	return n
}

// wants checks the status code, what the cache did, and the body.
func (r *response) wants(status int, cache, body string) {
	r.t.Helper()
	equal(r.t, "status", r.status, status)
	equal(r.t, "Cache-Status", r.cache(), cache)
	equal(r.t, "body", r.body, body)
	if r.cut != nil {
		r.t.Errorf("the body was cut: %v", r.cut)
	}
}
