package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/nearside-cache/nearside"

// room is what a package may import beyond the standard library, and why no more.
type room struct {
	rooms   string // packages of this module, without its path
	modules string // packages of others; each stands for those below it, too
	why     string
}

// rooms is the architecture: who may know whom.
var rooms = map[string]room{
	"": {"pool proxy proxy/admin proxy/environ proxy/heap proxy/policy proxy/routes tiers tiers/invalidation tiers/memory tiers/redis tiers/redis/embedded upstream upstream/sample", "",
		"main wires the rooms; what needs a library is a room's business"},
	"pool": {"", "",
		"the worker pool is a blueprint that can be lifted into another program: the standard library only"},
	"tiers": {"", "github.com/cespare/xxhash",
		"tiers holds the stored response and knows no server, client or store"},
	"tiers/memory": {"tiers", "github.com/hashicorp/golang-lru/v2",
		"L1 is golang-lru and knows of nothing but tiers"},
	"tiers/invalidation": {"tiers", "",
		"the invalidation log knows positions and selectors, not where they are kept"},
	"tiers/redis": {"tiers tiers/invalidation", "github.com/redis/go-redis/v9 github.com/klauspost/compress",
		"L2 and the log in Redis are go-redis, and know of nothing but tiers and records"},
	"tiers/redis/embedded": {"", "github.com/alicebob/miniredis/v2",
		"the demo's Redis is for the demo only, and knows none of the rooms"},
	"upstream": {"", "github.com/valyala/fasthttp",
		"upstream is the only client of the API, and knows nothing of caches"},
	"upstream/sample": {"", "",
		"the sample API is somebody else's program: it must not lean on this one"},
	"proxy/policy": {"tiers", "github.com/dunglas/httpsfv",
		"the caching rules are pure functions over values: no server, no client, no store"},
	"proxy/routes": {"proxy/policy tiers", "",
		"routes read what an operator says of an API, and know nothing of requests but method and target"},
	"proxy/environ": {"", "github.com/caarlos0/env/v11",
		"reading the environment knows tags, not configurations"},
	"proxy/heap": {"tiers", "",
		"the process's memory is Go's and the kernel's business: sizes are all that it needs to know"},
	"proxy": {"pool proxy/policy proxy/routes tiers tiers/invalidation upstream", "github.com/valyala/fasthttp golang.org/x/sync",
		"proxy knows tiers by their interface: which there are is for main to say"},
	"proxy/admin": {"pool proxy tiers tiers/invalidation tiers/memory tiers/redis upstream", "github.com/prometheus/client_golang",
		"admin reads everybody's counters, and is the only one that knows Prometheus"},
	"tiers/tierstest": {"tiers", "pgregory.net/rapid",
		"the contract suite holds for any tier, so it knows none"},
	"tiers/redis/redistest": {"", "github.com/redis/go-redis/v9",
		"servers that tests start know nothing of what uses them"},
	"tiers/memory/hitratio": {"tiers tiers/memory", "",
		"the measurement of hit ratios is about L1 alone"},
}

// forbidden are packages that pure code does not need: with them it would do I/O, or read a clock that tests cannot turn.
var forbidden = map[string][]string{
	"proxy/policy": {"net", "net/http", "os", "sync", "context", "io", "math/rand", "math/rand/v2", "log/slog"},
	"tiers":        {"net", "net/http", "os"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

// The diagram of the architecture, as imports: what is not an arrow in it is an error.
func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "e2e" { // tests alone
			continue
		}
		allowed, known := rooms[name]
		if !known {
			t.Errorf("package %s has no place in the diagram: add it to rooms, and to the README", p.ImportPath)
			continue
		}
		for _, path := range p.Imports {
			inside, own := strings.CutPrefix(path, module)
			switch {
			case own && slices.Contains(strings.Fields(allowed.rooms), strings.TrimPrefix(inside, "/")):
			case own, !standard(path) && !within(path, strings.Fields(allowed.modules)):
				t.Errorf("%s imports %s: %s", p.ImportPath, path, allowed.why)
			case slices.Contains(forbidden[name], path):
				t.Errorf("%s imports %s, with which it would not be pure", p.ImportPath, path)
			}
		}
	}
}

// Prometheus and the embedded Redis must not come in through a side door either.
func TestDependencies(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		for _, row := range []struct{ dep, only string }{
			{"github.com/prometheus/client_golang/prometheus", "proxy/admin"},
			{"github.com/alicebob/miniredis/v2", "tiers/redis/embedded"},
			{"github.com/redis/go-redis/v9", "tiers/redis tiers/redis/redistest proxy/admin"},
			{"github.com/valyala/fasthttp", "upstream proxy proxy/admin"},
			{"github.com/caarlos0/env/v11", "proxy/environ"},
			{"github.com/hashicorp/golang-lru/v2/simplelru", "tiers/memory tiers/memory/hitratio proxy/admin"},
			{"testing", "tiers/tierstest tiers/redis/redistest"},
		} {
			name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
			if slices.Contains(p.Deps, row.dep) && name != "" && name != "e2e" && !slices.Contains(strings.Fields(row.only), name) {
				t.Errorf("%s depends on %s, which only these may: %s", p.ImportPath, row.dep, row.only)
			}
		}
	}
}

// list asks the go command about packages of this module.
func list(t *testing.T, pattern string) (packages []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps,Standard", pattern)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// standard tells whether path is in the standard library: its first element has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func within(path string, modules []string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return path == m || strings.HasPrefix(path, m+"/") })
}
