package e2e

import (
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"strings"
	"testing"
	"time"
)

const (
	gib = 1 << 30
	mib = 1 << 20

	// growth is how much memory a transfer may cost. It is a tenth of what holding a body would.
	growth = 64 * mib
)

// source is n bytes in which each block of 256 KiB differs from the others. It remembers their checksum.
type source struct {
	left  int64
	block []byte
	rest  []byte
	n     int
	sum   hash.Hash64
}

func newSource(n int64) *source {
	return &source{left: n, block: []byte(pattern(256 << 10)), sum: crc64.New(crcTable)}
}

var crcTable = crc64.MakeTable(crc64.ECMA)

// Read implements [io.Reader].
func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if len(s.rest) == 0 {
		s.n++
		copy(s.block, fmt.Sprintf("block %8d", s.n))
		s.rest = s.block
	}
	n := copy(p[:min(int64(len(p)), s.left)], s.rest)
	s.rest = s.rest[n:]
	s.left -= int64(n)
	s.sum.Write(p[:n])
	return n, nil
}

// sink counts bytes and sums them up.
type sink struct {
	n   int64
	sum hash.Hash64
}

func newSink() *sink { return &sink{sum: crc64.New(crcTable)} }

// Write implements [io.Writer].
func (s *sink) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return s.sum.Write(p)
}

func (s *sink) String() string { return fmt.Sprintf("%d bytes, checksum %x", s.n, s.sum.Sum64()) }

// memory watches the process and returns a func that tells by how much it grew at most.
func (s *sidecar) memory() (most func() int64) {
	idle := s.rss()
	stop, result := make(chan struct{}), make(chan int64, 1)
	go func() {
		var peak int64
		for {
			select {
			case <-stop:
				result <- peak
				return
			case <-time.After(10 * time.Millisecond):
				peak = max(peak, s.rss()-idle)
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-result
	}
}

// copyChunked writes what r has as chunks of various sizes.
func copyChunked(w io.Writer, r io.Reader) error {
	block := make([]byte, 100_000)
	for i := 0; ; i++ {
		n, err := r.Read(block[:1+i*7919%len(block)])
		if n > 0 {
			if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", n, block[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			_, err = io.WriteString(w, "0\r\n\r\n")
			return err
		}
		if err != nil {
			return err
		}
	}
}

// A download of 1 GiB goes through without being kept, nor one of unknown length that may be stored until it
// proves too large.
func TestLargeDownload(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env(), "MAX_OBJECT_BYTES=1MiB") // up to that, memory is what it may take
	for _, row := range []struct {
		target string
		size   int64
		send   func(*call, *source) error
	}{
		{"/length", gib, func(c *call, src *source) error {
			c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: %d\r\n\r\n", src.left))
			_, err := io.Copy(c.conn, src)
			return err
		}},
		{"/chunked", 128 * mib, func(c *call, src *source) error {
			c.say("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n")
			return copyChunked(c.conn, src)
		}},
		{"/until-close", 128 * mib, func(c *call, src *source) error {
			c.say("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\n")
			c.done = true
			_, err := io.Copy(c.conn, src)
			return err
		}},
	} {
		src := newSource(row.size)
		sent := make(chan error, 1)
		o.on(row.target, func(c *call) { sent <- row.send(c, src) })
		s.get("/warm")
		most := s.memory()
		got := s.download(row.target)
		if err := <-sent; err != nil {
			t.Errorf("%s: the origin could not send: %v", row.target, err)
		}
		equal(t, row.target, got.String(), fmt.Sprintf("%d bytes, checksum %x", row.size, src.sum.Sum64()))
		if grew := most(); grew > growth {
			t.Errorf("%s: %d MiB of memory more than idle", row.target, grew/mib)
		}
	}
	s.settled()
	equal(t, "responses in L1", s.metric("l1_entries"), 0)
}

// download reads a body of any size.
func (s *sidecar) download(target string) *sink {
	s.t.Helper()
	c := dial(s.t, s.addr)
	if err := c.send(request("GET " + target)); err != nil {
		s.t.Fatal(err)
	}
	r, err := c.readHead()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.conn.SetDeadline(time.Now().Add(3 * patience)); err != nil {
		s.t.Fatal(err)
	}
	got := newSink()
	if _, err := io.Copy(got, r.content(c.reader, "GET")); err != nil {
		s.t.Errorf("%s: after %v: %v", target, got, err)
	}
	return got
}

// An upload of 1 GiB goes through as it comes.
func TestLargeUpload(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		got := newSink()
		if _, err := io.Copy(got, c.content()); err != nil {
			c.done = true
			return
		}
		c.say(reply(got.String()))
	})
	s := nearside(t, o.env())
	for _, row := range []struct {
		framing string
		size    int64
		send    func(*client, *source) error
	}{
		{fmt.Sprintf("Content-Length: %d", gib), gib, func(c *client, src *source) error {
			_, err := io.Copy(c.conn, src)
			return err
		}},
		{"Transfer-Encoding: chunked", 128 * mib, func(c *client, src *source) error { return copyChunked(c.conn, src) }},
	} {
		s.get("/warm")
		most := s.memory()
		c := dial(t, s.addr)
		if err := c.send(request("PUT /upload", row.framing)); err != nil {
			t.Fatal(err)
		}
		if err := c.conn.SetDeadline(time.Now().Add(3 * patience)); err != nil {
			t.Fatal(err)
		}
		src := newSource(row.size)
		if err := row.send(c, src); err != nil {
			t.Fatalf("%s: %v", row.framing, err)
		}
		r, err := c.read("PUT")
		if err != nil {
			t.Fatalf("%s: no answer: %v", row.framing, err)
		}
		equal(t, row.framing, r.body, fmt.Sprintf("%d bytes, checksum %x", row.size, src.sum.Sum64()))
		equal(t, "framing at the origin", strings.Contains(o.last("/upload").head, row.framing+"\r\n"), true)
		if grew := most(); grew > growth {
			t.Errorf("%s: %d MiB of memory more than idle", row.framing, grew/mib)
		}
	}
}
