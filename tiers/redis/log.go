package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	levelInfo = slog.LevelInfo
	levelWarn = slog.LevelWarn
)

// logEvery is the least time between two lines.
const logEvery = time.Second

// throttle is a logger that writes one line a second at most, and tells how many it left out.
type throttle struct {
	log     *slog.Logger
	last    atomic.Int64 // when the last line was written, by monotonic clock
	dropped atomic.Int64
	began   time.Time
}

func newThrottle(log *slog.Logger) *throttle {
	t := &throttle{log: log, began: time.Now()}
	t.last.Store(-int64(logEvery))
	return t
}

// write logs, or counts a line left out.
func (t *throttle) write(level slog.Level, msg string, args ...any) bool {
	now, last := int64(time.Since(t.began)), t.last.Load()
	if now-last < int64(logEvery) || !t.last.CompareAndSwap(last, now) {
		t.dropped.Add(1)
		return false
	}
	if n := t.dropped.Swap(0); n > 0 {
		args = append(args, "left_out", n)
	}
	t.log.Log(context.Background(), level, msg, args...)
	return true
}

// await writes the line as soon as that is allowed, and returns when it has or ctx ends.
func (t *throttle) await(ctx context.Context, level slog.Level, msg string, args ...any) {
	for !t.write(level, msg, args...) {
		t.dropped.Add(-1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(logEvery / 10):
		}
	}
}

// The client library logs in one place for the whole process. Its lines go to the tier that was made last,
// for debugging: what matters in them is also in the errors that it returns.
var libraryLog atomic.Pointer[throttle]

type library struct{}

func (library) Printf(_ context.Context, format string, args ...any) {
	if t := libraryLog.Load(); t != nil && t.log.Enabled(context.Background(), slog.LevelDebug) {
		t.write(slog.LevelDebug, "redis client", "message", fmt.Sprintf(format, args...))
	}
}

var setLibraryLog = sync.OnceFunc(func() { goredis.SetLogger(library{}) })

func logLibraryTo(log *slog.Logger) {
	libraryLog.Store(newThrottle(log))
	setLibraryLog()
}
