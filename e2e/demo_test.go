package e2e

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
)

var curl = regexp.MustCompile(`curl [^\n]*http://([^/\s]+)(/[^\s]*)`)

// The demo says what to curl; the second time it is a hit; Ctrl-C ends it.
func TestDemo(t *testing.T) {
	t.Parallel()
	s := launch(t, []string{"demo"}, nil)
	eventually(t, "what to curl is printed", func() bool { return s.stdout.has("Ctrl-C") })
	text := s.stdout.String()
	contains(t, "demo", text, "http://"+s.addr, "Cache-Status")
	lines := curl.FindAllStringSubmatch(text, -1)
	if len(lines) < 3 {
		t.Fatalf("three requests should be suggested:\n%s", text)
	}
	for i, cache := range []string{"fwd=uri-miss; fwd-status=200; stored", "hit; detail=L1"} {
		equal(t, "address to curl", lines[i][1], s.addr)
		r := s.get(lines[i][2])
		equal(t, "status", r.status, 200)
		equal(t, "Cache-Status", r.cache(), cache)
		contains(t, "body", r.body, `"id":17`)
		s.settled()
	}
	equal(t, "address of the metrics to curl", lines[2][1], s.admin)
	equal(t, "path of the metrics to curl", lines[2][2], "/metrics")
	for _, more := range []string{"/v1/foods?category=fruit", "/v1/foods/batch?ids=1,2,3"} {
		contains(t, "demo", text, more)
		equal(t, "status of "+more, s.get(more).status, 200)
	}
	s.settled()
	equal(t, "responses that the embedded L2 took", s.metric(`l2_operations_total{operation="put",result="done"}`), 3)
	contains(t, "log", s.stderr.String(), "purges hold in this process alone")
	s.signal(syscall.SIGINT)
	equal(t, "exit code after Ctrl-C", s.wait(), 0)
	if strings.Contains(s.stderr.String(), "level=WARN") {
		t.Errorf("warnings in a demo:\n%s", s.stderr.String())
	}
}

// With REDIS_URL the demo uses that Redis.
func TestDemoWithRedis(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	s := launch(t, []string{"demo"}, []string{r.env()})
	equal(t, "status", s.get("/v1/foods/17").status, 200)
	s.settled()
	equal(t, "keys in Redis", r.keys(), 1)
	if s.stderr.has("in this process alone") {
		t.Errorf("with a Redis that keeps the log:\n%s", s.stderr.String())
	}
}
