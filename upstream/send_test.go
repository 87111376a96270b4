package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endless is a body that never ends; it counts what was taken of it.
type endless struct{ taken atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.taken.Add(int64(len(p)))
	return len(p), nil
}

func post(body io.Reader, length int64) *Request {
	return &Request{Method: []byte("POST"), Target: []byte("/"), Body: body, ContentLength: length}
}

const refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"

func TestEarlyRefusalIsHeard(t *testing.T) {
	ca := newAuthority(t)
	done := make(chan struct{})
	defer close(done)
	head := func(p *peer) {
		for {
			if line, _ := p.br.ReadString('\n'); line == "\r\n" || line == "" {
				return
			}
		}
	}
	for name, script := range map[string]func(*peer){
		"and reads on": func(p *peer) {
			head(p)
			p.say("HTTP/1.1 100 Continue\r\n\r\n" + refusal)
			_, _ = io.Copy(io.Discard, p.br)
		},
		"and reads no more": func(p *peer) {
			head(p)
			time.Sleep(20 * time.Millisecond)
			p.say(refusal)
			<-done
		},
		"and closes": func(p *peer) {
			head(p)
			p.say(refusal)
			time.Sleep(20 * time.Millisecond)
		},
	} {
		for _, secure := range []bool{false, true} {
			for _, length := range []int64{-1, 1 << 40} {
				url, change := "", []func(*Config){timeout(time.Second)}
				if secure {
					url = "https://" + tlsOrigin(t, ca, script, tls.NoClientCert, tls.VersionTLS13).Addr().String()
					change = append(change, trusting(t, ca))
				} else {
					url = "http://" + serve(t, listen(t), script).Addr().String()
				}
				o := open(t, url, change...)
				a := ask(o, post(&endless{}, length))
				if a.err != nil || a.Status != 413 || a.body != "big" {
					t.Errorf("%s, TLS %v, length %d: %d %q, %v", name, secure, length, a.Status, a.body, a.err)
				}
				if got := o.Stats(); got.Open != 0 {
					t.Errorf("%s: the connection lives on: %+v", name, got)
				}
			}
		}
	}
}

func TestEarlySuccessDoesNotEndTheUpload(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 300<<10)
	got := make(chan int, 1)
	o, _ := origin(t, func(p *peer) {
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		_, b := p.request()
		got <- len(b)
		p.say("ok")
	})
	wantBody(t, ask(o, post(bytes.NewReader(body), int64(len(body)))), "ok")
	if n := <-got; n != len(body) {
		t.Errorf("%d bytes arrived", n)
	}
}

func TestInterimResponsesDoNotEndTheUpload(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 300<<10)
	o, s := origin(t, func(p *peer) {
		p.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n")
		_, b := p.request()
		if len(b) == len(body) {
			p.say("\r\n" + ok)
			answering(ok)(p)
		}
	})
	wantBody(t, ask(o, post(bytes.NewReader(body), int64(len(body)))), "ok")
	wantBody(t, ask(o, get("/")), "ok")
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestStalledUploadIsCut(t *testing.T) {
	ca := newAuthority(t)
	done := make(chan struct{})
	defer close(done)
	script := func(*peer) { <-done }
	plain := serve(t, listen(t), script)
	hung := serve(t, listen(t), func(p *peer) {
		cert, key := ca.issue("api.internal")
		pair, _ := tls.X509KeyPair(cert, key)
		c := tls.Server(p.Conn, &tls.Config{Certificates: []tls.Certificate{pair}})
		_ = c.Handshake()
		<-done
	})
	for _, o := range []*Origin{
		open(t, "http://"+plain.Addr().String(), timeout(300*time.Millisecond)),
		open(t, "https://"+hung.Addr().String(), timeout(300*time.Millisecond), trusting(t, ca)),
	} {
		for _, length := range []int64{-1, 1 << 40} {
			// The kernels go on moving some bytes for a while, by probing a window that is shut: that is no stall yet.
			within(t, 300*time.Millisecond, time.Minute, func() { wantKind(t, ask(o, post(&endless{}, length)).err, WriteTimeout) })
		}
	}
}

func TestSlowUploadThatMovesIsNotCut(t *testing.T) {
	const size, step = 64 << 20, 1 << 20 // far more than the kernel holds for us
	o, _ := origin(t, func(p *peer) {
		for line := ""; line != "\r\n"; {
			line, _ = p.br.ReadString('\n')
		}
		for range size / step {
			time.Sleep(20 * time.Millisecond)
			if _, err := io.CopyN(io.Discard, p.br, step); err != nil {
				return
			}
		}
		p.say(ok)
	}, timeout(400*time.Millisecond))
	within(t, 800*time.Millisecond, 20*time.Second, func() {
		wantBody(t, ask(o, post(io.LimitReader(&endless{}, size), size)), "ok")
	})
}

func TestSlowClientIsWaitedFor(t *testing.T) {
	o, _ := origin(t, answering(ok), timeout(300*time.Millisecond))
	r, w := io.Pipe()
	go func() {
		for range 5 {
			time.Sleep(120 * time.Millisecond)
			_, _ = w.Write([]byte("abc"))
		}
		_ = w.Close()
	}()
	wantBody(t, ask(o, post(r, -1)), "ok")
}

func TestRequestBodyThatFails(t *testing.T) {
	broken := errors.New("client went away")
	o, s := origin(t, func(p *peer) {
		if head, body := p.request(); head != "" {
			t.Errorf("a whole request arrived: %q %q", head, body)
		}
	})
	for _, req := range []*Request{
		post(io.MultiReader(strings.NewReader("abc"), errReader{broken}), -1),
		post(io.MultiReader(strings.NewReader("abc"), errReader{broken}), 9),
		post(strings.NewReader("abc"), 9),
	} {
		a := ask(o, req)
		wantKind(t, a.err, RequestBody)
		if !errors.Is(a.err, broken) && !errors.Is(a.err, io.ErrUnexpectedEOF) {
			t.Errorf("%v does not say why", a.err)
		}
	}
	eventually(t, "connections closed", func() bool { return o.Stats().Open == 0 && s.accepted.Load() == 3 })
}

type errReader struct{ error }

func (e errReader) Read([]byte) (int, error) { return 0, e.error }

func TestUploadCanceled(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	o, _ := origin(t, func(*peer) { <-done })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	req := post(&endless{}, -1)
	req.Context = ctx
	within(t, 0, 10*time.Second, func() { wantKind(t, ask(o, req).err, Canceled) })
}

func TestLargeUploadIsFlatInMemory(t *testing.T) {
	const size = 256 << 20
	o, _ := origin(t, func(p *peer) {
		_, _ = p.br.ReadString('\n')
		_, _ = io.CopyN(io.Discard, p.br, size)
		p.say(ok)
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a := ask(o, post(io.LimitReader(&endless{}, size), size))
	runtime.ReadMemStats(&after)
	wantBody(t, a, "ok")
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("allocated %d bytes on the way", grown)
	}
}
