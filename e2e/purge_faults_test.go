package e2e

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// What was purged stays so, whatever becomes of Redis and of what it holds; and purging goes on. L2 may have been set back
// to where it holds what was purged.
func TestPurgeWhenRedisFails(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, fail := range map[string]func(*redisServer){
		"FLUSHALL":        func(r *redisServer) { r.client.FlushAll(ctx) },
		"the hash lost":   func(r *redisServer) { r.client.Del(ctx, logKeys[0]) },
		"the stream lost": func(r *redisServer) { r.client.Del(ctx, logKeys[1]) },
		"an older RDB":    func(r *redisServer) { r.Kill(); r.Start() },
	} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, mode string) { purgeWhenRedisFails(t, mode, fail) })
		})
	}
}

func purgeWhenRedisFails(t *testing.T, mode string, fail func(*redisServer)) {
	p, r := newPages(newOrigin(t)), newRedis(t)
	env := []string{p.env(), r.env(), "COHERENCE=" + mode, "COHERENCE_LEASE=1s"}
	a, b := nearside(t, env...), nearside(t, env...)
	before, after, kept := []string{"/before/1", "/before/2"}, []string{"/after/1", "/after/2"}, []string{"/kept/1", "/kept/2"}
	everything := append(append(append([]string{}, before...), after...), kept...)
	p.warm(everything, a, b)
	if err := r.client.Save(ctx()).Err(); err != nil { // only one of the faults reads it
		t.Fatal(err)
	}
	for _, path := range before {
		p.change(path)
	}
	a.confirms(named("10s", before...))

	fail(r)
	p.served(t, "purged before, at once", before, b, a)
	for _, path := range after {
		p.change(path)
	}
	a.confirms(named("2s", after...))
	late := nearside(t, env...)
	p.served(t, "after a confirmed purge", everything, b, a, late)
	for _, s := range []*sidecar{a, b, late} {
		eventually(t, "trusted again", func() bool { return s.get(kept[0]).cache() == "hit; detail=L1" })
	}
}

func ctx() context.Context { return context.Background() }

// A sidecar that is cut off while more is purged than the log keeps does not trust what it cannot know, and serves
// nothing that was purged; if the log has it all, it keeps what was not.
func TestPurgeCatchingUp(t *testing.T) {
	t.Parallel()
	for name, retention := range map[string]string{"all is there": "100000", "trimmed": "2"} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, mode string) {
				p, r := newPages(newOrigin(t)), newRedis(t)
				env := []string{p.env(), "COHERENCE=" + mode, "COHERENCE_LEASE=1s", "INVALIDATION_RETENTION=" + retention}
				v := newValve(t, r, func() time.Duration { return 0 })
				a, b := nearside(t, append(env, r.env())...), nearside(t, append(env, v.env())...)
				gone, kept := []string{"/gone/1", "/gone/2", "/gone/3", "/gone/4", "/gone/5"}, []string{"/kept/1", "/kept/2"}
				p.warm(append(append([]string{}, gone...), kept...), a, b)
				gaps := b.metric(`invalidation_events_total{event="gap"}`)
				v.shut.Store(true)
				for _, path := range gone {
					p.change(path)
					if _, answer := a.tell("POST", "/purge", named("0s", path), isJSON); answer.Position == "" {
						t.Errorf("%s: %+v, want a position in the log", path, answer)
					}
				}
				v.shut.Store(false)
				a.confirms(named("10s", "/marker"))
				p.served(t, "back in contact", gone, b, a)
				p.served(t, "back in contact", kept, b, a)
				eventually(t, "b has joined again", func() bool { return a.confirms(named("10s", "/marker")).Sidecars == 2 })
				found := b.metric(`invalidation_events_total{event="gap"}`) > gaps
				equal(t, "a gap was found", found, name == "trimmed")
				fetched := p.count(kept[0]) > 1
				equal(t, "what was not purged had to be fetched again", fetched, name == "trimmed")
			})
		})
	}
}

// A sidecar that comes up serves from L2 what others stored there before, but for what was purged while it was down:
// by another one that stayed, or by one that went afterwards.
func TestPurgeWhileDown(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]syscall.Signal{"stopped": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, mode string) {
				p, r := newPages(newOrigin(t)), newRedis(t)
				env := []string{p.env(), r.env(), "COHERENCE=" + mode, "COHERENCE_LEASE=1s"}
				a, b := nearside(t, env...), nearside(t, env...)
				gone, kept := []string{"/gone/1", "/gone/2"}, []string{"/kept/1", "/kept/2"}
				p.warm(append(append([]string{}, gone...), kept...), a, b)
				down := func(s *sidecar) {
					if end == syscall.SIGKILL {
						s.wantCode = -1
					}
					s.signal(end)
					s.wait()
				}
				down(a)
				for _, path := range gone {
					p.change(path)
				}
				_, answer := b.tell("POST", "/purge", named("5s", gone...), isJSON)
				if unsure := mode == "available" && name == "killed"; answer.Confirmed == unsure || unsure && len(answer.Unconfirmed) != 1 {
					t.Errorf("with a sidecar that was %s: %+v", name, answer)
				}
				down(b)
				for _, s := range []*sidecar{nearside(t, env...), nearside(t, env...)} {
					p.served(t, "after a restart", gone, s)
					for _, path := range kept {
						s.get(path).wants(200, "hit; detail=L2", p.now(path))
					}
				}
				equal(t, "requests at the origin for what was not purged", p.count(kept[0]), 1)
			})
		})
	}
}
