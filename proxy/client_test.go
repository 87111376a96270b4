package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowClient: a client that goes on taking what is stored gets all of it, however long that takes.
func TestSlowClient(t *testing.T) {
	body := strings.Repeat("0123456789", 100_000)
	for name, row := range map[string]struct{ fields, want string }{
		"whole": {"", body},
		"part":  {"Range: bytes=5-900004\r\n", body[5:900_005]},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l1 := newTestServer(t, nil)
				putEntry(t, l1, "/big", usualHeader, body)
				c, ended := serveOne(s, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+row.fields+"\r\n")
				begun := time.Now()
				resp, err := http.ReadResponse(bufio.NewReader(&sipper{c, 10_000, 3 * time.Second}), nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || string(got) != row.want {
					t.Errorf("%d bytes of %d, %v", len(got), len(row.want), err)
				}
				if took := time.Since(begun); took < 2*clientStall {
					t.Errorf("not slow enough to tell: %v", took)
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestStalledClient: one that takes nothing for clientStall is given up.
func TestStalledClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l1 := newTestServer(t, nil)
		putEntry(t, l1, "/big", usualHeader, strings.Repeat("0123456789", 100_000))
		c, ended := serveOne(s, "GET /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if _, err := io.CopyN(io.Discard, c, 50_000); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(begun); took < clientStall || took > clientStall+2*stallLook {
			t.Errorf("given up after %v", took)
		}
	})
}

// TestClientWaitsForContent: that there is nothing to write is not the client's fault.
func TestClientWaitsForContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{size: 30_000, end: io.EOF, tokens: make(chan struct{})}
		s := newTestStream(t, nil, src, 30_000)
		near, far := net.Pipe()
		content := s.read(&client{Conn: near})
		go s.pump()
		go func() {
			defer near.Close()
			defer content.Close()
			if _, err := io.Copy(&client{Conn: near}, content); err != nil {
				t.Error(err)
			}
		}()
		go func() {
			for range 3 {
				time.Sleep(2 * clientStall)
				src.tokens <- struct{}{}
			}
			close(src.tokens)
		}()
		if got, err := io.ReadAll(far); err != nil || len(got) != 30_000 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if err := s.h.Fills.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// serveOne sends a request, and returns the client's end of the connection, and what ended the server's.
func serveOne(s *Server, request string) (net.Conn, <-chan error) {
	near, far := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- s.http.ServeConn(&client{Conn: near}) }()
	_, _ = io.Copy(far, bytes.NewReader([]byte(request))) //nolint:errcheck // no answer would come
	return far, ended
}

// sipper reads up to sip bytes, each after a pause.
type sipper struct {
	io.Reader
	sip   int
	pause time.Duration
}

func (s *sipper) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.Reader.Read(p[:min(len(p), s.sip)])
}
