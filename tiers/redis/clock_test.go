package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

// TestLateArrival: a value that Redis takes in long after it was sent, and given up, is as old as it is, and gone when it
// should be.
func TestLateArrival(t *testing.T) {
	s := redistest.Start(t)
	tier, other := open(t, config(s.URL())), open(t, patient(config(s.URL())))
	put := func(lifetime time.Duration) tiers.Key {
		e := tierstest.NewEntry(tierstest.NewKey(), "x")
		e.Lifetime, e.Born = lifetime, tiers.Now()
		_ = tier.Put(t.Context(), e)
		return e.Key
	}
	warm := put(time.Minute)
	eventually(t, 5*time.Second, "a hit", func() bool { _, err := other.Get(t.Context(), warm, nil); return err == nil })
	const hang = 2 * time.Second
	s.Hang()
	sent := tiers.Now()
	long, short := put(time.Minute), put(hang/2)
	time.Sleep(hang)
	s.Resume()
	var e *tiers.Entry
	eventually(t, 10*time.Second, "the value has arrived", func() (ok bool) {
		var err error
		e, err = other.Get(t.Context(), long, nil)
		return err == nil
	})
	if age := e.Age(tiers.Now()); age < hang || age > tiers.Now().Sub(sent)+time.Second {
		t.Errorf("age %v of what was sent %v ago", age, tiers.Now().Sub(sent))
	}
	if _, err := other.Get(t.Context(), short, nil); !errors.Is(err, tiers.ErrMiss) {
		t.Errorf("what was overdue when it arrived: %v, want a miss", err)
	}
}

// TestNoTime: without the right to ask for the time, values are stored all the same.
func TestNoTime(t *testing.T) {
	s := redistest.Start(t)
	s.Do("acl", "setuser", "timeless", "on", ">secret", "~*", "+@all", "-time")
	cfg := patient(config("redis://timeless:secret@" + s.Addr()))
	tier := open(t, cfg)
	for range 3 {
		e := tierstest.NewEntry(tierstest.NewKey(), "x")
		if err := tier.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		got, err := tier.Get(t.Context(), e.Key, nil)
		if err != nil {
			t.Fatal(err)
		}
		if age := got.Age(tiers.Now()) - e.Age(tiers.Now()); age < -time.Second || age > time.Second {
			t.Errorf("older by %v than it is", age)
		}
	}
	if n := count(tier, redis.OpPut, redis.Done); n != 3 {
		t.Errorf("%d puts done", n)
	}
}
