package redis

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/nearside-cache/nearside/tiers"
)

// A value is a stored response as [tiers.AppendEntry] writes it, or with a secret or compression in an
// envelope. All integers are little-endian.
//
//	 0  "NSX", version, flags, 0, 0, 0                        8 bytes
//	 8  length of the body as it was                          4
//	12  HMAC-SHA256 of all other bytes, or CRC-32C of the 12  32 or 4
//	    the response, with its body perhaps compressed, and the first byte changed
//
// Without its envelope the response is none, so that a compressed body is never taken for the body.
// The response's own fields are not compressed, so that redis-cli shows whose it is.
const (
	sealMagic   = "NSX"
	sealVersion = 1
	sealHead    = 12
	sealInside  = 0x20 // what the first byte within is changed by

	flagSigned     = 1 << 0
	flagCompressed = 1 << 1
)

// sealer writes values and reads them. It may be used by many goroutines.
type sealer struct {
	maxBody int        // of a body that is inflated
	macs    *sync.Pool // of hash.Hash with the secret; nil without one
	enc     *zstd.Encoder
	dec     *zstd.Decoder
}

func newSealer(cfg *Config) (*sealer, error) {
	s := &sealer{maxBody: int(cfg.maxBody())}
	if secret := []byte(cfg.Secret); len(secret) > 0 {
		s.macs = &sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}
	}
	var err error
	if level := cfg.zstdLevel(); level != 0 {
		s.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(false),
			zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, err
		}
	}
	// What others compressed is read whether or not this sidecar compresses.
	s.dec, err = zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(uint64(s.maxBody)+1<<20), zstd.WithDecoderConcurrency(0))
	return s, err
}

func (s *sealer) close() {
	s.dec.Close()
	if s.enc != nil {
		_ = s.enc.Close() //nolint:errcheck // it writes nowhere
	}
}

// seal returns the value of e as it is at now, for a key that lives for ttl.
func (s *sealer) seal(e *tiers.Entry, now tiers.Instant, ttl time.Duration) []byte {
	var flags byte
	inflated := len(e.Body)
	if body, ok := s.compress(e); ok {
		smaller := *e
		smaller.Body = body
		e, flags = &smaller, flags|flagCompressed
	}
	sum := 0
	if s.macs != nil {
		flags, sum = flags|flagSigned, sha256.Size
	} else if flags != 0 {
		sum = crc32.Size
	}
	b := make([]byte, 0, sealHead+sum+valueOverhead+fields(e)+len(e.Body))
	if flags == 0 {
		return tiers.AppendEntry(b, e, now, ttl)
	}
	b = append(b, sealMagic...)
	b = append(b, sealVersion, flags, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(inflated))
	b = tiers.AppendEntry(b[:sealHead+sum], e, now, ttl)
	b[sealHead+sum] ^= sealInside
	s.sum(b[sealHead:sealHead], b[:sealHead], b[sealHead+sum:])
	return b
}

// valueOverhead is more than what a value needs beyond the bytes of its response.
const valueOverhead = 128

// sum appends the checksum of an envelope to dst.
func (s *sealer) sum(dst, head, response []byte) []byte {
	if head[4]&flagSigned == 0 {
		return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(head, castagnoli))
	}
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	mac.Write(head)
	mac.Write(response)
	return mac.Sum(dst)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// open reads a value of a key that has left to live. The response refers to value, and nothing else does.
// It is false for whatever seal did not write: with a secret, for all that was not signed with it.
func (s *sealer) open(value []byte, now tiers.Instant, left time.Duration) (*tiers.Entry, bool) {
	if len(value) < sealHead+crc32.Size || string(value[:3]) != sealMagic {
		if s.macs != nil {
			return nil, false
		}
		e, err := tiers.DecodeEntry(value, now, left)
		return e, err == nil
	}
	head, rest := value[:sealHead], value[sealHead:]
	flags, sum := head[4], crc32.Size
	if flags&flagSigned != 0 {
		sum = sha256.Size
	}
	if head[3] != sealVersion || (flags&flagSigned != 0) != (s.macs != nil) || len(rest) <= sum {
		return nil, false
	}
	var want [sha256.Size]byte
	if !hmac.Equal(s.sum(want[:0], head, rest[sum:]), rest[:sum]) {
		return nil, false
	}
	rest[sum] ^= sealInside
	e, err := tiers.DecodeEntry(rest[sum:], now, left)
	if err != nil {
		return nil, false
	}
	if flags&flagCompressed != 0 {
		return e, s.inflate(e, binary.LittleEndian.Uint32(head[8:]))
	}
	return e, true
}

// inflate replaces e's body by what it was, which must have exactly n bytes.
func (s *sealer) inflate(e *tiers.Entry, n uint32) bool {
	if uint64(n) > uint64(s.maxBody) {
		return false
	}
	body, err := s.dec.DecodeAll(e.Body, make([]byte, 0, n))
	if err != nil || len(body) != int(n) {
		return false
	}
	e.Body = body
	return true
}

// Bodies are compressed from this size, and when they lose at least an eighth of it.
const worthCompressing = 512

// compress returns a smaller body for e, if there is one.
func (s *sealer) compress(e *tiers.Entry) ([]byte, bool) {
	if s.enc == nil || len(e.Body) < worthCompressing || len(e.Body) > s.maxBody || encoded(e.Header) {
		return nil, false
	}
	body := s.enc.EncodeAll(e.Body, make([]byte, 0, len(e.Body)/2))
	return body, len(body) <= len(e.Body)-len(e.Body)/8
}

// encoded tells whether content is compressed already: by a content coding (RFC 9110 §8.4), or because its
// media type is.
func encoded(h tiers.Header) bool {
	if coding, ok := h.Get("Content-Encoding"); ok && !tiers.EqualFold(coding, "identity") {
		return true
	}
	media, _ := h.Get("Content-Type")
	for _, prefix := range []string{"image/", "video/", "audio/", "font/woff", "application/zip", "application/gzip", "application/x-gzip", "application/zstd"} {
		if len(media) >= len(prefix) && tiers.EqualFold(media[:len(prefix)], prefix) {
			return !tiers.EqualFold(media[:min(len(media), len("image/svg+xml"))], "image/svg+xml")
		}
	}
	return false
}
