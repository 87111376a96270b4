package proxy

import "testing"

func TestParseTarget(t *testing.T) {
	const bad = "✗"
	for _, row := range []struct{ method, uri, raw, authority string }{
		{"GET", "/", "/", ""},
		{"GET", "/a/../b//c%2Fd;e?x=1&x=2?", "/a/../b//c%2Fd;e?x=1&x=2?", ""}, // RFC 9112 §3.2.1, as it came
		{"GET", "/x?", "/x?", ""},
		{"GET", "//evil.example/x", "//evil.example/x", ""}, // a path, whatever it looks like
		{"GET", "http://h:81/p?q", "/p?q", "h:81"},          // §3.2.2
		{"GET", "HTTPS://h", "/", "h"},
		{"GET", "http://h?q", "/?q", "h"},
		{"OPTIONS", "*", "*", ""}, // §3.2.4
		{"OPTIONS", "http://h", "*", "h"},
		{"GET", "*", bad, ""},
		{"GET", "", bad, ""},
		{"GET", "p", bad, ""},
		{"GET", "/p#f", bad, ""},
		{"GET", "http:///p", bad, ""},
		{"GET", "http://u@h/p", bad, ""},
		{"GET", "ftp://h/p", bad, ""},
		{"GET", "h:80", bad, ""}, // authority-form is for CONNECT
	} {
		got, ok := parseTarget([]byte(row.method), []byte(row.uri))
		raw := string(got.raw)
		if !ok {
			raw = bad
		}
		if raw != row.raw || ok && string(got.authority) != row.authority {
			t.Errorf("%s %q: got %q of %q, want %q of %q", row.method, row.uri, raw, got.authority, row.raw, row.authority)
		}
	}
}

func TestNominates(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "close": false, "Keep-Alive, Close": false, "upgrade, HTTP2-Settings, TE": false,
		"X-Own": true, "close, Accept": true, "close,,accept-encoding": true,
	} {
		if nominates([]byte(value)) != want {
			t.Errorf("%q: want %v", value, want)
		}
	}
}
