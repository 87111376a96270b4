package redis

import (
	"context"
	"errors"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// How long a connection may take until it stands. It is made in the background: who waits for it waits
	// no longer than the operation may take, and the next one finds it.
	dialTimeout = time.Second

	// The client library takes the time for its socket deadlines from a clock that is up to 50 ms behind.
	// So those deadlines are only a second line, and the context's, which are exact, come first.
	socketTimeout = 10 * time.Second
)

// newClient makes the client library's client for cfg, which is valid. It opens no connection.
func newClient(cfg *Config) (goredis.UniversalClient, error) {
	e, err := parseURL(cfg.URL, cfg.Mode)
	if err != nil {
		return nil, err
	}
	opt := &goredis.UniversalOptions{
		Addrs:            e.addrs,
		DB:               e.db,
		Username:         e.username,
		Password:         e.password,
		MasterName:       e.master,
		SentinelUsername: e.sentinelUsername,
		SentinelPassword: e.sentinelPassword,
		TLSConfig:        e.tls(),

		CredentialsProviderContext: cfg.credentials(e.username),

		// One attempt, bounded by the context alone: whoever asks has no time for a second.
		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout,
		ReadTimeout:           socketTimeout,
		WriteTimeout:          socketTimeout,
		PoolTimeout:           cfg.Timeout,
		MaxRetries:            -1,
		DialerRetries:         1,

		PoolSize:         cfg.poolSize(),
		PipelinePoolSize: -1, // all is pipelines; one pool for all
		Protocol:         2,  // no pushes to look out for, which takes a system call each time

		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch e.mode {
	case modeCluster:
		return goredis.NewClusterClient(opt.Cluster()), nil
	case modeSentinel:
		return goredis.NewFailoverClient(opt.Failover()), nil
	}
	return goredis.NewClient(opt.Simple()), nil
}

// credentials reads the password file for each new connection, so that a changed password needs no restart.
// It is nil without a file.
func (c *Config) credentials(username string) func(context.Context) (string, string, error) {
	if c.PasswordFile == "" {
		return nil
	}
	return func(context.Context) (string, string, error) {
		password, err := readPassword(c.PasswordFile)
		return username, password, err
	}
}

// do sends cmds in one round trip, and counts, classifies, logs and reports to the breaker what came of it.
// It returns ErrOpen without sending anything when the breaker is open, else nil or an [*Error]; a key that
// does not exist is none.
func (t *Tier) do(ctx context.Context, op Op, cmds ...goredis.Cmder) error {
	state, ok := t.breaker.enter()
	if !ok {
		return ErrOpen
	}
	t.counters.roundTrips.Add(1)
	err := t.exec(ctx, cmds)
	if err == nil {
		t.breaker.report(state, false)
		return nil
	}
	failure := &Error{op, classify(ctx, err), err}
	switch {
	case hasPrefix(err, "NOSCRIPT "):
		return failure // the script comes whole next
	case failure.Result == Cancelled, failure.Result == Timeout && t.hurried(ctx):
		return failure // says nothing about Redis
	case t.breaker.report(state, failure.Result.failing(op)):
		t.cause.Store(failure)
	default:
		t.log.write(slog.LevelWarn, "L2 failed", "operation", op.String(), "result", failure.Result.String(), "error", err)
	}
	return failure
}

// exec returns the first error among cmds.
func (t *Tier) exec(ctx context.Context, cmds []goredis.Cmder) error {
	pipe := t.client.Pipeline()
	if err := pipe.BatchProcess(ctx, cmds...); err != nil {
		return err
	}
	_, err := pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	var fromRedis goredis.Error
	if !errors.As(err, &fromRedis) {
		return err
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, goredis.Nil) {
			return err
		}
	}
	if errors.Is(err, goredis.Nil) {
		return nil
	}
	return err // of the connection's set-up, say a wrong password, which stands in no command
}

// probe is a round trip as a look-up makes it, in the time that a look-up has, once a connection stands.
func (t *Tier) probe(ctx context.Context) error {
	connect, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := t.client.Ping(connect).Err(); err != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return t.exec(ctx, []goredis.Cmder{goredis.NewStringCmd(ctx, "get", t.primary(digest{}))})
}
