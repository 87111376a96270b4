package pool

import "sync/atomic"

// A queue is a bounded first-in-first-out queue for any number of goroutines,
// without a lock: nobody waits for one who was interrupted while holding it.
//
// Every job has a position, counted from 0; the place of position i is slot
// i % len(slots). The slot's turn says what may happen to it next:
//
//	2*i      position i may be put in
//	2*i + 1  position i may be taken out
//
// A putter owns position i once it has moved tail from i to i+1, a taker once it
// has moved head from i to i+1. Either then has the slot to itself until it
// stores the next turn. So tail is also the count of all jobs ever accepted, and
// head the count of those taken: the pool's statistics cost nothing here.
type queue struct {
	slots []slot
	_     [64]byte // putters and takers do not share a cache line
	tail  atomic.Uint64
	_     [64]byte
	head  atomic.Uint64
	_     [64]byte
}

type slot struct {
	turn atomic.Uint64
	task task
}

// shut is a bit of tail, so that closing the queue and claiming a position are
// one order: what was claimed before is in, and nothing is after.
const shut = 1 << 63

// newQueue makes a queue that is shut.
func newQueue(size int) *queue {
	q := &queue{slots: make([]slot, size)}
	for i := range q.slots {
		q.slots[i].turn.Store(2 * uint64(i))
	}
	q.tail.Store(shut)
	return q
}

func (q *queue) open() { q.tail.And(^uint64(shut)) }
func (q *queue) shut() { q.tail.Or(shut) }

func (q *queue) slot(pos uint64) *slot { return &q.slots[pos%uint64(len(q.slots))] }

// claim reserves the next position, which the caller must then put a task in.
func (q *queue) claim() (pos uint64, err error) {
	for {
		tail := q.tail.Load()
		if tail&shut != 0 {
			return 0, ErrStopped
		}
		turn := q.slot(tail).turn.Load()
		if turn < 2*tail {
			return 0, ErrFull // not yet emptied since the last time round
		}
		if turn == 2*tail && q.tail.CompareAndSwap(tail, tail+1) {
			return tail, nil
		}
		// Another putter was faster.
	}
}

// put fills a position that was claimed.
func (q *queue) put(pos uint64, t task) {
	s := q.slot(pos)
	s.task = t
	s.turn.Store(2*pos + 1)
}

// take moves the oldest task to t. It returns false when there is none, or when
// the oldest was claimed and not yet put.
func (q *queue) take(t *task) bool {
	for {
		head := q.head.Load()
		s := q.slot(head)
		turn := s.turn.Load()
		if turn < 2*head+1 {
			return false
		}
		if turn == 2*head+1 && q.head.CompareAndSwap(head, head+1) {
			*t = s.task
			s.task = task{} // not to keep the job alive
			s.turn.Store(2 * (head + uint64(len(q.slots))))
			return true
		}
		// Another taker was faster.
	}
}

// len is how many tasks are in the queue, those being put or taken included.
func (q *queue) len() int {
	head := q.head.Load() // first, as it never passes tail
	return int(q.tail.Load()&^shut - head)
}

// ready reports whether take would find a task.
func (q *queue) ready() bool {
	head := q.head.Load()
	return q.slot(head).turn.Load() > 2*head
}

// drained reports whether the queue is shut and all that it accepted was taken.
func (q *queue) drained() bool { return q.tail.Load() == q.head.Load()|shut }
