package redis_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/nearside-cache/nearside/tiers/redis"
)

func TestConfigDefaults(t *testing.T) {
	var cfg redis.Config
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	if cfg.Enabled() || cfg.KeyPrefix != "nearside" || cfg.Timeout != 50*time.Millisecond || cfg.MaxTTL != 24*time.Hour {
		t.Errorf("defaults %+v", cfg)
	}
}

func TestConfigDescribe(t *testing.T) {
	for url, want := range map[string]string{
		"":                                 "none",
		"redis://localhost":                "localhost:6379 (single)",
		"redis://u:p@h:1/2":                "h:1 db 2 (single)",
		"redis://[::1]":                    "[::1]:6379 (single)",
		"rediss://h/?skip_verify=true":     "h:6379 TLS (single)",
		"unix:///run/redis.sock":           "/run/redis.sock (single)",
		"unix://u:p@/run/redis.sock?db=3":  "/run/redis.sock db 3 (single)",
		"redis://h:1?addr=i:2&addr=j:3":    "h:1,i:2,j:3 (cluster)",
		"redis://h?master_name=m&addr=i:2": "h:26379,i:2 m (sentinel)",
		"redis://%zz":                      "none",
	} {
		cfg := config(url)
		if got := cfg.Describe(); got != want {
			t.Errorf("%q is described as %q, want %q", url, got, want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := func(url string) func(*redis.Config) { return func(c *redis.Config) { c.URL = url } }
	for _, c := range []struct {
		name string
		set  func(*redis.Config)
		want string // what the error begins with
	}{
		{"scheme", url("http://h"), "REDIS_URL: "},
		{"no scheme", url("localhost:6379"), "REDIS_URL: "},
		{"no host", url("redis://"), "REDIS_URL: "},
		{"port", url("redis://u:s3cret@h:x"), "REDIS_URL: "},
		{"port too high", url("redis://u:s3cret@h:99999"), "REDIS_URL: "},
		{"port too high, of another address", url("redis://h?addr=i:99999"), "REDIS_URL: "},
		{"two databases", url("redis://h/1?db=2"), "REDIS_URL: "},
		{"database", url("redis://u:s3cret@h/x"), "REDIS_URL: "},
		{"parameter", url("redis://u:s3cret@h?read_timeout=1s"), "REDIS_URL: "},
		{"fragment", url("redis://u:p@s3cret#w/ord@h:6379"), "REDIS_URL: a # in it"},
		{"empty fragment", url("redis://u:s3cret@h#"), "REDIS_URL: a # in it"},
		{"addresses with commas", url("redis://u:s3cret@h:1,i:2"), "REDIS_URL: "},
		{"parameter twice", url("redis://h?master_name=a&master_name=b"), "REDIS_URL: "},
		{"skip_verify without TLS", url("redis://h?skip_verify=true"), "REDIS_URL: "},
		{"no path", url("unix://"), "REDIS_URL: "},
		{"address", url("redis://h?addr=x"), "REDIS_URL: "},
		{"cluster with a database", url("redis://h/1?addr=i:1"), "REDIS_URL: "},
		{"skip_verify", url("rediss://h?skip_verify=perhaps"), "REDIS_URL: "},
		{"sentinel without a master", func(c *redis.Config) { c.URL, c.Mode = "redis://h", "sentinel" }, "REDIS_URL: "},
		{"master of a single server", func(c *redis.Config) { c.URL, c.Mode = "redis://h?master_name=m", "single" }, "REDIS_URL: "},
		{"addresses of a single server", func(c *redis.Config) { c.URL, c.Mode = "redis://h?addr=i:1", "single" }, "REDIS_URL: "},
		{"socket of a cluster", func(c *redis.Config) { c.URL, c.Mode = "unix:///s", "cluster" }, "REDIS_URL: "},
		{"mode", func(c *redis.Config) { c.Mode = "ring" }, "REDIS_MODE: "},
		{"no password file", func(c *redis.Config) { c.PasswordFile = filepath.Join(dir, "none") }, "REDIS_PASSWORD_FILE: "},
		{"empty password file", func(c *redis.Config) { c.PasswordFile = empty }, "REDIS_PASSWORD_FILE: "},
		{"authorities without TLS", func(c *redis.Config) { c.CAFile = empty }, "REDIS_CA_FILE: "},
		{"certificate without TLS", func(c *redis.Config) { c.CertFile = empty }, "REDIS_CERT_FILE: "},
		{"no authorities", func(c *redis.Config) { c.URL, c.CAFile = "rediss://h", empty }, "REDIS_CA_FILE: "},
		{"certificate without a key", func(c *redis.Config) { c.URL, c.CertFile = "rediss://h", empty }, "REDIS_KEY_FILE: "},
		{"key without a certificate", func(c *redis.Config) { c.URL, c.KeyFile = "rediss://h", empty }, "REDIS_CERT_FILE: "},
		{"no certificate", func(c *redis.Config) { c.URL, c.CertFile, c.KeyFile = "rediss://h", empty, empty }, "REDIS_CERT_FILE: "},
		{"pool size", func(c *redis.Config) { c.PoolSize = -1 }, "REDIS_POOL_SIZE: "},
		{"no prefix", func(c *redis.Config) { c.KeyPrefix = "" }, "KEY_PREFIX: "},
		{"prefix with braces", func(c *redis.Config) { c.KeyPrefix = "{a}" }, "KEY_PREFIX: "},
		{"prefix with space", func(c *redis.Config) { c.KeyPrefix = "a b" }, "KEY_PREFIX: "},
		{"timeout", func(c *redis.Config) { c.Timeout = 0 }, "L2_TIMEOUT: "},
		{"lifetime", func(c *redis.Config) { c.MaxTTL = -1 }, "L2_MAX_TTL: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config("redis://localhost")
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			c.set(&cfg)
			err := cfg.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("error %v, want it to begin with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password is in %v", err)
			}
			if _, err := redis.New(cfg, new(lines).logger()); err == nil {
				t.Error("New takes it")
			}
		})
	}
}

func TestConfigReportsAll(t *testing.T) {
	err := (&redis.Config{URL: "x", Mode: "y"}).Validate()
	for _, name := range []string{"REDIS_URL: ", "REDIS_MODE: ", "KEY_PREFIX: ", "L2_TIMEOUT: ", "L2_MAX_TTL: "} {
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+name) {
			t.Errorf("%v does not report %s", err, name)
		}
	}
}
