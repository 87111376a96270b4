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
	"strings"
	"testing"
	"time"

	"github.com/nearside-cache/nearside/tiers"
	"github.com/nearside-cache/nearside/tiers/redis"
	"github.com/nearside-cache/nearside/tiers/redis/redistest"
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

// newFleet makes an authority with a certificate for servers and one for clients.
func newFleet(t *testing.T) *authority {
	t.Helper()
	ca := newAuthority(t, "ca")
	ca.issue("server", "redis.test")
	ca.issue("client")
	return ca
}

// options are a server's for TLS at a port.
func (a *authority) options(port string) []string {
	return []string{"tls-port", port, "tls-cert-file", a.file("server.crt"), "tls-key-file", a.file("server.key"),
		"tls-ca-cert-file", a.file("ca.crt"), "tls-auth-clients", "yes", "tls-replication", "yes"}
}

// serve starts a server that other servers speak TLS with, at peer.
func (a *authority) serve(t testing.TB, args ...string) *redistest.Server {
	port := redistest.FreePort(t)
	for i, word := range a.options(port) {
		if i%2 == 0 {
			word = "--" + word
		}
		args = append(args, word)
	}
	s := redistest.Start(t, append(args, "--tls-cluster", "yes")...)
	s.Peer = port
	return s
}

// config is the configuration for a URL, with the client's certificate.
func (a *authority) config(url string) redis.Config {
	cfg := config(url)
	cfg.CAFile, cfg.CertFile, cfg.KeyFile = a.file("ca.crt"), a.file("client.crt"), a.file("client.key")
	return cfg
}

// TestTLSCluster: all nodes are spoken to in TLS, also those that only the cluster knows, and those to which a slot moves.
func TestTLSCluster(t *testing.T) {
	ca := newFleet(t)
	nodes, _ := redistest.ClusterOf(t, 3, false, ca.serve)
	cfg := ca.config("rediss://127.0.0.1:" + nodes[0].Peer)
	cfg.Mode = "cluster"
	contract(t, sealed(cfg, "default"))
	usedInTLS(t, nodes)
	t.Run("a slot moves", func(t *testing.T) { slotMove(t, nodes, cfg) })
	usedInTLS(t, nodes)
	cfg.CAFile = newAuthority(t, "ca").file("ca.crt")
	if _, err := open(t, patient(cfg)).Get(t.Context(), "k", nil); err == nil || errors.Is(err, tiers.ErrMiss) {
		t.Errorf("with another authority: Get = %v", err)
	}
}

// usedInTLS: all nodes have keys, and no connection in the clear.
func usedInTLS(t *testing.T, nodes []*redistest.Server) {
	t.Helper()
	for _, n := range nodes {
		if len(n.Keys("nearside:*")) == 0 {
			t.Errorf("no keys on %s", n.Peer)
		}
		// Connections but that of the test itself, by a socket, are the tier's and the bus's.
		for _, line := range strings.Split(n.Do("client", "list").(string), "\n") {
			if strings.Contains(line, "laddr=127.0.0.1:"+n.Port+" ") {
				t.Errorf("a connection in the clear: %s", line)
			}
		}
	}
}

// TestTLSSentinel: sentinels and servers are spoken to in TLS, also after a failover.
func TestTLSSentinel(t *testing.T) {
	ca := newFleet(t)
	port := redistest.FreePort(t)
	var conf strings.Builder
	for i, word := range ca.options(port) {
		conf.WriteString(word + [...]string{" ", "\n"}[i%2])
	}
	p := redistest.WatchOf(t, 1, ca.serve, conf.String())
	cfg := ca.config("rediss://127.0.0.1:" + port + "?master_name=cache")
	contract(t, sealed(cfg, "default"))
	failover(t, p, cfg, p.Replicas[0], func() {
		if err := p.Ask("sentinel", "failover", "cache").Err(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTLS(t *testing.T) {
	ca := newFleet(t)
	good := ca.config("rediss://127.0.0.1:" + ca.serve(t).Peer)
	t.Run("contract", func(t *testing.T) { combinations(t, good) })
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
