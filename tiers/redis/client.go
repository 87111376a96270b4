package redis

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// dialTimeout is how long a connection may take until it stands. It is made in the background: who waits for
// it waits no longer than the operation may take, and the next one finds it.
const dialTimeout = time.Second

// leastRefused is what no value but a stored response reaches, in bytes, such as a record of what was purged.
const leastRefused = 4 << 20

// socketTimeout bounds what has no deadline of its own, such as asking a cluster for its nodes. The client
// library counts it by a clock that is up to 50 ms behind, so for all else the context's deadline, which is
// exact, must come first.
func socketTimeout(longest time.Duration) time.Duration { return longest + 100*time.Millisecond }

// newClients makes the client library's clients for cfg, which is valid: one, and perhaps another one for reads
// from replicas. longest is what an operation may take. They open no connection yet.
func newClients(cfg *Config, longest time.Duration) (client, replicas goredis.UniversalClient, err error) {
	e, err := parseURL(cfg.URL, cfg.Mode)
	if err != nil {
		return nil, nil, err
	}
	secure, err := cfg.tls(e)
	if err != nil {
		return nil, nil, err
	}
	opt := &goredis.UniversalOptions{
		Addrs:            e.addrs,
		DB:               e.db,
		Username:         e.username,
		Password:         e.password,
		MasterName:       e.master,
		SentinelUsername: e.sentinelUsername,
		SentinelPassword: e.sentinelPassword,
		TLSConfig:        secure,
		Dialer:           dialer(secure, max(cfg.maxValue(), leastRefused)),

		CredentialsProviderContext: cfg.credentials(e.username),

		// One attempt, bounded by the context alone: whoever asks has no time for a second.
		ContextTimeoutEnabled: true,
		DialTimeout:           dialTimeout,
		ReadTimeout:           socketTimeout(longest),
		WriteTimeout:          socketTimeout(longest),
		PoolTimeout:           longest,
		MaxRetries:            -1,
		DialerRetries:         1,
		MinRetryBackoff:       time.Millisecond, // between redirections in a cluster
		MaxRetryBackoff:       8 * time.Millisecond,

		PoolSize:         cfg.poolSize(),
		PipelinePoolSize: -1, // all is pipelines; one pool for all
		Protocol:         2,  // no pushes to look out for, which takes a system call each time

		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch e.mode {
	case modeCluster:
		opt.RouteRandomly = cfg.ReadReplicas
		return goredis.NewClusterClient(opt.Cluster()), nil, nil
	case modeSentinel:
		client = goredis.NewFailoverClient(opt.Failover())
		if cfg.ReadReplicas {
			opt.ReadOnly = true
			opt.ConnMaxLifetime = 10 * time.Minute // to find a replica again after the master had to stand in
			replicas = goredis.NewFailoverClient(opt.Failover())
		}
		return client, replicas, nil
	}
	return goredis.NewClient(opt.Simple()), nil, nil
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
