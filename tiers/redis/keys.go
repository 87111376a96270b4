package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"unsafe"

	"github.com/nearside-cache/nearside/tiers"
)

// The keys in Redis:
//
//	PREFIX:v1:{DIGEST}                the primary: the stored response, or the index of its variants
//	PREFIX:v1:{DIGEST}:EPOCH:VARIANT  one variant
//
// DIGEST is half of the key's SHA-256, 32 hex digits, in braces so that in a cluster all keys of a target
// lie in one slot. EPOCH is 16 hex digits that the index names, VARIANT 16 hex digits over the Vary list and
// the request's values for it. A digest proves nothing: what is read is compared with what was asked for.
const layout = ":v1:"

// A digest stands for a [tiers.Key] in Redis.
type digest [16]byte

func digestOf(key tiers.Key) digest {
	sum := sha256.Sum256(unsafe.Slice(unsafe.StringData(string(key)), len(key))) // without a copy
	return digest(sum[:16])
}

// An epoch ties variants to the index that was there when they were written. A new index has a new epoch, so
// that what an index that is gone listed stays out of reach.
type epoch uint64

func (e epoch) String() string {
	const zeros = "0000000000000000"
	s := strconv.FormatUint(uint64(e), 16)
	return zeros[len(s):] + s
}

// variantID is the name of a variant within its epoch.
func variantID(vary, variant string) string {
	b := make([]byte, 0, 256)
	b = append(b, vary...)
	b = append(b, 0) // no field name has a zero byte
	b = append(b, variant...)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// primary is the name of the primary key.
func (t *Tier) primary(d digest) string {
	b := append(make([]byte, 0, maxPrefix+len(layout)+2*len(d)+2), t.prefix...)
	b = append(b, layout...)
	b = append(b, '{')
	b = hex.AppendEncode(b, d[:])
	b = append(b, '}')
	return string(b)
}

// variantKey is the name of a variant's key.
func variantKey(primary string, e epoch, id string) string {
	return primary + ":" + e.String() + ":" + id
}
