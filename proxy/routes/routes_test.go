package routes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/proxy/policy"
)

func table(t testing.TB, text string) *Table {
	t.Helper()
	rules, err := (&Config{Rules: text}).Load()
	if err != nil {
		t.Fatal(err)
	}
	return NewTable(rules, policy.Config{DefaultTTL: time.Second, IgnoreParams: []string{"utm_*"}})
}

func TestFind(t *testing.T) {
	routes := table(t, `[
		{"name": "one", "path": "/v1/foods/*"},
		{"name": "json", "path": "/files/*.json"},
		{"name": "dash", "path": "/files/a-*-z*"},
		{"name": "file", "path": "/files/*"},
		{"name": "below", "path": "/users/**"},
		{"name": "late", "path": "/users/late"},
		{"name": "post", "path": "/search", "method": "POST", "query": true},
		{"name": "both", "path": "/search", "method": ["GET", "QUERY"]},
		{"name": "slash", "path": "/slash/"},
		{"name": "deep", "path": "/*/b/*/d"},
		{"name": "encoded", "path": "/caf\u00e9/%7Eme%2fx"},
		{"name": "all", "path": "/all/**"},
		{"name": "first", "path": "/same/*", "method": "QUERY"},
		{"name": "second", "path": "/same/x"}
	]`)
	for _, row := range []struct{ request, want string }{
		{"GET /v1/foods/17", "one"},
		{"HEAD /v1/foods/17", "one"},
		{"GET /v1/foods/17?a=/b", "one"},
		{"GET /v1/foods/%31%37", "one"},
		{"GET /v1/foods", ""},
		{"GET /v1/foods/", ""},
		{"GET /v1/foods/17/x", ""},
		{"GET /V1/foods/17", ""},
		{"POST /v1/foods/17", ""},
		{"PUT /v1/foods/17", ""},
		{"QUERY /v1/foods/17", ""},
		{"GET /files/a.json", "json"},
		{"GET /files/.json", "json"},
		{"GET /files/a-b-zc", "dash"},
		{"GET /files/a--z", "dash"},
		{"GET /files/a-z", "file"},
		{"GET /files/a-b-z.json", "json"},
		{"GET /users/", "below"},
		{"GET /users/1/2", "below"},
		{"GET /users/late", "below"},
		{"GET /users", ""},
		{"GET /%75sers/1", "below"},
		{"GET /x/../users/1", "below"},
		{"GET /./users/1", "below"},
		{"POST /search", "post"},
		{"GET /search", "both"},
		{"QUERY /search?a", "both"},
		{"GET /slash/", "slash"},
		{"GET /slash", ""},
		{"GET /a/b/c/d", "deep"},
		{"GET /a/b/c/d/e", ""},
		{"GET /a/b//d", ""},
		{"GET /caf%C3%A9/~me%2Fx", "encoded"},
		{"GET /caf\xc3\xa9/~me%2Fx", "encoded"},
		{"GET /caf%c3%a9/%7eme%2fx", "encoded"},
		{"GET /caf%C3%A9/~me/x", ""},
		{"GET /all//", "all"},
		{"GET /same/x", "second"},
		{"QUERY /same/x", "first"},
		{"GET /", ""},
		{"GET *", ""},
		{"OPTIONS *", ""},
		{"GET ", ""},
	} {
		method, target, _ := strings.Cut(row.request, " ")
		if got := routes.Find([]byte(method), []byte(target)); got.Name != row.want {
			t.Errorf("%s is %q's, want %q's", row.request, got.Name, row.want)
		}
	}
}

func TestRouteSettings(t *testing.T) {
	routes := table(t, `[
		{"path": "/ttl", "ttl": "5m", "stale_while_revalidate": "1m", "stale_if_error": "1h", "tags": ["a b", "c"]},
		{"path": "/zero", "ttl": "0s"},
		{"path": "/over", "ttl": "5m", "stale_if_error": "1h", "override": true},
		{"path": "/key", "sort_query": true, "ignore_params": ["page", "utm_*"], "key_headers": ["X-Tenant"]},
		{"path": "/no", "bypass": true},
		{"path": "/q", "method": "POST", "query": true}
	]`)
	at := func(target string) *Route {
		method := "GET"
		if target == "/q" {
			method = "POST"
		}
		return routes.Find([]byte(method), []byte(target))
	}
	if p := at("/ttl").Policy; p.DefaultTTL != 5*time.Minute || p.StaleWhileRevalidate != time.Minute || p.StaleIfError != time.Hour || p.Tags != "a b\nc\n" || p.Override.Set != 0 {
		t.Errorf("/ttl: %+v", p)
	}
	if p := at("/zero").Policy; p.DefaultTTL != 0 || p.HeuristicFraction != 0 {
		t.Errorf("/zero: %+v", p)
	}
	if o := at("/over").Policy.Override; o.Set != policy.DirMaxAge|policy.DirStaleIfError || o.MaxAge != 5*time.Minute || o.StaleIfError != time.Hour {
		t.Errorf("/over: %+v", o)
	}
	if p := at("/key").Policy; !p.SortQuery || fmt.Sprint(p.IgnoreParams, p.KeyHeaders) != "[utm_* page] [X-Tenant]" {
		t.Errorf("/key: %+v", p)
	}
	if r := at("/no"); !r.Bypass || r.Query {
		t.Errorf("/no: %+v", r)
	}
	if r := at("/q"); r.Bypass || !r.Query {
		t.Errorf("/q: %+v", r)
	}
	if r := at("/other"); r != routes.Base() || r.Policy.DefaultTTL != time.Second || len(r.Policy.IgnoreParams) != 1 {
		t.Errorf("/other: %+v", r)
	}
}

// TestMistakes: each message names the rule, the field, the value, and what would be right.
func TestMistakes(t *testing.T) {
	for _, row := range []struct{ rules, want string }{
		{`{}`, `ROUTES: a JSON object; want a JSON array of rules, such as [{"path":"/v1/foods/*","ttl":"5m"}]`},
		{"[\n {\"path\": \"/a\",}\n]", `ROUTES: line 2, column 16: invalid character '}' looking for beginning of object key string; want a JSON array`},
		{`[{"path":"/a"}`, `ROUTES: line 1, column 14: unexpected end of JSON input; want`},
		{`["a"]`, `ROUTES: rule 1, "a" is no object; want one such as {"path":"/v1/foods/*","ttl":"5m"}`},
		{`[{}]`, `ROUTES: rule 1, path: missing; want one such as "/v1/foods/*"`},
		{`[{"path":"/a"},{"name":"b","path":5}]`, `ROUTES: rule 2 ("b"), path: 5 is no string`},
		{`[{"path":"a"}]`, `path: "a" does not begin with a slash`},
		{`[{"path":"/a?b"}]`, `path: "/a?b" has more than a path; want it without query`},
		{`[{"path":"/a b"}]`, `path: "/a b" has a space or a control character in it; want it percent-encoded`},
		{`[{"path":"/a/**/b"}]`, `path: "/a/**/b" has ** inside; want it as the last segment`},
		{`[{"path":"/a**"}]`, `path: "/a**" has ** inside`},
		{`[{"path":"/a/***"}]`, `path: "/a/***" has ** inside`},
		{`[{"path":"/a","tll":"5m"}]`, `rule 1, tll: not known; want name, method, path, ttl,`},
		{`[{"path":"/a","ttl":"5m","ttl":"6m"}]`, `rule 1, ttl: is there twice`},
		{`[{"path":"/a","ttl":5}]`, `ttl: 5 is no duration; want one in quotes with a unit, such as "30s"`},
		{`[{"path":"/a","ttl":"5"}]`, `ttl: "5" is no duration`},
		{`[{"path":"/a","ttl":"-5s"}]`, `ttl: "-5s" is no duration`},
		{`[{"path":"/a","stale_if_error":null}]`, `stale_if_error: null is no duration`},
		{`[{"path":"/a","bypass":"yes"}]`, `bypass: "yes" is no boolean; want true or false`},
		{`[{"path":"/a","method":"PUT"}]`, `method: "PUT" is never stored; want GET`},
		{`[{"path":"/a","method":"get"}]`, `method: "get" is never stored; want GET`},
		{`[{"path":"/a","method":[]}]`, `method: [] is neither a method nor a list of methods`},
		{`[{"path":"/a","method":"POST"}]`, `method: "POST" changes something and is never stored; want "query": true`},
		{`[{"path":"/a","method":["GET","POST"],"query":true}]`, `query: true is for method "POST" alone`},
		{`[{"path":"/a","override":true}]`, `override: true without ttl, stale_while_revalidate or stale_if_error`},
		{`[{"path":"/a","bypass":true,"ttl":"5m"}]`, `bypass: true leaves nothing for the other fields to do`},
		{`[{"path":"/a","ignore_params":"utm_*"}]`, `ignore_params: "utm_*" is no list of strings`},
		{`[{"path":"/a","ignore_params":["a=b"]}]`, `ignore_params: "a=b" is not right; want a parameter's name`},
		{`[{"path":"/a","key_headers":["X Tenant"]}]`, `key_headers: "X Tenant" is not right; want a field's name, such as X-Tenant`},
		{`[{"path":"/a","tags":[""]}]`, `tags: "" is not right`},
		{`[{"path":"/a","tags":["a\nb"]}]`, `tags: "a\nb" is not right`},
		{`[{"path":"/a","name":"x"},{"path":"/b"},{"path":"/%61"}]`, `rule 3, path: "/a" is what rule 1 ("x") is about already, and the first rule counts`},
		{`[{"path":"/a","ttl":{"a":"` + strings.Repeat("x", 100) + `"}}]`, `xxx... is no duration`},
	} {
		err := (&Config{Rules: row.rules}).Validate()
		if err == nil || !strings.Contains(err.Error(), row.want) || !strings.HasPrefix(err.Error(), "ROUTES: ") {
			t.Errorf("%s: %v, want %s", row.rules, err, row.want)
		}
	}
	err := (&Config{Rules: `[{"path":"a","ttl":5},{"x":1,"path":"/b","ttl":6}]`}).Validate()
	if got := strings.Count(fmt.Sprint(err), "ROUTES: rule "); got != 4 {
		t.Errorf("%d mistakes told, want 4: %v", got, err)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "routes.json")
	if err := os.WriteFile(path, []byte("[{\"path\": \"/a\",\n\"ttl\": \"5m\"}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if rules, err := (&Config{File: path}).Load(); err != nil || len(rules) != 1 || rules[0].path != "/a" {
		t.Errorf("%+v, %v", rules, err)
	}
	for want, c := range map[string]Config{
		"ROUTES_FILE: ROUTES is set, too": {File: path, Rules: "[]"},
		"ROUTES_FILE: open ":              {File: path + "x"},
	} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if rules, err := (&Config{}).Load(); rules != nil || err != nil {
		t.Errorf("without a variable: %v, %v", rules, err)
	}
}

// hundred rules, of which the last is about /v1/foods/*.
func hundred() string {
	rules := make([]string, 0, 100)
	for i := range 99 {
		switch i % 3 {
		case 0:
			rules = append(rules, fmt.Sprintf(`{"path": "/v1/things-%d/*", "ttl": "5m"}`, i))
		case 1:
			rules = append(rules, fmt.Sprintf(`{"path": "/v%d/**", "bypass": true}`, i+2))
		case 2:
			rules = append(rules, fmt.Sprintf(`{"path": "/v1/*/x%d", "ignore_params": ["a"]}`, i))
		}
	}
	return "[" + strings.Join(append(rules, `{"path": "/v1/foods/*", "ttl": "5m"}`), ",") + "]"
}

func TestFindAllocatesNothing(t *testing.T) {
	routes := table(t, hundred())
	method, target := []byte("GET"), []byte("/v1/foods/17?a=b")
	if routes.Find(method, target) == routes.Base() {
		t.Fatal("no rule matches")
	}
	if n := testing.AllocsPerRun(100, func() { routes.Find(method, target) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFind(b *testing.B) {
	for name, text := range map[string]string{"none": "[]", "hundred": hundred()} {
		b.Run(name, func(b *testing.B) {
			routes := table(b, text)
			method, target := []byte("GET"), []byte("/v1/foods/17?a=b")
			b.ReportAllocs()
			for b.Loop() {
				routes.Find(method, target)
			}
		})
	}
}
