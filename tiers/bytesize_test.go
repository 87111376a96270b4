package tiers_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/nearside-cache/nearside/tiers"
)

func TestByteSizeReads(t *testing.T) {
	for text, want := range map[string]tiers.ByteSize{
		"0": 0, "1000": 1000, "1b": 1, "64MiB": 64 << 20, " 64 mib ": 64 << 20, "8MB": 8e6, "512KiB": 512 << 10,
		"512kb": 512e3, "3GiB": 3 << 30, "3GB": 3e9, "2TiB": 2 << 40, "2TB": 2e12, "9223372036854775807": 1<<63 - 1,
	} {
		var s tiers.ByteSize
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q = %d, %v; want %d", text, s, err, want)
		}
	}
}

func TestByteSizeRefuses(t *testing.T) {
	for _, text := range []string{
		"", "MiB", "-1", "-1MiB", "1.5GiB", "1 0", "64Mi", "64M", "0x10", "ten", "9223372036854775808", "9007199254740992KiB", "10000000TB",
	} {
		s := tiers.ByteSize(7)
		if err := s.UnmarshalText([]byte(text)); err == nil || s != 7 {
			t.Errorf("%q = %d, %v; want an error and no change", text, s, err)
		}
	}
}

func TestByteSizeWrites(t *testing.T) {
	for s, want := range map[tiers.ByteSize]string{
		0: "0", 1: "1", 1023: "1023", 1024: "1KiB", 64 << 20: "64MiB", 65 << 10: "65KiB", 1 << 30: "1GiB", 5 << 40: "5TiB", 1e6: "1000000",
	} {
		if got := s.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(s), got, want)
		}
	}
}

func TestByteSizeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := tiers.ByteSize(rapid.Int64Min(0).Draw(t, "n") >> rapid.IntRange(0, 62).Draw(t, "shift"))
		want <<= rapid.SampledFrom([]int{0, 10, 20}).Draw(t, "unit")
		if want < 0 {
			want = 0
		}
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got tiers.ByteSize
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Fatalf("%d → %q → %d, %v", want, text, got, err)
		}
	})
}
