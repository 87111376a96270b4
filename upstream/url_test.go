package upstream

import (
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	for _, c := range []struct{ text, network, address, authority, base string }{
		{"http://api", "tcp", "api:80", "api", ""},
		{"http://api:8080", "tcp", "api:8080", "api:8080", ""},
		{"HTTP://api/", "tcp", "api:80", "api", ""},
		{"https://api.example/v1/", "tcp", "api.example:443", "api.example", "/v1"},
		{"https://api.example:8443/a%2Fb/c", "tcp", "api.example:8443", "api.example:8443", "/a%2Fb/c"},
		{"http://[::1]:9000", "tcp", "[::1]:9000", "[::1]:9000", ""},
		{"http://[fe80::1%25eth0]", "tcp", "[fe80::1%eth0]:80", "[fe80::1]", ""},
		{"unix:///run/api.sock", "unix", "/run/api.sock", "localhost", ""},
	} {
		u := mustURL(t, c.text)
		if u.network != c.network || u.address != c.address || u.authority != c.authority || u.base != c.base {
			t.Errorf("%s: got %+v", c.text, u)
		}
		if u.tls != strings.HasPrefix(c.text, "https") {
			t.Errorf("%s: tls is %v", c.text, u.tls)
		}
		if text, _ := u.MarshalText(); string(text) != c.text || u.String() != c.text {
			t.Errorf("%s: marshals as %s", c.text, text)
		}
	}
}

func TestURLRefused(t *testing.T) {
	for _, text := range []string{
		"", "api", "api:8080", "//api", "/x", "ftp://api", "http://", "http:///x", "http:api", "http://:80",
		"http://api:", "http://api:0", "http://api:65536", "http://api:http", "http://api:-1", "http://a b",
		"http://api/?", "http://api/?x=1", "http://api/#", "http://api#x", "http://api/\r\nx", "http://api/%zz",
		"http://user@api", "http://user:secret@api", "http://user:secret@api:port",
		"unix:", "unix://", "unix://x", "unix:///", "unix:///x/", "unix:///x?y",
	} {
		var u URL
		err := u.UnmarshalText([]byte(text))
		if err == nil {
			t.Errorf("%q: accepted", text)
			continue
		}
		if !strings.Contains(err.Error(), "want ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
		if !u.IsZero() {
			t.Errorf("%q: changed the URL", text)
		}
	}
}

func TestIsAuthority(t *testing.T) {
	for _, c := range []struct {
		url, authority string
		want           bool
	}{
		{"http://api", "api:80", true},
		{"http://api:80", "API", true},
		{"http://api", "api:", true},
		{"http://api:443", "api", false},
		{"https://api", "api:443", true},
		{"https://api", "api:80", false},
		{"http://[::1]", "[::1]:80", true},
		{"http://api", "other", false},
		{"unix:///run/api.sock", "localhost", true},
		{"unix:///run/api.sock", "api", false},
	} {
		if u := mustURL(t, c.url); u.IsAuthority(c.authority) != c.want {
			t.Errorf("%s is %s: %v, want %v", c.authority, c.url, !c.want, c.want)
		}
	}
}
