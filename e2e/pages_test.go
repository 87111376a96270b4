package e2e

import (
	"fmt"
	"regexp"
	"sync"
	"testing"
)

// pages is an origin with pages that change. Each says which version it is; those with an even number in their name have
// a validator. The tag of a page is its name.
type pages struct {
	*origin
	mu       sync.Mutex
	versions map[string]int
}

// newPages has an origin serve them.
func newPages(o *origin, fields ...string) *pages {
	p := &pages{origin: o, versions: map[string]int{}}
	o.on("*", func(c *call) {
		c.readBody()
		body := p.now(c.target)
		fields := append([]string{"Cache-Control: max-age=600", "Cache-Tag: " + c.target[1:]}, fields...)
		if n := c.target[len(c.target)-1]; n%2 == 0 {
			fields = append(fields, fmt.Sprintf("ETag: %q", body))
		}
		if c.field("If-None-Match") == fmt.Sprintf("%q", body) {
			c.say(reply("", append(fields, "Status: 304")...))
			return
		}
		c.say(reply(body, fields...))
	})
	return p
}

// now is what a page says.
func (p *pages) now(path string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%s, version %d", path, p.versions[path])
}

// change writes a page.
func (p *pages) change(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.versions[path]++
}

// warm has pages in both tiers of each sidecar.
func (p *pages) warm(paths []string, all ...*sidecar) {
	for _, s := range all {
		s.t.Helper()
		for _, path := range paths {
			s.get(path)
		}
		s.settled()
		for _, path := range paths {
			s.get(path).wants(200, "hit; detail=L1", p.now(path))
		}
	}
}

// served fails unless every sidecar serves pages as they are now.
func (p *pages) served(t *testing.T, when string, paths []string, all ...*sidecar) {
	t.Helper()
	for i, s := range all {
		for _, path := range paths {
			if r := s.get(path); r.status != 200 || r.body != p.now(path) {
				t.Errorf("%s: sidecar %d answers %d %s (%s), want %s", when, i, r.status, r.body, r.cache(), p.now(path))
			}
		}
	}
}

// confirms purges through s until that is confirmed: where the log was lost, or a sidecar is cut off, that may take more
// than one attempt.
func (s *sidecar) confirms(body string) (answer purgeAnswer) {
	s.t.Helper()
	eventually(s.t, "confirmed: "+body, func() bool {
		_, answer = s.tell("POST", "/purge", body, isJSON)
		return answer.Confirmed
	})
	return answer
}

var as = regexp.MustCompile(`msg=ready as=(\S+)`)

// member is the name by which the sidecar is reported when it does not confirm a purge.
func (s *sidecar) member() string {
	s.t.Helper()
	m := as.FindStringSubmatch(s.stderr.String())
	if m == nil {
		s.t.Fatal("it does not say what it is called")
	}
	return m[1]
}

// named returns a purge of the pages' tags.
func named(wait string, paths ...string) string {
	tags := ""
	for i, path := range paths {
		if i > 0 {
			tags += ","
		}
		tags += fmt.Sprintf("%q", path[1:])
	}
	return fmt.Sprintf(`{"type":"tag","selectors":[%s],"wait":%q}`, tags, wait)
}

// modes runs a test in both modes of coherence.
func modes(t *testing.T, test func(t *testing.T, mode string)) {
	for _, mode := range []string{"available", "strict"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			test(t, mode)
		})
	}
}
