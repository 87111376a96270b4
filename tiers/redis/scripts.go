package redis

import (
	"context"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// The log's state in Redis:
//
//	hash PREFIX:v1:{PREFIX}:ctl    gen, replid, head, terms, and m:ID = "position counter" for each member
//	stream PREFIX:v1:{PREFIX}:log  n-0: g = generation, k = h(ard) or s(oft), with a: somebody waits, s = selectors
//
// Every script begins by seeing whether this is still the Redis that the generation belongs to: a restart and a failover
// change its replication ID. If not, or if the hash is gone or damaged, the log begins anew, as another generation; so it
// does when others have written to the stream, as far as that is in the way. Numbers are strings: Lua has no 64-bit
// integers. allow-oom: a Redis without memory must still tell everybody what is purged.
const scriptHead = `#!lua flags=allow-oom
local ctl, log = KEYS[1], KEYS[2]
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local gen, head
local function begin(new)
  redis.call('DEL', ctl, log)
  gen, head = new, 0
  redis.call('HSET', ctl, 'gen', gen, 'replid', replid, 'head', '0')
end
local function open(new)
  local s = redis.pcall('HMGET', ctl, 'gen', 'replid', 'head')
  if s.err and not string.find(s.err, 'WRONGTYPE') then error(s) end -- no right to do this: a new log would not help
  if s[1] and s[2] == replid and s[3] and string.find(s[1], '^[1-9]%d*$') and string.find(s[3], '^%d+$') and #s[3] < 16 then
    gen, head = s[1], tonumber(s[3])
  else
    begin(new)
  end
end
local function text(n) return string.format('%.0f', n) end
`

var (
	// appendScript: new generation, how to trim, to how many, then flags and selectors of each record → generation, last.
	appendScript = goredis.NewScript(scriptHead + `
open(ARGV[1])
local i, anew = 4, false
while i < #ARGV do
  local id = text(head + 1) .. '-0'
  local r = redis.pcall('XADD', log, 'MAXLEN', ARGV[2], ARGV[3], id, 'g', gen, 'k', ARGV[i], 's', ARGV[i + 1])
  if type(r) == 'table' and r.err then -- the stream does not belong to the hash, or not to us alone
    if anew or string.find(r.err, "can't run") or string.find(r.err, 'NOPERM') then return redis.error_reply(r.err) end
    begin(ARGV[1])
    i, anew = 4, true
  else
    head = head + 1
    i = i + 2
  end
end
redis.call('HSET', ctl, 'head', text(head))
return {gen, text(head)}`)

	// renewScript: new generation, ID, its generation, position, counter, terms, the highest position it has met →
	// generation, head; and the fleet's terms, if they are others.
	renewScript = goredis.NewScript(scriptHead + `
open(ARGV[1])
if ARGV[3] == gen and tonumber(ARGV[7]) > head then begin(ARGV[1]) end -- others have written to the stream
local terms = redis.call('HGET', ctl, 'terms')
if terms ~= ARGV[6] then
  if terms and redis.call('HLEN', ctl) > 4 then
    return {gen, text(head), terms}
  end
  redis.call('HSET', ctl, 'terms', ARGV[6])
end
local position = ARGV[4]
if ARGV[3] ~= gen then position = '-1' end
redis.call('HSET', ctl, 'm:' .. ARGV[2], position .. ' ' .. ARGV[5])
return {gen, text(head)}`)

	// membersScript: new generation → generation, and the hash.
	membersScript = goredis.NewScript(scriptHead + `
open(ARGV[1])
local all = redis.call('HGETALL', ctl)
table.insert(all, 1, gen)
return all`)

	// removeScript: ID, its value, or "" for any.
	removeScript = goredis.NewScript(`#!lua flags=allow-oom
local field = 'm:' .. ARGV[1]
if ARGV[2] == '' or redis.call('HGET', KEYS[1], field) == ARGV[2] then
  redis.call('HDEL', KEYS[1], field)
end
return {}`)
)

// run runs a script on the log's keys. With INVALIDATION_REPLICAS it succeeds when that many replicas have what it wrote.
func (j *Journal) run(ctx context.Context, script *goredis.Script, args ...any) ([]any, error) {
	keys := []string{j.ctl, j.log}
	if j.replicas == 0 || script == membersScript || script == removeScript {
		values, err := script.Run(ctx, j.client, keys, args...).Slice()
		return values, j.failed(ctx, err)
	}
	values, err := j.runReplicated(ctx, script, keys, args)
	return values, j.failed(ctx, err)
}

// failed says what an error means to whoever reads the log, and has a cluster asked who has the journal's slot now: the
// client library by itself would ask a node that is gone for up to a minute.
func (j *Journal) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cluster, ok := j.client.(*goredis.ClusterClient); ok {
		cluster.ReloadState(context.WithoutCancel(ctx))
	}
	if strings.Contains(err.Error(), "can't run this command") {
		return fmt.Errorf("%w (a script of the invalidation log may not run a command: the rights that the user needs stand in the README)", err)
	}
	return explained(err)
}

// runReplicated sends the script and WAIT on one connection to the master: WAIT is about what its connection wrote.
func (j *Journal) runReplicated(ctx context.Context, script *goredis.Script, keys []string, args []any) ([]any, error) {
	var master pipeliner = j.client
	if cluster, ok := j.client.(*goredis.ClusterClient); ok {
		node, err := cluster.MasterForKey(ctx, j.ctl)
		if err != nil {
			return nil, err
		}
		master = node
	}
	patience := time.Second
	if at, ok := ctx.Deadline(); ok {
		patience = max(time.Until(at)*3/4, time.Millisecond) // WAIT's 0 is for ever
	}
	pipe := master.Pipeline()
	reply := script.Eval(ctx, pipe, keys, args...)
	wait := goredis.NewIntCmd(ctx, "wait", j.replicas, patience.Milliseconds())
	_ = pipe.Process(ctx, wait) //nolint:errcheck // queued, not sent
	_, err := pipe.Exec(ctx)
	if err != nil {
		return nil, err
	}
	if n := wait.Val(); n < int64(j.replicas) {
		return nil, fmt.Errorf("redis: %d replicas have it in time, INVALIDATION_REPLICAS wants %d", n, j.replicas)
	}
	return reply.Slice()
}
