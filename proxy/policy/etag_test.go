package policy

import (
	"bytes"
	"strings"
	"testing"
)

func TestETagMatch(t *testing.T) {
	for _, row := range []struct {
		section, list, tag string
		want               bool
	}{
		{"9110 §13.1.2 one", `"a"`, `"a"`, true},
		{"9110 §13.1.2 another", `"a"`, `"b"`, false},
		{"9110 §13.1.2 list", `"x", "a" ,"y"`, `"a"`, true},
		{"9110 §13.1.2 list", `"x","y"`, `"a"`, false},
		{"9110 §5.6.1.2 empty members", `, ,"a",`, `"a"`, true},
		{"9110 §13.1.2 *", `*`, `"a"`, true},
		{"9110 §13.1.2 * without a tag", ` * `, ``, true},
		{"9110 §13.1.2 * in a list", `"x", *`, `"a"`, false},
		{"9110 §13.1.2 no tag", `"a"`, ``, false},
		{"9110 §13.1.2 no list", ``, ``, false},
		{"9110 §8.8.3 a comma in a tag", `"a,b"`, `"a,b"`, true},
		{"9110 §8.8.3 a comma in a tag", `"a,b"`, `"b"`, false},
		{"9110 §8.8.3 a comma in a tag", `"x", "a,b"`, `"a,b"`, true},
		{"9110 §8.8.3 empty tag", `""`, `""`, true},
		{"9110 §8.8.3 case", `"A"`, `"a"`, false},
		{"9110 §8.8.3 no escapes", `"a\"`, `"a\"`, true},
		{"9110 §8.8.3.2 weak", `W/"a"`, `"a"`, true},
		{"9110 §8.8.3.2 weak", `"a"`, `W/"a"`, true},
		{"9110 §8.8.3.2 weak", `W/"a"`, `W/"a"`, true},
		{"9110 §8.8.3.2 weak", `W/"a"`, `W/"b"`, false},
		{"9110 §8.8.3 W/ has a case", `w/"a"`, `"a"`, false},
		{"9110 §8.8.3 without quotes", `a, b`, `b`, true},
		{"9110 §8.8.3 without quotes", `a`, `"a"`, false},
		{"9110 §8.8.3 never closed", `"a, "b"`, `"b"`, false},
	} {
		if got := etagMatch([]byte(row.list), []byte(row.tag)); got != row.want {
			t.Errorf("%s: %q matches %q: %v, want %v", row.section, row.list, row.tag, got, row.want)
		}
	}
}

func TestStrongMatch(t *testing.T) {
	for _, row := range []struct {
		section, a, b string
		want          bool
	}{
		{"9110 §8.8.3.2", `"1"`, `"1"`, true},
		{"9110 §8.8.3.2", `"1"`, `"2"`, false},
		{"9110 §8.8.3.2", `W/"1"`, `W/"1"`, false},
		{"9110 §8.8.3.2", `W/"1"`, `"1"`, false},
		{"9110 §8.8.3.2", `"1"`, `W/"1"`, false},
		{"9110 §8.8.3 no tag", `1`, `1`, false},
		{"9110 §8.8.3 no tag", ``, ``, false},
		{"9110 §8.8.3 no tag", `"`, `"`, false},
		{"9110 §8.8.3 no tag", `"a"b"`, `"a"b"`, false},
	} {
		if got := strongMatch([]byte(row.a), []byte(row.b)); got != row.want {
			t.Errorf("%s: %s and %s: %v, want %v", row.section, row.a, row.b, got, row.want)
		}
	}
}

func FuzzETag(f *testing.F) {
	for _, v := range []string{`"a"`, `W/"a,b"`, `*`, `a`, `"`, `W/`} {
		f.Add([]byte(v), []byte(`"x", W/"y"`))
	}
	f.Fuzz(func(t *testing.T, tag, list []byte) {
		if strongMatch(tag, tag) != isStrong(tag) || isStrong(tag) && !weakMatch(tag, tag) {
			t.Fatalf("%q: strong %v", tag, isStrong(tag))
		}
		// Members come out one by one, each a piece of the list, and the list ends.
		for rest, left := list, len(list)+1; len(rest) > 0; {
			var member []byte
			if member, rest = nextETag(rest); !bytes.Contains(list, member) || len(rest) >= left {
				t.Fatalf("%q: member %q, rest %q", list, member, rest)
			}
			left = len(rest)
		}
		if !isStrong(tag) || strings.ContainsAny(string(list), `"*`) {
			return
		}
		for _, with := range []string{"%,T", "T,%", "W/T", ",,T , %"} {
			value := strings.ReplaceAll(strings.ReplaceAll(with, "T", "\x00"), "%", string(list))
			value = strings.ReplaceAll(value, "\x00", string(tag))
			if !bytes.ContainsRune(list, 0) && !etagMatch([]byte(value), tag) {
				t.Fatalf("%q does not hold %q", value, tag)
			}
		}
		if etagMatch(list, tag) {
			t.Fatalf("%q holds %q", list, tag)
		}
	})
}
