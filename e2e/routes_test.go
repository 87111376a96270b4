package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Rules fill the silence of an API, and contradict it only where they say that they do.
func TestRoutes(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	path := filepath.Join(t.TempDir(), "routes.json")
	rules := `[
		{"name": "live",   "path": "/v1/live/**", "bypass": true},
		{"name": "foods",  "path": "/v1/foods/*", "ttl": "5m", "stale_while_revalidate": "1m"},
		{"name": "legacy", "path": "/legacy/**",  "ttl": "1m", "override": true},
		{"name": "search", "path": "/search",     "ttl": "1m", "sort_query": true, "ignore_params": ["page_view_*"], "key_headers": ["X-Tenant"]}
	]`
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	s := nearside(t, o.env(), "ROUTES_FILE="+path, "STATUS_TTL=404:5s", "ACCESS_LOG=true")
	for _, row := range []struct {
		target, fields string
		cache          string
		ttl            int
	}{
		{"/v1/foods/1", "", "stored", 300},
		{"/v1/foods/2", "Cache-Control: max-age=7", "stored", 7},
		{"/v1/foods/3", "Cache-Control: no-store", "detail=no-store", 0},
		{"/v1/foods/4", "Status: 404", "stored", 5},
		{"/v1/foods/5", "Status: 500", "detail=status", 0},
		{"/v1/other", "", "detail=no-freshness", 0},
		{"/legacy/a", "Cache-Control: no-cache, no-store, must-revalidate", "stored", 60},
		{"/legacy/b", "Cache-Control: max-age=3600", "stored", 60},
		{"/legacy/c", "Cache-Control: private, max-age=3600", "detail=private", 0},
		{"/legacy/d", "Status: 503", "detail=status", 0},
	} {
		o.says(row.target, reply("x", strings.Split(row.fields, " | ")...))
		if row.fields == "" {
			o.says(row.target, reply("x"))
		}
		r := s.get(row.target)
		contains(t, row.target, r.cache(), "fwd=uri-miss", row.cache)
		if row.ttl > 0 {
			equal(t, "ttl of "+row.target, r.ttl(), row.ttl)
		}
	}
	o.says("/v1/live/x", reply("x", "Cache-Control: max-age=60"))
	for _, target := range []string{"/v1/live/x", "/v1/%6Cive/x", "/v1/foods/../live/x"} {
		o.says(target, reply("x", "Cache-Control: max-age=60"))
		for range 2 {
			s.get(target).wants(200, "fwd=bypass; fwd-status=200", "x")
		}
	}
	contains(t, "log", s.stderr.String(), "route=foods", "route=live", "route=legacy")
}

// Spellings that rules call the same are one to the cache, and the origin gets each as it is.
func TestKeyRules(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.on("*", func(c *call) {
		c.say(reply(c.target+c.field("X-Tenant")+c.field("X-Forwarded-Host"), "Cache-Control: max-age=60"))
	})
	s := nearside(t, o.env(), "KEY_SORT_QUERY=true", "KEY_IGNORE_PARAMS=utm_*,fbclid", "KEY_HEADERS=X-Tenant,X-Forwarded-Host")
	miss, hit := "fwd=uri-miss; fwd-status=200; stored", "hit; detail=L1"
	for _, row := range []struct{ target, field, cache, body string }{
		{"/a?b=2&a=1", "", miss, "/a?b=2&a=1"},
		{"/a?a=1&b=2", "", hit, "/a?b=2&a=1"},
		{"/a?utm_source=x&a=1&fbclid=y&b=2", "", hit, "/a?b=2&a=1"},
		{"/a?a=1&b=2&b=3", "", miss, "/a?a=1&b=2&b=3"},
		{"/a?a=1&b=3&b=2", "", miss, "/a?a=1&b=3&b=2"},
		{"/c?utm_source=x", "", miss, "/c?utm_source=x"},
		{"/c", "", hit, "/c?utm_source=x"},
		{"/c", "X-Tenant: t1", miss, "/ct1"},
		{"/c", "X-Tenant: t2", miss, "/ct2"},
		{"/c?utm_medium=z", "X-Tenant: t1", hit, "/ct1"},
		{"/c", "X-Forwarded-Host: evil", miss, "/cevil"},
		{"/c", "", hit, "/c?utm_source=x"},
		{"/c", "X-Forwarded-Proto: https", "fwd=bypass; fwd-status=200", "/c"},
	} {
		fields := []string{"Host: client.test"}
		if row.field != "" {
			fields = append(fields, row.field)
		}
		s.get(row.target, fields...).wants(200, row.cache, row.body)
		s.settled()
	}
}

// Clients that ask for validation all the time are not heard where the operator says so.
func TestIgnoreClientNoCache(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.says("/x", reply("x", "Cache-Control: max-age=60"))
	for _, row := range []struct{ env, want string }{{"IGNORE_CLIENT_NO_CACHE=true", "hit; detail=L1"}, {"IGNORE_CLIENT_NO_CACHE=false", "fwd=request; fwd-status=200; stored"}} {
		s := nearside(t, o.env(), row.env)
		s.get("/x", "Cache-Control: no-cache").wants(200, "fwd=uri-miss; fwd-status=200; stored", "x")
		s.settled()
		for _, field := range []string{"Cache-Control: no-cache", "Cache-Control: max-age=0", "Pragma: no-cache"} {
			s.get("/x", field).wants(200, row.want, "x")
		}
	}
}

// Mistakes in rules are told with all the others: the rule, the field, the value, and what would be right.
func TestMistakesInRoutes(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, []string{"-check"}, "UPSTREAM_URL=http://a", "ROUTES=[\n  {\"path\": \"/a\", \"ttl\": \"5\"},\n  {\"name\": \"b\", \"pth\": \"/b\"}\n]", "STATUS_TTL=404")
	equal(t, "exit code", code, 2)
	contains(t, "message", stderr, "3 mistakes in the configuration:\n",
		`  STATUS_TTL="404": "404": want STATUS:DURATION with a unit, e.g. 404:5s`,
		`  ROUTES: rule 1, ttl: "5" is no duration; want one in quotes with a unit, such as "30s" or "1m30s"`,
		`  ROUTES: rule 2 ("b"), pth: not known; want name, method, path, ttl,`)
	code, stdout, stderr := run(t, []string{"-check"}, "UPSTREAM_URL=http://a", "ROUTES=[\n{\"path\": \"/a\", \"ttl\": \"5s\"}]")
	equal(t, "exit code", code, 0)
	contains(t, "in effect", fmt.Sprint(stdout, stderr), `* ROUTES=[ {"path": "/a", "ttl": "5s"}]`)
}
