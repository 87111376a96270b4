//go:build rules

package invalidation

// Variables, so that a test can switch a rule off.
var (
	ruleFence      = true
	ruleFollower   = true
	ruleCatchUp    = true
	ruleOrder      = true
	ruleFloor      = true
	ruleGeneration = true
	ruleMarks      = true
)

// stalled is called where a process may be stopped between two reads or two writes.
var stalled func(where string)

func stall(where string) {
	if stalled != nil {
		stalled(where)
	}
}
