package redis

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/tierstest"
)

const secret = "a secret of some length"

func sealerOf(t testing.TB, cfg Config) *sealer {
	t.Helper()
	s, err := newSealer(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// sealers are one of each kind.
func sealers(t testing.TB) map[string]*sealer {
	return map[string]*sealer{
		"plain":                 sealerOf(t, Config{}),
		"compressed":            sealerOf(t, Config{Compression: "fast"}),
		"signed":                sealerOf(t, Config{Secret: secret}),
		"signed and compressed": sealerOf(t, Config{Secret: secret, Compression: "default"}),
	}
}

func sample(body string) *tiers.Entry {
	e := tierstest.NewVariant("GET http://origin.test/a", body, "accept", tierstest.Request{"accept": "x"})
	e.AsOf = tiers.Position{Gen: 1, N: 2}
	return e
}

func TestSealRoundTrip(t *testing.T) {
	for name, s := range sealers(t) {
		for _, body := range []string{"", "x", strings.Repeat("compressible ", 1000), string(random(5000))} {
			want := sample(body)
			now := tiers.Now()
			value := s.seal(want, now, time.Minute)
			if !bytes.Contains(value, []byte(want.Key)) {
				t.Errorf("%s: the key cannot be read", name)
			}
			got, ok := s.open(bytes.Clone(value), now, 50*time.Second)
			if !ok {
				t.Fatalf("%s: %d bytes cannot be opened", name, len(body))
			}
			if age := got.Age(now) - want.Age(now); age != 10*time.Second {
				t.Errorf("%s: grew older by %v, want 10s", name, age)
			}
			got.Born = want.Born
			tierstest.Same(t, got, want)
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// TestSealDamage: nothing that was changed, shortened or lengthened can be opened.
func TestSealDamage(t *testing.T) {
	for name, s := range sealers(t) {
		good := s.seal(sample(strings.Repeat("compressible ", 100)), tiers.Now(), time.Minute)
		refuse := func(what string, at int, b []byte) {
			if _, ok := s.open(b, tiers.Now(), time.Minute); ok {
				t.Errorf("%s: opened with %s at %d", name, what, at)
			}
		}
		for i := range good {
			for _, flip := range []byte{1, 0x80, 0xff} {
				b := bytes.Clone(good)
				b[i] ^= flip
				refuse("a changed byte", i, b)
			}
			refuse("an end", i, bytes.Clone(good[:i]))
			refuse("a beginning", i, bytes.Clone(good[i+1:]))
		}
		refuse("a byte more", len(good), append(bytes.Clone(good), 0))
	}
}

// TestSealForeign: what is not signed with the secret cannot be opened with it, and the other way round.
func TestSealForeign(t *testing.T) {
	all := sealers(t)
	all["signed by another"] = sealerOf(t, Config{Secret: "another secret of some length"})
	readable := func(writer, reader string) bool {
		return writer == reader || strings.HasPrefix(writer, "signed") == strings.HasPrefix(reader, "signed") &&
			!strings.HasSuffix(writer, "another") && !strings.HasSuffix(reader, "another")
	}
	for writer, from := range all {
		for reader, to := range all {
			value := from.seal(sample(strings.Repeat("x", 1000)), tiers.Now(), time.Minute)
			if _, ok := to.open(value, tiers.Now(), time.Minute); ok != readable(writer, reader) {
				t.Errorf("written %s, read %s: %v", writer, reader, ok)
			}
		}
	}
}

// TestSealCompresses what gains by it, and nothing else.
func TestSealCompresses(t *testing.T) {
	s, plain := sealerOf(t, Config{Compression: "default"}), sealerOf(t, Config{})
	text := strings.Repeat("compressible ", 1000)
	for _, c := range []struct {
		header, body string
		want         bool
	}{
		{"", text, true},
		{"Content-Type: application/json\r\n", text, true},
		{"Content-Type: image/svg+xml; charset=utf-8\r\n", text, true},
		{"Content-Encoding: identity\r\n", text, true},
		{"Content-Encoding: gzip\r\n", text, false},
		{"content-encoding: BR\r\n", text, false},
		{"Content-Type: image/png\r\n", text, false},
		{"Content-Type: Application/Zip\r\n", text, false},
		{"", text[:100], false},
		{"", string(random(5000)), false},
	} {
		e := sample(c.body)
		e.Header = tiers.Header(c.header)
		if smaller := len(s.seal(e, 0, time.Minute)) < len(plain.seal(e, 0, time.Minute)); smaller != c.want {
			t.Errorf("%q with %d bytes: compressed %v, want %v", c.header, len(c.body), smaller, c.want)
		}
	}
}

// envelope makes a value by hand, with a right checksum.
func envelope(body []byte, inflated uint32) []byte {
	e := sample("")
	e.Body = body
	b := append([]byte(sealMagic), sealVersion, flagCompressed, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, inflated)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	head := len(b)
	b = tiers.AppendEntry(b, e, 0, time.Minute)
	b[head] ^= sealInside
	return b
}

// TestSealBomb: a body that grows beyond all bounds, or beyond what was announced, takes no memory.
func TestSealBomb(t *testing.T) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	var packed bytes.Buffer
	enc.Reset(&packed)
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := enc.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	s := sealerOf(t, Config{})
	if _, ok := s.open(envelope(zstdOf(t, zeros), 1<<20), 0, 0); !ok {
		t.Fatal("a sound one cannot be opened")
	}
	bombs := map[string][]byte{
		"a gigabyte":                   envelope(packed.Bytes(), 1<<30),
		"4 GB":                         envelope(packed.Bytes(), 1<<32-1),
		"a gigabyte, said to be less":  envelope(packed.Bytes(), 1<<20),
		"a megabyte, said to be less":  envelope(zstdOf(t, zeros), 1<<19),
		"a megabyte, said to be more":  envelope(zstdOf(t, zeros), 1<<21),
		"nothing, said to be a little": envelope(nil, 10),
		"no zstd":                      envelope(zeros, 1<<20),
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, value := range bombs {
		if _, ok := s.open(value, 0, 0); ok {
			t.Errorf("%s: opened", name)
		}
	}
	runtime.ReadMemStats(&after)
	if took := int64(after.TotalAlloc - before.TotalAlloc); took > 16<<20 {
		t.Errorf("took %d MB", took>>20)
	}
}

func zstdOf(t *testing.T, b []byte) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	return enc.EncodeAll(b, nil)
}

func FuzzOpen(f *testing.F) {
	plain, signed := sealerOf(f, Config{Compression: "fast"}), sealerOf(f, Config{Secret: secret})
	f.Add(plain.seal(sample("x"), 0, time.Minute))
	f.Add(plain.seal(sample(strings.Repeat("x", 1000)), 0, time.Minute))
	f.Add(signed.seal(sample("x"), 0, time.Minute))
	f.Fuzz(func(t *testing.T, value []byte) {
		if e, ok := plain.open(bytes.Clone(value), 0, time.Minute); ok && (e == nil || len(e.Body) > plain.maxBody && len(e.Body) > len(value)) {
			t.Errorf("%d bytes of body", len(e.Body))
		}
		// Nobody can sign without the secret; the seed is the one value that was.
		if e, ok := signed.open(bytes.Clone(value), 0, time.Minute); ok && string(e.Body) != "x" {
			t.Errorf("a signature was forged")
		}
		// With a right checksum more of the code is reached.
		if len(value) > sealHead+crc32.Size && string(value[:3]) == sealMagic {
			b := bytes.Clone(value)
			b[4] &^= flagSigned
			binary.LittleEndian.PutUint32(b[sealHead:], crc32.Checksum(b[:sealHead], castagnoli))
			if e, ok := plain.open(b, 0, time.Minute); ok && len(e.Body) > plain.maxBody && len(e.Body) > len(value) {
				t.Errorf("%d bytes of body", len(e.Body))
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	body := strings.Repeat(`{"id":12345,"name":"a name","value":0.12345},`, 23)
	for name, s := range sealers(b) {
		e := sample(body)
		value := s.seal(e, 0, time.Minute)
		b.Run(name+"/write", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.seal(e, 0, time.Minute)
			}
		})
		b.Run(name+"/read", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := s.open(bytes.Clone(value), 0, time.Minute); !ok {
					b.Fatal("cannot be opened")
				}
			}
		})
	}
}
