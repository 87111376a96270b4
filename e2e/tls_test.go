package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// authority is a certificate authority of a test's own.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	own  tls.Certificate
	file string // PEM of the certificate
	key  string // PEM of its key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.own, a.file, a.key = a.issue("authority", true)
	a.cert = a.own.Leaf
	return a
}

// issue makes a certificate for a name, and the PEM files of it and of its key.
func (a *authority) issue(name string, isCA bool) (pair tls.Certificate, certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: isCA, BasicConstraintsValid: true,
	}
	parent, signer := a.cert, any(key)
	if parent == nil {
		parent = template
	} else {
		signer = a.own.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	der2, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile = write(a.t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	keyFile = write(a.t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der2})))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, certFile, keyFile
}

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// An upstream with https is asked only when its certificate is right, and is shown ours.
func TestTLSUpstream(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	server, _, _ := ca.issue("api.internal", false)
	_, clientCert, clientKey := ca.issue("client", false)
	_, strangerCert, strangerKey := stranger.issue("client", false)

	trusted := x509.NewCertPool()
	trusted.AddCert(ca.cert)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := serveOrigin(t, tls.NewListener(tcp, &tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted,
	}))
	o.says("/x", reply("secret", "Cache-Control: max-age=60"))
	o.on("/moved", func(c *call) {
		c.say(reply("", "Status: 302", "Cache-Control: no-store", "Location: https://"+o.addr()+"/x"))
	})

	url, name := "UPSTREAM_URL=https://"+o.addr(), "UPSTREAM_SERVER_NAME=api.internal"
	shown := []string{"UPSTREAM_CERT_FILE=" + clientCert, "UPSTREAM_KEY_FILE=" + clientKey}
	trust := "UPSTREAM_CA_FILE=" + ca.file
	for what, env := range map[string][]string{
		"an unknown authority":  append(shown, name),
		"another authority":     append(shown, name, "UPSTREAM_CA_FILE="+stranger.file),
		"another name":          append(shown, trust),
		"no client certificate": {trust, name},
		"a stranger's client certificate": {trust, name,
			"UPSTREAM_CERT_FILE=" + strangerCert, "UPSTREAM_KEY_FILE=" + strangerKey},
	} {
		s := nearside(t, append([]string{url}, env...)...)
		r := s.get("/x")
		equal(t, what+": status", r.status, 502)
		equal(t, what+": Cache-Status", r.cache(), "fwd=uri-miss; detail=tls")
		s.stop()
	}
	equal(t, "requests at the origin", len(o.requests("")), 0)

	s := nearside(t, append(shown, url, trust, name)...)
	s.get("/x").wants(200, "fwd=uri-miss; fwd-status=200; stored", "secret")
	s.settled()
	s.get("/x").wants(200, "hit; detail=L1", "secret")
	equal(t, "Location", s.get("/moved", "Host: app.test").field("Location"), "http://app.test/x")
	for range 20 {
		equal(t, "status on a connection that is used again", s.get("/moved").status, 302)
	}
	if dialed := s.metric("upstream_connections_dialed_total"); dialed > 3 {
		t.Errorf("%d connections for requests one after the other", dialed)
	}
}
