package proxy

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/nearside-cache/nearside/proxy/policy"
	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/upstream"
)

// stream is content that is to be stored, while it arrives. One goroutine reads it from the origin, at the origin's
// pace, whichever client stays; any number of clients read what has come so far, each at its own.
//
// Content that outgrows MAX_OBJECT_BYTES or the byte budget is not stored. From then on nobody can join, and the
// origin is read no faster than the slowest reader reads, unless that one is too slow for the others: see hurry.
type stream struct {
	h      *Handler
	resp   *upstream.Response              // the pump's
	length int64                           // of the content; -1 = not known
	entry  *tiers.Entry                    // to be stored when the content is complete, but for its body; nil = not any more
	merge  func(*tiers.Entry) *tiers.Entry // what it becomes with what is stored; nil = itself
	flight *flight                         // ends when entry is in L1; nil = none
	done   chan struct{}                   // closed at the end

	mu       sync.Mutex
	more     sync.Cond // content has come, or the end
	less     sync.Cond // while sliding: a reader has taken some, or left
	content  []byte    // from base on; what stands in it is not changed while a reader copies it
	base     int64
	sliding  bool
	reserved int64 // bytes of the budget held for content
	end      error // io.EOF, or why there is no more to come
	stored   *tiers.Entry
	readers  map[*reader]struct{}

	still sync.RWMutex // held for reading by readers that copy; taken after mu
}

const (
	// A stream that is not stored holds up to window bytes that its slowest reader has not read.
	window = 256 << 10
	piece  = 16 << 10

	// While others wait for it, a reader has patience for each window of content.
	patience = 10 * time.Second
)

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

var (
	errNobody = errors.New("proxy: content that can neither be stored nor sent to anybody")
	errLags   = errors.New("proxy: a client that others waited for too long")
)

// newStream makes the stream for resp, which it owns; reserved bytes of the budget are its own, too.
func newStream(h *Handler, resp *upstream.Response, e *tiers.Entry, reserved int64) *stream {
	s := &stream{
		h: h, resp: resp, length: resp.ContentLength, entry: e, done: make(chan struct{}),
		content: make([]byte, 0, reserved), reserved: reserved, readers: map[*reader]struct{}{},
	}
	s.more.L, s.less.L = &s.mu, &s.mu
	return s
}

// pump reads the content to its end, has it stored, and returns why it ended; nil = it is complete.
func (s *stream) pump() error {
	defer s.resp.Release()
	spare := pieces.Get().(*[piece]byte)
	defer pieces.Put(spare)
	for {
		room, wanted := s.room(spare[:])
		if !wanted {
			return s.finish(errNobody)
		}
		n, err := s.resp.Body.Read(room)
		if n > 0 {
			s.add(room[:n])
		}
		if err != nil {
			return s.finish(err)
		}
	}
}

// room returns where to read the next bytes to: to where they are to stay, or to spare when there is no room yet, as
// nothing may come. It waits for the slowest reader when nothing is stored, and returns false when there is none.
func (s *stream) room(spare []byte) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sliding {
		for len(s.readers) > 0 && s.unread() > window {
			s.hurry()
		}
		return spare, len(s.readers) > 0
	}
	if n := len(s.content); n < cap(s.content) {
		return s.content[n:cap(s.content)], true
	}
	return spare, true
}

// hurry waits for a reader to take something, and cuts those that have not taken a window within patience, if others have
// nothing to read because of them.
func (s *stream) hurry() {
	end, now := s.base+int64(len(s.content)), tiers.Now()
	waits := false
	for r := range s.readers {
		waits = waits || r.at == end
	}
	for r := range s.readers {
		switch {
		case end-r.at <= window:
		case r.since == 0 || r.at-r.mark >= window:
			r.mark, r.since = r.at, now
		case waits && now.Sub(r.since) >= patience:
			s.cut(r)
		}
	}
	if len(s.readers) == 0 || s.unread() <= window {
		return
	}
	look := time.AfterFunc(patience/4, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.less.Signal()
	})
	s.less.Wait()
	look.Stop()
}

// cut goes on without r.
func (s *stream) cut(r *reader) {
	delete(s.readers, r)
	r.lags = true
	s.h.counters.laggards.Add(1)
	if r.client != nil {
		r.client.cut()
	}
}

// unread is how much the slowest reader has not read.
func (s *stream) unread() int64 {
	end := s.base + int64(len(s.content))
	slowest := end
	for r := range s.readers {
		slowest = min(slowest, r.at)
	}
	return end - slowest
}

// add takes in b, which either follows the content in its array already, or is spare.
func (s *stream) add(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.more.Broadcast()
	n := len(s.content)
	if n < cap(s.content) && !s.sliding {
		s.content = s.content[:n+len(b)]
		return
	}
	if !s.sliding && !s.grow(int64(n+len(b))) {
		s.slide()
	}
	if s.sliding {
		s.trim()
	}
	s.content = append(s.content, b...)
}

// grow makes room for need bytes, and returns false when they may not be kept.
func (s *stream) grow(need int64) bool {
	most := int64(s.h.Config.MaxObjectBytes)
	if need > most {
		s.h.counters.fillsTooLarge.Add(1)
		return false
	}
	size := min(max(need, 2*s.reserved, 4096), most)
	if !s.h.budget.take(size - s.reserved) {
		s.h.counters.fillsNoRoom.Add(1)
		return false
	}
	s.reserved = size
	s.content = append(make([]byte, 0, size), s.content...)
	return true
}

// slide gives up storing.
func (s *stream) slide() {
	s.sliding = true
	s.h.land(s.flight)
	s.entry, s.flight = nil, nil
}

// trim lets go of what all readers have read, when the array is full or still counts against the budget. The rest moves to
// the front, once nobody copies from where it stands; of an array that counts against the budget, to another one.
func (s *stream) trim() {
	unread := s.unread()
	if unread > window || s.reserved == 0 && cap(s.content)-len(s.content) >= piece {
		return
	}
	read := int64(len(s.content)) - unread
	s.base += read
	if s.reserved == 0 && int64(cap(s.content)) >= unread+piece {
		s.still.Lock()
		s.content = s.content[:copy(s.content, s.content[read:])]
		s.still.Unlock()
		return
	}
	s.content = append(make([]byte, 0, unread+window+piece), s.content[read:]...)
	s.h.budget.give(s.reserved)
	s.reserved = 0
}

// finish ends the stream because of err.
func (s *stream) finish(err error) error {
	e := s.entry
	switch {
	case e == nil:
	case errors.Is(err, io.EOF):
		e = s.complete(e)
	default:
		e = policy.BrokenOff(e, s.content, s.length)
		if e != nil && len(policy.AppendCompletion(nil, e, time.Now())) == 0 {
			e = nil
		}
	}
	if err != io.EOF && err != errNobody {
		s.h.noteFailure(err)
	}
	s.mu.Lock()
	s.end = err
	if err == io.EOF {
		s.stored = e
	}
	reserved := s.reserved
	s.reserved = 0
	s.more.Broadcast()
	s.mu.Unlock()
	close(s.done)
	if e == nil {
		s.h.budget.give(reserved)
		s.h.land(s.flight)
	} else {
		s.h.submitFill(e, reserved, s.flight)
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// complete makes the stored response, in an array that is not much larger than it needs.
func (s *stream) complete(e *tiers.Entry) *tiers.Entry {
	whole := *e
	whole.Body = s.content
	if cap(s.content)-len(s.content) > len(s.content)/8 {
		whole.Body = append(make([]byte, 0, len(s.content)), s.content...)
	}
	if s.merge != nil {
		return s.merge(&whole)
	}
	return &whole
}

// whole returns what is stored of the stream, when it has ended, and nil before, or when nothing is.
func (s *stream) whole() *tiers.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored
}

// read adds a reader for c, which begins at the beginning; nil when that is not there any more. c may be nil.
func (s *stream) read(c *client) *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.base > 0 || s.end != nil && s.end != io.EOF {
		return nil
	}
	r := &reader{s: s, client: c}
	s.readers[r] = struct{}{}
	return r
}

// reader is the content of a stream on its way to one client.
type reader struct {
	s      *stream
	client *client
	at     int64
	lags   bool // it was cut

	// Where it was, and when, when it last was a window behind and had taken another one since.
	mark  int64
	since tiers.Instant
}

// Read implements [io.Reader]. It returns io.EOF only behind complete content; after any other error the client's
// connection must be cut, so that the truncation shows.
func (r *reader) Read(p []byte) (int, error) {
	s := r.s
	s.mu.Lock()
	for r.at == s.base+int64(len(s.content)) && s.end == nil {
		s.more.Wait()
	}
	if r.lags {
		defer s.mu.Unlock()
		return 0, errLags
	}
	there := s.content[r.at-s.base:]
	if len(there) == 0 {
		defer s.mu.Unlock()
		return 0, s.end
	}
	s.still.RLock()
	s.mu.Unlock()
	n := copy(p, there)
	s.still.RUnlock()
	s.mu.Lock()
	r.at += int64(n)
	s.mu.Unlock()
	s.less.Signal()
	return n, nil
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	r.s.mu.Lock()
	delete(r.s.readers, r)
	r.s.mu.Unlock()
	r.s.less.Signal()
	return nil
}
