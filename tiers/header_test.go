package tiers_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nearside-cache/nearside/tiers"
)

// lines writes h as "name=value|name=value".
func lines(h tiers.Header) string {
	var out []string
	for n, v, rest := h.Next(); n != nil; n, v, rest = rest.Next() {
		out = append(out, string(n)+"="+string(v))
	}
	return strings.Join(out, "|")
}

func TestHeaderNext(t *testing.T) {
	for block, want := range map[string]string{
		"":                                  "",
		"A: b\r\n":                          "A=b",
		"A: b\r\na: c\r\nA: b\r\n":          "A=b|a=c|A=b",
		"A:b":                               "A=b",
		"A:\r\nB: \t x y \t\r\n":            "A=|B=x y",
		"A: b\nC: d\n":                      "A=b|C=d",
		"no colon\r\n: no name\r\nX: 1\r\n": "X=1",
		"A: b:c\r\n\r\n":                    "A=b:c",
	} {
		if got := lines(tiers.Header(block)); got != want {
			t.Errorf("%q reads as %q, want %q", block, got, want)
		}
	}
}

func TestHeaderGet(t *testing.T) {
	h := tiers.Header("ETag: \"1\"\r\nVary: a\r\nvary: b\r\nEmpty:\r\n")
	for name, want := range map[string]string{"etag": `"1"`, "ETAG": `"1"`, "Vary": "a", "VARY": "a", "empty": ""} {
		if v, ok := h.Get(name); !ok || string(v) != want {
			t.Errorf("Get(%q) = %q, %v, want %q", name, v, ok, want)
		}
	}
	for _, name := range []string{"", "Var", "Varyy", "Date"} {
		if h.Has(name) {
			t.Errorf("Has(%q)", name)
		}
	}
}

func TestHeaderAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[!#$%&'*+.^_|~0-9A-Za-z-]{1,12}`)
		value := rapid.StringMatching(`([!-~\x80-\xff]([ -~\x80-\xff]{0,20}[!-~\x80-\xff])?)?`)
		var h, same tiers.Header
		var want []string
		for range rapid.IntRange(0, 8).Draw(t, "lines") {
			n, v := name.Draw(t, "name"), value.Draw(t, "value")
			h, same = h.Append(n, v), same.AppendLine([]byte(n), []byte(v))
			want = append(want, n+"="+v)
		}
		if got := lines(h); got != strings.Join(want, "|") {
			t.Fatalf("%q reads as %q", h, got)
		}
		if string(h) != string(same) {
			t.Fatalf("Append %q, AppendLine %q", h, same)
		}
	})
}

func TestEqualFold(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"max-age", "MAX-AGE", true}, {"a", "b", false}, {"a", "ab", false},
		{"[", "{", false}, {"@", "`", false}, {"é", "É", false}, {"k", "\u212a", false},
	} {
		if got := tiers.EqualFold([]byte(c.a), c.b); got != c.want {
			t.Errorf("EqualFold(%q, %q) = %v", c.a, c.b, got)
		}
	}
}

func TestTrimSpace(t *testing.T) {
	for in, want := range map[string]string{"": "", " \t\r": "", " a b\t": "a b", "a\r": "a", "\va": "\va"} {
		if got := string(tiers.TrimSpace([]byte(in))); got != want {
			t.Errorf("TrimSpace(%q) = %q, want %q", in, got, want)
		}
	}
}
