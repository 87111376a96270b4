package tiers_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

const hour = tiers.Instant(time.Hour)

// sample is an entry with something in every field, 10 s old at hour.
func sample() *tiers.Entry {
	e := tierstest.NewVariant("GET http://o.test/a", "body", "accept", tierstest.Request{"accept": "x"})
	e.Born, e.Lifetime = hour.Add(-10*time.Second), time.Minute
	e.StaleWhileRevalidate, e.StaleIfError, e.Keep = 1, 2, 3
	e.Tags = "food-17\nfruit\n"
	e.FetchTime = 150 * time.Millisecond
	e.Flags, e.AsOf = tiers.NoCache|tiers.Heuristic, tiers.Position{Gen: 4, N: 5}
	return e
}

func drawEntry(t *rapid.T) *tiers.Entry {
	text := rapid.StringN(0, 40, 200)
	duration := rapid.Map(rapid.Int64Range(0, math.MaxInt64/4), func(n int64) time.Duration { return time.Duration(n) })
	return &tiers.Entry{
		Key:                  tiers.Key(text.Draw(t, "key")),
		Status:               rapid.IntRange(0, 999).Draw(t, "status"),
		Header:               rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "header"),
		Body:                 rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "body"),
		Vary:                 text.Draw(t, "vary"),
		Variant:              text.Draw(t, "variant"),
		Tags:                 text.Draw(t, "tags"),
		Born:                 hour.Add(-duration.Draw(t, "age")),
		Lifetime:             duration.Draw(t, "lifetime"),
		StaleWhileRevalidate: duration.Draw(t, "swr"),
		StaleIfError:         duration.Draw(t, "sie"),
		Keep:                 duration.Draw(t, "keep"),
		FetchTime:            time.Duration(rapid.Uint16().Draw(t, "fetch")) * time.Millisecond,
		Flags:                tiers.Flags(rapid.Byte().Draw(t, "flags")),
		AsOf:                 tiers.Position{Gen: rapid.Uint64().Draw(t, "gen"), N: rapid.Uint64().Draw(t, "n")},
	}
}

func TestCodecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEntry(t)
		ttl := time.Duration(rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "ttl"))
		passed := time.Duration(rapid.Int64Range(0, int64(ttl)).Draw(t, "passed"))
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "prefix")
		b := tiers.AppendEntry(bytes.Clone(prefix), want, hour, ttl)
		b, ok := bytes.CutPrefix(b, prefix)
		if !ok {
			t.Fatal("what stood in dst before was changed")
		}
		// The reader's clock is another one.
		now := tiers.Instant(rapid.Int64Range(0, math.MaxInt64/4).Draw(t, "now"))
		got, err := tiers.DecodeEntry(b, now, ttl-passed)
		if err != nil {
			t.Fatal(err)
		}
		if age := want.Age(hour) + passed; got.Age(now) != age {
			t.Fatalf("age %v, want %v", got.Age(now), age)
		}
		got.Born = want.Born
		same(t, got, want)
	})
}

// same is tierstest.Same for a rapid.T.
func same(t *rapid.T, got, want *tiers.Entry) {
	g, w := *got, *want
	if !bytes.Equal(g.Header, w.Header) || !bytes.Equal(g.Body, w.Body) {
		t.Fatalf("header or body differ: %q %q, want %q %q", g.Header, g.Body, w.Header, w.Body)
	}
	if g.Key != w.Key || g.Status != w.Status || g.Vary != w.Vary || g.Variant != w.Variant || g.Born != w.Born ||
		g.Lifetime != w.Lifetime || g.StaleWhileRevalidate != w.StaleWhileRevalidate || g.StaleIfError != w.StaleIfError ||
		g.Keep != w.Keep || g.FetchTime != w.FetchTime || g.Tags != w.Tags || g.Flags != w.Flags || g.AsOf != w.AsOf {
		t.Fatalf("got  %+v\nwant %+v", g, w)
	}
}

func TestCodecAge(t *testing.T) {
	b := tiers.AppendEntry(nil, sample(), hour, time.Minute)
	for left, age := range map[time.Duration]time.Duration{
		time.Minute:      10 * time.Second, // just written
		45 * time.Second: 25 * time.Second,
		0:                70 * time.Second, // the store keeps it no longer
		-time.Second:     70 * time.Second,
		2 * time.Minute:  10 * time.Second, // longer than it was given: nothing can have passed
	} {
		now := tiers.Instant(5 * time.Minute)
		e, err := tiers.DecodeEntry(bytes.Clone(b), now, left)
		if err != nil {
			t.Fatal(err)
		}
		if e.Age(now) != age {
			t.Errorf("with %v left: age %v, want %v", left, e.Age(now), age)
		}
	}
}

func wantCodecError(t *testing.T, b []byte, what string, at int) {
	t.Helper()
	if e, err := tiers.DecodeEntry(b, hour, time.Minute); !errors.Is(err, tiers.ErrCodec) || e != nil {
		t.Errorf("%s at %d: %v, %v, want ErrCodec", what, at, e, err)
	}
}

func TestCodecDamage(t *testing.T) {
	good := tiers.AppendEntry(nil, sample(), hour, time.Minute)
	for i := range good {
		for _, flip := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(good)
			b[i] ^= flip
			wantCodecError(t, b, "a changed byte", i)
		}
		wantCodecError(t, bytes.Clone(good[:i]), "cut", i)
		wantCodecError(t, bytes.Clone(good[i+1:]), "beheaded", i)
		wantCodecError(t, append(bytes.Clone(good), good[:i+1]...), "extended", i)
	}
	wantCodecError(t, append(bytes.Clone(good), 0), "a zero more", len(good))
}

// forge makes b's checksum right again, as someone could who writes to the store.
func forge(b []byte) []byte {
	table := crc32.MakeTable(crc32.Castagnoli)
	if len(b) >= 8 {
		sum := crc32.Update(crc32.Checksum(b[:4], table), table, b[8:])
		binary.LittleEndian.PutUint32(b[4:], sum)
	}
	return b
}

// TestCodecForged: values with a right checksum and wrong contents are refused, too.
func TestCodecForged(t *testing.T) {
	good := tiers.AppendEntry(nil, sample(), hour, time.Minute)
	for name, change := range map[string]func(b []byte) []byte{
		"version 0":       func(b []byte) []byte { b[2] = 0; return b },
		"version 1":       func(b []byte) []byte { b[2] = 1; return b },
		"version 3":       func(b []byte) []byte { b[2] = 3; return b },
		"magic":           func(b []byte) []byte { b[0] = 'n'; return b },
		"short":           func(b []byte) []byte { return b[:len(b)-1] },
		"long":            func(b []byte) []byte { return append(b, 0) },
		"head only":       func(b []byte) []byte { return b[:100] },
		"huge key":        func(b []byte) []byte { binary.LittleEndian.PutUint32(b[76:], math.MaxUint32); return b },
		"huge body":       func(b []byte) []byte { binary.LittleEndian.PutUint32(b[96:], math.MaxUint32); return b },
		"negative age":    func(b []byte) []byte { b[19] = 0x80; return b },
		"negative ttl":    func(b []byte) []byte { b[27] = 0x80; return b },
		"negative life":   func(b []byte) []byte { b[35] = 0x80; return b },
		"negative keep":   func(b []byte) []byte { b[59] = 0x80; return b },
		"age overflows":   func(b []byte) []byte { binary.LittleEndian.PutUint64(b[12:], math.MaxInt64); b[26] = 0x7f; return b },
		"lengths overlap": func(b []byte) []byte { b[76]++; return b },
	} {
		if e, err := tiers.DecodeEntry(forge(change(bytes.Clone(good))), hour, time.Minute); !errors.Is(err, tiers.ErrCodec) {
			t.Errorf("%s: %+v, %v, want ErrCodec", name, e, err)
		}
	}
	if _, err := tiers.DecodeEntry(forge(bytes.Clone(good)), hour, time.Minute); err != nil {
		t.Errorf("forging what is right: %v", err)
	}
}

// TestCodecPartsDoNotGrowIntoEachOther: appending to one part must not change the next.
func TestCodecPartsDoNotGrowIntoEachOther(t *testing.T) {
	e, err := tiers.DecodeEntry(tiers.AppendEntry(nil, sample(), hour, time.Minute), hour, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_ = e.Header.Append("X", "y")
	if string(e.Body) != "body" {
		t.Errorf("body is %q after the header grew", e.Body)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	good := tiers.AppendEntry(nil, sample(), hour, time.Minute)
	f.Add(good, int64(time.Minute))
	f.Add(good[:100], int64(0))
	f.Add([]byte{}, int64(-1))
	f.Add(tiers.AppendEntry(nil, &tiers.Entry{}, 0, 0), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, b []byte, left int64) {
		for _, b := range [][]byte{bytes.Clone(b), forge(bytes.Clone(b))} {
			in := bytes.Clone(b)
			e, err := tiers.DecodeEntry(b, hour, time.Duration(left))
			if err != nil {
				if e != nil || !errors.Is(err, tiers.ErrCodec) {
					t.Fatalf("%v, %v", e, err)
				}
				continue
			}
			if e.Age(hour) < 0 || e.Lifetime < 0 || len(e.Header)+len(e.Body) > len(b) {
				t.Fatalf("age %v, lifetime %v, %d + %d bytes out of %d", e.Age(hour), e.Lifetime, len(e.Header), len(e.Body), len(b))
			}
			if !bytes.Equal(b, in) {
				t.Fatal("decoding changed the bytes")
			}
		}
	})
}

func BenchmarkAppendEntry(b *testing.B) {
	e := sample()
	e.Body = make([]byte, 1024)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = tiers.AppendEntry(buf[:0], e, hour, time.Minute)
	}
}

func BenchmarkDecodeEntry(b *testing.B) {
	e := sample()
	e.Body = make([]byte, 1024)
	buf := tiers.AppendEntry(nil, e, hour, time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tiers.DecodeEntry(buf, hour, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}
