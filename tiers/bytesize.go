package tiers

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes that is written with a unit: 64MiB, 8MB, 512KiB, 1000.
type ByteSize int64

var units = []struct {
	suffix string
	factor int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"b", 1}, {"", 1},
}

// UnmarshalText reads a size. A bare number is bytes; KiB, MiB, GiB and TiB are powers of 1024, KB, MB, GB
// and TB powers of 1000.
func (s *ByteSize) UnmarshalText(text []byte) error {
	in := strings.ToLower(strings.TrimSpace(string(text)))
	for _, u := range units {
		digits, ok := strings.CutSuffix(in, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.factor {
			break
		}
		*s = ByteSize(n * u.factor)
		return nil
	}
	return fmt.Errorf("not a size in bytes; want e.g. 64MiB, 512KiB or 1000000")
}

// MarshalText writes the size as [ByteSize.String] does.
func (s ByteSize) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes the size with the largest binary unit that divides it.
func (s ByteSize) String() string {
	for i := 3; i >= 0; i-- {
		if f := units[i].factor; s != 0 && int64(s)%f == 0 {
			return strconv.FormatInt(int64(s)/f, 10) + [...]string{"KiB", "MiB", "GiB", "TiB"}[i]
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
