package invalidation

import (
	"context"
	"errors"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// Start joins the fleet and follows the log until [Log.Close]. It waits until it has joined, or ctx ends, whichever is
// first; in the latter case it goes on trying. Without a journal there is nothing to do.
func (l *Log) Start(ctx context.Context) {
	if l.journal == nil {
		return
	}
	base, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.mu.Lock()
	joined := l.adopted
	l.mu.Unlock()
	for _, loop := range []func(context.Context){l.renewLoop, l.tailLoop, l.appendLoop} {
		l.running.Go(func() { loop(base) })
	}
	select {
	case <-joined:
	case <-ctx.Done():
	}
}

// Close appends what is still queued, for as long as ctx allows, and leaves the fleet. Nothing may be served after it.
func (l *Log) Close(ctx context.Context) {
	if l.stop == nil {
		return
	}
	for ctx.Err() == nil && l.Stats().Queued > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	if n := l.Stats().Queued; n > 0 {
		l.log.Warn("purges did not reach the log before the end", "selectors", n)
	}
	l.stop()
	l.running.Wait()
	l.mu.Lock()
	l.trustedUntil.Store(int64(never))
	l.mu.Unlock()
	if l.joined.Load() {
		bounded, cancel := context.WithTimeout(ctx, l.patience())
		defer cancel()
		_ = l.journal.Remove(bounded, Member{ID: l.id}) //nolint:errcheck // the next purge finds it out
	}
}

// renewSoon has the trust renewed, and what was applied told, at once.
func (l *Log) renewSoon() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// renewLoop renews the trust. There is one renewal at a time, and its reply comes in time or is not taken in: one that comes
// after the next one's could bring back a generation that has gone.
func (l *Log) renewLoop(ctx context.Context) {
	var looked tiers.Instant // at who is there
	adopted := false         // another generation, just now
	for {
		wait := l.lease / 3
		g := l.current.Load()
		err := l.renew(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrTerms):
			l.lapsed()
			l.prune(ctx)
			fallthrough
		case err != nil:
			if !l.away.Swap(true) {
				l.log.Warn("the invalidation log is out of reach", "error", err)
			}
			wait = l.lease / 12
		case l.away.Swap(false):
			l.log.Info("the invalidation log is back")
			fallthrough
		default:
			if now := l.current.Load(); now != g {
				l.running.Go(func() { l.recall(ctx, now) })
				if adopted = !adopted; adopted {
					continue // say what was applied of the new generation
				}
			} else {
				adopted = false
			}
			if now := tiers.Now(); now.Sub(looked) >= l.lease {
				looked = now
				l.prune(ctx)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-l.kick:
		case <-time.After(wait):
		}
	}
}

// renew makes one renewal.
func (l *Log) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.patience())
	defer cancel()
	g := l.current.Load()
	l.counter++
	sent := tiers.Now() // before it is sent: the lease counts from here
	at, err := l.journal.Renew(ctx, Renewal{
		ID: l.id, At: tiers.Position{Gen: g.gen, N: g.applied.Load()}, Met: g.met(), Counter: l.counter, Terms: l.terms,
	})
	if err != nil {
		l.counters.renewalsFailed.Add(1)
		return err
	}
	l.counters.renewals.Add(1)
	l.renewed(sent, at, tiers.Now())
	return nil
}

// tailLoop follows the log.
func (l *Log) tailLoop(ctx context.Context) {
	pause := l.patience() / 20
	var last tiers.Instant // when there was something
	for wait := pause; ctx.Err() == nil; {
		l.mu.Lock()
		adopted := l.adopted
		l.mu.Unlock()
		if !l.joined.Load() {
			select {
			case <-ctx.Done():
			case <-adopted:
			}
			continue
		}
		n, ask, err := l.tail(ctx)
		switch {
		case err == nil:
			l.couldRead()
			wait = pause
			if n > 0 {
				now := tiers.Now()
				l.gather(ctx, n, ask, now.Sub(last))
				last = now
			}
			continue
		case errors.Is(err, errAsk):
			l.couldRead()
			l.renewSoon()
		case ctx.Err() == nil:
			l.couldNotRead(err)
		}
		select {
		case <-ctx.Done():
		case <-adopted:
		case <-time.After(wait):
		}
		wait = min(2*wait, l.lease/6)
	}
}

var errAsk = errors.New("invalidation: records of another generation, or not the log's own")

// gather lets some records come together after a batch of n, so that a thousand purges a second do not take as many round
// trips of each sidecar. Who waits for a purge is kept waiting only when there are many: since is how long ago the batch
// before was.
func (l *Log) gather(ctx context.Context, n int, ask bool, since time.Duration) {
	long := 10 * time.Millisecond
	switch {
	case ask && (since > 10*time.Millisecond || n == 1 && since > 3*time.Millisecond):
		return
	case ask && n == 1:
		long = time.Millisecond
	case ask:
		long = 5 * time.Millisecond
	}
	select {
	case <-ctx.Done():
	case <-time.After(long):
	}
}

// tail reads once. It returns how many records there were, and whether somebody waits for one.
func (l *Log) tail(ctx context.Context) (n int, ask bool, err error) {
	g := l.current.Load()
	after, head := g.applied.Load(), g.head.Load()
	block := l.patience()
	if head > after { // there is something, or it is lost
		block = 0
	}
	batch, err := l.journal.Read(ctx, after, block)
	switch {
	case err != nil:
		return 0, false, err
	case len(batch) == 0:
		l.missing(g.gen, head)
		return 0, false, nil
	}
	ask, ok := l.deliver(batch)
	l.tellUnreadable()
	if ask {
		l.renewSoon()
	}
	if !ok {
		return len(batch), ask, errAsk
	}
	return len(batch), ask, nil
}

// recallBatch is how many records are read at a time of those before the generation became known here.
const recallBatch = 1000

// recall reads what was purged before g was adopted, so that older responses can be proved, too.
func (l *Log) recall(ctx context.Context, g *generation) {
	for ctx.Err() == nil {
		at := g.index.Load().floor
		if at == 0 {
			return
		}
		bounded, cancel := context.WithTimeout(ctx, l.patience())
		batch, err := l.journal.Before(bounded, at, recallBatch)
		cancel()
		if err != nil || len(batch) == 0 {
			return
		}
		if !l.recalled(g, batch) {
			return
		}
	}
}

func (l *Log) recalled(g *generation, batch []Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Load() != g {
		return false
	}
	for i := range batch {
		if !g.recall(&batch[i]) {
			return false
		}
	}
	return true
}
