package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func withStatusTTL(t *testing.T, text string) *Config {
	t.Helper()
	c := *defaults
	c.DefaultTTL = time.Minute
	if err := c.StatusTTL.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestStatusTTL(t *testing.T) {
	c := withStatusTTL(t, "404:5s, 500:1s,200:2m,410:0s")
	for _, row := range []struct {
		response string
		want     time.Duration
		why      Reason
	}{
		{"404", 5 * time.Second, ReasonNone},
		{"404 | Last-Modified: @-36000", 5 * time.Second, ReasonNone},
		{"404 | Cache-Control: max-age=9", 9 * time.Second, ReasonNone},
		{"404 | Cache-Control: no-store", 0, ReasonNoStore},
		{"500", time.Second, ReasonNone},
		{"503", 0, ReasonStatus},
		{"200", 2 * time.Minute, ReasonNone},
		{"301", time.Minute, ReasonNone},
		{"410", 0, ReasonNoFreshness},
	} {
		r, h := request("GET")
		e, why := c.NewEntry(r, h, response(c, row.response), atNoon)
		if why != row.why || e != nil && e.Lifetime != row.want {
			t.Errorf("%q: %+v, %v; want %v, %v", row.response, e, why, row.want, row.why)
		}
	}
}

func TestStatusTTLText(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "",
		"404:5s":             "404:5s",
		"410:1m, 301:1h, ":   "301:1h0m0s,410:1m0s",
		"404":                "want STATUS:DURATION",
		"404:5":              "want STATUS:DURATION with a unit",
		"404:-5s":            "want STATUS:DURATION with a unit",
		"4xx:5s":             "want STATUS:DURATION with a status code",
		"103:5s":             "from 200 to 599",
		"206:5s":             "never stored by itself",
		"431:5s":             "everybody's answer",
		"404:5s,404:6s":      "404 is there twice",
		"404:5s,nonsense,x:": `"nonsense"`,
	} {
		var s StatusTTL
		err := s.UnmarshalText([]byte(text))
		got, _ := s.MarshalText()
		if err != nil {
			got = fmt.Append(nil, err)
		}
		if err == nil && string(got) != want || err != nil && !strings.Contains(string(got), want) || err != nil && want == "" {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
