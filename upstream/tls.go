package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// validateTLS reports what is wrong with the TLS variables.
func (c *Config) validateTLS() []error {
	var errs []error
	if !c.URL.IsZero() && !c.URL.tls {
		return c.tlsWithoutHTTPS()
	}
	if _, err := c.rootCAs(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.clientCertificates(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// tlsWithoutHTTPS refuses each TLS variable that the URL would leave unused:
// someone believes in a protection that is not there.
func (c *Config) tlsWithoutHTTPS() []error {
	var errs []error
	for _, v := range []struct{ name, value string }{
		{"UPSTREAM_CA_FILE", c.CAFile},
		{"UPSTREAM_CERT_FILE", c.CertFile},
		{"UPSTREAM_KEY_FILE", c.KeyFile},
		{"UPSTREAM_SERVER_NAME", c.ServerName},
	} {
		if v.value != "" {
			errs = append(errs, fmt.Errorf("%s: %q: want nothing, or an https:// UPSTREAM_URL", v.name, v.value))
		}
	}
	return errs
}

// rootCAs returns the authorities of CAFile, or nil for the system's.
func (c *Config) rootCAs() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("UPSTREAM_CA_FILE: %q: want a readable PEM file: %w", c.CAFile, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("UPSTREAM_CA_FILE: %q: want a PEM file with at least one certificate", c.CAFile)
	}
	return pool, nil
}

// clientCertificates returns the certificate to show to the origin, if any.
func (c *Config) clientCertificates() ([]tls.Certificate, error) {
	switch {
	case c.CertFile == "" && c.KeyFile == "":
		return nil, nil
	case c.KeyFile == "":
		return nil, errors.New(`UPSTREAM_KEY_FILE: "": want the key that belongs to UPSTREAM_CERT_FILE`)
	case c.CertFile == "":
		return nil, errors.New(`UPSTREAM_CERT_FILE: "": want the certificate that belongs to UPSTREAM_KEY_FILE`)
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("UPSTREAM_CERT_FILE: %q: want a PEM certificate that fits UPSTREAM_KEY_FILE %q: %w", c.CertFile, c.KeyFile, err)
	}
	return []tls.Certificate{pair}, nil
}

// tlsConfig returns nil for an origin that is spoken to in the clear. Resumed
// sessions make a redial cheap.
func (c *Config) tlsConfig() (*tls.Config, error) {
	if !c.URL.tls {
		return nil, nil
	}
	roots, err := c.rootCAs()
	if err != nil {
		return nil, err
	}
	certs, err := c.clientCertificates()
	if err != nil {
		return nil, err
	}
	name := c.ServerName
	if name == "" {
		name = c.URL.hostname
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		RootCAs:            roots,
		Certificates:       certs,
		ServerName:         name,
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}, nil
}
