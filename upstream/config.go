package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Config describes the origin. Only URL is required; the other zero values
// are not the defaults, which stand in the envDefault tags.
type Config struct {
	URL             URL           `env:"UPSTREAM_URL" required:"true" secret:"url" example:"http://api:9000" doc:"the API behind this cache: http://host[:port][/base], https://… or unix:///path/to.sock"`
	Host            string        `env:"UPSTREAM_HOST" doc:"Host sent upstream: empty for the URL's own, preserve for the client's, or a name"`
	Timeout         time.Duration `env:"UPSTREAM_TIMEOUT" envDefault:"30s" doc:"longest wait for a response's header, and then for each next part of its body"`
	ConnectTimeout  time.Duration `env:"UPSTREAM_CONNECT_TIMEOUT" envDefault:"2s" doc:"longest wait for a connection: for a free one, or for TCP and TLS to be established"`
	MaxConns        int           `env:"UPSTREAM_MAX_CONNS" envDefault:"512" doc:"most connections to the origin at one time"`
	MaxWaiting      int           `env:"UPSTREAM_MAX_WAITING" envDefault:"1024" doc:"most requests that wait for a connection; more get 503 at once, or a stale response where that is allowed"`
	BreakerFailures int           `env:"UPSTREAM_BREAKER_FAILURES" envDefault:"10" doc:"requests without an answer, one after the other, after which the origin is asked no more than once a second until it answers; 0 = never"`
	HedgeAfter      time.Duration `env:"HEDGE_AFTER" envDefault:"0s" doc:"how long a GET, HEAD or OPTIONS waits for its answer before it is sent a second time on another connection, for one request in twenty at most; 0 = never"`
	CAFile          string        `env:"UPSTREAM_CA_FILE" doc:"PEM file of the authorities to trust instead of the system's"`
	CertFile        string        `env:"UPSTREAM_CERT_FILE" doc:"PEM file of the client certificate shown to the origin"`
	KeyFile         string        `env:"UPSTREAM_KEY_FILE" doc:"PEM file of the client certificate's key"`
	ServerName      string        `env:"UPSTREAM_SERVER_NAME" doc:"name the origin's certificate must carry, if not the URL's host"`
}

// Host values with a meaning of their own.
const preserveHost = "preserve"

// Validate reports every problem at once, joined. Each begins with the
// variable it is about. It reads the certificate files, and changes nothing.
func (c *Config) Validate() error {
	var errs []error
	refuse := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(!c.URL.IsZero(), "UPSTREAM_URL: %q: %s", c.URL, wantURL)
	refuse(validHost(c.Host), "UPSTREAM_HOST: %q: want nothing, preserve, or host[:port]", c.Host)
	refuse(c.Timeout > 0, "UPSTREAM_TIMEOUT: %q: want more than 0, such as 30s", c.Timeout)
	refuse(c.ConnectTimeout > 0, "UPSTREAM_CONNECT_TIMEOUT: %q: want more than 0, such as 2s", c.ConnectTimeout)
	refuse(c.MaxConns > 0, "UPSTREAM_MAX_CONNS: \"%d\": want 1 or more, such as 512", c.MaxConns)
	refuse(c.MaxWaiting >= 0, "UPSTREAM_MAX_WAITING: \"%d\": want 0 or more, such as 1024", c.MaxWaiting)
	refuse(c.BreakerFailures >= 0, "UPSTREAM_BREAKER_FAILURES: \"%d\": want 0 or more, such as 10", c.BreakerFailures)
	refuse(c.HedgeAfter >= 0, "HEDGE_AFTER: %q: want 0s or more, such as 200ms", c.HedgeAfter)
	errs = append(errs, c.validateTLS()...)
	return errors.Join(errs...)
}

// validHost accepts what may stand in a Host field (RFC 9110 §7.2).
func validHost(host string) bool {
	if host == "" || host == preserveHost {
		return true
	}
	p, err := url.Parse("http://" + host)
	return err == nil && p.Host == host && p.User == nil && p.Hostname() != "" && validPort(p)
}
