package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	mathbig "math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/server"
)

// A pair is a certificate for loopback and its key, in files.
type pair struct{ cert, key string }

func newPair(t *testing.T, name string) pair {
	t.Helper()
	dir := t.TempDir()
	p := pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	p.write(t, name)
	return p
}

// write makes a new certificate of that common name in the pair's files.
func (p pair) write(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: new(mathbig.Int).SetBytes([]byte(name)), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	replace(t, p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// replace writes a file whole, as tools that renew certificates do.
func replace(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func (p pair) pool(t *testing.T) *x509.CertPool {
	t.Helper()
	b, err := os.ReadFile(p.cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		t.Fatal("no certificate")
	}
	return pool
}

// served returns the name in the certificate that is in use.
func served(t *testing.T, c *server.Certs) string {
	t.Helper()
	got, err := c.Get(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(got.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Subject.CommonName
}

// TestCertificateIsReadAgain: a renewed pair is used without a restart; one that cannot be read, or half of one, leaves the
// one before it in use.
func TestCertificateIsReadAgain(t *testing.T) {
	p := newPair(t, "the first")
	synctest.Test(t, func(t *testing.T) {
		c, err := server.NewCerts(p.cert, p.key, quiet)
		if err != nil {
			t.Fatal(err)
		}
		steps := []struct {
			what string
			do   func()
			want string
		}{
			{"nothing", func() {}, "the first"},
			{"another pair", func() { p.write(t, "the second one") }, "the second one"},
			{"junk", func() { replace(t, p.cert, []byte("junk")) }, "the second one"},
			{"junk still", func() {}, "the second one"},
			{"no certificate", func() { os.Remove(p.cert) }, "the second one"},
			{"a pair again", func() { p.write(t, "and the third") }, "and the third"},
			{"another's key", func() {
				b, err := os.ReadFile(newPair(t, "x").key)
				if err != nil {
					t.Fatal(err)
				}
				replace(t, p.key, append(b, '\n'))
			}, "and the third"},
			{"a pair at last", func() { p.write(t, "the fourth of them") }, "the fourth of them"},
		}
		for _, step := range steps {
			time.Sleep(2 * time.Second)
			step.do()
			if got := served(t, c); got != step.want {
				t.Errorf("after %s: got %q, want %q", step.what, got, step.want)
			}
		}
		p.write(t, "too soon")
		if got := served(t, c); got != "the fourth of them" {
			t.Errorf("the files were looked at twice within a second: %q", got)
		}
		time.Sleep(time.Second)
		if got := served(t, c); got != "too soon" {
			t.Errorf("after a second: got %q", got)
		}
	})
}

// TestNoCertificate: a server does not start with a pair that cannot be used, and says which.
func TestNoCertificate(t *testing.T) {
	p, q := newPair(t, "p"), newPair(t, "q")
	for what, files := range map[string]pair{
		"no certificate": {p.cert + "x", p.key}, "no key": {p.cert, p.key + "x"}, "swapped": {p.key, p.cert}, "of two pairs": {p.cert, q.key},
	} {
		_, err := server.NewCerts(files.cert, files.key, quiet)
		if err == nil || !strings.HasPrefix(err.Error(), "certificate: ") || !strings.Contains(err.Error(), filepath.Dir(p.cert)) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}
