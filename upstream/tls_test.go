package upstream

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// certAuthority makes certificates for a test.
type certAuthority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	PEM  []byte
}

func newAuthority(t *testing.T) *certAuthority {
	ca := &certAuthority{t: t}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	ca.PEM, _, ca.key = ca.make(template, template, nil)
	block, _ := pem.Decode(ca.PEM)
	ca.cert, _ = x509.ParseCertificate(block.Bytes)
	return ca
}

// issue returns a certificate and its key for a name.
func (ca *certAuthority) issue(name string) (cert, key []byte) {
	cert, key, _ = ca.make(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, ca.cert, ca.key)
	return cert, key
}

func (ca *certAuthority) make(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (cert, keyPEM []byte, key *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		ca.t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		ca.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		ca.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), key
}

// tlsOrigin serves TLS for the name api.internal, and asks for a client
// certificate of ca if clients says so.
func tlsOrigin(t *testing.T, ca *certAuthority, script func(*peer), clients tls.ClientAuthType, version uint16) *server {
	t.Helper()
	cert, key := ca.issue("api.internal")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	return serve(t, tls.NewListener(corkListener{listen(t)}, &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: clients, ClientCAs: roots, MinVersion: version, MaxVersion: version,
	}), script)
}

func trusting(t *testing.T, ca *certAuthority) func(*Config) {
	return func(c *Config) {
		c.CAFile = writeFile(t, "ca.pem", ca.PEM)
		c.ServerName = "api.internal"
	}
}

func bearing(t *testing.T, ca *certAuthority) func(*Config) {
	cert, key := ca.issue("sidecar")
	return func(c *Config) {
		c.CertFile, c.KeyFile = writeFile(t, "cert.pem", cert), writeFile(t, "key.pem", key)
	}
}

func eachTLS(t *testing.T, f func(t *testing.T, version uint16)) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) { f(t, version) })
	}
}

func TestTLS(t *testing.T) {
	ca := newAuthority(t)
	eachTLS(t, func(t *testing.T, version uint16) {
		s := tlsOrigin(t, ca, answering(ok), tls.RequireAndVerifyClientCert, version)
		o := open(t, "https://"+s.Addr().String(), trusting(t, ca), bearing(t, ca))
		for range 5 {
			wantBody(t, ask(o, get("/")), "ok")
		}
		if got := o.Stats(); got.Dialed != 1 || got.Stale != 0 {
			t.Errorf("not reused: %+v", got)
		}
	})
}

func TestTLSRefusals(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	eachTLS(t, func(t *testing.T, version uint16) {
		plain := tlsOrigin(t, ca, answering(ok), tls.NoClientCert, version)
		strict := tlsOrigin(t, ca, answering(ok), tls.RequireAndVerifyClientCert, version)
		notTLS := serve(t, listen(t), func(p *peer) { p.say("HTTP/1.1 400 Bad Request\r\n\r\n") })
		for name, o := range map[string]*Origin{
			"unknown authority":     open(t, "https://"+plain.Addr().String(), trusting(t, other)),
			"wrong name":            open(t, "https://"+plain.Addr().String(), trusting(t, ca), func(c *Config) { c.ServerName = "" }),
			"no client certificate": open(t, "https://"+strict.Addr().String(), trusting(t, ca)),
			"other's certificate":   open(t, "https://"+strict.Addr().String(), trusting(t, ca), bearing(t, other)),
			"not TLS at all":        open(t, "https://"+notTLS.Addr().String(), trusting(t, ca)),
		} {
			if a := ask(o, get("/")); kindOf(a.err) != "tls" {
				t.Errorf("%s: %q, %v", name, a.body, a.err)
			}
			if got := o.Stats(); got.Open != 0 {
				t.Errorf("%s: left open: %+v", name, got)
			}
		}
	})
}

func TestTLSHandshakeTimeout(t *testing.T) {
	ca := newAuthority(t)
	done := make(chan struct{})
	defer close(done)
	s := serve(t, listen(t), func(*peer) { <-done })
	o := open(t, "https://"+s.Addr().String(), trusting(t, ca), func(c *Config) { c.ConnectTimeout = 200 * time.Millisecond })
	within(t, 150*time.Millisecond, 10*time.Second, func() { wantKind(t, ask(o, get("/")).err, ConnectTimeout) })
}

func TestTLSPoison(t *testing.T) {
	ca := newAuthority(t)
	eachTLS(t, func(t *testing.T, version uint16) {
		for name, script := range map[string]func(*peer){
			"one record":  answering(ok + surplus),
			"one segment": func(p *peer) { p.request(); together(p, ok, surplus); answering(ok)(p) },
		} {
			s := tlsOrigin(t, ca, script, tls.NoClientCert, version)
			o := open(t, "https://"+s.Addr().String(), trusting(t, ca))
			for range 50 {
				if a := ask(o, get("/")); a.err != nil || a.body != "ok" {
					t.Fatalf("%s: %q, %v", name, a.body, a.err)
				}
			}
		}
	})
}

// corked can hold writes back, so that several records arrive with one read.
type corked struct {
	net.Conn
	held *bytes.Buffer
}

func (c *corked) Write(p []byte) (int, error) {
	if c.held != nil {
		return c.held.Write(p)
	}
	return c.Conn.Write(p)
}

type corkListener struct{ net.Listener }

func (l corkListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &corked{Conn: c}, err
}

// together says each part in a TLS record of its own, all in one segment.
func together(p *peer, parts ...string) {
	c := p.Conn.(*tls.Conn).NetConn().(*corked)
	c.held = new(bytes.Buffer)
	for _, part := range parts {
		p.say(part)
	}
	_, _ = c.Conn.Write(c.held.Bytes())
	c.held = nil
}

func TestTLSStale(t *testing.T) {
	ca := newAuthority(t)
	eachTLS(t, func(t *testing.T, version uint16) {
		s := tlsOrigin(t, ca, answering(ok), tls.NoClientCert, version)
		o := open(t, "https://"+s.Addr().String(), trusting(t, ca))
		wantBody(t, ask(o, get("/")), "ok")
		s.closePeers()
		time.Sleep(20 * time.Millisecond)
		req := get("/")
		req.Method, req.BodyBytes = []byte("POST"), []byte("once")
		wantBody(t, ask(o, req), "ok")
		if got := o.Stats(); got.Stale != 1 || got.Dialed != 2 || got.Retries != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestTLSTimeouts(t *testing.T) {
	ca := newAuthority(t)
	eachTLS(t, func(t *testing.T, version uint16) {
		done := make(chan struct{})
		defer close(done)
		s := tlsOrigin(t, ca, func(p *peer) {
			head, _ := p.request()
			if strings.Contains(head, "/body") {
				p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
			}
			<-done
		}, tls.NoClientCert, version)
		o := open(t, "https://"+s.Addr().String(), trusting(t, ca), timeout(200*time.Millisecond))
		wantKind(t, ask(o, get("/")).err, HeaderTimeout)
		wantKind(t, ask(o, get("/body")).err, ReadTimeout)
	})
}
