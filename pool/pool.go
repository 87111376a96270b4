// Package pool runs jobs on a fixed number of goroutines, fed from a bounded
// queue. It is meant for work that a caller must hand over without waiting:
// write-behind, mail, thumbnails, webhooks.
//
//	p := pool.New(pool.Config{Name: "mail", Workers: 8, Queue: 4096})
//	p.Start(ctx)
//	err := p.Submit(job) // nil, ErrFull or ErrStopped; never waits
//	err = p.Stop(ctx)    // refuse new jobs, run those that are queued
//
// Promises:
//
//   - Submit never waits for a worker or for room. A full queue refuses the
//     job, and the caller decides what that means.
//   - Jobs are taken in the order in which they were accepted.
//   - Every accepted job ends in exactly one of four counters: done, failed,
//     panicked or dropped. [Stats] adds up at every moment, not only at rest.
//   - A job that panics, or calls [runtime.Goexit], costs no worker.
//
// Costs: the queue is a ring without a lock, allocated by [New] at 32 bytes a
// place. Neither Submit nor a worker allocates. Reading the clock costs as much
// as all the rest, so only one job in seven is timed. An idle pool burns no CPU:
// its workers sleep, and waking one makes a Submit to an idle pool dearer than
// one to a busy pool.
//
// Ownership: the pool holds a Job from Submit until its Execute has returned,
// and then forgets it. It never copies or compares one, so a pointer that the
// caller already has costs no allocation.
//
// The package imports only the standard library: copy the folder to reuse it.
package pool

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrFull is what Submit returns when the queue has no room.
	ErrFull = errors.New("pool: queue full")
	// ErrStopped is what Submit returns when no worker would run the job:
	// before Start, after Stop, and once the context given to Start has ended.
	ErrStopped = errors.New("pool: not running")
)

// A Job is one piece of work. Execute runs once, on one of the pool's
// goroutines, while others run there too. Its context ends when the pool is
// told not to wait any longer (see [Pool.Start] and [Pool.Stop]), so a job that
// can take long should watch it. The error is counted and given to
// Config.OnError; the pool does not retry. Execute may Submit, also to its own
// pool, but a job that calls its own pool's Stop waits for itself.
type Job interface {
	Execute(ctx context.Context) error
}

// JobFunc makes a function a Job. A closure that captures variables costs its
// caller an allocation; a pointer to a struct with an Execute method need not.
type JobFunc func(ctx context.Context) error

// Execute calls f.
func (f JobFunc) Execute(ctx context.Context) error { return f(ctx) }

// Config says how large a pool is and who hears of its trouble. The zero Config
// is usable. The tags are for whoever fills it from the environment.
//
// Hooks may be nil, and may be called from several goroutines at once. OnError
// and OnPanic run on the job's worker, which does nothing else meanwhile; a
// panic in OnError counts as the job's, one in OnPanic is the program's.
type Config struct {
	// Name is repeated in Stats, to tell pools apart.
	Name string `env:"-"`

	// Workers is the number of goroutines. 0 or less means eight for each of
	// GOMAXPROCS and at least 64, as most jobs wait for a network or a disk.
	Workers int `env:"WORKERS" envDefault:"0" default:"by cores" min:"0" doc:"jobs that run at the same time; 0 = 8 per core, at least 64"`

	// Queue is how many accepted jobs may wait for a worker. 0 or less means
	// 4096. A job passes through the queue even when a worker is idle.
	Queue int `env:"QUEUE" envDefault:"4096" min:"1" doc:"jobs that may wait for a worker; more are refused"`

	// OnError hears of each job that returned an error.
	OnError func(job Job, err error) `env:"-"`

	// OnPanic hears of each job that panicked, with the panic's value and the
	// stack; of one that called runtime.Goexit, with an error that says so.
	OnPanic func(job Job, value any, stack []byte) `env:"-"`

	// OnDrop hears of each accepted job that will never run, oldest first, so
	// that it can be saved or released. It runs in the Stop whose context ended,
	// or on a goroutine of its own when the context given to Start did.
	OnDrop func(job Job) `env:"-"`
}

// A Pool is made by New. Its methods are safe for concurrent use.
type Pool struct {
	cfg    Config
	born   time.Time // zero of the pool's own clock
	queue  *queue
	idle   atomic.Int32  // workers that wait for a signal, or are about to
	waking atomic.Bool   // one was signalled and has not arrived
	wake   chan struct{} // the signal; holds one

	ctx    context.Context // what jobs are given
	cancel context.CancelFunc
	gaveUp atomic.Bool   // workers are to leave what is queued
	ended  chan struct{} // closed when the last worker has left

	mu      sync.Mutex // guards the rest; only for starting and stopping
	phase   phase
	live    int         // goroutines that ended waits for
	unwatch func() bool // stops watching the context given to Start
	err     error       // why jobs were given up

	rejected                      atomic.Uint64
	done, failed, panics, dropped atomic.Uint64
	timed                         atomic.Uint64
	timeQueued, timeRun           atomic.Int64 // nanoseconds
}

type phase int

const (
	fresh phase = iota
	started
	stopped
)

// Stats is a snapshot of a pool. In every snapshot
//
//	Submitted == Done + Failed + Panicked + Dropped + Queued + Running
type Stats struct {
	Name     string // Config.Name
	Workers  int    // jobs that can run at the same time
	Capacity int    // jobs that can wait

	Submitted uint64 // Submit returned nil
	Rejected  uint64 // Submit returned ErrFull or ErrStopped
	Done      uint64 // Execute returned nil
	Failed    uint64 // Execute returned an error
	Panicked  uint64 // Execute panicked or called runtime.Goexit
	Dropped   uint64 // accepted, but given up before a worker took it

	Queued  int // waiting now
	Running int // executing now

	// Timed counts the jobs whose times are in the two sums below: of those that
	// have ended, the first and then one in seven. So TimeQueued/Timed is how
	// long a job waits, and TimeRun/Timed how long it runs, on average.
	Timed      uint64
	TimeQueued time.Duration // from Submit until a worker began
	TimeRun    time.Duration // from then until the job had ended
}

// New makes a pool and its queue. It starts nothing: a pool that is thrown away
// before Start needs no Stop.
func New(cfg Config) *Pool {
	if cfg.Workers <= 0 {
		cfg.Workers = max(64, 8*runtime.GOMAXPROCS(0))
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 4096
	}
	return &Pool{
		cfg:   cfg,
		born:  time.Now(),
		queue: newQueue(cfg.Queue),
		wake:  make(chan struct{}, 1),
		ended: make(chan struct{}),
	}
}

// Start starts the workers and opens the queue. A pool runs once: Start on one
// that was started or stopped before does nothing.
//
// Jobs get a context with ctx's values. When ctx ends, so does the pool: running
// jobs see their context end, queued ones are dropped, new ones get ErrStopped.
// To drain on a signal, give Start a context that outlives the signal, and use
// Stop.
func (p *Pool) Start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase != fresh {
		return
	}
	p.phase = started
	p.live = p.cfg.Workers
	// The end of ctx reaches the jobs by way of giveUp, after their successors
	// in the queue are out of the workers' reach.
	p.ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.unwatch = context.AfterFunc(ctx, func() { p.giveUp(ctx.Err()) })
	p.queue.open()
	for range p.cfg.Workers {
		go (&worker{Pool: p}).run()
	}
}

// Submit hands over a job. It returns nil when the job was accepted, ErrFull
// when the queue has no room and ErrStopped when the pool is not running; it
// never waits for either to change.
func (p *Pool) Submit(job Job) error {
	pos, err := p.queue.claim()
	if err != nil {
		p.rejected.Add(1)
		return err
	}
	t := task{job: job, submitted: untimed}
	if pos%timedEvery == 0 {
		t.submitted = p.now()
	}
	p.queue.put(pos, t)
	p.rouse()
	return nil
}

// Stop refuses new jobs, lets the workers run what is queued and returns nil
// when the last of them has left.
//
// When ctx ends first, Stop ends the context of the running jobs, drops the
// queued ones and returns ctx's error at once, without waiting for jobs that
// have yet to notice. Call Stop again, with another context, to wait for those.
//
// Stop may be called by many and any number of times. Each call waits, the first
// context that ends decides for all, and once jobs were given up for the sake of
// one context its error is what every later Stop returns, unless its own ends.
func (p *Pool) Stop(ctx context.Context) error {
	p.mu.Lock()
	if p.phase == fresh {
		close(p.ended)
	}
	p.phase = stopped
	p.queue.shut()
	p.mu.Unlock()
	p.signal()

	select {
	case <-p.ended:
	case <-ctx.Done():
		if p.giveUp(ctx.Err()) {
			return ctx.Err()
		}
		<-p.ended // the last worker is closing it
	}
	return p.err
}

// Stats returns a snapshot. It takes no lock and delays nobody. Times are read
// apart from counters, so they may be a job ahead of each other.
func (p *Pool) Stats() (s Stats) {
	// Jobs that ended while their counters were read look as if they still ran.
	// More than there are workers means that it took too long: read again.
	for range 100 {
		if s = p.snapshot(); s.Running <= s.Workers {
			break
		}
	}
	return s
}

func (p *Pool) snapshot() Stats {
	s := Stats{
		Name:     p.cfg.Name,
		Workers:  p.cfg.Workers,
		Capacity: p.cfg.Queue,

		Rejected: p.rejected.Load(),
		Done:     p.done.Load(),
		Failed:   p.failed.Load(),
		Panicked: p.panics.Load(),
		Dropped:  p.dropped.Load(),

		Timed:      p.timed.Load(),
		TimeQueued: time.Duration(p.timeQueued.Load()),
		TimeRun:    time.Duration(p.timeRun.Load()),
	}
	// In this order, as each is at most the one that is read after it.
	ended := s.Done + s.Failed + s.Panicked + s.Dropped
	taken := p.queue.head.Load()
	s.Submitted = p.queue.tail.Load() &^ shut
	s.Running = int(taken - ended)
	s.Queued = int(s.Submitted - taken)
	return s
}
