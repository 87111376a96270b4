package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/invalidation"
)

// Journal is the [invalidation.Journal] in Redis: a stream, and a hash with its generation and the fleet's members, both
// in one slot and without a lifetime. Whatever changes them is a script (scripts.go).
type Journal struct {
	client    goredis.UniversalClient
	ctl, log  string // the keys
	retention int
	replicas  int
	reading   sync.WaitGroup
}

var _ invalidation.Journal = (*Journal)(nil)

// journalConns is how many connections a journal needs: one reads, one renews, one appends, the others confirm.
const journalConns = 8

// journalTimeout is how long it waits for a connection, and for what has no deadline of its own.
const journalTimeout = 2 * time.Second

// NewJournal returns a journal on the Redis of cfg, with connections of its own until Close. Redis need not be there.
func NewJournal(cfg Config, log invalidation.Config) (*Journal, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.ReadReplicas = false // what a replica has is old
	cfg.PoolSize = journalConns
	client, _, err := newClients(&cfg, journalTimeout)
	if err != nil {
		return nil, err
	}
	slot := cfg.KeyPrefix + ":v1:{" + cfg.KeyPrefix + "}:"
	return &Journal{client: client, ctl: slot + "ctl", log: slot + "log", retention: log.Retention, replicas: log.Replicas}, nil
}

// Close closes the connections; what is in progress fails.
func (j *Journal) Close() {
	_ = j.client.Close() //nolint:errcheck // nothing can be done about it
	j.reading.Wait()
}

// Append implements [invalidation.Journal].
func (j *Journal) Append(ctx context.Context, records []invalidation.Record) (tiers.Position, error) {
	trim := "~"
	if j.retention < 1000 { // Redis keeps a hundred or so more than "about"
		trim = "="
	}
	args := []any{newGeneration(), trim, j.retention}
	for i := range records {
		r := &records[i]
		args = append(args, flagsOf(r), r.Text())
	}
	return j.position(j.run(ctx, appendScript, args...))
}

// Renew implements [invalidation.Journal].
func (j *Journal) Renew(ctx context.Context, m invalidation.Renewal) (tiers.Position, error) {
	at, err := j.position(j.run(ctx, renewScript, newGeneration(), m.ID, m.At.Gen, m.At.N, m.Counter, m.Terms, m.Met))
	var refused *termsError
	if errors.As(err, &refused) {
		return at, fmt.Errorf("%w, which are %q: this sidecar stores nothing until they agree", invalidation.ErrTerms, refused.fleet)
	}
	return at, err
}

// Members implements [invalidation.Journal].
func (j *Journal) Members(ctx context.Context) (gen uint64, members []invalidation.Member, err error) {
	values, err := j.run(ctx, membersScript, newGeneration())
	if err != nil {
		return 0, nil, err
	}
	if len(values)%2 != 1 {
		return 0, nil, errReply
	}
	if gen, err = number(values[0]); err != nil {
		return 0, nil, err
	}
	for i := 1; i < len(values); i += 2 {
		field, _ := values[i].(string)
		value, _ := values[i+1].(string)
		id, ok := strings.CutPrefix(field, "m:")
		if !ok {
			continue
		}
		position, _, _ := strings.Cut(value, " ")
		at, err := strconv.ParseInt(position, 10, 64)
		if err != nil { // damaged: it has applied nothing, until it renews or is removed
			at = -1
		}
		members = append(members, invalidation.Member{ID: id, At: at, Value: value})
	}
	return gen, members, nil
}

// Remove implements [invalidation.Journal]. Without a Value it removes the member in any case.
func (j *Journal) Remove(ctx context.Context, m invalidation.Member) error {
	_, err := j.run(ctx, removeScript, m.ID, m.Value)
	return err
}

// Read implements [invalidation.Journal]. It returns as soon as ctx is cancelled, which the client library does not
// notice while it waits.
func (j *Journal) Read(ctx context.Context, after uint64, wait time.Duration) ([]invalidation.Record, error) {
	type answer struct {
		records []invalidation.Record
		err     error
	}
	ready := make(chan answer, 1)
	j.reading.Go(func() {
		records, err := j.read(ctx, after, wait)
		ready <- answer{records, err}
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-ready:
		return a.records, a.err
	}
}

const (
	readCount = 1000 // records at a time

	lastOf = "-18446744073709551615" // behind all that others may have put between two records
)

func (j *Journal) read(ctx context.Context, after uint64, wait time.Duration) ([]invalidation.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+time.Second)
	defer cancel()
	if wait <= 0 {
		wait = -1 // 0 would be for ever
	}
	streams, err := j.client.XRead(ctx, &goredis.XReadArgs{
		Streams: []string{j.log, strconv.FormatUint(after, 10) + lastOf}, Count: readCount, Block: wait,
	}).Result()
	switch {
	case err == goredis.Nil: //nolint:errorlint // an error about sentinels may hold it
		return nil, nil
	case err != nil:
		return nil, j.failed(ctx, err)
	case len(streams) != 1:
		return nil, errReply
	}
	return parseRecords(streams[0].Messages)
}

// Before implements [invalidation.Journal].
func (j *Journal) Before(ctx context.Context, at uint64, count int) ([]invalidation.Record, error) {
	messages, err := j.client.XRevRangeN(ctx, j.log, strconv.FormatUint(at, 10)+"-0", "-", int64(count)).Result()
	if err != nil {
		return nil, j.failed(ctx, err)
	}
	return parseRecords(messages)
}

var errReply = errors.New("redis: not what the invalidation log's scripts answer")

// termsError is the answer to a renewal on other terms than the fleet's.
type termsError struct{ fleet string }

// Error implements [error].
func (e *termsError) Error() string { return "other terms" }

// position reads the position that a script returned.
func (j *Journal) position(values []any, err error) (tiers.Position, error) {
	if err != nil {
		return tiers.Position{}, err
	}
	if len(values) == 3 {
		fleet, _ := values[2].(string)
		return tiers.Position{}, &termsError{fleet}
	}
	if len(values) != 2 {
		return tiers.Position{}, errReply
	}
	gen, err := number(values[0])
	if err != nil {
		return tiers.Position{}, err
	}
	n, err := number(values[1])
	return tiers.Position{Gen: gen, N: n}, err
}

func number(v any) (uint64, error) {
	text, _ := v.(string)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errReply
	}
	return n, nil
}

// newGeneration is what a script takes when the log has none. Not 0.
func newGeneration() string { return strconv.FormatUint(rand.Uint64()|1, 10) }

// The kinds of records, as they stand in the log.
func flagsOf(r *invalidation.Record) string {
	kind := "h"
	if r.Soft {
		kind = "s"
	}
	if r.Ask {
		kind += "a"
	}
	return kind
}

func parseRecords(messages []goredis.XMessage) ([]invalidation.Record, error) {
	records := make([]invalidation.Record, 0, len(messages))
	for _, m := range messages {
		r, err := parseRecord(m)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// parseRecord reads one record. Of one that it cannot read, in part or at all, it takes the position only.
func parseRecord(m goredis.XMessage) (invalidation.Record, error) {
	id, seq, _ := strings.Cut(m.ID, "-")
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return invalidation.Record{}, errReply
	}
	gen, err := number(m.Values["g"])
	kind, _ := m.Values["k"].(string)
	text, _ := m.Values["s"].(string)
	r := invalidation.Record{Gen: gen, N: n, Soft: strings.HasPrefix(kind, "s"), Ask: strings.HasSuffix(kind, "a")}
	if err != nil || seq != "0" || kind != flagsOf(&r) {
		return invalidation.Unreadable(gen, n), nil
	}
	if r.Selectors, err = invalidation.ParseSelectors(text); err != nil {
		return invalidation.Unreadable(gen, n), nil //nolint:nilerr // that is what it says
	}
	return r, nil
}

// Advice tells what about this Redis makes the log lose records, or "" when nothing is known to. It is for a line in the
// operator's log.
func (j *Journal) Advice(ctx context.Context) string {
	info, err := j.client.Info(ctx, "memory").Result()
	if err != nil {
		return ""
	}
	values := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		values[name] = value
	}
	if policy := values["maxmemory_policy"]; values["maxmemory"] != "0" && strings.HasPrefix(policy, "allkeys-") {
		return "maxmemory-policy " + policy + " may evict the invalidation log, after which everything is revalidated once: volatile-* does not"
	}
	return ""
}
