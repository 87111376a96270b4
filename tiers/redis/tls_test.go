package redis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
)

// authority makes certificates in a directory.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.make(name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	return a
}

// make writes NAME.crt and NAME.key.
func (a *authority) make(name string, template *x509.Certificate, parent *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.Subject = pkix.Name{CommonName: name}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer, signerKey := template, key
	if parent != nil {
		signer, signerKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for ending, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(a.file(name+ending), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) issue(name string, hosts ...string) {
	template := &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature, DNSNames: hosts,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if name == "server" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	a.make(name, template, a)
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func TestTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	ca.issue("server", "redis.test")
	ca.issue("client")
	port := freePort(t)
	start(t, "--tls-port", port, "--tls-cert-file", ca.file("server.crt"), "--tls-key-file", ca.file("server.key"),
		"--tls-ca-cert-file", ca.file("ca.crt"), "--tls-auth-clients", "yes")
	good := config("rediss://127.0.0.1:" + port)
	good.CAFile, good.CertFile, good.KeyFile = ca.file("ca.crt"), ca.file("client.crt"), ca.file("client.key")
	t.Run("contract", func(t *testing.T) { contract(t, good) })
	t.Run("by another name", func(t *testing.T) {
		cfg := good
		cfg.ServerName = "redis.test"
		contract(t, cfg)
	})
	refused := func(name string, change func(*redis.Config)) {
		t.Run(name, func(t *testing.T) {
			cfg := patient(good)
			change(&cfg)
			if _, err := open(t, cfg).Get(t.Context(), "k", nil); err == nil || errors.Is(err, tiers.ErrMiss) {
				t.Errorf("Get = %v", err)
			}
		})
	}
	other := newAuthority(t, "ca")
	refused("unknown authority", func(c *redis.Config) { c.CAFile = other.file("ca.crt") })
	refused("the system's authorities", func(c *redis.Config) { c.CAFile = "" })
	refused("wrong name", func(c *redis.Config) { c.ServerName = "other.test" })
	refused("no client certificate", func(c *redis.Config) { c.CertFile, c.KeyFile = "", "" })
	t.Run("unverified", func(t *testing.T) {
		cfg := patient(good)
		cfg.URL += "?skip_verify=true"
		cfg.CAFile = ""
		if _, err := open(t, cfg).Get(t.Context(), "k", nil); !errors.Is(err, tiers.ErrMiss) {
			t.Errorf("Get = %v", err)
		}
	})
}
