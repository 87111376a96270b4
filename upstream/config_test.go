package upstream

import (
	"strings"
	"testing"
	"time"
)

func valid(t *testing.T) Config {
	return Config{URL: mustURL(t, "https://api"), Timeout: time.Second, ConnectTimeout: time.Second, MaxConns: 1}
}

func TestValidate(t *testing.T) {
	junk := writeFile(t, "junk.pem", []byte("not a certificate"))
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string // the beginning of the error; "" for none
	}{
		{"good", func(*Config) {}, ""},
		{"host name", func(c *Config) { c.Host = "api.internal:8080" }, ""},
		{"host preserved", func(c *Config) { c.Host = "preserve" }, ""},
		{"no URL", func(c *Config) { c.URL = URL{} }, `UPSTREAM_URL: "": want http://`},
		{"host with path", func(c *Config) { c.Host = "a/b" }, `UPSTREAM_HOST: "a/b": want`},
		{"host with CRLF", func(c *Config) { c.Host = "a\r\nb" }, `UPSTREAM_HOST: "a\r\nb": want`},
		{"host with userinfo", func(c *Config) { c.Host = "a@b" }, `UPSTREAM_HOST: "a@b": want`},
		{"timeout", func(c *Config) { c.Timeout = 0 }, `UPSTREAM_TIMEOUT: "0s": want`},
		{"connect timeout", func(c *Config) { c.ConnectTimeout = -1 }, `UPSTREAM_CONNECT_TIMEOUT: "-1ns": want`},
		{"conns", func(c *Config) { c.MaxConns = 0 }, `UPSTREAM_MAX_CONNS: "0": want`},
		{"waiting", func(c *Config) { c.MaxWaiting = -1 }, `UPSTREAM_MAX_WAITING: "-1": want`},
		{"breaker", func(c *Config) { c.BreakerFailures = -1 }, `UPSTREAM_BREAKER_FAILURES: "-1": want`},
		{"hedge", func(c *Config) { c.HedgeAfter = -1 }, `HEDGE_AFTER: "-1ns": want`},
		{"CA missing", func(c *Config) { c.CAFile = "/nowhere" }, `UPSTREAM_CA_FILE: "/nowhere": want`},
		{"CA junk", func(c *Config) { c.CAFile = junk }, `UPSTREAM_CA_FILE: "` + junk + `": want`},
		{"cert alone", func(c *Config) { c.CertFile = junk }, `UPSTREAM_KEY_FILE: "": want`},
		{"key alone", func(c *Config) { c.KeyFile = junk }, `UPSTREAM_CERT_FILE: "": want`},
		{"pair junk", func(c *Config) { c.CertFile, c.KeyFile = junk, junk }, `UPSTREAM_CERT_FILE: "` + junk + `": want`},
		{"TLS on http", func(c *Config) { c.URL, c.ServerName = mustURL(t, "http://api"), "x" }, `UPSTREAM_SERVER_NAME: "x": want`},
	} {
		config := valid(t)
		c.change(&config)
		err := config.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if _, newErr := New(config); (newErr == nil) != (err == nil) {
			t.Errorf("%s: New says %v", c.name, newErr)
		}
	}
}

func TestValidateReportsEverything(t *testing.T) {
	err := (&Config{Host: "?"}).Validate()
	if err == nil {
		t.Fatal("the zero Config is valid")
	}
	lines := strings.Split(err.Error(), "\n")
	for i, name := range []string{"URL", "HOST", "TIMEOUT", "CONNECT_TIMEOUT", "MAX_CONNS"} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], "UPSTREAM_"+name+": ") {
			t.Fatalf("line %d should be about %s: %v", i, name, err)
		}
	}
}
