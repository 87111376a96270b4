package redis_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nearside-cache/nearside/tiers/redis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a log that a test can look into.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, string(b))
	return len(b), nil
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.text...)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// config is the default configuration for a URL.
func config(url string) redis.Config {
	return redis.Config{URL: url, KeyPrefix: "nearside", Timeout: 50 * time.Millisecond, MaxTTL: 24 * time.Hour}
}

// open makes a tier that the test closes.
func open(t testing.TB, cfg redis.Config) *redis.Tier {
	t.Helper()
	return openLogged(t, cfg, new(lines))
}

func openLogged(t testing.TB, cfg redis.Config, log *lines) *redis.Tier {
	t.Helper()
	tier, err := redis.New(cfg, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tier.Close)
	return tier
}

// count is how often an operation had a result.
func count(tier *redis.Tier, op redis.Op, r redis.Result) uint64 {
	s := tier.Stats()
	return s.Operations[op][r]
}

// results lists how often an operation had which result.
func results(tier *redis.Tier, op redis.Op) (text string) {
	for _, r := range redis.Results() {
		if n := count(tier, op, r); n > 0 {
			text += fmt.Sprintf(" %s %d", r, n)
		}
	}
	return text
}

// eventually waits until ok holds, and tells how long that took.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// wantResult fails unless err is an Error with this result.
func wantResult(t testing.TB, err error, want redis.Result) {
	t.Helper()
	var failure *redis.Error
	if !errors.As(err, &failure) || failure.Result != want {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func text(values []string) string { return strings.Join(values, "") }
