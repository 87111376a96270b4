package tiers_test

import (
	"testing"

	"github.com/nearside-cache/nearside/tiers"
)

func TestKeyURI(t *testing.T) {
	for key, want := range map[tiers.Key]string{
		"GET http://o.test/a?b=c":           "http://o.test/a?b=c",
		"GET http://o.test/a?b=c virt.test": "http://o.test/a?b=c",
		"GET http://o.test//%2F..":          "http://o.test//%2F..",
		"GET ":                              "",
		"GET":                               "",
		"":                                  "",
	} {
		if got := key.URI(); got != want {
			t.Errorf("%q.URI() = %q, want %q", key, got, want)
		}
	}
}
