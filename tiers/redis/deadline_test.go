package redis

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestBoundedEnds: by its deadline, by the caller's or the caller's end, or by its own; Done and Err agree about it.
func TestBoundedEnds(t *testing.T) {
	const d = 10 * time.Millisecond
	for name, c := range map[string]struct {
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		end     bool
		takes   time.Duration
		err     error
		hurried bool
	}{
		"deadline": {takes: d, err: context.DeadlineExceeded},
		"caller's deadline": {
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, 4*time.Millisecond)
			},
			takes: 4 * time.Millisecond, err: context.DeadlineExceeded, hurried: true,
		},
		"caller gives up": {
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(3*time.Millisecond, cancel)
				return ctx, cancel
			},
			takes: 3 * time.Millisecond, err: context.Canceled,
		},
		"over": {end: true, err: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if c.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = c.ctx(ctx)
					defer cancel()
				}
				began := time.Now()
				b := bound(ctx, d)
				if err := b.Err(); err != nil || hurried(b) != c.hurried {
					t.Errorf("%v at first, hurried %v", err, hurried(b))
				}
				if c.end {
					b.end()
				}
				<-b.Done()
				if took := time.Since(began); took != c.takes || !errors.Is(b.Err(), c.err) {
					t.Errorf("%v after %v, want %v after %v", b.Err(), took, c.err, c.takes)
				}
				b.end()
			})
		})
	}
}
