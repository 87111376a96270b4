package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/nearside-cache/nearside/tiers/redis/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start returns a server and a client of it, both closed at the end of the test.
func start(t *testing.T) (*embedded.Server, *redis.Client) {
	t.Helper()
	s, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	opt, err := redis.ParseURL(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	opt.MaxRetries = -1
	c := redis.NewClient(opt)
	t.Cleanup(func() { _ = c.Close() })
	return s, c
}

func TestKeysExpireInRealTime(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	ctx := t.Context()
	set := time.Now()
	if err := c.Set(ctx, "k", "v", time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(ctx, "forever", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	left, err := c.PTTL(ctx, "k").Result()
	if took := time.Since(set); err != nil || left <= 0 || left > 800*time.Millisecond {
		t.Fatalf("PTTL after %v of 1s: %v, %v", took, left, err)
	}
	for c.Get(ctx, "k").Err() == nil {
		if time.Since(set) > 5*time.Second {
			t.Fatal("a key with a TTL of 1s is still there")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if took := time.Since(set); took < 850*time.Millisecond {
		t.Fatalf("a key with a TTL of 1s was gone after %v", took)
	}
	if err := c.Get(ctx, "k").Err(); !errors.Is(err, redis.Nil) {
		t.Fatalf("GET of an expired key: %v", err)
	}
	if err := c.Get(ctx, "forever").Err(); err != nil {
		t.Fatalf("GET of a key without a TTL: %v", err)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	ctx := t.Context()

	blob := bytes.Repeat([]byte("\x00\xff\r\n"), 1<<18)
	if err := c.Set(ctx, "bin\x00\r\n", blob, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(ctx, "bin\x00\r\n").Bytes(); err != nil || !bytes.Equal(got, blob) {
		t.Fatalf("GET of 1 MiB: %d bytes, %v", len(got), err)
	}

	var one, two *redis.StringCmd
	if _, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "a", "1", time.Minute)
		p.Set(ctx, "b", "2", 0)
		one, two = p.Get(ctx, "a"), p.Get(ctx, "b")
		return nil
	}); err != nil || one.Val() != "1" || two.Val() != "2" {
		t.Fatalf("pipeline: %v %v %v", one, two, err)
	}
	if got, err := c.MGet(ctx, "a", "none", "b").Result(); err != nil || len(got) != 3 || got[0] != "1" || got[1] != nil || got[2] != "2" {
		t.Fatalf("MGET: %v, %v", got, err)
	}
	for key, want := range map[string]time.Duration{"b": -1, "none": -2} {
		if got, err := c.PTTL(ctx, key).Result(); err != nil || got != want {
			t.Fatalf("PTTL %s: %v, %v", key, got, err)
		}
	}

	script := redis.NewScript(`
		local n = redis.call('HINCRBY', KEYS[1], 'head', 1)
		redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100, n .. '-0', 'sel', ARGV[1])
		return n`)
	for n := range int64(2) { // the second by its digest
		if got, err := script.Run(ctx, c, []string{"{ns}:ctl", "{ns}:log"}, "food-17").Int64(); err != nil || got != n+1 {
			t.Fatalf("EVAL: %v, %v", got, err)
		}
	}
	read, err := c.XRead(ctx, &redis.XReadArgs{Streams: []string{"{ns}:log", "1-0"}, Block: -1}).Result()
	if err != nil || len(read) != 1 || len(read[0].Messages) != 1 || read[0].Messages[0].ID != "2-0" || read[0].Messages[0].Values["sel"] != "food-17" {
		t.Fatalf("XREAD: %v, %v", read, err)
	}
}

func TestBlockedReadWakes(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	woken := make(chan error, 1)
	go func() {
		_, err := c.XRead(t.Context(), &redis.XReadArgs{Streams: []string{"s", "$"}, Block: 5 * time.Second}).Result()
		woken <- err
	}()
	for {
		if err := c.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", Values: []string{"f", "v"}}).Err(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-woken:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-time.After(20 * time.Millisecond): // it may not have blocked yet
		}
	}
}

// Closing ends what is blocked as well, a second time does nothing, and (TestMain) no goroutine is left.
func TestClose(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	blocked := make(chan error, 1)
	go func() {
		blocked <- c.XRead(context.Background(), &redis.XReadArgs{Streams: []string{"s", "$"}, Block: 0}).Err()
	}()
	time.Sleep(50 * time.Millisecond)
	s.Close()
	s.Close()
	if err := <-blocked; err == nil {
		t.Fatal("a blocked XREAD outlived the server")
	}
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Fatal("PING was answered by a closed server")
	}
}

// What the package says it lacks. When one of these begins to work, the package comment is out of date.
func TestLacks(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	for _, cmd := range []string{"CLIENT TRACKING ON", "CONFIG GET maxmemory", "ROLE", "INFO replication"} {
		var args []any
		for _, a := range strings.Fields(cmd) {
			args = append(args, a)
		}
		if err := c.Do(t.Context(), args...).Err(); err == nil {
			t.Errorf("%s works", cmd)
		}
	}
	if err := c.Eval(t.Context(), "#!lua flags=allow-oom\nreturn 1", nil).Err(); err == nil {
		t.Error("a script with flags works")
	}
}
