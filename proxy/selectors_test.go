package proxy

import (
	"strings"
	"testing"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/proxy/routes"
	"github.com/nearside-cache/nearside/tiers/invalidation"
)

// selectorsOf returns what an operator's selector becomes, as the log has it, without the upstream's origin.
func selectorsOf(s *Server, kind invalidation.Kind, name string) string {
	list, err := s.h.Selectors(kind, name)
	if err != nil {
		return "refused"
	}
	r := invalidation.Record{Selectors: list}
	return strings.ReplaceAll(strings.ReplaceAll(r.Text(), "\n", " "), s.h.origin, "")
}

func TestSelectors(t *testing.T) {
	rules, err := (&routes.Config{Rules: `[{"path": "/r/é", "ignore_params": ["page"]}, {"path": "/q", "method": "QUERY", "ignore_params": ["q"]}]`}).Load()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newTestServer(t, func(p *Parts) {
		p.Routes = rules
		p.Policy = policy.Config{IgnoreParams: []string{"utm_*"}}
		p.Upstream.Host = "data.example"
	})
	for _, c := range []struct {
		kind       invalidation.Kind
		name, want string
	}{
		{invalidation.URI, "/a", "u/base/a"},
		{invalidation.URI, "/a?b=1", "u/base/a?b=1"},
		{invalidation.URI, "/a?b=1&utm_a=2", "u/base/a?b=1&utm_a=2 u/base/a?b=1"},
		{invalidation.URI, "/a?utm_a=2#b", "u/base/a?utm_a=2 u/base/a"},
		{invalidation.URI, "/r/é?page=1&b", "u/base/r/%C3%A9?b&page=1 u/base/r/%C3%A9?b"},
		{invalidation.URI, "/r/%c3%a9?page=1&b", "u/base/r/%C3%A9?b&page=1 u/base/r/%C3%A9?b"},
		{invalidation.URI, "/x/../q?q=1", "u/base/q?q=1 u/base/q"},
		{invalidation.URI, "http://127.0.0.1:9/base/a", "u/base/a u/base/base/a"},
		{invalidation.URI, "http://127.0.0.1:9/base/a?utm_a", "u/base/a?utm_a u/base/a u/base/base/a?utm_a u/base/base/a"},
		{invalidation.URI, "http://data.example/base/a", "u/base/a u/base/base/a"},
		{invalidation.URI, "HTTP://DATA.example:80/a", "u/a u/base/a"},
		{invalidation.URI, "https://data.example:443?a", "u/?a u/base/?a"},
		{invalidation.URI, "http://data.example:443/a", "refused"},
		{invalidation.URI, "https://127.0.0.1:9/base/a", "refused"},
		{invalidation.URI, "http://other/a", "refused"},
		{invalidation.URI, "http://:80/a", "refused"},
		{invalidation.URI, "ftp://data.example/a", "refused"},
		{invalidation.URI, "a", "refused"},
		{invalidation.URI, "", "refused"},
		{invalidation.URI, "/a\n", "refused"},
		{invalidation.URI, "/a?" + strings.Repeat("b", invalidation.MaxName), "p/base/a? u/base/a"},
		{invalidation.URI, "/" + strings.Repeat("b", invalidation.MaxName), "p/base/" + strings.Repeat("b", invalidation.MaxName-len("http://127.0.0.1:9/base/"))},
		{invalidation.Prefix, "/a", "p/base/a"},
		{invalidation.Prefix, "/a?", "p/base/a? u/base/a"},
		{invalidation.Prefix, "/a?utm_a=1", "p/base/a? u/base/a"},
		{invalidation.Prefix, "http://127.0.0.1:9", "p/ p/base/"},
		{invalidation.Tag, "a?b", "ta?b"},
		{invalidation.Tag, "", "refused"},
		{invalidation.All, "", "a"},
	} {
		if got := selectorsOf(s, c.kind, c.name); got != c.want {
			t.Errorf("%v %.80q: %.200q, want %.200q", c.kind, c.name, got, c.want)
		}
	}
}

func TestIsUpstream(t *testing.T) {
	for host, want := range map[string]string{
		"":             "http//127.0.0.1:9 //127.0.0.1:9",
		"data.example": "http//127.0.0.1:9 //127.0.0.1:9 http//data.example http//DATA.example:80 https//data.example https//data.example:443 //data.example",
		"preserve":     "http//127.0.0.1:9 //127.0.0.1:9 http//app http//app:80 https//app //app",
	} {
		s, _ := newTestServer(t, func(p *Parts) { p.Upstream.Host = host })
		x := &exchange{h: s.h, host: []byte("app")}
		for _, c := range []struct{ scheme, authority string }{
			{"http", "127.0.0.1:9"}, {"https", "127.0.0.1:9"}, {"ftp", "127.0.0.1:9"}, {"", "127.0.0.1:9"}, {"http", "127.0.0.1"},
			{"http", "data.example"}, {"http", "DATA.example:80"}, {"http", "data.example:81"}, {"https", "data.example"}, {"https", "data.example:443"}, {"", "data.example"},
			{"http", "app"}, {"http", "app:80"}, {"https", "app"}, {"", "app"}, {"ftp", "app"},
		} {
			ref := c.scheme + "//" + c.authority
			if got := x.isUpstream(c.scheme, c.authority); got != strings.Contains(" "+want+" ", " "+ref+" ") {
				t.Errorf("UPSTREAM_HOST=%s: %s is the upstream: %v", host, ref, got)
			}
		}
	}
}
