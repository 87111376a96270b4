package tiers

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"time"
	"unsafe"
)

// The format of an Entry outside the process, version 2. All integers are little-endian.
//
//	 0  "NS", version, flags                                   4 bytes
//	 4  CRC-32C of all that follows and of the first 4 bytes   4
//	 8  status, fetch time in ms, at most 65535                2 + 2
//	12  age when written, ns                                   8
//	20  TTL that it was written with, ns                       8
//	28  lifetime, stale-while-revalidate, stale-if-error, keep 4 × 8, ns
//	60  AsOf: generation, counter                              2 × 8
//	76  lengths of key, Vary, variant, tags, header, body      6 × 4
//	100   key, Vary, variant, tags, header, body
//
// The entry's age is not a time but a duration: what passed since it was written is told by the store
// that kept it (the TTL that it was given less the TTL that is left), so that no two wall clocks are compared.
const (
	codecVersion = 2
	codecHead    = 100

	longest = 1 << 61 // of a duration, in ns, so that sums of two or three do not overflow; 73 years
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrCodec says that bytes are no Entry of this version: too short or long, another version, or damaged.
// To a reader it is a miss that is counted.
var ErrCodec = errors.New("tiers: not a stored response of this version")

// AppendEntry appends e as it is at now, for a store that will keep it for ttl, and returns the longer slice.
func AppendEntry(dst []byte, e *Entry, now Instant, ttl time.Duration) []byte {
	start := len(dst)
	le := binary.LittleEndian
	dst = append(dst, 'N', 'S', codecVersion, byte(e.Flags), 0, 0, 0, 0)
	dst = le.AppendUint16(dst, uint16(e.Status))
	dst = le.AppendUint16(dst, uint16(min(max(0, e.FetchTime), math.MaxUint16*time.Millisecond)/time.Millisecond))
	for _, d := range [...]time.Duration{e.Age(now), ttl, e.Lifetime, e.StaleWhileRevalidate, e.StaleIfError, e.Keep} {
		dst = le.AppendUint64(dst, uint64(d))
	}
	dst = le.AppendUint64(dst, e.AsOf.Gen)
	dst = le.AppendUint64(dst, e.AsOf.N)
	for _, n := range [...]int{len(e.Key), len(e.Vary), len(e.Variant), len(e.Tags), len(e.Header), len(e.Body)} {
		dst = le.AppendUint32(dst, uint32(n))
	}
	dst = append(dst, e.Key...)
	dst = append(dst, e.Vary...)
	dst = append(dst, e.Variant...)
	dst = append(dst, e.Tags...)
	dst = append(dst, e.Header...)
	dst = append(dst, e.Body...)
	le.PutUint32(dst[start+4:], checksum(dst[start:]))
	return dst
}

// DecodeEntry reads an Entry that its store keeps for another left. The entry refers to b: the caller
// gives b away. It returns [ErrCodec] for anything that AppendEntry did not write, and never panics.
func DecodeEntry(b []byte, now Instant, left time.Duration) (*Entry, error) {
	le := binary.LittleEndian
	if len(b) < codecHead || b[0] != 'N' || b[1] != 'S' || b[2] != codecVersion || le.Uint32(b[4:]) != checksum(b) {
		return nil, ErrCodec
	}
	duration := func(at int) time.Duration { return time.Duration(le.Uint64(b[at:])) }
	age, ttl := duration(12), duration(20)
	e := &Entry{
		Status:               int(le.Uint16(b[8:])),
		FetchTime:            time.Duration(le.Uint16(b[10:])) * time.Millisecond,
		Lifetime:             duration(28),
		StaleWhileRevalidate: duration(36),
		StaleIfError:         duration(44),
		Keep:                 duration(52),
		Flags:                Flags(b[3]),
		AsOf:                 Position{Gen: le.Uint64(b[60:]), N: le.Uint64(b[68:])},
		Proof:                new(Proof),
	}
	times := [...]time.Duration{age, ttl, e.Lifetime, e.StaleWhileRevalidate, e.StaleIfError, e.Keep}
	if slices.Min(times[:]) < 0 || slices.Max(times[:]) > longest {
		return nil, ErrCodec
	}
	rest := b[codecHead:]
	var parts [6][]byte
	for i := range parts {
		n := le.Uint32(b[76+4*i:])
		if uint64(n) > uint64(len(rest)) {
			return nil, ErrCodec
		}
		parts[i], rest = rest[:n:n], rest[n:]
	}
	if len(rest) != 0 {
		return nil, ErrCodec
	}
	e.Key, e.Vary, e.Variant, e.Tags = Key(text(parts[0])), text(parts[1]), text(parts[2]), text(parts[3])
	e.Header, e.Body = parts[4], parts[5]
	passed := max(0, ttl-max(0, left))
	e.Born = now.Add(-(age + passed))
	return e, nil
}

// text is b as a string, without a copy: nobody writes to b any more.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// checksum covers all of b but the checksum's own four bytes.
func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:4], castagnoli), castagnoli, b[8:])
}
