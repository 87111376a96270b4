package e2e

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/nearside-cache/nearside/tiers/redis/redistest"
)

// redisServer is a real redis-server that keeps its data in memory only, with a client that looks at it.
type redisServer struct {
	*redistest.Server
	t      *testing.T
	client *redis.Client
}

// newRedis starts a redis-server, for which options say more.
func newRedis(t *testing.T, options ...string) *redisServer {
	t.Helper()
	return watched(t, redistest.Start(t, options...))
}

func watched(t *testing.T, s *redistest.Server) *redisServer {
	return &redisServer{s, t, s.Client()}
}

// noRedis is a server that is not there; Start brings it up.
func noRedis(t *testing.T) *redisServer {
	t.Helper()
	r := newRedis(t)
	r.Kill()
	return r
}

// env is the variable that has a sidecar use the server.
func (r *redisServer) env() string { return "REDIS_URL=unix://" + r.Socket() }

// keys returns how many keys there are, those of the invalidation log left out.
func (r *redisServer) keys() int {
	r.t.Helper()
	ctx := context.Background()
	n, err := r.client.DBSize(ctx).Result()
	if err != nil {
		r.t.Fatal(err)
	}
	return int(n - r.client.Exists(ctx, logKeys...).Val())
}

// logKeys are the two keys of the invalidation log.
var logKeys = []string{"nearside:v1:{nearside}:ctl", "nearside:v1:{nearside}:log"}
