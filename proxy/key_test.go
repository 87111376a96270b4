package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/nearside-cache/nearside/proxy/policy"
)

// readRequest has a request read as the server does, and tells its Key, and what of it goes upstream that is not for
// Vary to tell apart. ok is false when the store has nothing to do with it.
func readRequest(t *testing.T, s *Server, raw string) (key, sent string, ok bool) {
	t.Helper()
	s.http.Handler = func(ctx *fasthttp.RequestCtx) {
		x := s.h.begin(ctx)
		defer x.release()
		if x.read() != nil {
			return
		}
		if ok, _ = x.req.Usable(); !ok {
			return
		}
		key = strings.Clone(string(x.key()))
		method := string(ctx.Method())
		if method == "HEAD" {
			method = "GET"
		}
		sent = fmt.Sprintf("%q", []string{method, string(x.target.raw), string(x.host), string(x.body)})
		for n, v, rest := x.header.Next(); n != nil; n, v, rest = rest.Next() {
			switch name := strings.ToLower(string(n)); name {
			case "authorization", "x-tenant":
				sent += fmt.Sprintf("%q %q\n", name, v)
			case "content-type":
				if x.req.Method == policy.Query {
					sent += fmt.Sprintf("%q %q\n", name, v)
				}
			}
		}
	}
	ask(t, s, raw)
	return key, sent, ok
}

// FuzzKey: two requests that differ in anything that is sent upstream never share a key.
func FuzzKey(f *testing.F) {
	f.Add("GET", "/a?b", "h", "Authorization: x", "", "QUERY", "/a?b", "h", "Authorization: y", "content")
	f.Add("GET", "/a", "h #x", "", "", "GET", "/a h", "#x", "", "")
	f.Add("HEAD", "http://h/a", "i", "X-Tenant: a", "", "GET", "/a", "h", "X-Tenant: a", "")
	f.Add("QUERY", "/a", "h", "Content-Type: a", "b", "POST", "/a", "h", "Content-Type: a", "b")
	f.Add("GET", "/a?", "h", "X-Tenant: a, b", "", "GET", "/a", "h", "X-Tenant: a\r\nX-Tenant: b", "")
	f.Add("GET", "/%61", "h:80", "", "", "GET", "/a", "h", "", "")
	f.Add("QUERY", "/a", "h", "", "", "QUERY", "/a", "h", "Authorization:", "")
	s, _ := newTestServer(f, func(p *Parts) {
		p.Upstream.Host = "preserve"
		p.Config.QueryMaxBytes = 64
		p.Policy = policy.Config{Authorization: policy.PerCredential, KeyHeaders: []string{"X-Tenant"}}
	})
	f.Fuzz(func(t *testing.T, methodA, targetA, hostA, fieldsA, contentA, methodB, targetB, hostB, fieldsB, contentB string) {
		compose := func(method, target, host, fields, content string) string {
			raw := method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n"
			if fields != "" {
				raw += fields + "\r\n"
			}
			if content != "" {
				raw += fmt.Sprintf("Content-Length: %d\r\n", len(content))
			}
			return raw + "\r\n" + content
		}
		keyA, sentA, okA := readRequest(t, s, compose(methodA, targetA, hostA, fieldsA, contentA))
		keyB, sentB, okB := readRequest(t, s, compose(methodB, targetB, hostB, fieldsB, contentB))
		if okA && okB && keyA == keyB && sentA != sentB {
			t.Errorf("two requests share the key %q:\n%s\n%s", keyA, sentA, sentB)
		}
	})
}

// TestKeys: the form of a Key.
func TestKeys(t *testing.T) {
	s, _ := newTestServer(t, func(p *Parts) {
		p.Config.QueryMaxBytes = 64
		p.Policy = policy.Config{Authorization: policy.PerCredential}
	})
	uri := "http://127.0.0.1:9/base"
	for _, row := range []struct{ raw, want string }{
		{"GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n", "GET " + uri + "/a?b"},
		{"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n", "GET " + uri + "/a"},
		{"QUERY /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx", "QUERY " + uri + "/a #"},
		{"GET /a HTTP/1.1\r\nHost: h\r\nAuthorization: secret\r\n\r\n", "GET " + uri + "/a #"},
	} {
		key, _, ok := readRequest(t, s, row.raw)
		if hash, found := strings.CutPrefix(key, row.want); !ok || !found || len(hash) != 32*strings.Count(row.want, "#") {
			t.Errorf("%q has the key %q, want %q", row.raw, key, row.want)
		}
	}
}
