package invalidation

import (
	"context"
	"sync"
	"time"
)

// census counts the members for all whose purges wait to be confirmed: one call to the journal at a time, whoever asks
// meanwhile shares the next.
type census struct {
	mu      sync.Mutex
	running bool
	next    *count // what those share who asked since the running one began
}

// count is one answer of [Journal.Members].
type count struct {
	soon    bool          // somebody asks who has not waited for long yet
	ready   chan struct{} // closed when the rest is set
	gen     uint64
	members []Member
	err     error
}

// The least times from one count to the next.
const (
	between     = 250 * time.Microsecond
	betweenLate = 10 * time.Millisecond // when all who ask have waited for long
)

// members returns what the journal answers to a call that begins later than this one.
func (l *Log) members(ctx context.Context, soon bool) (gen uint64, members []Member, err error) {
	c := &l.census
	c.mu.Lock()
	if c.next == nil {
		c.next = &count{ready: make(chan struct{})}
	}
	mine := c.next
	mine.soon = mine.soon || soon
	if !c.running {
		c.running = true
		go l.takeCensus()
	}
	c.mu.Unlock()
	select {
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	case <-mine.ready:
		return mine.gen, mine.members, mine.err
	}
}

// takeCensus counts for as long as somebody asks, with pauses: it must not keep Redis busy.
func (l *Log) takeCensus() {
	for {
		if l.census.late() {
			time.Sleep(betweenLate)
		}
		now := l.census.take()
		if now == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), l.patience())
		now.gen, now.members, now.err = l.journal.Members(ctx)
		cancel()
		close(now.ready)
		time.Sleep(between)
	}
}

// late tells whether all who ask have waited for long.
func (c *census) late() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next != nil && !c.next.soon
}

// take begins the next count; nil when nobody asks for one.
func (c *census) take() *count {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.next
	c.next, c.running = nil, now != nil
	return now
}
