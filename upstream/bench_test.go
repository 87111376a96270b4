package upstream

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// echoing answers every read with the same bytes, without a parser: what is
// left of a benchmark is this package and the kernel.
func echoing(b testing.TB, raw string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, answer := make([]byte, 64<<10), []byte(raw)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

const typical = "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\nCache-Control: public, max-age=60\r\n" +
	"ETag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\nVary: Accept-Encoding\r\nServer: api\r\nX-Request-Id: 9f2c\r\nConnection: keep-alive\r\n" +
	"Content-Length: 17\r\n\r\n{\"answer\":    42}"

func typicalGet() *Request {
	req := get("/v1/things?limit=10")
	req.Header = header("User-Agent: app/1.0", "Accept: application/json", "Accept-Encoding: gzip", "Authorization: Bearer 0123456789abcdef", "Connection: keep-alive")
	req.Extra = header("Via: 1.1 nearside")
	return req
}

// once sends req and reads the body into buf.
func once(t testing.TB, o *Origin, req *Request, resp *Response, buf []byte) {
	err := o.Do(req, resp)
	for err == nil {
		_, err = resp.Body.Read(buf)
	}
	if err != io.EOF || resp.Status != 200 {
		t.Fatal(err)
	}
}

func BenchmarkSmallGet(b *testing.B) {
	o := open(b, "http://"+echoing(b, typical))
	req, resp, buf := typicalGet(), new(Response), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		once(b, o, req, resp, buf)
	}
}

func BenchmarkSmallGetParallel(b *testing.B) {
	o := open(b, "http://"+echoing(b, typical))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		req, resp, buf := typicalGet(), new(Response), make([]byte, 4096)
		for pb.Next() {
			once(b, o, req, resp, buf)
		}
	})
}

// BenchmarkKernelAlone is the floor: the same bytes over the same loopback.
func BenchmarkKernelAlone(b *testing.B) {
	c, err := net.Dial("tcp", echoing(b, typical))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	o := open(b, "http://origin")
	head, _ := o.appendHead(nil, typicalGet())
	buf := make([]byte, 4096)
	for b.Loop() {
		_, _ = c.Write(head)
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostClient is fasthttp's own exchange, streaming as here.
func BenchmarkHostClient(b *testing.B) {
	addr := echoing(b, typical)
	dial := func(string) (net.Conn, error) { return net.Dial("tcp", addr) }
	hc := &fasthttp.HostClient{Addr: addr, Dial: dial, StreamResponseBody: true, ReadTimeout: time.Second, WriteTimeout: time.Second}
	var req fasthttp.Request
	var resp fasthttp.Response
	req.SetRequestURI("http://origin/v1/things?limit=10")
	for _, kv := range [][2]string{{"User-Agent", "app/1.0"}, {"Accept", "application/json"}, {"Accept-Encoding", "gzip"}, {"Authorization", "Bearer 0123456789abcdef"}, {"Via", "1.1 nearside"}} {
		req.Header.Set(kv[0], kv[1])
	}
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		err := hc.Do(&req, &resp)
		for err == nil {
			_, err = resp.BodyStream().Read(buf)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		_ = resp.CloseBodyStream()
	}
	hc.CloseIdleConnections()
}

func BenchmarkAppendHead(b *testing.B) {
	o := open(b, "http://origin")
	req := typicalGet()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = o.appendHead(dst[:0], req)
	}
}

func BenchmarkParseHead(b *testing.B) {
	block := []byte(typical[:bytes.Index([]byte(typical), []byte("\r\n\r\n"))+4])
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var h head
		dst, _ = h.parse(dst[:0], block)
	}
}
