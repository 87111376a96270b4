package proxy

import "testing"

func TestMapLocation(t *testing.T) {
	s, _ := newTestServer(t, nil) // in front of http://127.0.0.1:9/base
	x := &exchange{h: s.h, host: []byte("app:8080")}
	for ref, want := range map[string]string{
		"http://127.0.0.1:9/base/a?b#c": "http://app:8080/a?b#c",
		"HTTP://127.0.0.1:9/base/a":     "http://app:8080/a",
		"//127.0.0.1:9/base/a":          "http://app:8080/a",
		"http://127.0.0.1:9/base":       "http://app:8080/",
		"http://127.0.0.1:9/base?b":     "http://app:8080/?b",
		"/base/a":                       "/a",
		"/base":                         "/",
		"a/b":                           "a/b",
		"?b":                            "?b",
		"/basement":                     "/basement",
		"/other":                        "/other",
		"http://127.0.0.1:9/other":      "http://127.0.0.1:9/other",
		"http://127.0.0.1:99/base/a":    "http://127.0.0.1:99/base/a",
		"http://127.0.0.1/base/a":       "http://127.0.0.1/base/a",
		"https://127.0.0.1:9/base/a":    "https://127.0.0.1:9/base/a",
		"http://else.example/base/a":    "http://else.example/base/a",
	} {
		if got := string(x.mapLocation([]byte(ref))); got != want {
			t.Errorf("%s: got %s, want %s", ref, got, want)
		}
	}
}
