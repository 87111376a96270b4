//go:build rules

package invalidation

import (
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// Variables, so that a test can switch a rule off.
var (
	ruleFence      = true
	ruleFollower   = true
	ruleCatchUp    = true
	ruleOrder      = true
	ruleFloor      = true
	ruleGeneration = true
	ruleMarks      = true
	ruleSent       = true
	ruleTime       = true
	ruleMargin     = true
)

// rules are those that RULES_OFF may name.
var rules = map[string]*bool{
	"fence": &ruleFence, "follower": &ruleFollower, "catch-up": &ruleCatchUp, "order": &ruleOrder, "floor": &ruleFloor,
	"generation": &ruleGeneration, "marks": &ruleMarks, "sent": &ruleSent, "time": &ruleTime, "margin": &ruleMargin,
}

// A process takes from its environment which rules are off, and how long some of its checks stop half-way.
func init() {
	for name := range strings.FieldsSeq(os.Getenv("RULES_OFF")) {
		*rules[name] = false // no such rule: a panic
	}
	if long, err := time.ParseDuration(os.Getenv("RULES_STALL")); err == nil {
		stalled = func(string) {
			if rand.IntN(10) == 0 {
				time.Sleep(rand.N(long))
			}
		}
	}
}

// stalled is called where a process may be stopped between two reads or two writes.
var stalled func(where string)

func stall(where string) {
	if stalled != nil {
		stalled(where)
	}
}
