package tiers_test

import (
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
		"http://o.test/?http://x/../y":        "http://o.test/?http://x/../y",
		"/a/../b?d&c":                         "/b?c&d",
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
		uri := rapid.StringMatching(`https?://[a-zA-Z.]{1,5}(:[0-9]{0,4})?(/[a-cA-C.%2357eE2fF]{0,6}){0,4}(\?[a-c=&%+251]{0,12})?`).Draw(t, "uri")
		once := tiers.NormalURI(uri)
		if twice := tiers.NormalURI(once); twice != once {
			t.Fatalf("%q became %q, and then %q", uri, once, twice)
		}
	})
}
