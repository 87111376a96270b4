package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nearside-cache/nearside/tiers"
)

// The index of a target's variants is text, so that it can be read in redis-cli and changed by a script:
//
//	NSV1 EPOCH
//	VARIANT accept-encoding          the most recent first, at most maxVariants
//	VARIANT accept-encoding,origin
//
//	the key
//
// It tells where to look, never what to serve: a variant is served only when its own key, Vary and Variant
// are those that were asked for.
const (
	indexMagic  = "NSV1 "
	indexHead   = len(indexMagic) + 16 + 1
	maxVariants = 32

	// An index outlives the variant for which it was last written by so much, so that refreshing a variant
	// before it expires seldom has to prolong the index. This many lifetimes.
	indexLives = 4
)

// An index is read from Redis and not changed afterwards.
type index struct {
	epoch    epoch
	variants []listed // the most recent first
}

// listed is a line of an index.
type listed struct {
	id   string
	vary string
}

func isIndex(value string) bool { return strings.HasPrefix(value, indexMagic) }

// parseIndex reads key's index, and tells whether value is one.
func parseIndex(value string, key tiers.Key) (*index, bool) {
	rest, ok := strings.CutSuffix(value, "\n"+string(key))
	if !ok || len(rest) < indexHead || !isIndex(rest) || rest[indexHead-1] != '\n' {
		return nil, false
	}
	n, err := strconv.ParseUint(rest[len(indexMagic):indexHead-1], 16, 64)
	if err != nil {
		return nil, false
	}
	ix := &index{epoch: epoch(n)}
	for rest = rest[indexHead:]; rest != ""; {
		line, after, ok := strings.Cut(rest, "\n")
		id, vary, _ := strings.Cut(line, " ")
		if !ok || len(id) != 16 || vary == "" || len(ix.variants) == maxVariants {
			return nil, false
		}
		ix.variants = append(ix.variants, listed{id, vary})
		rest = after
	}
	return ix, true
}

// selects yields the listed variants that sel selects, the most recent first, with the request's values.
func (ix *index) selects(sel tiers.Selector) func(yield func(v listed, variant string) bool) {
	return func(yield func(v listed, variant string) bool) {
		if sel == nil {
			return
		}
		for i, v := range ix.variants {
			if ix.seen(v.vary, i) {
				continue
			}
			variant := sel.Variant(v.vary)
			want := listed{variantID(v.vary, variant), v.vary}
			if ix.has(want) && !yield(want, variant) {
				return
			}
		}
	}
}

// seen tells whether one of the first n variants has this Vary list.
func (ix *index) seen(vary string, n int) bool {
	for _, v := range ix.variants[:n] {
		if v.vary == vary {
			return true
		}
	}
	return false
}

func (ix *index) has(want listed) bool {
	for _, v := range ix.variants {
		if v == want {
			return true
		}
	}
	return false
}

// enlistSource puts a variant in front of the index in KEYS[1], which it makes when there is none, or none that parseIndex
// would read, and returns the index's epoch. A variant too many is removed. ARGV: the epoch of a new index, the variant's
// line, the key, the least time to live in ms, the most variants.
const enlistSource = `
local epoch, line, tail, ttl = ARGV[1], ARGV[2] .. '\n', '\n' .. ARGV[3], tonumber(ARGV[4])
local old, others, n = redis.pcall('GET', KEYS[1]), '', 1 -- of another type: no string
local hex = string.rep('%x', 16)
if type(old) == 'string' and string.find(old, '^NSV1 ' .. hex .. '\n') and string.sub(old, -#tail) == tail
  and string.gsub(string.sub(old, 23, -#tail - 1), hex .. ' [^\n]+\n', '') == '' then
  epoch = string.sub(old, 6, 21)
  ttl = math.max(ttl, redis.call('PTTL', KEYS[1]))
  for l in string.gmatch(string.sub(old, 23, -#tail - 1), '[^\n]+\n') do
    if l ~= line then
      if n < tonumber(ARGV[5]) then
        others, n = others .. l, n + 1
      else
        redis.call('UNLINK', KEYS[1] .. ':' .. epoch .. ':' .. string.sub(l, 1, 16))
      end
    end
  end
end
redis.call('SET', KEYS[1], 'NSV1 ' .. epoch .. '\n' .. line .. others .. tail, 'PX', string.format('%.0f', ttl))
return epoch
`

var enlistSHA = goredis.NewScript(enlistSource).Hash()

// enlist is the command that runs the script, by its source or, shorter, by its hash.
func enlist(ctx context.Context, bySource bool, primary string, fresh epoch, id string, e *tiers.Entry, ttl time.Duration) *goredis.Cmd {
	verb, script := "evalsha", enlistSHA
	if bySource {
		verb, script = "eval", enlistSource
	}
	lives := ttl * indexLives
	if lives/indexLives != ttl {
		lives = ttl
	}
	return goredis.NewCmd(ctx, verb, script, 1, primary,
		fresh.String(), id+" "+e.Vary, string(e.Key), lives.Milliseconds(), maxVariants)
}
