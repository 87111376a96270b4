package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// purgeOne purges by one selector.
func (s *sidecar) purgeOne(kind, selector string) {
	s.t.Helper()
	name, err := json.Marshal(selector)
	if err != nil {
		s.t.Fatal(err)
	}
	s.purge(fmt.Sprintf(`{"type":"%s","selectors":[%s]}`, kind, name))
}

// isStored has target stored, and fails when it is not.
func (s *sidecar) isStored(target string, fields ...string) {
	s.t.Helper()
	s.get(target, fields...)
	s.settled()
	if got := s.get(target, fields...).cache(); got != "hit; detail=L1" {
		s.t.Fatalf("%s: %s", target, got)
	}
}

// isGone fails when target is answered by what was stored.
func (s *sidecar) isGone(target, why string, fields ...string) {
	s.t.Helper()
	if got := s.get(target, fields...).cache(); got != "fwd=uri-miss; fwd-status=200; stored" {
		s.t.Errorf("%s after %s: %s", target, why, got)
	}
	s.settled()
}

// fresh has the origin answer everything with something to store, which below /n does not tell queries with another sid
// apart; but unsafe requests with the fields that they ask for.
func fresh(o *origin) {
	o.on("*", func(c *call) {
		c.readBody()
		if c.method == "GET" {
			fields := []string{"Cache-Control: max-age=600"}
			if strings.HasPrefix(c.target, "/n") {
				fields = append(fields, `No-Vary-Search: params=("sid")`)
			}
			c.say(reply(c.target, fields...))
			return
		}
		c.say(reply("done", "Location: "+c.field("X-Location"), "Content-Location: "+c.field("X-Content-Location")))
	})
}

// A URL that was asked for in one spelling is purged in another.
func TestPurgeSpellings(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	fresh(o)
	s := nearside(t, o.env())
	for _, c := range []struct{ stored, kind, selector string }{
		{"/caf%C3%A9", "uri", "/café"},
		{"/caf%C3%A9/x", "prefix", "/café/"},
		{"/sp%20ace", "uri", "/sp ace"},
		{"/a%22b", "uri", `/a"b`},
		{"/a|b", "uri", "/a%7Cb"},
		{"/i/a%40b", "uri", "/i/a@b"},
		{"/x?ids=1%2C2", "uri", "/x?ids=1,2"},
		{"/x?ids=1,2", "uri", "/x?ids=1%2C2"},
		{"/x?t=12%3A30", "uri", "/x?t=12:30"},
		{"/x?a", "uri", "/x?a="},
		{"/a%zz", "uri", "/a%zz"},
	} {
		s.isStored(c.stored)
		s.purgeOne(c.kind, c.selector)
		s.isGone(c.stored, c.kind+" "+c.selector)
	}
	for stored, target := range map[string]string{"/a%zz": "/a%25zz", "/caf%C3%A9": "/café"} {
		s.isStored(stored)
		s.tell("PURGE", target, "")
		s.isGone(stored, "PURGE "+target)
	}
}

// What is not in the Key does not matter to a purge either: parameters that are ignored, everywhere or on a route, and those
// that the response says nothing depends on.
func TestPurgeIgnoredParameters(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	fresh(o)
	s := nearside(t, o.env(), "KEY_IGNORE_PARAMS=utm_*", `ROUTES=[{"path": "/r/**", "ignore_params": ["page"]}]`)
	for _, c := range []struct {
		target string
		purge  func(target string)
	}{
		{"/x?utm_a=1", func(target string) { s.tell("PURGE", target, "") }},
		{"/x?b=2&utm_a=1", func(target string) { s.purgeOne("uri", o.url(target)) }},
		{"/r/x?page=1", func(target string) { s.purgeOne("uri", target) }},
		{"/r/x?utm_a=1&b=2&page=1", func(target string) { s.purgeOne("uri", target) }},
		{"/x?utm_a=1", func(string) { s.purgeOne("prefix", "/x?utm_a") }},
		{"/r/x?page=1", func(string) { s.purgeOne("prefix", "/r/x?page=") }},
		{"/x?utm_a=1", func(target string) { s.do("PUT "+target, "Content-Length: 0") }},
		{"/r/x?page=1", func(target string) { s.do("PUT "+target, "Content-Length: 0") }},
		{"/r/x?page=1&b=2", func(target string) { s.do("DELETE " + target) }},
		{"/x?utm_a=1", func(target string) { s.do("POST /", "Content-Length: 0", "X-Location: "+target) }},
		{"/r/x?page=1", func(string) { s.do("POST /r/", "Content-Length: 0", "X-Content-Location: x?page=1") }},
		{"/n?sid=1", func(string) { s.purgeOne("prefix", "/n?") }},
		{"/n?sid=1", func(string) { s.purgeOne("prefix", "/n?sid=1") }},
		{"/n?sid=1&a=1", func(string) { s.purgeOne("prefix", "/n?a=1") }},
	} {
		s.isStored(c.target)
		c.purge(c.target)
		s.isGone(c.target, "its purge")
	}
}

// The origin names itself as it is named to: by its URL, by the Host that it is sent, by none at a unix socket.
func TestUnsafeRequestsPurgeWhatTheOriginNames(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	socket := filepath.Join(t.TempDir(), "up")
	u := serveOrigin(t, listenUnix(t, socket))
	fresh(o)
	fresh(u)
	for _, c := range []struct {
		upstream, host string
		locations      []string
	}{
		{o.env(), "", []string{"/l/2", "2", o.url("/l/2")}},
		{o.env(), "preserve", []string{"/l/2", "http://app.test/l/2", "http://APP.test:80/l/2", "https://app.test/l/2", o.url("/l/2")}},
		{o.env(), "data.test", []string{"/l/2", "http://data.test/l/2", "http://data.test:80/l/2", "//data.test/l/2", o.url("/l/2")}},
		{o.env() + "/base", "data.test", []string{"/base/l/2", "2", "http://data.test/base/l/2", "https://data.test/l/2", o.url("/base/l/2")}},
		{"UPSTREAM_URL=unix://" + socket, "", []string{"/l/2", "2", "http://localhost/l/2"}},
	} {
		s := nearside(t, c.upstream, "UPSTREAM_HOST="+c.host)
		const host = "Host: app.test"
		for i, location := range c.locations {
			field := []string{"X-Location: ", "X-Content-Location: "}[i%2]
			s.isStored("/l/2", host)
			s.do("POST /l/", host, "Content-Length: 0", field+location)
			s.isGone("/l/2", c.upstream+" "+field+location, host)
		}
		s.isStored("/l/2", host)
		s.do("POST /l/", host, "Content-Length: 0", "X-Location: http://other.test/l/2")
		s.get("/l/2", host).wants(200, "hit; detail=L1", s.get("/l/2", host).body)
		if c.host == "data.test" {
			s.purgeOne("uri", "http://data.test:80/l/2")
			s.isGone("/l/2", c.upstream+" a purge", host)
		}
	}
}
