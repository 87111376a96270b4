package redis

import (
	"bytes"
	"strings"
	"testing"
)

func followed(f *framing, pieces ...[]byte) error {
	for _, b := range pieces {
		if err := f.follow(b); err != nil {
			return err
		}
	}
	return nil
}

// between tells whether f is at the end of a reply.
func (f *framing) between() bool { return f.kind == 0 && f.skip == 0 && len(f.missing) == 0 }

func TestFraming(t *testing.T) {
	for name, c := range map[string]struct {
		replies string
		ok      bool
	}{
		"all kinds":            {"+OK\r\n-ERR no\r\n:-7\r\n$3\r\n\r\n*\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n", true},
		"arrays":               {"*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n*1\r\n*1\r\n$-1\r\n:1\r\n", true},
		"the largest value":    {"$1000\r\n" + strings.Repeat("x", 1000) + "\r\n", true},
		"a larger one":         {"$1001\r\n", false},
		"a huge one":           {"$100000000000\r\n", false},
		"more than a number":   {"$18446744073709551617\r\n", false},
		"a huge array":         {"*2000000000\r\n", false},
		"a huger one":          {"*9000000000000000\r\n", false},
		"large arrays in one":  {"*1000\r\n" + strings.Repeat("*1000\r\n"+strings.Repeat("*-1\r\n", 1000), 999) + "*70000\r\n", false},
		"arrays one by one":    {strings.Repeat("*1\r\n*2\r\n:1\r\n:2\r\n", 100), true},
		"32 arrays in another": {strings.Repeat("*1\r\n", 32) + "+\r\n", true},
		"33 arrays in another": {strings.Repeat("*1\r\n", 33), false},
		"a long line":          {"-ERR " + strings.Repeat("x", 60_000) + "\r\n", true},
		"a longer one":         {"-ERR " + strings.Repeat("x", 70_000), false},
		"RESP 3":               {"%1\r\n+a\r\n_\r\n~1\r\n#t\r\n>2\r\n=5\r\ntxt:x\r\n(12\r\n,1.5\r\n!1\r\nx\r\n", true},
		"a huge map":           {"%2000000000\r\n", false},
		"a huge error":         {"!2000000000\r\n", false},
		"an attribute":         {"|1\r\n", false},
		"HTTP":                 {"HTTP/1.1 400 Bad Request\r\n", false},
		"no length":            {"$\r\n", false},
		"minus":                {"$-\r\n", false},
		"minus two":            {"*-2\r\n", false},
		"a minus within":       {"$1-1\r\n", false},
		"a bare LF":            {"$1\nx\r\n", false},
		"a bare CR":            {"+a\rb\r\n", false},
		"a line in a line":     {"+a\nb\r\n", false},
	} {
		f := &framing{maxValue: 1000}
		if err := f.follow([]byte(c.replies)); (err == nil) != c.ok || c.ok && !f.between() {
			t.Errorf("%s: %v, between replies: %v", name, err, f.between())
		}
	}
}

// FuzzFraming: in whatever pieces the replies come, the same is made of them; and what is let pass announces no more than it may.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nfoo\r\n:1\r\n+OK\r\n$-1\r\n"), uint8(3))
	f.Add([]byte("$1001\r\n"), uint8(1))
	f.Add([]byte("*1\r\n*1\r\n*0\r\n-ERR\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		whole := &framing{maxValue: 1000}
		err := whole.follow(b)
		pieces := &framing{maxValue: 1000}
		n := max(1, int(size))
		var cut [][]byte
		for rest := b; len(rest) > 0; rest = rest[min(n, len(rest)):] {
			cut = append(cut, rest[:min(n, len(rest))])
		}
		if again := followed(pieces, cut...); again != err {
			t.Fatalf("%v whole, %v in pieces of %d", err, again, n)
		}
		if err != nil {
			return
		}
		if whole.kind != pieces.kind || whole.skip != pieces.skip || len(whole.missing) != len(pieces.missing) {
			t.Fatalf("whole %+v, in pieces %+v", whole, pieces)
		}
		if _, ok := parse(t, b, 0); !ok && whole.between() {
			t.Fatalf("%q: between replies, but they are not whole", b)
		}
	})
}

// parse takes whole replies off b by another way, and tells whether nothing is left.
func parse(t *testing.T, b []byte, depth int) (rest []byte, ok bool) {
	for len(b) > 0 {
		if b, ok = one(t, b, depth); !ok {
			return nil, false
		}
	}
	return nil, true
}

func one(t *testing.T, b []byte, depth int) (rest []byte, ok bool) {
	line, rest, found := bytes.Cut(b, []byte("\r\n"))
	if !found {
		return nil, false
	}
	n := 0
	for _, c := range bytes.TrimPrefix(line[1:], []byte("-")) {
		n = n*10 + int(c-'0')
	}
	switch kind := line[0]; {
	case !hasLength(kind) || line[1] == '-':
		return rest, true
	case kind == '%':
		n *= 2
	case kind == '$' || kind == '=' || kind == '!':
		if n > 1000 {
			t.Fatalf("a value of %d bytes", n)
		}
		if len(rest) < n+2 {
			return nil, false
		}
		return rest[n+2:], true
	}
	if n > maxElements || depth > maxNested {
		t.Fatalf("%d elements, %d deep", n, depth)
	}
	for range n {
		if len(rest) == 0 {
			return nil, false
		}
		if rest, ok = one(t, rest, depth+1); !ok {
			return nil, false
		}
	}
	return rest, true
}

func BenchmarkFraming(b *testing.B) {
	replies := []byte(":59999\r\n$1290\r\n" + strings.Repeat("x", 1290) + "\r\n")
	f := &framing{maxValue: 1 << 20}
	b.ReportAllocs()
	for b.Loop() {
		if f.follow(replies) != nil {
			b.Fatal()
		}
	}
}
