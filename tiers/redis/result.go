package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Op is one of the tier's operations.
type Op uint8

// The operations.
const (
	OpGet Op = iota
	OpPut
	OpDelete
	OpClaim
	OpYield
	ops
)

// String returns the operation in lower case: "get".
func (o Op) String() string { return [...]string{"get", "put", "delete", "claim", "yield"}[o] }

// Ops lists the operations.
func Ops() []Op { return []Op{OpGet, OpPut, OpDelete, OpClaim, OpYield} }

// Result is how an operation ended.
type Result uint8

// The results. All but the first seven are errors; of a Get, all but Hit are misses to its caller.
const (
	Hit       Result = iota // Get found the response
	Miss                    // Get found nothing
	Other                   // Get found nothing that the request selects, but an index of other variants
	Corrupt                 // Get found something that is no stored response of this version, or damaged, or never expires
	Foreign                 // Get found a sound response under a key that is not its own
	Done                    // Put or Delete succeeded
	Expired                 // Put left out a response of no more use
	TooLarge                // Put refused a response that could not be read again; of a Get, it was not tried
	Open                    // Redis was not asked: the breaker is open
	Cancelled               // the caller gave up
	Timeout                 // no answer in time
	Down                    // no connection, or it broke, or the cluster is down
	Loading                 // Redis is reading its data, or waits for its master
	ReadOnly                // a write to a replica
	Full                    // Redis has no memory left (OOM)
	Auth                    // wrong or missing password, or a command that the user may not run
	Moved                   // a slot of the cluster is being moved
	Failed                  // any other error
	results
)

var resultNames = [results]string{
	"hit", "miss", "vary-miss", "corrupt", "foreign", "done", "expired", "too-large", "open", "cancelled", "timeout", "down",
	"loading", "read-only", "full", "auth", "moved", "failed",
}

// String returns the result in a word, in lower case.
func (r Result) String() string { return resultNames[r] }

// Results lists the results.
func Results() []Result {
	all := make([]Result, results)
	for i := range all {
		all[i] = Result(i)
	}
	return all
}

// Error is why an operation failed.
type Error struct {
	Op     Op
	Result Result
	Err    error // what the client library said; holds no password
}

// Error names the operation, the result and the cause.
func (e *Error) Error() string { return fmt.Sprintf("redis: %s: %s: %v", e.Op, e.Result, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// classify says what an error of the client library means.
func classify(ctx context.Context, err error) Result {
	var fromRedis goredis.Error
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled) || ctx.Err() == context.Canceled:
		return Cancelled
	case goredis.IsLoadingError(err), goredis.IsMasterDownError(err):
		return Loading
	case goredis.IsReadOnlyError(err):
		return ReadOnly
	case goredis.IsOOMError(err), hasPrefix(err, "MISCONF "), goredis.IsNoReplicasError(err):
		return Full
	case goredis.IsAuthError(err), goredis.IsPermissionError(err):
		return Auth
	case goredis.IsTryAgainError(err), hasPrefix(err, "MOVED "), hasPrefix(err, "ASK "):
		return Moved
	case goredis.IsMaxClientsError(err), goredis.IsClusterDownError(err):
		return Down
	case errors.As(err, &fromRedis):
		return Failed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, goredis.ErrPoolTimeout),
		errors.As(err, &network) && network.Timeout():
		return Timeout
	}
	return Down
}

func hasPrefix(err error, prefix string) bool { return strings.HasPrefix(err.Error(), prefix) }

// failing tells whether a Redis that answers op with err like this had better not be asked for a while. A Redis that
// refuses writes still serves reads, and a value of another type says nothing about the others.
func (r Result) failing(op Op, err error) bool {
	switch r {
	case Timeout, Down, Loading:
		return true
	case Auth:
		return op == OpGet
	case Failed:
		return op == OpGet && !hasPrefix(err, "WRONGTYPE ")
	}
	return false
}

// explained adds to an error what the client library leaves out.
func explained(err error) error {
	if err != goredis.Nil && errors.Is(err, goredis.Nil) { //nolint:errorlint // a joined one holds it
		return fmt.Errorf("the sentinels know no such master_name: %w", err)
	}
	return err
}
