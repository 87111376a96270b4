package admin

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/nearside-cache/nearside/pool"
	"github.com/nearside-cache/nearside/proxy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/memory"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/upstream"
)

// This file is the only one that knows Prometheus: it reads the snapshots of the packages that count, when
// somebody asks.

// Sources is what is measured. L1 and L2 are nil where they are off.
type Sources struct {
	Version string
	Handler *proxy.Handler
	L1      *memory.Tier
	L1Bytes tiers.ByteSize // L1_MAX_BYTES
	L2      *redis.Tier
	Origin  *upstream.Origin
	Pools   []*pool.Pool
}

// Metrics returns the handler of /metrics.
func Metrics(s Sources) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(s, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("nearside_"+name, help, labels, nil)
}

var (
	buildInfo = desc("build_info", "Always 1; which version runs.", "version")

	requests = desc("requests_total", "Requests by what became of them and by the tier that answered.", "outcome", "tier")
	duration = desc("request_duration_seconds", "From a request's header to its answer, not counting the time to write it.", "outcome", "tier")
	panics   = desc("request_panics_total", "Requests that ended in a panic: a defect each.")
	fills    = desc("fills_total", "Responses on their way into the tiers: stored, failed (a tier refused), dropped (queue full or stopping), l1-only (L1 has it, and L2 not: its queue was full, it was stopping, or there was no contact with the invalidation log), no-room (POOL_QUEUE_BYTES used up), too-large (of unknown length, and then over MAX_OBJECT_BYTES), purged (while they came), untrusted (no contact with the invalidation log: no tier has it).", "result")
	refreshs = desc("refreshes_total", "Stale responses that were refreshed in the background.", "result")
	unsafe   = desc("invalidations_total", "Target URIs and groups invalidated by unsafe requests; queued ones were not in the log when the client was answered.", "result")
	flights  = desc("flights", "Fetches under way that other requests can join.")
	waiting  = desc("followers", "Requests that wait for such a fetch.")
	follows  = desc("followers_total", "Requests that met a fetch for the same and could not share it: released (it was not for them), timed-out (after COALESCE_TIMEOUT), barred (they did not wait, as the key's responses could not be shared a moment ago).", "result")
	fleet    = desc("fleet_total", "With COALESCE_FLEET, fetches by what the fleet had to do with them: led (for all), shared (spared, as another sidecar fetched), timed-out (after COALESCE_FLEET_TIMEOUT), alone (Redis was away, or the response cannot be shared).", "result")
	laggards = desc("lagging_clients_total", "Clients whose connection was cut, as others waited for them: of a response that is too large to be stored.")

	bytesNow = desc("queued_bytes", "Bodies waiting in queues and flights.")
	bytesMax = desc("queued_bytes_limit", "POOL_QUEUE_BYTES.")

	purges      = desc("purges_total", "Purges that were asked for here, by whether they were confirmed in time.", "result")
	logRecords  = desc("invalidation_records_total", "Records of the invalidation log: applied here, appended by this sidecar, and attempts to append that failed.", "result")
	logRenewals = desc("invalidation_renewals_total", "Renewals of the trust in what is stored.", "result")
	logEvents   = desc("invalidation_events_total", "Another generation of the log was adopted, records were lost to this sidecar, or cannot be read and stand for a purge of everything, an attempt to read failed, or so much waited for the log that everything was purged.", "event")
	logVerdicts = desc("invalidation_verdicts_total", "Looks at stored responses that found them not valid.", "verdict")
	logPosition = desc("invalidation_position", "The last record that was applied.")
	logHead     = desc("invalidation_head", "The last record that is known to exist.")
	logFloor    = desc("invalidation_floor", "Responses older than this position cannot be proved.")
	logIndex    = desc("invalidation_index_selectors", "Purged selectors that are remembered.")
	logQueued   = desc("invalidation_queued_selectors", "Purged selectors that wait to be appended to the log.")
	logTrusted  = desc("invalidation_trusted", "1 while what is stored may be served.")

	l1Entries   = desc("l1_entries", "Stored responses in L1.")
	l1Bytes     = desc("l1_bytes", "Memory that they use, in bytes.")
	l1MaxBytes  = desc("l1_max_bytes", "L1_MAX_BYTES.")
	l1Lookups   = desc("l1_lookups_total", "Look-ups in L1.", "result")
	l1Stored    = desc("l1_stored_total", "Responses stored in L1.")
	l1Refused   = desc("l1_refused_total", "Responses that were too large for L1, or of no use any more.")
	l1Evictions = desc("l1_evictions_total", "Responses that left L1.", "reason")

	l2Operations = desc("l2_operations_total", "Operations on L2 by result.", "operation", "result")
	l2Breaker    = desc("l2_breaker_open", "1 while L2 is not asked because it failed.")
	l2Opened     = desc("l2_breaker_opened_total", "How often the breaker opened.")
	l2RoundTrips = desc("l2_round_trips_total", "Round trips to Redis.")
	l2Conns      = desc("l2_connections", "Connections to Redis.", "state")

	poolJobs     = desc("pool_jobs_total", "Jobs by what became of them.", "pool", "result")
	poolQueued   = desc("pool_queued", "Jobs that wait for a worker.", "pool")
	poolCapacity = desc("pool_queue_capacity", "Jobs that may wait.", "pool")
	poolRunning  = desc("pool_running", "Jobs that run.", "pool")
	poolWorkers  = desc("pool_workers", "Jobs that can run at the same time.", "pool")
	poolWait     = desc("pool_wait_seconds", "How long jobs waited for a worker; one in seven is timed.", "pool")
	poolRun      = desc("pool_run_seconds", "How long jobs ran; one in seven is timed.", "pool")

	upRequests  = desc("upstream_requests_total", "Requests sent to the upstream.")
	upResponses = desc("upstream_responses_total", "Its responses by class of status code.", "status")
	upErrors    = desc("upstream_errors_total", "Requests without a usable response, by kind.", "kind")
	upConns     = desc("upstream_connections", "Connections to the upstream.", "state")
	upDialed    = desc("upstream_connections_dialed_total", "Connections established.")
	upStale     = desc("upstream_connections_stale_total", "Idle connections found dead or poisoned before use.")
	upWaiting   = desc("upstream_waiting", "Requests that wait for a connection to the upstream.")
	upBreaker   = desc("upstream_breaker_open", "1 while the upstream is asked once a second at most, because it gave no answers.")
	upOpened    = desc("upstream_breaker_opened_total", "How often that began.")
	upHedges    = desc("upstream_hedges_total", "Requests sent a second time because the first took longer than HEDGE_AFTER, by whether the second was answered first.", "result")
	upRetries   = desc("upstream_retries_total", "Requests sent a second time, on a connection that died unused.")
)

// Describe implements [prometheus.Collector] without descriptions: what there is depends on the tiers.
func (s Sources) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (s Sources) Collect(ch chan<- prometheus.Metric) {
	out := sink(ch)
	out.gauge(buildInfo, 1, s.Version)
	s.collectRequests(out)
	s.collectLog(out)
	if s.L1 != nil {
		s.collectL1(out)
	}
	if s.L2 != nil {
		s.collectL2(out)
	}
	for _, p := range s.Pools {
		collectPool(out, p.Stats())
	}
	s.collectUpstream(out)
}

func (s Sources) collectRequests(out sink) {
	st := s.Handler.Stats()
	for outcome, byTier := range st.Requests {
		for tier, d := range byTier {
			out.durations(d, outcome.String(), tier.String())
		}
	}
	out.count(panics, st.Panics)
	out.count(fills, st.FillsStored, "stored")
	out.count(fills, st.FillsFailed, "failed")
	out.count(fills, st.FillsDropped, "dropped")
	out.count(fills, st.FillsNearOnly, "l1-only")
	out.count(fills, st.FillsNoRoom, "no-room")
	out.count(fills, st.FillsTooLarge, "too-large")
	out.count(fills, st.FillsPurged, "purged")
	out.count(fills, st.FillsUntrusted, "untrusted")
	out.count(refreshs, st.RefreshesDone, "done")
	out.count(refreshs, st.RefreshesFailed, "failed")
	out.count(refreshs, st.RefreshesDropped, "dropped")
	out.count(unsafe, st.Invalidations-st.InvalidationsQueued, "done")
	out.count(unsafe, st.InvalidationsQueued, "queued")
	out.gauge(flights, float64(st.Flights))
	out.gauge(waiting, float64(st.Followers))
	out.count(follows, st.FollowersReleased, "released")
	out.count(follows, st.FollowersLate, "late")
	out.count(follows, st.FollowersTimedOut, "timed-out")
	out.count(follows, st.FlightsBarred, "barred")
	out.count(laggards, st.Laggards)
	out.count(fleet, st.FleetLed, "led")
	out.count(fleet, st.FleetShared, "shared")
	out.count(fleet, st.FleetTimedOut, "timed-out")
	out.count(fleet, st.FleetAlone, "alone")
	out.gauge(bytesNow, float64(st.QueuedBytes))
	out.gauge(bytesMax, float64(st.QueuedLimit))
}

func (s Sources) collectLog(out sink) {
	st := s.Handler.Invalidation.Stats()
	out.count(purges, st.Purges-st.Unconfirmed, "confirmed")
	out.count(purges, st.Unconfirmed, "unconfirmed")
	out.count(logRecords, st.Applied, "applied")
	out.count(logRecords, st.Appended, "appended")
	out.count(logRecords, st.AppendsFailed, "failed")
	out.count(logRenewals, st.Renewals, "done")
	out.count(logRenewals, st.RenewalsFailed, "failed")
	out.count(logEvents, st.Generations, "generation")
	out.count(logEvents, st.Gaps, "gap")
	out.count(logEvents, st.Unreadable, "unreadable")
	out.count(logEvents, st.ReadsFailed, "read-failed")
	out.count(logEvents, st.Overflows, "overflow")
	for verdict, n := range st.Verdicts {
		out.count(logVerdicts, n, verdict.String())
	}
	out.gauge(logPosition, float64(st.Position))
	out.gauge(logHead, float64(st.Head))
	out.gauge(logFloor, float64(st.Floor))
	out.gauge(logIndex, float64(st.Selectors))
	out.gauge(logQueued, float64(st.Queued))
	trusted := 0.0
	if st.Trusted {
		trusted = 1
	}
	out.gauge(logTrusted, trusted)
}

func (s Sources) collectL1(out sink) {
	st := s.L1.Stats()
	out.gauge(l1Entries, float64(st.Entries))
	out.gauge(l1Bytes, float64(st.Bytes))
	out.gauge(l1MaxBytes, float64(s.L1Bytes))
	out.count(l1Lookups, uint64(st.Hits), "hit")
	out.count(l1Lookups, uint64(st.Misses), "miss")
	out.count(l1Stored, uint64(st.Stored))
	out.count(l1Refused, uint64(st.Refused))
	out.count(l1Evictions, uint64(st.EvictedSize), "size")
	out.count(l1Evictions, uint64(st.EvictedExpired), "expired")
	out.count(l1Evictions, uint64(st.Replaced), "replaced")
	out.count(l1Evictions, uint64(st.Deleted), "deleted")
}

func (s Sources) collectL2(out sink) {
	st := s.L2.Stats()
	for _, op := range redis.Ops() {
		for _, result := range redis.Results() {
			if n := st.Operations[op][result]; n > 0 {
				out.count(l2Operations, n, op.String(), result.String())
			}
		}
	}
	out.gauge(l2Breaker, one(st.Open))
	out.count(l2Opened, st.Opened)
	out.count(l2RoundTrips, st.RoundTrips)
	out.gauge(l2Conns, float64(st.Connections.Total-st.Connections.Idle), "busy")
	out.gauge(l2Conns, float64(st.Connections.Idle), "idle")
}

func collectPool(out sink, st pool.Stats) {
	for result, n := range map[string]uint64{
		"submitted": st.Submitted, "rejected": st.Rejected, "done": st.Done,
		"failed": st.Failed, "panicked": st.Panicked, "dropped": st.Dropped,
	} {
		out.count(poolJobs, n, st.Name, result)
	}
	out.gauge(poolQueued, float64(st.Queued), st.Name)
	out.gauge(poolCapacity, float64(st.Capacity), st.Name)
	out.gauge(poolRunning, float64(st.Running), st.Name)
	out.gauge(poolWorkers, float64(st.Workers), st.Name)
	out.mean(poolWait, st.Timed, st.TimeQueued, st.Name)
	out.mean(poolRun, st.Timed, st.TimeRun, st.Name)
}

func (s Sources) collectUpstream(out sink) {
	st := s.Origin.Stats()
	out.count(upRequests, st.Requests)
	for class, n := range st.Responses {
		name := "other"
		if class > 0 {
			name = string(rune('0'+class)) + "xx"
		}
		out.count(upResponses, n, name)
	}
	for _, kind := range upstream.Kinds() {
		out.count(upErrors, st.Errors[kind], kind.String())
	}
	out.gauge(upConns, float64(st.Open-st.Idle), "busy")
	out.gauge(upConns, float64(st.Idle), "idle")
	out.count(upDialed, st.Dialed)
	out.count(upStale, st.Stale)
	out.count(upRetries, st.Retries)
	out.gauge(upWaiting, float64(st.Waiting))
	out.gauge(upBreaker, one(st.Broken))
	out.count(upOpened, st.Opened)
	out.count(upHedges, st.HedgesWon, "won")
	out.count(upHedges, st.Hedges-min(st.Hedges, st.HedgesWon), "lost")
}

// one is 1 for true.
func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// sink is where a collection goes.
type sink chan<- prometheus.Metric

func (out sink) count(d *prometheus.Desc, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (out sink) mean(d *prometheus.Desc, n uint64, sum time.Duration, labels ...string) {
	out <- prometheus.MustNewConstSummary(d, n, sum.Seconds(), nil, labels...)
}

func (out sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// durations sends a histogram, and the count beside it. Combinations that never occurred are left out.
func (out sink) durations(d proxy.Durations, labels ...string) {
	var total uint64
	buckets := make(map[float64]uint64, len(proxy.Buckets))
	for i, n := range d.Counts {
		total += n
		if i < len(proxy.Buckets) {
			buckets[proxy.Buckets[i].Seconds()] = total
		}
	}
	if total == 0 {
		return
	}
	out.count(requests, total, labels...)
	out <- prometheus.MustNewConstHistogram(duration, total, d.Sum.Seconds(), buckets, labels...)
}
