package tiers_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/nearside-cache/nearside/tiers"
)

func TestNormalURI(t *testing.T) {
	for uri, want := range map[string]string{
		"http://o.test/a/b-c_d.e~f":           "http://o.test/a/b-c_d.e~f",
		"http://o.test/A":                     "http://o.test/A",
		"HTTP://O.Test":                       "http://o.test/",
		"http://o.test?b":                     "http://o.test/?b",
		"http://o.test:80/":                   "http://o.test/",
		"http://o.test:443/":                  "http://o.test:443/",
		"https://o.test:443/":                 "https://o.test/",
		"https://o.test:/":                    "https://o.test/",
		"http://o.test:8080/":                 "http://o.test:8080/",
		"http://u:p@o.test/":                  "http://o.test/",
		"http://o.test/%7efoo/%2f%2F":         "http://o.test/~foo/%2F%2F",
		"http://o.test/a/./b/../c":            "http://o.test/a/c",
		"http://o.test/a/..":                  "http://o.test/",
		"http://o.test/..":                    "http://o.test/",
		"http://o.test/a/%2e%2E/b":            "http://o.test/b",
		"http://o.test//a//":                  "http://o.test//a//",
		"http://o.test/.well-known":           "http://o.test/.well-known",
		"http://o.test/a?b=2&a=1":             "http://o.test/a?a=1&b=2",
		"http://o.test/a?a=1&&b=2&":           "http://o.test/a?a=1&b=2",
		"http://o.test/a?q=x+y":               "http://o.test/a?q=x%20y",
		"http://o.test/a?q=x%20y&%61=..":      "http://o.test/a?a=..&q=x%20y",
		"http://o.test/a?":                    "http://o.test/a",
		"http://o.test/a?b#c":                 "http://o.test/a?b",
		"http://o.test/a?b=%zz&c=%":           "http://o.test/a?b=%25zz&c=%25",
		"http://o.test/?http://x/../y":        "http://o.test/?http%3A%2F%2Fx%2F..%2Fy",
		"http://o.test/caf\xc3\xa9/\xe9":      "http://o.test/caf%C3%A9/%E9",
		"http://o.test/a b\"c|d\x00":          "http://o.test/a%20b%22c%7Cd%00",
		"http://o.test/%zz%":                  "http://o.test/%25zz%25",
		"http://o.test/%25zz%25":              "http://o.test/%25zz%25",
		"http://o.test/a@b:c,d;e=f&g+h":       "http://o.test/a%40b%3Ac%2Cd%3Be%3Df%26g%2Bh",
		"http://o.test/a%40b%3Ac%2cd%3be%3df": "http://o.test/a%40b%3Ac%2Cd%3Be%3Df",
		"http://o.test/a%3Fb%23c":             "http://o.test/a%3Fb%23c",
		"http://o.test/?ids=1,2&t=12:30":      "http://o.test/?ids=1%2C2&t=12%3A30",
		"http://o.test/?ids=1%2c2&t=12%3A30":  "http://o.test/?ids=1%2C2&t=12%3A30",
		"http://o.test/?p=/a?b":               "http://o.test/?p=%2Fa%3Fb",
		"http://o.test/?a=&b&=&=c":            "http://o.test/?=c&a&b",
		"http://o.test/?a=b=c&d%3De&f%26g":    "http://o.test/?a=b%3Dc&d%3De&f%26g",
		"http://o.test/?a%2Bb=%2b":            "http://o.test/?a%2Bb=%2B",
		"/a/../b?d&c":                         "/b?c&d",
		"http+unix://%2Ftmp%2FX.sock/a?b=:":   "http+unix://%2ftmp%2fx.sock/a?b=%3A",
		"unix-socket://anything/else?not=odd": "unix-socket://anything/else?not=odd",
		"":                                    "/",
	} {
		if got := tiers.NormalURI(uri); got != want {
			t.Errorf("NormalURI(%q) = %q, want %q", uri, got, want)
		}
	}
}

// TestNormalURIIsFinal: what is normal stays as it is, whichever way it became so.
func TestNormalURIIsFinal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uri := rapid.StringMatching(`https?://[a-zA-Z.]{1,5}(:[0-9]{0,4})?(/[a-cA-C.%2357eE2fF@:,;|"]{0,6}){0,4}(\?[a-c=&%+251/?,:é]{0,12})?`).Draw(t, "uri")
		once := tiers.NormalURI(uri)
		if twice := tiers.NormalURI(once); twice != once {
			t.Fatalf("%q became %q, and then %q", uri, once, twice)
		}
	})
}

// TestNormalURIEncodedOrNot: a byte is the same whether it comes percent-encoded or as it is, but for those that delimit.
func TestNormalURIEncodedOrNot(t *testing.T) {
	for c := range 256 {
		for _, where := range []struct{ in, delimit string }{
			{"http://o.test/a%sb", "/?#"}, {"http://o.test/?a%sb=c", "=&+#"}, {"http://o.test/?a=b%sc", "&+#"},
		} {
			raw := tiers.NormalURI(strings.Replace(where.in, "%s", string([]byte{byte(c)}), 1))
			encoded := tiers.NormalURI(strings.Replace(where.in, "%s", fmt.Sprintf("%%%02x", c), 1))
			if delimits := strings.IndexByte(where.delimit, byte(c)) >= 0; (raw == encoded) == delimits {
				t.Errorf("%q in %q: %q, encoded %q", byte(c), where.in, raw, encoded)
			}
		}
	}
}

func TestNormalPath(t *testing.T) {
	for path, want := range map[string]string{
		"":                   "/",
		"/a/b*c/**":          "/a/b*c/**",
		"/%61/./%2e%2E/b%2f": "/b%2F",
		"/a:b,c@d%3ae":       "/a:b,c@d%3Ae",
		"/caf\xc3\xa9|":      "/caf%C3%A9%7C",
		"/100%":              "/100%25",
		"/v1/foods/17,18":    "/v1/foods/17,18",
	} {
		if got := tiers.NormalPath(path); got != want {
			t.Errorf("NormalPath(%q) = %q, want %q", path, got, want)
		}
		if got := tiers.IsNormalPath([]byte(path)); got && want != path {
			t.Errorf("IsNormalPath(%q), which is not %q", path, want)
		}
	}
}

func BenchmarkNormalURI(b *testing.B) {
	for name, uri := range map[string]string{
		"plain": "http://data-api/v1/foods/17", "query": "http://data-api:8000/v1/foods?lang=en&category=fruit", "odd": "http://data-api:8000/v1/caf%C3%A9:1?ids=1,2,3",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tiers.NormalURI(uri)
			}
		})
	}
}
