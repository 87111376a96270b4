package e2e

import (
	"strings"
	"testing"
)

// The counters after a known traffic.
func TestMetrics(t *testing.T) {
	t.Parallel()
	o, r := newOrigin(t), newRedis(t)
	o.says("/a", reply("body", "Cache-Control: max-age=60"))
	o.says("/b", reply("body", "Cache-Control: max-age=60"))
	o.says("/private", reply("body", "Cache-Control: private"))
	o.says("/stale", reply("old", "Cache-Control: max-age=60", "Age: 60", `ETag: "1"`), reply("", "Status: 304"))
	o.says("/error", reply("old", "Cache-Control: max-age=60, stale-if-error=60", "Age: 60"), reply("", "Status: 503"))
	o.says("/swr", reply("old", "Cache-Control: max-age=60, stale-while-revalidate=60", "Age: 60"), reply("new", "Cache-Control: max-age=60"))
	o.on("/broken", func(c *call) { c.say("nonsense\r\n\r\n"); c.done = true })

	warm := nearside(t, o.env(), r.env())
	warm.get("/b")
	warm.settled()
	s := nearside(t, o.env(), r.env())
	for _, target := range []string{
		"/a", "/a", "/a", "/a", // 1 miss, 3 hits of L1
		"/b", "/b", // 1 hit of L2, 1 of L1
		"/private", "/private", // 2 misses
		"/stale", "/stale", // 1 miss, 1 revalidated
		"/error", "/error", // 1 miss, 1 stale instead of the error
		"/swr", "/swr", // 1 miss, 1 stale
		"/broken", // 1 error
	} {
		s.get(target)
		s.settled()
	}
	s.do("POST /a")                                      // 1 pass
	s.get("/none", "Cache-Control: only-if-cached")      // 1 refused
	s.get("/none", "Cache-Control: only-if-cached")      // 1 refused
	s.send("GET /a HTTP/1.1\r\nno field at all\r\n\r\n") // 1 refused

	m := s.metrics()
	for series, want := range map[string]float64{
		`requests_total{outcome="hit",tier="L1"}`:                 4,
		`requests_total{outcome="hit",tier="L2"}`:                 1,
		`requests_total{outcome="miss",tier=""}`:                  6,
		`requests_total{outcome="stale",tier="L1"}`:               1,
		`requests_total{outcome="error",tier=""}`:                 1,
		`requests_total{outcome="pass",tier=""}`:                  1,
		`requests_total{outcome="refused",tier=""}`:               3,
		`request_duration_seconds_count{outcome="hit",tier="L1"}`: 4,
		`request_panics_total`:                                    0,
		`fills_total{result="stored"}`:                            6, // /a /stale 304 /error /swr, and its refresh
		`fills_total{result="failed"}`:                            0,
		`fills_total{result="dropped"}`:                           0,
		`fills_total{result="no-room"}`:                           0,
		`fills_total{result="too-large"}`:                         0,
		`refreshes_total{result="done"}`:                          1,
		`refreshes_total{result="failed"}`:                        0,
		`refreshes_total{result="dropped"}`:                       0,
		`invalidations_total{result="done"}`:                      1,
		`invalidations_total{result="queued"}`:                    0,
		`queued_bytes`:                                            0,
		`queued_bytes_limit`:                                      64 << 20,
		`l1_entries`:                                              4, // /b /stale /error /swr
		`l1_max_bytes`:                                            64 << 20,
		`l1_lookups_total{result="hit"}`:                          7, // /a 3, /b, /stale, /error, /swr
		`l2_breaker_open`:                                         0,
		`l2_breaker_opened_total`:                                 0,
		`l2_operations_total{operation="put",result="done"}`:      6,
		`l2_operations_total{operation="delete",result="done"}`:   0, // the log stands for it
		`invalidation_records_total{result="appended"}`:           1,
		`invalidation_trusted`:                                    1,
		`l2_operations_total{operation="get",result="error"}`:     0,
		`pool_jobs_total{pool="fill",result="submitted"}`:         6,
		`pool_jobs_total{pool="fill",result="done"}`:              6,
		`pool_jobs_total{pool="refresh",result="done"}`:           1,
		`pool_queue_capacity{pool="fill"}`:                        4096,
		`pool_queued{pool="fill"}`:                                0,
		`pool_running{pool="fill"}`:                               0,
		`upstream_requests_total`:                                 11,
		`upstream_responses_total{status="2xx"}`:                  8,
		`upstream_responses_total{status="3xx"}`:                  1,
		`upstream_responses_total{status="4xx"}`:                  0,
		`upstream_responses_total{status="5xx"}`:                  1,
		`upstream_errors_total{kind="bad-response"}`:              1,
		`upstream_errors_total{kind="refused"}`:                   0,
		`upstream_retries_total`:                                  0,
		`build_info{version="1.2.3-e2e"}`:                         1,
	} {
		got, there := m["nearside_"+series]
		if !there && want != 0 {
			t.Errorf("no %s", series)
		}
		equal(t, series, got, want)
	}
	for _, outcome := range []string{"revalidated", "stale-if-error"} { // L1 and L2 have the same: either may answer
		equal(t, outcome, m[`nearside_requests_total{outcome="`+outcome+`",tier="L1"}`]+m[`nearside_requests_total{outcome="`+outcome+`",tier="L2"}`], 1)
	}
	for _, series := range []string{"l1_bytes", `pool_workers{pool="fill"}`,
		"upstream_connections_dialed_total", "l2_round_trips_total"} {
		if m["nearside_"+series] <= 0 {
			t.Errorf("%s is %v after traffic", series, m["nearside_"+series])
		}
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if m[name] <= 0 {
			t.Errorf("no %s", name)
		}
	}
	for series := range m {
		for _, secret := range []string{r.Socket(), "nonsense"} {
			if strings.Contains(series, secret) {
				t.Errorf("%q in %s", secret, series)
			}
		}
	}
}

// The probe listener serves what kubelet and Prometheus need, and nothing else; so far the admin listener has no more.
func TestProbes(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := nearside(t, o.env(), "PROBE_ADDR=127.0.0.1:0")
	for _, row := range []struct {
		addr, path string
		status     int
		part       string
	}{
		{s.probes, "/healthz", 200, "ok"},
		{s.probes, "/readyz", 200, "ready"},
		{s.probes, "/metrics", 200, "nearside_build_info"},
		{s.probes, "/", 404, ""},
		{s.probes, "/purge", 404, ""},
		{s.probes, "/config", 404, ""},
		{s.probes, "/debug/pprof/", 404, ""},
		{s.probes, "/v1/foods/17", 404, ""},
		{s.admin, "/healthz", 200, "ok"},
		{s.admin, "/readyz", 200, "ready"},
		{s.admin, "/metrics", 200, "nearside_build_info"},
		{s.admin, "/v1/foods/17", 404, ""},
	} {
		status, body := ask(t, row.addr, row.path)
		equal(t, row.path, status, row.status)
		contains(t, row.path, body, row.part)
	}
	equal(t, "requests at the origin", len(o.requests("")), 0)
	s.get("/healthz") // the clients' listener serves the upstream's paths only
	equal(t, "requests for the upstream's own /healthz", o.count("/healthz"), 1)
}
