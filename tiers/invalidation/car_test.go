package invalidation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// car is one sidecar of the model: the real Log, and around it what proxy and the loops of run.go do.
type car struct {
	w       *world
	log     *Log
	rate    float64 // of its clock
	stopped time.Duration
	cut     time.Duration // its link to Redis, until then
	dead    bool

	l1        map[tiers.Key]*tiers.Entry
	flights   map[tiers.Key]*flight
	appending bool
	renewals  int  // made or given up; each is the only one
	renewing  bool // one is under way
	kicked    bool // another one is to follow at once
	need      map[tiers.Key]int
}

type flight struct {
	begun   tiers.Instant
	asOf    tiers.Position
	waiting []func(e *tiers.Entry)
}

// unused stands for the journal: the model's sidecars speak to fakeRedis by messages.
type unused struct{ Journal }

func (w *world) start() *car {
	cfg := Config{Coherence: "available", Lease: lease, Index: w.index}
	if w.strict {
		cfg.Coherence = "strict"
	}
	c := &car{ // half of the clocks drift as much as they may
		w: w, log: New(cfg, unused{}, quiet), rate: 1 + 0.01*max(-1, min(4*w.Float64()-2, 1)),
		l1: map[tiers.Key]*tiers.Entry{}, flights: map[tiers.Key]*flight{}, need: map[tiers.Key]int{},
	}
	w.ids++
	c.log.id = fmt.Sprint("car-", w.ids)
	c.renewIn(w.delay())
	c.do(w.delay(), c.tail)
	return c
}

// clock is the time of this sidecar.
func (c *car) clock() tiers.Instant { return tiers.Instant(float64(c.w.now) * c.rate) }

// sleep is a time on its clock.
func (c *car) sleep(d time.Duration) time.Duration { return time.Duration(float64(d) / c.rate) }

// do runs f here after d; later, if the process is stopped then, and never, if it is dead.
func (c *car) do(d time.Duration, f func()) {
	c.w.after(d, func() {
		switch {
		case c.dead:
		case c.stopped > c.w.now:
			c.do(c.stopped-c.w.now+time.Duration(c.w.IntN(1000)), f)
		default:
			f()
		}
	})
}

// call sends something to Redis; reply runs here when the answer came, or ok is false when none did in time.
func (c *car) call(ask func(answer func(reply func())), failed func()) {
	w, over := c.w, false
	finish := func(f func()) {
		if !over {
			over = true
			f()
		}
	}
	c.do(lease/3, func() { finish(failed) })
	w.after(w.delay(), func() {
		if c.cut > w.now {
			return
		}
		ask(func(reply func()) {
			w.after(w.delay(), func() {
				if c.cut <= w.now {
					c.do(0, func() { finish(reply) })
				}
			})
		})
	})
}

// renewIn has the trust renewed after d, in place of what was to come later.
func (c *car) renewIn(d time.Duration) {
	c.renewals++
	turn := c.renewals
	c.do(d, func() {
		if turn == c.renewals {
			c.renew()
		}
	})
}

// tell is a renewal out of turn.
func (c *car) tell() {
	if c.renewing {
		c.kicked = true
		return
	}
	c.renewIn(0)
}

// renewed ends a renewal; the next one comes after d.
func (c *car) renewed(d time.Duration) {
	if c.kicked {
		d = 0
	}
	c.renewing, c.kicked = false, false
	c.renewIn(d)
}

func (c *car) renew() {
	c.renewing = true
	l := c.log
	g := l.current.Load()
	l.counter++
	m := Renewal{ID: l.id, At: tiers.Position{Gen: g.gen, N: g.applied.Load()}, Met: g.met(), Counter: l.counter}
	sent := c.clock()
	c.call(func(answer func(func())) {
		at := c.w.redis.renew(m)
		answer(func() {
			l.renewed(sent, at, c.clock())
			now := l.current.Load()
			if now != g {
				c.recall(now)
				c.renewed(0)
				return
			}
			c.renewed(c.sleep(lease / 3))
		})
	}, func() { c.renewed(c.sleep(lease / 12)) })
}

// recall reads the records from before, some at a time.
func (c *car) recall(g *generation) {
	at := g.index.Load().floor
	c.call(func(answer func(func())) {
		var batch []Record
		for i := len(c.w.redis.stream) - 1; i >= 0 && len(batch) < 3; i-- {
			if r := c.w.redis.stream[i]; r.N <= at {
				batch = append(batch, r)
			}
		}
		answer(func() {
			if len(batch) > 0 && c.log.recalled(g, batch) {
				c.recall(g)
			}
		})
	}, func() {})
}

func (c *car) tail() {
	l := c.log
	if !l.joined.Load() {
		c.do(time.Millisecond, c.tail)
		return
	}
	g := l.current.Load()
	after, head := g.applied.Load(), g.head.Load()
	wait := lease / 6
	if head > after {
		wait = 0
	}
	c.call(func(answer func(func())) {
		c.w.redis.read(after, wait, func(batch []Record) {
			answer(func() {
				next := time.Duration(0)
				if len(batch) == 0 {
					l.missing(g.gen, head)
				} else if ask, ok := l.deliver(batch); !ok {
					next = 50 * time.Millisecond
					c.tell()
				} else if ask {
					c.tell()
				}
				c.do(next, c.tail)
			})
		})
	}, func() { c.do(0, c.tail) })
}

func (c *car) append() {
	if c.appending {
		return
	}
	purges, all := c.log.batch()
	if len(all) == 0 {
		return
	}
	c.appending = true
	c.call(func(answer func(func())) {
		at := c.w.redis.append(all)
		answer(func() {
			c.log.acknowledged(purges, all, at, c.clock())
			c.appending = false
			c.append()
		})
	}, func() {
		c.log.appendFailed(context.DeadlineExceeded)
		c.appending = false
		c.do(c.sleep(lease/60), c.append)
	})
}

// await polls until the purge that done tells of is confirmed. A caller waits for 10 s.
func (c *car) await(done chan acknowledged, confirmed func()) {
	ack := acknowledged{}
	began := c.w.now
	var poll func()
	judge := func(gen uint64, members []Member, err error) {
		v := c.log.judge(ack, c.clock(), gen, members, err)
		for _, m := range v.remove {
			c.call(func(func(func())) { c.w.redis.remove(m) }, func() {})
		}
		switch {
		case v.done:
			confirmed()
		case c.w.now-began < 10*time.Second:
			c.do(10*time.Millisecond+c.w.delay(), poll)
		}
	}
	poll = func() {
		if ack.at.Gen == 0 {
			select {
			case ack = <-done:
			default:
				if c.w.now-began < 10*time.Second {
					c.do(20*time.Millisecond, poll)
				}
				return
			}
		}
		c.call(func(answer func(func())) {
			gen, members := c.w.redis.list()
			answer(func() { judge(gen, members, nil) })
		}, func() { judge(0, nil, errors.New("no answer")) })
	}
	poll()
}

// serve answers a request as the proxy does.
func (c *car) serve(key tiers.Key, answer func(version int, how string)) {
	asOf, now := c.log.Now(), c.clock()
	c.do(c.w.delay()/8, func() {
		if e := c.l1[key]; e != nil && c.check(e, now) {
			answer(e.Status, "L1")
			return
		}
		if _, far := c.log.Keeps(asOf); !far || c.w.chance(20) {
			c.fetch(key, asOf, now, answer)
			return
		}
		c.w.after(c.w.delay(), func() { // L2 does not share the log's link
			stored := c.w.l2[key]
			c.do(c.w.delay(), func() {
				if stored != nil {
					e := *stored
					e.Proof, e.AsOf.Own = new(tiers.Proof), 0
					if c.check(&e, c.clock()) {
						c.l1[key] = &e
						answer(e.Status, "L2")
						return
					}
				}
				c.fetch(key, asOf, now, answer)
			})
		})
	})
}

func (c *car) check(e *tiers.Entry, now tiers.Instant) bool {
	if c.w.stalls {
		checking = c
		defer func() { checking = nil }()
	}
	return c.log.Check(e, now) == Valid
}

// fetch joins a flight, or leads one.
func (c *car) fetch(key tiers.Key, asOf tiers.Position, now tiers.Instant, answer func(int, string)) {
	w := c.w
	if f := c.flights[key]; f != nil {
		f.waiting = append(f.waiting, func(e *tiers.Entry) {
			if now <= f.begun || c.log.Joins(e, now) {
				answer(e.Status, "another's fetch")
				return
			}
			c.fetch(key, asOf, now, answer)
		})
		return
	}
	f := &flight{begun: c.clock(), asOf: asOf}
	c.flights[key] = f
	w.after(w.delay(), func() {
		version := w.origin[key]
		c.do(w.delay(), func() {
			e := &tiers.Entry{Key: key, Tags: resources[key], Status: version}
			c.log.Stamp(e, f.asOf)
			delete(c.flights, key)
			answer(version, "the origin")
			for _, follow := range f.waiting {
				follow(e)
			}
			c.fill(key, e)
		})
	})
}

// fill stores e in L1, then in L2.
func (c *car) fill(key tiers.Key, e *tiers.Entry) {
	near, far := c.log.Keeps(e.AsOf)
	c.do(c.w.delay()/2, func() {
		if near {
			c.l1[key] = e
		}
		if far {
			c.w.after(c.w.delay(), func() { c.w.l2[key] = e })
		}
	})
}
