// Nearside is a sidecar caching proxy: the app beside it calls it instead of the data API. It answers from an
// L1 in its memory, then from an L2 in Redis that the fleet shares, and forwards only what is missing.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/nearside-cache/nearside/pool"
	"github.com/nearside-cache/nearside/proxy"
	"github.com/nearside-cache/nearside/proxy/admin"
	"github.com/nearside-cache/nearside/proxy/environ"
	"github.com/nearside-cache/nearside/proxy/heap"
	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/proxy/routes"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
	"github.com/nearside-cache/nearside/tiers/memory"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/embedded"
	"github.com/nearside-cache/nearside/upstream"
	"github.com/nearside-cache/nearside/upstream/sample"
)

// version is set by the linker.
var version = "dev"

// config is the whole configuration: each package's own part, and how to log.
type config struct {
	Upstream upstream.Config `doc:"Upstream"`
	Proxy    proxy.Config    `doc:"Serving"`
	Policy   policy.Config   `doc:"Caching"`
	Routes   routes.Config   `doc:"Routes"`
	L1       memory.Config   `doc:"L1: memory"`
	L2       redis.Config    `doc:"L2: Redis"`

	Invalidation invalidation.Config `doc:"Purging: the invalidation log"`

	Pool   pool.Config  `envPrefix:"POOL_" doc:"Worker pools: for fills of L1, fills of L2, and refreshes, alike"`
	Admin  admin.Config `doc:"Admin"`
	Memory heap.Config  `doc:"Memory"`
	Log    logging      `doc:"Log"`

	embedded bool // REDIS_URL is the demo's: it cannot keep the invalidation log
}

// Validate checks what spans the parts.
func (c *config) Validate() error {
	var errs []error
	if c.Policy.Authorization == policy.PerCredential && c.L2.Enabled() && c.Policy.CredentialSecret == "" && c.L2.Secret == "" {
		errs = append(errs, errors.New("CREDENTIAL_SECRET: AUTHORIZATION=per-credential with REDIS_URL needs it, or L2_SECRET, so that the fleet finds what it stored; want at least 16 characters, the same for the fleet"))
	}
	if c.Proxy.CoalesceFleet && !c.L2.Enabled() {
		errs = append(errs, errors.New(`COALESCE_FLEET: "true": want REDIS_URL, too, where the fleet meets`))
	}
	if c.Invalidation.Replicas > 0 && !c.L2.Enabled() {
		errs = append(errs, fmt.Errorf(`INVALIDATION_REPLICAS: "%d": want REDIS_URL, too, whose replicas they are`, c.Invalidation.Replicas))
	}
	if limit, ok := heap.Limit(); ok {
		errs = append(errs, heap.Check(c.L1.MaxBytes, c.Proxy.QueueBytes, limit))
	}
	return errors.Join(errs...)
}

type logging struct {
	Level  string `env:"LOG_LEVEL" envDefault:"info" oneof:"debug|info|warn|error" doc:"the least that is logged"`
	Format string `env:"LOG_FORMAT" envDefault:"text" oneof:"text|json" doc:"how it is written, to standard error"`
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong configuration or arguments
)

const usage = `Nearside: a caching proxy beside your app, in front of its data API.

Usage:
  nearside            serve; needs UPSTREAM_URL
  nearside demo       serve in front of a built-in sample API, and say what to try
  nearside -check     validate the configuration and print what is in effect
  nearside purge      purge stored responses on all sidecars; see nearside purge -help
  nearside -health    ask the running sidecar at ADMIN_ADDR for its health
  nearside -version   print the version
  nearside -help      print this

All configuration is by environment variables:

`

func main() { os.Exit(run(os.Args[1:], os.Environ())) }

// run is the program; it returns the exit code.
func run(args, env []string) int {
	if len(args) > 0 && args[0] == "purge" {
		return purge(args[1:], env)
	}
	switch command := strings.TrimLeft(strings.Join(args, " "), "-"); command {
	case "":
		return configured(env, func(cfg *config) int { return serve(cfg, nil) })
	case "demo":
		return demo(env)
	case "check":
		return configured(env, check)
	case "health":
		return health(env)
	case "version":
		fmt.Println("nearside", version, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	case "help", "h":
		fmt.Print(usage, environ.Text(environ.Table(config{})))
	case "help markdown":
		fmt.Print(environ.Markdown(environ.Table(config{})))
	default:
		return fail(exitUsage, fmt.Errorf("unknown argument %q; see nearside -help", command))
	}
	return exitOK
}

// configured reads the configuration, reports what is wrong with it, or goes on with do.
func configured(env []string, do func(*config) int) int {
	cfg := new(config)
	warnings, err := environ.Parse(cfg, env)
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "nearside: warning:", w)
	}
	if err != nil {
		return fail(exitUsage, err)
	}
	return do(cfg)
}

// check prints the configuration in effect.
func check(cfg *config) int {
	fmt.Print(environ.Lines(environ.Effective(cfg)))
	return exitOK
}

// health asks the sidecar that runs with this environment. Only the admin part of it needs to be right.
func health(env []string) int {
	var cfg struct{ Admin admin.Config }
	if _, err := environ.Parse(&cfg, env); err != nil {
		return fail(exitUsage, err)
	}
	if err := admin.Check(cfg.Admin.Addr); err != nil {
		return fail(exitFailed, err)
	}
	return exitOK
}

func fail(code int, err error) int {
	fmt.Fprintln(os.Stderr, "nearside:", err)
	return code
}

func (l logging) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// serve runs the sidecar until a signal asks it to stop. started, if not nil, is called with the address
// of the clients' listener and that of the admin's.
func serve(cfg *config, started func(clients, ops net.Addr)) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s, err := build(cfg)
	if err == nil {
		err = s.start()
	}
	if err != nil {
		return fail(exitFailed, err)
	}
	if started != nil {
		started(s.clients.Addr(), s.ops.Addr())
	}
	code := exitOK
	select {
	case <-ctx.Done():
		stop() // a second signal ends the process at once
		s.log.Info("stopping", "delay", cfg.Proxy.ShutdownDelay, "timeout", cfg.Proxy.ShutdownTimeout)
	case err := <-s.failed:
		s.log.Error("a listener failed", "error", err)
		code = exitFailed
	}
	s.shutdown()
	return code
}

// sidecar is the program's parts, wired.
type sidecar struct {
	cfg *config
	log *slog.Logger

	memory    tiers.ByteSize // the garbage collector's limit at first
	l2        *redis.Tier    // nil without REDIS_URL
	journal   *redis.Journal // nil without REDIS_URL, and in the demo
	purged    *invalidation.Log
	refreshes *pool.Pool
	fills     *pool.Pool // of L1
	farFills  *pool.Pool // of L2
	handler   *proxy.Handler
	server    *proxy.Server
	admin     *admin.Server

	clients net.Listener
	ops     net.Listener // the admin's
	failed  chan error   // why a listener ended by itself
}

// build makes the parts. Nothing listens or runs yet.
func build(cfg *config) (*sidecar, error) {
	s := &sidecar{cfg: cfg, log: cfg.Log.logger(os.Stderr), failed: make(chan error, 3)}
	origin, err := upstream.New(cfg.Upstream)
	if err != nil {
		return nil, err
	}
	stack := &tiers.Stack{}
	var l1 *memory.Tier
	if cfg.L1.MaxBytes > 0 {
		l1 = memory.New(cfg.L1)
		stack.Near = l1
	}
	if cfg.L2.Enabled() {
		cfg.L2.MaxObject = cfg.Proxy.MaxObjectBytes
		if s.l2, err = redis.New(cfg.L2, s.log); err != nil {
			return nil, err
		}
		stack.Far = s.l2
	}
	if err := s.openLog(); err != nil {
		return nil, err
	}
	rules, err := cfg.Routes.Load()
	if err != nil {
		return nil, err
	}
	if cfg.Policy.CredentialSecret == "" {
		cfg.Policy.CredentialSecret = cfg.L2.Secret
	}
	s.memory = heap.Manage(cfg.Memory, cfg.L1.MaxBytes)
	s.refreshes, s.fills, s.farFills = s.pool("refresh"), s.pool("fill"), s.pool("fill-l2")
	var fleet proxy.Fleet
	if cfg.Proxy.CoalesceFleet {
		fleet = s.l2
	}
	s.handler = proxy.New(proxy.Parts{
		Config: cfg.Proxy, Policy: cfg.Policy, Routes: rules, Stack: stack, Fleet: fleet, Origin: origin, Upstream: cfg.Upstream,
		Fills: s.fills, FarFills: s.farFills, Refreshes: s.refreshes, Log: s.log, Invalidation: s.purged, LogTimeout: cfg.L2.Timeout,
	})
	s.server = proxy.NewServer(s.handler)
	s.admin = admin.New(cfg.Admin, admin.Metrics(admin.Sources{
		Version: version, Handler: s.handler, L1: l1, L1Bytes: cfg.L1.MaxBytes, L2: s.l2, Origin: origin,
		Pools: []*pool.Pool{s.fills, s.farFills, s.refreshes},
	}), s.handler, s.log)
	return s, nil
}

// openLog makes the invalidation log: in the Redis that the fleet shares, else in this process.
func (s *sidecar) openLog() (err error) {
	var journal invalidation.Journal // not of a *redis.Journal that is nil
	if s.cfg.embedded {
		s.log.Info("the demo's own Redis cannot keep the invalidation log, so that purges hold in this process alone; with REDIS_URL, all sidecars have them")
	} else if s.cfg.L2.Enabled() {
		if s.journal, err = redis.NewJournal(s.cfg.L2, s.cfg.Invalidation); err != nil {
			return err
		}
		journal = s.journal
	}
	s.purged = invalidation.New(s.cfg.Invalidation, journal, s.log)
	return nil
}

// join has the log followed, and waits for a moment until it is: what is fetched before is not shared.
func (s *sidecar) join() {
	if s.journal == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
	defer cancel()
	s.purged.Start(ctx)
	if advice := s.journal.Advice(ctx); advice != "" {
		s.log.Warn(advice)
	}
}

const joinTimeout = 500 * time.Millisecond

// pool makes one of the three uses of the worker pool.
func (s *sidecar) pool(name string) *pool.Pool {
	cfg := s.cfg.Pool
	cfg.Name = name
	cfg.OnPanic = func(_ pool.Job, v any, stack []byte) {
		s.log.Error("panic in a job", "pool", name, "panic", v, "stack", string(stack))
	}
	cfg.OnDrop = proxy.Dropped
	return pool.New(cfg)
}

// start listens, and serves in the background.
func (s *sidecar) start() (err error) {
	s.join()
	if s.clients, err = s.listen("clients", s.cfg.Proxy.ListenAddr, s.server.Serve); err != nil {
		return err
	}
	if s.ops, err = s.listen("admin", s.cfg.Admin.Addr, s.admin.Serve); err != nil {
		return err
	}
	if !s.cfg.Admin.ProbeAddr.IsZero() {
		if _, err = s.listen("probes", s.cfg.Admin.ProbeAddr, s.admin.ServeProbes); err != nil {
			return err
		}
	}
	for _, p := range []*pool.Pool{s.farFills, s.fills, s.refreshes} {
		p.Start(context.Background())
	}
	s.admin.Ready(true)
	if cfg := &s.cfg.Policy; cfg.Authorization == policy.AuthorizationRFC {
		s.log.Info("responses to requests with Authorization are stored only with public, s-maxage or must-revalidate; if all of your app's requests carry a token, see AUTHORIZATION=per-credential")
	}
	s.log.Info("ready", "as", s.purged.ID(), "version", version, "upstream", s.cfg.Upstream.URL, "l1", s.describeL1(), "l2", s.describeL2(), "memory_limit", s.describeMemory())
	return nil
}

func (s *sidecar) listen(what string, addr proxy.Addr, serve func(net.Listener) error) (net.Listener, error) {
	ln, err := addr.Listen()
	if err != nil {
		return nil, err
	}
	s.log.Info("listening", "for", what, "addr", ln.Addr().String())
	go func() {
		if err := serve(ln); err != nil {
			s.failed <- err
		}
	}()
	return ln, nil
}

func (s *sidecar) describeL1() string {
	if s.cfg.L1.MaxBytes == 0 {
		return "off: L1_MAX_BYTES is 0"
	}
	return s.cfg.L1.MaxBytes.String()
}

func (s *sidecar) describeL2() string {
	if s.l2 == nil {
		return "off: REDIS_URL is empty"
	}
	return s.cfg.L2.Describe()
}

func (s *sidecar) describeMemory() string {
	if s.memory == heap.Unlimited {
		return "off"
	}
	return s.memory.String()
}

// shutdown stops in the order in which the parts feed each other: clients, refreshes, fills, Redis.
func (s *sidecar) shutdown() {
	s.admin.Ready(false)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Proxy.ShutdownDelay+s.cfg.Proxy.ShutdownTimeout)
	defer cancel()
	if err := s.server.Shutdown(ctx, s.cfg.Proxy.ShutdownDelay); err != nil {
		s.log.Warn("requests were still in progress when SHUTDOWN_TIMEOUT ended", "error", err)
	}
	if err := errors.Join(s.refreshes.Stop(ctx), s.fills.Stop(ctx), s.farFills.Stop(ctx)); err != nil {
		s.log.Warn("jobs were dropped when SHUTDOWN_TIMEOUT ended", "refreshes", s.refreshes.Stats().Dropped,
			"fills", s.fills.Stats().Dropped+s.farFills.Stats().Dropped)
	}
	s.admin.EndPurges()
	s.purged.Close(ctx) // not before the last answer: until then this process counts
	if s.journal != nil {
		s.journal.Close()
	}
	if s.l2 != nil {
		s.l2.Close()
	}
	s.handler.Origin.CloseIdle()
	_ = s.admin.Shutdown(ctx) //nolint:errcheck // a probe in progress is of no use any more
	s.log.Info("stopped")
}

// demo serves in front of a built-in sample API. Without REDIS_URL, L2 is a server in this process.
func demo(env []string) int {
	api, err := sample.Start("127.0.0.1:0", sample.Config{})
	if err != nil {
		return fail(exitFailed, err)
	}
	defer api.Close()
	env = append(env, "UPSTREAM_URL="+api.URL(), "SHUTDOWN_DELAY=0s")
	if os.Getenv("REDIS_URL") == "" {
		l2, err := embedded.Start()
		if err != nil {
			return fail(exitFailed, err)
		}
		defer l2.Close()
		env = append(env, "REDIS_URL="+l2.URL())
	}
	return configured(env, func(cfg *config) int {
		cfg.embedded = os.Getenv("REDIS_URL") == ""
		return serve(cfg, func(clients, ops net.Addr) { fmt.Printf(demoText, api.URL(), clients, ops) })
	})
}

const demoText = `
A sample data API answers at %[1]s, and takes 150 ms for each request.
Nearside is in front of it at http://%[2]s, with both tiers.

Ask for a record twice, and look at the time and at Cache-Status:

  curl -s -w '%%{time_total} s\n' -o /dev/null -D - http://%[2]s/v1/foods/17
  curl -s -w '%%{time_total} s\n' -o /dev/null -D - http://%[2]s/v1/foods/17

The first is forwarded (fwd=uri-miss; stored), the second is a hit (detail=L1) in well under a millisecond.
More to try: /v1/foods?category=fruit, /v1/foods/batch?ids=1,2,3, and the counters:

  curl -s http://%[3]s/metrics | grep nearside_requests_total

Ctrl-C stops it.

`
