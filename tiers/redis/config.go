package redis

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode"

	"github.com/klauspost/compress/zstd"

	"github.com/nearside-cache/nearside/tiers"
)

// Config describes the Redis behind the tier. The zero URL means that there is none; the other zero values
// are not the defaults, which stand in the envDefault tags.
type Config struct {
	URL          string        `env:"REDIS_URL" secret:"url" example:"redis://localhost:6379" doc:"the Redis that the fleet shares: redis://[user:password@]host[:port][/db], rediss://… for TLS, or unix:///path; empty turns L2 off"`
	Mode         string        `env:"REDIS_MODE" default:"by the URL" oneof:"single|cluster|sentinel" doc:"what is at REDIS_URL; by itself a URL with ?master_name= is sentinel, one with ?addr= is cluster, any other single"`
	PasswordFile string        `env:"REDIS_PASSWORD_FILE" doc:"file with the password, read for each new connection; instead of one in the URL"`
	CAFile       string        `env:"REDIS_CA_FILE" doc:"PEM file of the authorities to trust instead of the system's, for rediss://"`
	CertFile     string        `env:"REDIS_CERT_FILE" doc:"PEM file of the client certificate shown to Redis"`
	KeyFile      string        `env:"REDIS_KEY_FILE" doc:"PEM file of the client certificate's key"`
	ServerName   string        `env:"REDIS_SERVER_NAME" doc:"name that Redis's certificates must carry, if not the host that is dialled"`
	PoolSize     int           `env:"REDIS_POOL_SIZE" default:"by cores" min:"0" doc:"most connections to one Redis server"`
	ReadReplicas bool          `env:"REDIS_READ_REPLICAS" doc:"read from replicas, too: of a cluster from any node that has the key, of sentinels from a replica; what was written or deleted a moment ago may not have reached them"`
	KeyPrefix    string        `env:"KEY_PREFIX" envDefault:"nearside" doc:"what all keys in Redis begin with; sidecars share what they store when they have the same"`
	Timeout      time.Duration `env:"L2_TIMEOUT" envDefault:"50ms" min:"1ms" doc:"the most that L2 may add to one client request; a fill, for which none waits, may take ten times that, and a second at least"`
	Compression  string        `env:"L2_COMPRESSION" envDefault:"off" oneof:"off|fast|default|best" doc:"zstd for bodies in L2 that are not compressed already"`
	Secret       string        `env:"L2_SECRET" secret:"true" doc:"signs what is stored in L2, and has what is not signed with it ignored; at least 16 characters, the same for the fleet"`
	MaxTTL       time.Duration `env:"L2_MAX_TTL" envDefault:"24h" min:"1ms" doc:"the longest that a response stays in L2, whatever its own lifetime"`

	// MaxObject is the largest body that is stored and read, in bytes; 0 is 8 MiB. It should be what the
	// proxy stores at most. It bounds what a forged value in Redis can take of this process's memory.
	MaxObject tiers.ByteSize
}

func (c *Config) maxBody() tiers.ByteSize {
	if c.MaxObject > 0 {
		return c.MaxObject
	}
	return 8 << 20
}

// maxValue is the most that is ever read of a value, in bytes; a stored response has less.
func (c *Config) maxValue() int64 { return int64(c.maxBody()) + maxFields + 1<<10 + 1 }

// zstdLevel is 0 when nothing is compressed.
func (c *Config) zstdLevel() zstd.EncoderLevel {
	return map[string]zstd.EncoderLevel{
		"fast": zstd.SpeedFastest, "default": zstd.SpeedDefault, "best": zstd.SpeedBestCompression,
	}[c.Compression]
}

// The values of Config.Mode.
const (
	modeSingle   = "single"
	modeCluster  = "cluster"
	modeSentinel = "sentinel"
)

// Enabled tells whether there is a Redis at all.
func (c *Config) Enabled() bool { return c.URL != "" }

// Describe says for a log which Redis it is, without user and password.
func (c *Config) Describe() string {
	e, err := parseURL(c.URL, c.Mode)
	if err != nil {
		return "none"
	}
	return e.String()
}

// Validate reports every problem at once, joined. Each begins with the variable it is about, and none quotes
// a password. It reads the files that are named, and changes nothing.
func (c *Config) Validate() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if c.Enabled() {
		e, err := parseURL(c.URL, c.Mode)
		refuse(err != nil, "REDIS_URL: %w", err)
		refuse(c.PasswordFile != "" && err == nil && e.password != "", "REDIS_PASSWORD_FILE: REDIS_URL has a password, too: want one of them")
		if err == nil {
			errs = append(errs, c.validateTLS(e.secure)...)
		}
	}
	if !c.Enabled() {
		errs = append(errs, c.idle()...)
	}
	if c.PasswordFile != "" {
		_, err := readPassword(c.PasswordFile)
		refuse(err != nil, "REDIS_PASSWORD_FILE: %w", err)
	}
	switch c.Mode {
	case "", modeSingle, modeCluster, modeSentinel:
	default:
		refuse(true, "REDIS_MODE: %q: want single, cluster or sentinel", c.Mode)
	}
	if e, err := parseURL(c.URL, c.Mode); c.ReadReplicas && err == nil {
		refuse(e.mode == modeSingle, "REDIS_READ_REPLICAS: \"true\": want a cluster or sentinels, which know the replicas")
	}
	refuse(c.PoolSize < 0, "REDIS_POOL_SIZE: \"%d\": want 1 or more, or 0 for as many as suit the cores", c.PoolSize)
	refuse(!validPrefix(c.KeyPrefix), "KEY_PREFIX: %q: want 1 to %d characters, without space and braces", c.KeyPrefix, maxPrefix)
	refuse(c.Compression != "" && c.Compression != "off" && c.zstdLevel() == 0, "L2_COMPRESSION: %q: want off, fast, default or best", c.Compression)
	refuse(c.Secret != "" && len(c.Secret) < 16, "L2_SECRET: want at least 16 characters")
	refuse(c.MaxObject < 0, "MAX_OBJECT_BYTES: want 0 or more")
	refuse(c.Timeout < time.Millisecond, "L2_TIMEOUT: %q: want 1ms or more, such as 50ms", c.Timeout)
	refuse(c.MaxTTL < time.Millisecond, "L2_MAX_TTL: %q: want 1ms or more, such as 24h", c.MaxTTL)
	return errors.Join(errs...)
}

// idle reports the variables that are set, but say nothing without a URL: someone believes that there is an L2.
func (c *Config) idle() (errs []error) {
	for _, v := range []struct {
		name string
		set  bool
	}{
		{"REDIS_MODE", c.Mode != ""},
		{"REDIS_PASSWORD_FILE", c.PasswordFile != ""},
		{"REDIS_CA_FILE", c.CAFile != ""},
		{"REDIS_CERT_FILE", c.CertFile != ""},
		{"REDIS_KEY_FILE", c.KeyFile != ""},
		{"REDIS_SERVER_NAME", c.ServerName != ""},
		{"REDIS_POOL_SIZE", c.PoolSize != 0},
		{"REDIS_READ_REPLICAS", c.ReadReplicas},
	} {
		if v.set {
			errs = append(errs, fmt.Errorf("%s: want REDIS_URL, too, or nothing", v.name))
		}
	}
	return errs
}

const maxPrefix = 64 // bytes

// validPrefix refuses what would move the hash tag of the keys, or make them a nuisance to type.
func validPrefix(prefix string) bool {
	odd := func(r rune) bool { return r == '{' || r == '}' || !unicode.IsPrint(r) || unicode.IsSpace(r) }
	return prefix != "" && len(prefix) <= maxPrefix && !strings.ContainsFunc(prefix, odd)
}

// poolSize is PoolSize, or what suits the cores.
func (c *Config) poolSize() int {
	if c.PoolSize > 0 {
		return c.PoolSize
	}
	return 10 * runtime.GOMAXPROCS(0)
}

// readPassword reads a file that holds a password and perhaps a line end.
func readPassword(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return password, nil
}
