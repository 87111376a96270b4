package e2e

import (
	"encoding/json"
	"fmt"
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

// fresh has the origin answer everything with something to store, but unsafe requests with the fields that they ask for.
func fresh(o *origin, fields ...string) {
	o.on("*", func(c *call) {
		c.readBody()
		if c.method == "GET" {
			c.say(reply(c.target, append([]string{"Cache-Control: max-age=600"}, fields...)...))
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
}
