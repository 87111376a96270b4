package redis

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// lane is the way to one server, or to whichever one a client of the library finds: with its own breaker, and
// queues for reads and writes, so that large values on their way out hold up no look-up.
type lane struct {
	addr   string // for logs; empty when there is one lane only
	client pipeliner
	trips  *counters

	clock   clock
	breaker breaker
	cause   atomic.Pointer[Error] // why the breaker opened, until that is logged
	opened  func()                // starts to mend the breaker; does not block
	reads   *queue
	writes  *queue
}

// pipeliner is what a lane needs of the client library.
type pipeliner interface {
	Pipeline() goredis.Pipeliner
}

func newLane(base context.Context, crew *crew, addr string, client pipeliner, timeout time.Duration, c *counters) *lane {
	l := &lane{addr: addr, client: client, trips: c}
	read := func(int) time.Duration { return timeout }
	write := func(bytes int) time.Duration { return writeTime(timeout, bytes) }
	l.reads = newQueue(base, crew, read, func(ctx context.Context, cmds []goredis.Cmder, jobs int) error {
		return l.trip(ctx, OpGet, cmds, jobs)
	})
	l.writes = newQueue(base, crew, write, func(ctx context.Context, cmds []goredis.Cmder, jobs int) error {
		return l.trip(ctx, OpPut, cmds, jobs)
	})
	return l
}

// do sends cmds in one round trip, perhaps together with others. It returns ErrOpen without sending anything
// when the breaker is open, else what was wrong with the round trip or else with the first of cmds that
// failed; that a key does not exist is no failure.
func (l *lane) do(ctx *bounded, op Op, cmds []goredis.Cmder, bytes int) error {
	if l.breaker.isOpen() {
		return ErrOpen
	}
	q := l.writes
	if op == OpGet {
		q = l.reads
	}
	if err := q.do(ctx, cmds, bytes); err != nil {
		return err
	}
	return firstError(cmds)
}

// trip makes a round trip, and reports to the breaker what came of it.
func (l *lane) trip(ctx context.Context, op Op, cmds []goredis.Cmder, jobs int) error {
	state, ok := l.breaker.enter()
	if !ok {
		return ErrOpen
	}
	l.trips.roundTrips.Add(1)
	sent, err := l.dated(ctx, cmds)
	if err == nil {
		err = exec(ctx, l.client, sent)
	}
	l.clock.note(sent, err)
	cause := err
	if cause == nil {
		cause = firstError(cmds)
	}
	if cause == nil {
		l.breaker.succeeded()
		return nil
	}
	switch r := classify(ctx, cause); {
	case r == Cancelled, r == Timeout && hurried(ctx): // says nothing about the server
	case r.failing(op, cause):
		l.failed(state, &Error{op, r, explained(cause)}, weigh(jobs))
	}
	return err
}

// weigh says for how many failures a failed round trip counts: many have failed in one that is shared, if
// perhaps for one reason.
func weigh(jobs int) int32 {
	if jobs > 1 {
		return 2
	}
	return 1
}

// failed reports a failure to the breaker.
func (l *lane) failed(state uint64, failure *Error, weight int32) {
	if l.breaker.failed(state, weight) {
		l.cause.Store(failure)
		l.opened()
	}
}

// about adds the server's address to what is logged, where there are several.
func (l *lane) about(args ...any) []any {
	if l.addr == "" {
		return args
	}
	return append(args, "node", l.addr)
}

// exec sends cmds in one round trip. It returns what was wrong with the round trip, not with a command.
func exec(ctx context.Context, client pipeliner, cmds []goredis.Cmder) error {
	pipe := client.Pipeline()
	if err := pipe.BatchProcess(ctx, cmds...); err != nil {
		return err
	}
	_, err := pipe.Exec(ctx)
	if err == nil || err == goredis.Nil { //nolint:errorlint // an error about sentinels may hold it
		return nil
	}
	var reply goredis.Error
	if errors.As(err, &reply) && firstError(cmds) != nil {
		return nil
	}
	return err // perhaps of the connection's set-up, say a wrong password, which stands in no command
}

// firstError returns the first error reply among cmds.
func firstError(cmds []goredis.Cmder) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil && err != goredis.Nil {
			return err
		}
	}
	return nil
}
