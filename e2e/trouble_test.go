package e2e

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"
)

// trouble is something that goes wrong with a sidecar, for a while.
type trouble func(g *racing, c *racer, long time.Duration)

// paused stops the process.
func paused(_ *racing, c *racer, long time.Duration) {
	s := c.now.Load()
	s.signal(syscall.SIGSTOP)
	time.Sleep(long)
	s.signal(syscall.SIGCONT)
}

// killed kills the process, and starts another one.
func killed(_ *racing, c *racer, _ time.Duration) {
	s := c.now.Load()
	s.wantCode = -1
	s.signal(syscall.SIGKILL)
	<-s.exited
	c.now.Store(c.start())
}

// restarted stops the process in order, and starts another one. It is asked for as long as it answers.
func restarted(_ *racing, c *racer, _ time.Duration) {
	s := c.now.Load()
	s.signal(syscall.SIGTERM)
	<-s.exited
	c.now.Store(c.start())
}

// cutOff cuts the link to Redis.
func cutOff(_ *racing, c *racer, long time.Duration) {
	c.valve.shut.Store(true)
	time.Sleep(long)
	c.valve.shut.Store(false)
}

// deaf keeps back what was purged.
func deaf(_ *racing, c *racer, long time.Duration) {
	c.valve.deaf.Store(true)
	time.Sleep(long)
	c.valve.deaf.Store(false)
}

// emptied has Redis lose all it has, or a part of the log.
func emptied(g *racing, _ *racer, long time.Duration) {
	if n := rand.IntN(len(logKeys) + 1); n < len(logKeys) {
		g.redis.client.Del(context.Background(), logKeys[n])
	} else {
		g.redis.client.FlushAll(context.Background())
	}
	time.Sleep(long)
}

// troubled gives one sidecar after the other some trouble, each for up to two leases.
func (g *racing) troubled(ctx context.Context, troubles []trouble) {
	for ctx.Err() == nil {
		c := &g.cars[rand.IntN(len(g.cars))]
		troubles[rand.IntN(len(troubles))](g, c, g.lease/4+rand.N(g.lease*7/4))
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(200 * time.Millisecond)):
		}
	}
}
