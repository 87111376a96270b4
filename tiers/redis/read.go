package redis

import (
	"context"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nearside-cache/nearside/tiers"
)

// read asks for a value and the time that is left to it. The time comes first: should the value be replaced
// between the two, it looks older than it is, and never younger. Of a value that is too large to be a stored
// response it takes no more than it needs to see that.
//
// Reads are used again, with the commands that they consist of, which refer to key.
type read struct {
	key   string
	left  *goredis.IntCmd
	value *goredis.StringCmd
	both  [2]goredis.Cmder
}

// reads are those that may be used again.
type reads struct{ pool sync.Pool }

// init has reads take values up to their last byte at most.
func (f *reads) init(last int) {
	f.pool.New = func() any {
		r := new(read)
		r.left = goredis.NewIntCmd(context.Background(), "pttl", &r.key)
		r.value = goredis.NewStringCmd(context.Background(), "getrange", &r.key, 0, last)
		r.both = [...]goredis.Cmder{r.left, r.value}
		return r
	}
}

func (f *reads) of(key string) *read {
	r := f.pool.Get().(*read)
	r.key = key
	return r
}

// free takes r back. It must have been answered: one that was given up may still be sent, and written to.
func (f *reads) free(r *read) {
	if r == nil {
		return
	}
	r.key = ""
	r.left.SetVal(0)
	r.left.SetErr(nil)
	r.value.SetVal("")
	r.value.SetErr(nil)
	f.pool.Put(r)
}

func (r *read) cmds() []goredis.Cmder {
	if r == nil {
		return nil
	}
	return r.both[:len(r.both):len(r.both)]
}

// wanted is what the response that was asked for says of itself.
type wanted struct {
	key           tiers.Key
	vary, variant string
}

// entry returns what r read, if it is what was wanted.
func (t *Tier) entry(r *read, now tiers.Instant, want wanted) (*tiers.Entry, Result, error) {
	const gone, forever = -2, -1
	value, err := r.value.Bytes()
	left := r.left.Val()
	switch {
	case err != nil:
		return nil, Failed, &Error{OpGet, Failed, err}
	case len(value) == 0, left == gone:
		return nil, Miss, nil
	case left == forever:
		return nil, Corrupt, nil
	}
	e, ok := t.sealer.open(value, now, time.Duration(left)*time.Millisecond)
	if !ok {
		return nil, Corrupt, nil
	}
	if (wanted{e.Key, e.Vary, e.Variant}) != want {
		return nil, Foreign, nil
	}
	return e, Hit, nil
}
