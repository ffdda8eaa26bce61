package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, dir string, given, found []string) *Own {
	t.Helper()
	o, err := OpenOwn(dir, given, found, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// verify is what a client that trusts the authority finds.
func verify(t *testing.T, o *Own, name string, now time.Time) error {
	t.Helper()
	c, err := o.Get(nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(o.PEM()) {
		t.Fatal("no certificate")
	}
	_, err = c.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now})
	return err
}

func TestOwn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	o := open(t, dir, []string{"go.corp.example", "192.0.2.7"}, []string{"host-1"})
	for name, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "[::1]": true, "go.corp.example": true, "192.0.2.7": true, "host-1": true, "GO.corp.example": true,
		"192.0.2.8": false, "corp.example": false, "www.go.corp.example": false,
	} {
		if err := verify(t, o, name, time.Now()); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, mode := range map[string]os.FileMode{"ca.pem": 0o644, "ca-key.pem": 0o600} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, fi.Mode(), err)
		}
	}
	if b, err := os.ReadFile(o.File()); err != nil || !bytes.Equal(b, o.PEM()) {
		t.Errorf("the file is not what clients get: %v", err)
	}
	if n := strings.Count(o.Fingerprint(), ":"); n != 31 {
		t.Errorf("the fingerprint %s", o.Fingerprint())
	}
	// It stays, and vouches for no other name.
	again := open(t, dir, []string{"go.corp.example"}, []string{"moved-host"})
	if !bytes.Equal(again.PEM(), o.PEM()) {
		t.Error("another authority after a restart")
	}
	if err := verify(t, again, "moved-host", time.Now()); err == nil {
		t.Error("it vouches for a name that it was not made for")
	}
	if err := verify(t, again, "go.corp.example", time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := OpenOwn(dir, []string{"other.corp.example"}, nil, quiet); err == nil || !strings.Contains(err.Error(), "other.corp.example; remove the file") {
		t.Errorf("a name that was asked for: %v", err)
	}
}

// TestOwnConstrained has clients refuse what the authority's key signs for others.
func TestOwnConstrained(t *testing.T) {
	o := open(t, t.TempDir(), nil, []string{"host-1"})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(o.ca)
	for _, leaf := range []*x509.Certificate{{DNSNames: []string{"proxy.golang.org"}}, {IPAddresses: []net.IP{net.IPv4(8, 8, 8, 8)}}} {
		leaf.SerialNumber, leaf.NotBefore, leaf.NotAfter = serial(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, leaf, o.ca, key.Public(), o.key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Join(append(c.DNSNames, leafAddresses(c)...), "")
		if _, err = c.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); !errors.As(err, new(x509.CertificateInvalidError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func leafAddresses(c *x509.Certificate) (all []string) {
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

// TestOwnRenews has a new certificate 30 days before the end, of the same authority, and none that outlives it.
func TestOwnRenews(t *testing.T) {
	o := open(t, t.TempDir(), nil, nil)
	now := time.Now()
	o.now = func() time.Time { return now }
	first, _ := o.Get(nil)
	now = first.Leaf.NotAfter.Add(-leafEnd - time.Second)
	if c, _ := o.Get(nil); c != first {
		t.Error("renewed too early")
	}
	now = now.Add(time.Second)
	if c, err := o.Get(nil); err != nil || c == first || verify(t, o, "localhost", now) != nil {
		t.Errorf("not renewed: %v", err)
	}
	now = o.ca.NotAfter.Add(-time.Hour)
	c, err := o.Get(nil)
	if err != nil || c.Leaf.NotAfter.After(o.ca.NotAfter) || verify(t, o, "localhost", now) != nil {
		t.Errorf("at the end of the authority: %v", err)
	}
}

// TestOwnTogether has processes that start at once have one authority.
func TestOwnTogether(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	var all [8][]byte
	for i := range all {
		wg.Go(func() {
			if o, err := OpenOwn(dir, nil, nil, quiet); err != nil {
				t.Error(err)
			} else {
				all[i] = o.PEM()
			}
		})
	}
	wg.Wait()
	for _, pem := range all {
		if !bytes.Equal(pem, all[0]) {
			t.Error("there are several authorities")
		}
	}
}

func TestOwnBroken(t *testing.T) {
	for what, damage := range map[string]func(dir string) error{
		"no key":       func(dir string) error { return os.Remove(filepath.Join(dir, "ca-key.pem")) },
		"other bytes":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("x"), 0o600) },
		"no authority": func(dir string) error { return leafAsCA(dir) },
	} {
		dir := t.TempDir()
		open(t, dir, nil, nil)
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenOwn(dir, nil, nil, quiet); err == nil || !strings.Contains(err.Error(), "ca.pem") || !strings.Contains(err.Error(), "remove") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// leafAsCA puts a certificate that is no authority's in its place.
func leafAsCA(dir string) error {
	o, err := OpenOwn(dir, nil, nil, quiet)
	if err != nil {
		return err
	}
	c, err := o.Get(nil)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "ca-key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600)
}
