package redis

import (
	"context"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nearside-cache/nearside/tiers"
)

// A SET that hangs on its way, in a server that was stopped or in a network that lost it, is carried out all the same when
// the hang is over, although its sender gave it up. So it says when its key expires by the server's clock, not how long
// its key lives from whenever it arrives: then the time on its way counts as the response's age, as all the time does that
// it lies there, and what is overdue is gone at once.

// clock tells a server's time by this process's clock. The zero clock does not know it yet.
type clock struct{ last atomic.Pointer[reading] }

// reading is what a server said about its time.
type reading struct {
	taken  tiers.Instant
	start  time.Time // the server's time when Instant was 0: rather too early, by what its answer took on the way
	denied bool      // it does not say, to this user
}

const (
	clockSoon = 5 * time.Second  // so old a reading is renewed with the next values, in their round trip
	clockOld  = 10 * time.Second // and a still older one before them: the server may be another one by now
)

// setting is the command that stores a value until an Instant. A lane dates it before it is sent.
type setting struct {
	*goredis.StatusCmd
	until tiers.Instant
}

func set(ctx context.Context, key string, value []byte, until tiers.Instant) *setting {
	return &setting{goredis.NewStatusCmd(ctx, "set", key, value, "px", int64(0)), until}
}

// date fills in the expiry, by r or else as a lifetime from now.
func (s *setting) date(r *reading, now tiers.Instant) {
	args := s.Args()
	if r.denied {
		args[4] = max(1, s.until.Sub(now).Milliseconds())
		return
	}
	args[3], args[4] = "pxat", max(1, r.start.Add(time.Duration(s.until)).UnixMilli())
}

// dated returns cmds with the values among them dated, and perhaps the question for the time with them. It makes a round
// trip first when the time is not known, and fails when that does.
func (l *lane) dated(ctx context.Context, cmds []goredis.Cmder) ([]goredis.Cmder, error) {
	if !stores(cmds) {
		return cmds, nil
	}
	now, r := tiers.Now(), l.clock.last.Load()
	switch {
	case r == nil || now.Sub(r.taken) > clockOld:
		l.trips.roundTrips.Add(1)
		asked := goredis.NewTimeCmd(ctx, "time")
		if err := exec(ctx, l.client, []goredis.Cmder{asked}); err != nil {
			return nil, err
		}
		r = l.clock.take(asked)
	case now.Sub(r.taken) > clockSoon:
		cmds = append(cmds[:len(cmds):len(cmds)], goredis.NewTimeCmd(ctx, "time"))
	}
	for _, cmd := range cmds {
		if s, ok := cmd.(*setting); ok {
			s.date(r, now)
		}
	}
	return cmds, nil
}

func stores(cmds []goredis.Cmder) bool {
	for _, cmd := range cmds {
		if _, ok := cmd.(*setting); ok {
			return true
		}
	}
	return false
}

// take takes in an answer that has just come.
func (c *clock) take(asked *goredis.TimeCmd) *reading {
	now := tiers.Now()
	r := &reading{taken: now, denied: asked.Err() != nil, start: asked.Val().Add(-time.Duration(now))}
	c.last.Store(r)
	return r
}

// note takes in what a round trip with cmds says about the time, which err ended.
func (c *clock) note(cmds []goredis.Cmder, err error) {
	if err != nil {
		c.last.Store(nil) // whoever answers next may be another server
		return
	}
	if asked, ok := cmds[len(cmds)-1].(*goredis.TimeCmd); ok {
		c.take(asked)
	}
}
