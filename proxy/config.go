package proxy

import (
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Config is the proxy's own part of the configuration. See the struct tags for defaults and meaning.
type Config struct {
	ListenAddr      Addr           `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8080" doc:"where clients connect: host:port or unix:///path/to.sock"`
	RewriteLocation bool           `env:"REWRITE_LOCATION" envDefault:"true" doc:"map Location fields that point at the upstream back to this proxy, so that redirects do not lead past the cache"`
	MaxObjectBytes  tiers.ByteSize `env:"MAX_OBJECT_BYTES" envDefault:"8MiB" min:"1" doc:"largest body that is stored; larger ones stream through"`
	QueueBytes      tiers.ByteSize `env:"POOL_QUEUE_BYTES" envDefault:"64MiB" min:"1" doc:"bodies that may wait in queues and flights together; what does not fit is served but not stored"`
	QueryMaxBytes   tiers.ByteSize `env:"QUERY_MAX_BYTES" envDefault:"64KiB" doc:"largest content of a QUERY, or of a POST that a route declares to be one, that is read into memory for its key; requests with more are passed"`
	CoalesceTimeout time.Duration  `env:"COALESCE_TIMEOUT" envDefault:"10s" min:"0s" doc:"the longest that a request waits for what another one is fetching, before it fetches by itself; 0 = each fetches by itself"`
	CoalesceFleet   bool           `env:"COALESCE_FLEET" envDefault:"false" doc:"have one sidecar fetch for the whole fleet, by a claim in Redis; the others wait for what it stores"`
	FleetTimeout    time.Duration  `env:"COALESCE_FLEET_TIMEOUT" envDefault:"5s" min:"1ms" doc:"the longest that a sidecar waits for what another one is fetching, before it fetches by itself"`
	XCache          bool           `env:"X_CACHE" envDefault:"false" doc:"add X-Cache: HIT or MISS to responses, for whoever expects it; Cache-Status says more"`
	AccessLog       bool           `env:"ACCESS_LOG" envDefault:"false" doc:"log one line a request"`
	ShutdownDelay   time.Duration  `env:"SHUTDOWN_DELAY" envDefault:"1s" min:"0s" doc:"how long to go on answering, with Connection: close, after SIGTERM"`
	ShutdownTimeout time.Duration  `env:"SHUTDOWN_TIMEOUT" envDefault:"10s" min:"1ms" doc:"the most that stopping may take after that, queued fills included"`
}
