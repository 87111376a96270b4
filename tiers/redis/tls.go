package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// tls returns nil for a Redis that is spoken to in the clear. Resumed sessions make a new connection cheap.
func (c *Config) tls(e *endpoint) (*tls.Config, error) {
	if !e.secure {
		return nil, nil
	}
	roots, err := c.authorities()
	if err != nil {
		return nil, err
	}
	certificates, err := c.clientCertificate()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		Certificates:       certificates,
		ServerName:         c.ServerName, // empty: the name of the server that is dialled, of which there may be many
		InsecureSkipVerify: e.insecure,   //nolint:gosec // the operator asked for it
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}, nil
}

// validateTLS reports what is wrong with the TLS variables. One that would not be used is a mistake: someone
// believes in a protection that is not there.
func (c *Config) validateTLS(secure bool) []error {
	var errs []error
	if !secure {
		for _, v := range []struct{ name, value string }{
			{"REDIS_CA_FILE", c.CAFile},
			{"REDIS_CERT_FILE", c.CertFile},
			{"REDIS_KEY_FILE", c.KeyFile},
			{"REDIS_SERVER_NAME", c.ServerName},
		} {
			if v.value != "" {
				errs = append(errs, fmt.Errorf("%s: %q: want nothing, or a rediss:// REDIS_URL", v.name, v.value))
			}
		}
		return errs
	}
	if _, err := c.authorities(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.clientCertificate(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// authorities returns those of CAFile, or nil for the system's.
func (c *Config) authorities() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("REDIS_CA_FILE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("REDIS_CA_FILE: %q: want a PEM file with at least one certificate", c.CAFile)
	}
	return pool, nil
}

// clientCertificate returns what is shown to Redis, if anything.
func (c *Config) clientCertificate() ([]tls.Certificate, error) {
	switch {
	case c.CertFile == "" && c.KeyFile == "":
		return nil, nil
	case c.KeyFile == "":
		return nil, errors.New("REDIS_KEY_FILE: want the key that belongs to REDIS_CERT_FILE")
	case c.CertFile == "":
		return nil, errors.New("REDIS_CERT_FILE: want the certificate that belongs to REDIS_KEY_FILE")
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("REDIS_CERT_FILE: %q: want a PEM certificate that fits REDIS_KEY_FILE: %w", c.CertFile, err)
	}
	return []tls.Certificate{pair}, nil
}
