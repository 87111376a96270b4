//go:build !rules

package invalidation

// The rules that the log's promise rests on. With the build tag "rules" they can be switched off, one at a time, to see
// that the tests notice.
const (
	ruleFence      = true // a response is as old as the beginning of its request
	ruleFollower   = true // whoever joins a fetch is checked against its beginning
	ruleCatchUp    = true // trust grows when what was purged was applied
	ruleOrder      = true // trust is looked at before the index
	ruleFloor      = true // what is not known is not trusted
	ruleGeneration = true // positions of different generations do not compare
	ruleMarks      = true // what this process purged counts before the log has it
	ruleSent       = true // trust counts from when it was asked for, not from when it was given
	ruleTime       = true // whoever has not said that it applied a purge is given the time to stop trusting
	ruleMargin     = true // and somewhat more, since clocks drift
)

func stall(string) {}
