// Package heap keeps the process within the memory that it was given: it finds the limit of the container, refuses
// budgets that do not fit, and tells Go's garbage collector what that means.
//
// Go by itself collects when the heap has doubled. A cache that fills its bound would then take twice the bound. So,
// where the environment does not say otherwise, the collector is told two things after each collection: how much
// garbage may gather until the next (GOGC), which is a fifth of what was found to live, and at least 24 MiB, so that
// a small heap is not collected all the time; and the limit near which it works harder and gives free memory back
// (GOMEMLIMIT), which is what a full L1 takes, more when more lives, and never more than the container has.
package heap

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/nearside-cache/nearside/tiers"
)

// Config is what the environment says about the process's memory. Go's runtime reads these variables by itself, before
// the program starts; here they stand to be known.
type Config struct {
	Limit string `env:"GOMEMLIMIT" default:"by L1_MAX_BYTES" doc:"memory near which the garbage collector works harder, such as 230MiB, or off; by itself what a full L1 takes, more when more lives, at most nine tenths of the container's limit"`
	Pace  string `env:"GOGC" default:"by what lives" doc:"garbage between two collections, in % of what lives, or off; by itself a fifth, but at least 24 MiB"`
}

// Validate refuses what Go's runtime would pass over in silence.
func (c Config) Validate() error {
	if _, err := strconv.ParseInt(c.Pace, 10, 32); err != nil && c.Pace != "" && c.Pace != "off" {
		return fmt.Errorf("GOGC: %q: want a number of percent, such as 50, or off", c.Pace)
	}
	return nil
}

// Unlimited is the limit when there is none.
const Unlimited tiers.ByteSize = math.MaxInt64

// process is what the program takes beside its budgets, at least.
const process = 24 << 20

// Limit is the least of the limits that the process is under: that of its container, and that of GOMEMLIMIT. It
// returns false when there is none.
func Limit() (tiers.ByteSize, bool) {
	least := debug.SetMemoryLimit(-1)
	if c, ok := container(os.DirFS("/")); ok {
		least = min(least, c)
	}
	return tiers.ByteSize(least), least != int64(Unlimited)
}

// Check tells what is wrong with the budgets of L1 and of the queue under a limit. It begins with the variable's name.
func Check(l1, queue, limit tiers.ByteSize) error {
	switch {
	case l1+l1/4+process > limit:
		most := max(0, limit-process) / 5 * 4
		return fmt.Errorf("L1_MAX_BYTES: more than the memory limit (the container's, or GOMEMLIMIT) of %v has room for; want at most %v", limit, round(most))
	case l1+queue > limit:
		return fmt.Errorf("POOL_QUEUE_BYTES: with L1_MAX_BYTES, which is %v, more than the memory limit (the container's, or GOMEMLIMIT) of %v; want at most %v", l1, limit, round(limit-l1))
	}
	return nil
}

// Manage has the collector keep to the memory that a full L1 takes, for the rest of the process's life, but where the
// environment says what it wants. It returns the collector's limit as it is now, or [Unlimited].
func Manage(c Config, l1 tiers.ByteSize) tiers.ByteSize {
	p := newPace(int64(l1), math.MaxInt64)
	if limit, ok := container(os.DirFS("/")); ok {
		p = newPace(int64(l1), limit)
	}
	p.limits, p.paces = c.Limit == "", c.Pace == ""
	p.follow()
	return tiers.ByteSize(debug.SetMemoryLimit(-1))
}

// round makes a size one that is easily read.
func round(s tiers.ByteSize) tiers.ByteSize {
	if s >= 1<<20 {
		return s &^ (1<<20 - 1)
	}
	return s
}
