package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// source is an origin's content: size bytes, in pieces, and then end. Each piece waits for a token, if there are tokens.
type source struct {
	size, at int
	end      error
	tokens   chan struct{}
}

func (s *source) Read(p []byte) (int, error) {
	if s.tokens != nil {
		<-s.tokens
	}
	if s.at == s.size {
		return 0, s.end
	}
	n := min(len(p), s.size-s.at, 10_000)
	for i := range n {
		p[i] = byteAt(s.at + i)
	}
	s.at += n
	return n, nil
}

func byteAt(i int) byte { return byte(i>>16 ^ i>>8 ^ i) }

func newTestStream(t *testing.T, change func(*Parts), src *source, length int64) *stream {
	t.Helper()
	s, _ := newTestServer(t, change)
	s.h.Fills.Start(t.Context())
	resp := upstream.AcquireResponse()
	resp.Body, resp.ContentLength = src, length
	reserved := max(0, length)
	if !s.h.budget.take(reserved) {
		t.Fatal("no room")
	}
	e := &tiers.Entry{Key: "k", Status: 200, Born: tiers.Now(), Lifetime: time.Hour}
	return newStream(s.h, resp, e, reserved)
}

// drain reads all, and checks each byte.
func drain(t *testing.T, r *reader, step int, pause time.Duration) (n int, err error) {
	b := make([]byte, step)
	for {
		m, err := r.Read(b)
		for i := range m {
			if b[i] != byteAt(n+i) {
				t.Errorf("byte %d is wrong", n+i)
				return n, nil
			}
		}
		if n += m; err != nil {
			return n, err
		}
		time.Sleep(pause)
	}
}

func TestStreamReadersGetAll(t *testing.T) {
	const size = 1 << 20
	for _, row := range []struct {
		name   string
		length int64
		change func(*Parts)
		end    error
		stored int
	}{
		{"known length", size, nil, io.EOF, size},
		{"unknown length", -1, nil, io.EOF, size},
		{"exactly the most", -1, func(p *Parts) { p.Config.MaxObjectBytes = size }, io.EOF, size},
		{"too large", -1, func(p *Parts) { p.Config.MaxObjectBytes = size - 1 }, io.EOF, 0},
		{"much too large", -1, func(p *Parts) { p.Config.MaxObjectBytes = 10_000 }, io.EOF, 0},
		{"no room", -1, func(p *Parts) { p.Config.QueueBytes = 100_000 }, io.EOF, 0},
		{"breaks off", size, nil, io.ErrUnexpectedEOF, 0},
		{"breaks off, unknown length", -1, nil, io.ErrUnexpectedEOF, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newTestStream(t, row.change, &source{size: size, end: row.end}, row.length)
			var wg sync.WaitGroup
			for i := range 4 {
				r := s.read(nil)
				wg.Go(func() {
					defer r.Close()
					n, err := drain(t, r, 3000*(i+1), time.Duration(i)*50*time.Microsecond)
					if n != size || !errors.Is(err, row.end) {
						t.Errorf("%d bytes, %v", n, err)
					}
				})
			}
			leaver := s.read(nil)
			wg.Go(func() {
				defer leaver.Close()
				if _, err := io.CopyN(io.Discard, leaver, 5000); err != nil {
					t.Error(err)
				}
			})
			if err := s.pump(); err != nil && !errors.Is(err, row.end) {
				t.Error(err)
			}
			wg.Wait()
			stored := s.whole()
			if got := 0; stored != nil {
				got = len(stored.Body)
				if got != row.stored {
					t.Errorf("%d bytes stored", got)
				}
			} else if row.stored != 0 {
				t.Error("nothing stored")
			}
			if err := s.h.Fills.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			if n := s.h.budget.used.Load(); n != 0 {
				t.Errorf("%d bytes of the budget are left", n)
			}
		})
	}
}

// TestStreamIsBounded: content that is not stored is read no faster than its slowest reader reads, and what all have
// read is let go.
func TestStreamIsBounded(t *testing.T) {
	src := &source{size: 64 << 20, end: io.EOF}
	s := newTestStream(t, func(p *Parts) { p.Config.MaxObjectBytes = 100_000 }, src, -1)
	r := s.read(nil)
	done := make(chan error)
	go func() { done <- s.pump() }()
	b := make([]byte, 8000)
	total := 0
	for total < 4<<20 {
		n, err := r.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		total += n
		s.mu.Lock()
		ahead, held := s.base+int64(len(s.content))-int64(total), cap(s.content)
		s.mu.Unlock()
		if ahead > window+2*piece || held > 3*window {
			t.Fatalf("after %d bytes: %d ahead, %d held", total, ahead, held)
		}
	}
	if n := s.h.budget.used.Load(); n != 0 {
		t.Errorf("%d bytes of the budget are still taken", n)
	}
	if s.read(nil) != nil {
		t.Error("somebody joins when the beginning is gone")
	}
	r.Close()
	if err := <-done; !errors.Is(err, errNobody) {
		t.Errorf("without readers: %v", err)
	}
}

// TestStreamArrives: readers get what has come before the rest has, and who joins late begins at the beginning.
func TestStreamArrives(t *testing.T) {
	src := &source{size: 30_000, end: io.EOF, tokens: make(chan struct{})}
	s := newTestStream(t, nil, src, 30_000)
	go s.pump()
	first := s.read(nil)
	src.tokens <- struct{}{}
	b := make([]byte, 10_000)
	for _, r := range []*reader{first, s.read(nil)} {
		if n, err := io.ReadFull(r, b); err != nil || b[n-1] != byteAt(n-1) {
			t.Fatal(n, err)
		}
	}
	close(src.tokens)
	late := s.read(nil)
	all, err := io.ReadAll(late)
	if err != nil || len(all) != 30_000 {
		t.Fatal(len(all), err)
	}
	<-s.done
	if !bytes.Equal(s.whole().Body, all) {
		t.Error("what is stored is not what was sent")
	}
}

// TestStreamDropsLaggards: who is a window behind and takes less than another one within patience is cut, when others wait
// for it. A slow one that goes on taking is not, and neither is one that nobody waits for.
func TestStreamDropsLaggards(t *testing.T) {
	const size = 3 << 20
	for _, row := range []struct {
		name   string
		others int
		sip    int           // what the slow one takes
		every  time.Duration // and when
		cut    bool
	}{
		{"stalls", 2, size, time.Hour, true},
		{"trickles", 2, 1000, 100 * time.Millisecond, true},
		{"is slow", 2, 8000, 250 * time.Millisecond, false},
		{"stalls, alone", 0, size, time.Hour, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestStream(t, func(p *Parts) { p.Config.MaxObjectBytes = 100_000 }, &source{size: size, end: io.EOF}, -1)
				near, far := net.Pipe()
				slow := s.read(&client{Conn: near})
				var wg sync.WaitGroup
				for range row.others {
					r := s.read(nil)
					wg.Go(func() {
						defer r.Close()
						if n, err := drain(t, r, 8000, 0); n != size || !errors.Is(err, io.EOF) {
							t.Errorf("%d bytes, %v", n, err)
						}
					})
				}
				wg.Go(func() {
					defer slow.Close()
					n, err := io.Copy(io.Discard, &sipper{slow, row.sip, row.every})
					if row.cut != errors.Is(err, errLags) || !row.cut && (n != size || err != nil) {
						t.Errorf("the slow one got %d bytes, %v", n, err)
					}
				})
				begun := time.Now()
				if err := s.pump(); err != nil {
					t.Error(err)
				}
				if took := time.Since(begun); row.cut && took > 2*patience {
					t.Errorf("the others had to wait for %v", took)
				}
				wg.Wait()
				if row.cut {
					if _, err := far.Read(make([]byte, 1)); err != io.EOF {
						t.Errorf("its connection: %v", err)
					}
				}
				if n := s.h.counters.laggards.Load(); row.cut != (n == 1) {
					t.Errorf("%d laggards", n)
				}
				if err := s.h.Fills.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
