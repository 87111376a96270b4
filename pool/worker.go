package pool

import (
	"errors"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// A task is a job in the queue or in a worker's hands.
type task struct {
	job       Job
	submitted time.Duration // by the pool's clock, or untimed
}

const (
	untimed = -1

	// One job in so many is timed. It is a prime, so that jobs which come in
	// rounds of four or ten take turns to be the one.
	timedEvery = 7
)

var errGoexit = errors.New("pool: job called runtime.Goexit")

// A worker is one goroutine and what it has in hand.
type worker struct {
	*Pool
	task
	began time.Duration // when the job began, unless untimed
}

// run executes jobs until there will be no more. A panic or runtime.Goexit in a
// job unwinds it; then another goroutine takes over. That leaves nothing to do
// for each job, and Goexit cannot be stopped anyway.
func (w *worker) run() {
	unwound := true
	defer func() { // apart from the next, lest OnPanic should not return
		if unwound {
			go w.run()
		} else {
			w.leave()
		}
	}()
	defer func() {
		if unwound {
			w.panicked(recover())
		}
	}()

	for w.next() {
		err := w.job.Execute(w.ctx)
		if err == nil {
			w.settle(&w.done)
			continue
		}
		if w.cfg.OnError != nil {
			w.cfg.OnError(w.job, err)
		}
		w.settle(&w.failed)
	}
	unwound = false
}

// next takes the oldest job from the queue, for which it waits. It returns false
// when the worker is to leave.
func (w *worker) next() bool {
	for !w.gaveUp.Load() {
		if w.queue.take(&w.task) {
			if w.submitted != untimed {
				w.began = w.now()
			}
			return true
		}
		if w.queue.drained() {
			return false
		}
		w.wait()
	}
	return false
}

// wait returns when there may be work, or none ever again.
func (w *worker) wait() {
	w.idle.Add(1)
	// Look once more, now that all can see that this worker is idle: a Submit
	// that did not has put its job before.
	if !w.queue.ready() && !w.queue.drained() {
		<-w.wake
		w.waking.Store(false)
	}
	w.idle.Add(-1)
	if w.queue.len() > 1 {
		w.rouse()
	}
}

// settle counts the job in hand as ended and lets go of it.
func (w *worker) settle(outcome *atomic.Uint64) {
	if w.submitted != untimed {
		w.timed.Add(1)
		w.timeQueued.Add(int64(w.began - w.submitted))
		w.timeRun.Add(int64(w.now() - w.began))
	}
	w.job = nil
	outcome.Add(1)
}

// panicked counts and reports a job that did not return.
func (w *worker) panicked(value any) {
	if value == nil {
		value = errGoexit
	}
	job := w.job
	w.settle(&w.panics)
	if w.cfg.OnPanic != nil {
		w.cfg.OnPanic(job, value, debug.Stack())
	}
}

// rouse wakes an idle worker, if there is one. Only one is on its way at any
// time: when it arrives and sees more jobs than its own it rouses the next. So a
// burst costs its submitter one wake-up, not one a job, and still all come.
func (p *Pool) rouse() {
	if p.idle.Load() > 0 && !p.waking.Load() && p.waking.CompareAndSwap(false, true) {
		p.signal()
	}
}

// signal wakes a waiting worker or, if there is none, the next that would wait.
func (p *Pool) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// giveUp stops the pool without draining it, because of err. It returns false,
// having done nothing, when the workers have all left by themselves.
func (p *Pool) giveUp(err error) bool {
	p.mu.Lock()
	if p.live == 0 {
		p.mu.Unlock()
		return false
	}
	p.live++ // ended is to wait for OnDrop, too
	defer p.leave()
	if p.err == nil {
		p.err = err
	}
	p.gaveUp.Store(true)
	p.queue.shut()
	p.mu.Unlock()

	p.cancel()
	for !p.queue.drained() {
		var t task
		if !p.queue.take(&t) {
			runtime.Gosched() // claimed and not yet put: it is coming
			continue
		}
		p.dropped.Add(1)
		if p.cfg.OnDrop != nil {
			p.cfg.OnDrop(t.job)
		}
	}
	return true
}

// leave takes one goroutine off those that ended waits for, and passes the word
// to one that is still waiting for work.
func (p *Pool) leave() {
	p.signal()
	p.mu.Lock()
	p.live--
	last := p.live == 0
	p.mu.Unlock()
	if last {
		p.unwatch()
		p.cancel()
		close(p.ended)
	}
}

// now is the time since the pool was made. Unlike time.Now it reads only one of
// the system's two clocks, the one that never jumps.
func (p *Pool) now() time.Duration { return time.Since(p.born) }
