package invalidation

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nearside-cache/nearside/tiers"
)

// The model: four sidecars with their real Log, a Redis, an origin, an L2 and clients, in one thread, whose events (each
// message's departure, arrival and answer) come in a random order that a seed makes, the same one each time. Sidecars stop, die and lose their
// link; Redis is emptied, trimmed and set back; clocks drift. A client that sent its request after a purge was confirmed
// must not get what it purged.

const (
	lease    = 3 * time.Second
	sidecars = 4
)

// weather says what may happen.
type weather struct {
	strict bool
	faults bool // stops, deaths, cut links, and a Redis that loses data
	cuts   bool // of these, cut links only
	index  int  // INVALIDATION_INDEX
	stalls bool // sidecars stop between two reads of one check; with the build tag "rules"
}

type world struct {
	*rand.Rand
	weather
	now    time.Duration
	events events
	nth    int
	seed   uint64
	ids    int // of sidecars

	redis  fakeRedis
	cars   [sidecars]*car
	origin map[tiers.Key]int // the version of each resource
	l2     map[tiers.Key]*tiers.Entry
	need   map[tiers.Key]int // the version that a request sent now must get at least

	requests, purges, confirmed int
	violations                  []string
}

type event struct {
	at  time.Duration
	nth int
	do  func()
}

type events []event

func (e events) less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].nth < e[j].nth
}

// push and pop keep the events as a heap.
func (e *events) push(x event) {
	h := append(*e, x)
	for i := len(h) - 1; i > 0 && h.less(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
	*e = h
}

func (e *events) pop() event {
	h := *e
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && h.less(child, least) {
				least = child
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	*e = h
	return first
}

// resources with their tags.
var resources = map[tiers.Key]string{"GET http://h/a": "t\n", "GET http://h/b/1": "t\nu\n", "GET http://h/b/2": "u\n"}

var keys = []tiers.Key{"GET http://h/a", "GET http://h/b/1", "GET http://h/b/2"}

// targets are what is purged, and which resources that is about.
var targets = []struct {
	Selector
	keys []tiers.Key
}{
	{Selector{URI, "http://h/a"}, keys[:1]}, {Selector{URI, "http://h/b/1"}, keys[1:2]}, {Selector{URI, "http://h/b/2"}, keys[2:]},
	{Selector{Prefix, "http://h/b"}, keys[1:]}, {Selector{Tag, "t"}, keys[:2]}, {Selector{Tag, "u"}, keys[1:]}, {Selector{Kind: All}, keys},
}

func (w *world) after(d time.Duration, do func()) {
	w.nth++
	w.events.push(event{w.now + d, w.nth, do})
}

// until lets time pass.
func (w *world) until(at time.Duration) {
	for len(w.events) > 0 && w.events[0].at <= at {
		e := w.events.pop()
		w.now = max(w.now, e.at)
		e.do()
	}
	w.now = max(w.now, at)
}

// delay is how long a message or a computation takes: mostly little.
func (w *world) delay() time.Duration {
	switch n := w.IntN(100); {
	case n < 80:
		return time.Duration(w.IntN(2000)) * time.Microsecond
	case n < 97 || !w.strict: // who hears nothing for longer has lost contact
		return time.Duration(w.IntN(300)) * time.Millisecond
	}
	return time.Duration(w.IntN(4000)) * time.Millisecond
}

func (w *world) chance(percent int) bool { return w.IntN(100) < percent }

// run plays one schedule.
func run(seed uint64, in weather) *world {
	w := &world{
		Rand: rand.New(rand.NewPCG(seed, 1)), seed: seed, weather: in, origin: map[tiers.Key]int{}, l2: map[tiers.Key]*tiers.Entry{}, need: map[tiers.Key]int{},
	}
	w.redis.w = w
	w.redis.loseAll()
	for i := range w.cars {
		w.cars[i] = w.start()
	}
	if w.stalls {
		playing = w
		defer func() { playing = nil }()
	}
	const end = 16 * time.Second
	for range 40 {
		w.after(time.Duration(w.Int64N(int64(end))), func() { w.request(w.IntN(sidecars), keys[w.IntN(len(keys))]) })
	}
	for range 7 {
		w.after(time.Duration(w.Int64N(int64(end-4*time.Second))), w.purge)
	}
	for range 3 {
		w.after(time.Duration(w.Int64N(int64(end))), w.put)
	}
	if w.faults {
		for range 4 {
			w.after(time.Duration(w.Int64N(int64(end))), w.fault)
		}
	}
	w.until(end + 6*time.Second)
	return w
}

// playing is the world whose sidecars may stop in the middle of a check; checking is which one checks.
var (
	playing  *world
	checking *car
)

// fault is one thing that goes wrong.
func (w *world) fault() {
	i := w.IntN(sidecars)
	c := w.cars[i]
	long := time.Duration(w.Int64N(int64(2 * lease)))
	what := w.IntN(11)
	if w.cuts {
		what = 2
	}
	switch what {
	case 0, 1:
		c.stopped = max(c.stopped, w.now+long)
	case 2, 3:
		c.cut = max(c.cut, w.now+long)
	case 4:
		c.dead = true
		w.cars[i] = w.start()
	case 5:
		w.redis.loseAll()
	case 6:
		w.redis.trim()
	case 7:
		w.redis.restart()
	case 8:
		w.redis.stream, w.redis.top = nil, 0
	case 9:
		w.redis.foreign()
	case 10:
		w.redis.later = w.now + long
	}
}

// purge writes something at the origin, purges it through a sidecar, and once that is confirmed asks all of them.
func (w *world) purge() {
	w.purges++
	c, target := w.cars[w.IntN(sidecars)], targets[w.IntN(len(targets))]
	soft := w.chance(10)
	want := map[tiers.Key]int{}
	for _, key := range target.keys {
		w.origin[key]++
		want[key] = w.origin[key]
	}
	c.do(w.delay(), func() {
		done := make(chan acknowledged, 1)
		c.log.enqueue(&purge{soft: soft, ask: true, selectors: []Selector{target.Selector}, done: []chan<- acknowledged{done}})
		c.append()
		c.await(done, func() {
			w.confirmed++
			if soft {
				return
			}
			for _, key := range target.keys {
				version := want[key]
				w.need[key] = max(w.need[key], version)
				for i := range w.cars {
					w.after(w.delay()/2, func() { w.request(i, key) })
				}
			}
		})
	})
}

// put writes through a sidecar, which must not serve what was there before to whoever asks it after the answer.
func (w *world) put() {
	c, key := w.cars[w.IntN(sidecars)], keys[w.IntN(len(keys))]
	c.do(w.delay(), func() {
		w.origin[key]++
		version := w.origin[key]
		c.do(w.delay(), func() {
			uri, _ := Select(URI, key.URI())
			c.log.enqueue(&purge{selectors: []Selector{uri}})
			c.append()
			c.need[key] = max(c.need[key], version)
			w.after(w.delay()/2, func() { w.requestOf(c, key) })
		})
	})
}

func (w *world) request(car int, key tiers.Key) { w.requestOf(w.cars[car], key) }

// requestOf sends one request, and judges the answer.
func (w *world) requestOf(c *car, key tiers.Key) {
	w.requests++
	sent, need := w.now, max(w.need[key], c.need[key])
	c.do(w.delay()/4, func() {
		c.serve(key, func(version int, how string) {
			if version < need {
				w.violations = append(w.violations, fmt.Sprintf("seed %d, %v: %s from %s at version %d by %s, sent at %v, when %d was due",
					w.seed, w.now, key, c.log.ID(), version, how, sent, need))
			}
		})
	})
}

// fakeRedis does what the scripts of tiers/redis do.
type fakeRedis struct {
	w       *world
	lost    bool // the hash is gone, or belongs to another server
	gen     uint64
	head    uint64
	stream  []Record
	top     uint64        // the highest position that the stream ever had
	later   time.Duration // until then, records are in a later format
	members map[string]Member
	saved   []Record // what a restart brings back
	readers []reader
}

type reader struct {
	after uint64
	until time.Duration
	got   func([]Record)
}

func (r *fakeRedis) loseAll() {
	r.lost, r.stream = true, nil
}

// foreign has another program write to the stream.
func (r *fakeRedis) foreign() {
	r.top += 1 + r.w.Uint64N(4)
	r.stream = append(r.stream, Unreadable(0, r.top))
	r.wake()
}

// restart brings back an older state, of another server.
func (r *fakeRedis) restart() {
	r.lost, r.stream = true, slices.Clone(r.saved)
	r.wake()
}

func (r *fakeRedis) trim() {
	if n := len(r.stream); n > 0 {
		r.stream = slices.Clone(r.stream[r.w.IntN(n)+1:])
	}
}

func (r *fakeRedis) open() {
	if r.lost {
		r.begin()
	}
}

func (r *fakeRedis) begin() {
	r.lost, r.gen, r.head, r.stream, r.top, r.members = false, r.w.Uint64()|1, 0, nil, 0, map[string]Member{}
}

func (r *fakeRedis) append(all []Record) tiers.Position {
	r.open()
	if r.w.chance(30) {
		r.saved = slices.Clone(r.stream)
	}
	if r.head < r.top {
		r.begin()
	}
	for _, rec := range all {
		r.head++
		rec.Gen, rec.N = r.gen, r.head
		if r.w.now < r.later {
			rec = Unreadable(rec.Gen, rec.N)
		}
		r.stream, r.top = append(r.stream, rec), r.head
	}
	r.wake()
	return tiers.Position{Gen: r.gen, N: r.head}
}

func (r *fakeRedis) renew(m Renewal) tiers.Position {
	r.open()
	if m.At.Gen == r.gen && m.Met > r.head {
		r.begin()
	}
	at := int64(-1)
	if m.At.Gen == r.gen {
		at = int64(m.At.N)
	}
	r.members[m.ID] = Member{m.ID, at, fmt.Sprint(at, " ", m.Counter)}
	return tiers.Position{Gen: r.gen, N: r.head}
}

func (r *fakeRedis) list() (gen uint64, members []Member) {
	r.open()
	for _, m := range r.members {
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b Member) int { return int(len(a.ID)-len(b.ID))*2 + compare(a.ID, b.ID) })
	return r.gen, members
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func (r *fakeRedis) remove(m Member) {
	if !r.lost && r.members[m.ID].Value == m.Value {
		delete(r.members, m.ID)
	}
}

func (r *fakeRedis) from(after uint64) []Record {
	i := slices.IndexFunc(r.stream, func(rec Record) bool { return rec.N > after })
	if i < 0 {
		return nil
	}
	return slices.Clone(r.stream[i:])
}

// read answers at once, or when there is something, or after wait.
func (r *fakeRedis) read(after uint64, wait time.Duration, got func([]Record)) {
	if batch := r.from(after); len(batch) > 0 || wait == 0 {
		got(batch)
		return
	}
	r.readers = append(r.readers, reader{after, r.w.now + wait, got})
	r.w.after(wait, r.wake)
}

func (r *fakeRedis) wake() {
	waiting := r.readers
	r.readers = nil
	for _, rd := range waiting {
		if batch := r.from(rd.after); len(batch) > 0 || r.w.now >= rd.until {
			rd.got(batch)
			continue
		}
		r.readers = append(r.readers, rd)
	}
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
