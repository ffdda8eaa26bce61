// Package certs has the certificates that a server shows where nobody gives it any in files: of an authority of its own, or
// of one that speaks ACME.
//
// It serves nothing and trusts nobody: clients do.
package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

const (
	ownLife  = 10 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
	leafEnd  = 30 * 24 * time.Hour // before its end it is replaced
	backdate = time.Hour           // for clients whose clocks are slow
)

// Own is an authority of one's own, in two files of a directory, and the certificate of this process. Its methods may be called at once.
type Own struct {
	file  string
	ca    *x509.Certificate
	key   crypto.Signer
	names []string
	now   func() time.Time

	mu   sync.Mutex // guards leaf
	leaf *tls.Certificate
}

// OpenOwn returns the authority in dir, which is made where there is none, for the names given alone: names and addresses. One that
// is there keeps its names, since clients trust it: a name of given that it may not vouch for is an error, one of found is left out.
func OpenOwn(dir string, given, found []string, log *slog.Logger) (*Own, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, ".lock"))
	if err := lock.Lock(); err != nil {
		return nil, fmt.Errorf("%s: it cannot be locked: %w", dir, err)
	}
	defer lock.Close()
	o := &Own{file: filepath.Join(dir, "ca.pem"), now: time.Now}
	keyFile := filepath.Join(dir, "ca-key.pem")
	if _, err := os.Stat(o.file); errors.Is(err, fs.ErrNotExist) {
		if err := makeOwn(o.file, keyFile, append(given[:len(given):len(given)], found...), o.now()); err != nil {
			return nil, err
		}
		log.Info("made an authority for certificates, which clients have to trust", "file", o.file)
	}
	if err := o.load(keyFile); err != nil {
		return nil, err
	}
	if !o.now().Before(o.ca.NotAfter) {
		return nil, fmt.Errorf("%s: the authority ended on %s; remove the file for a new one, which clients have to trust anew", o.file, o.ca.NotAfter.Format(time.DateOnly))
	}
	for i, name := range append(given[:len(given):len(given)], found...) {
		switch {
		case o.may(name):
			o.names = append(o.names, name)
		case i < len(given):
			return nil, fmt.Errorf("%s: the authority was made for other names than %s; remove the file for a new one, which clients have to trust anew", o.file, name)
		default:
			log.Warn("the certificate is without a name that its authority was not made for", "name", name, "file", o.file)
		}
	}
	_, err := o.Get(nil)
	return o, err
}

// makeOwn writes the key first: without the certificate it is made anew.
func makeOwn(certFile, keyFile string, names []string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // "" says no more than less
	ca := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Modhaven on " + host, Organization: []string{"Modhaven"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(ownLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true,
	}
	// It vouches for no other host, should its key get into wrong hands.
	ca.PermittedDNSDomains, ca.PermittedIPRanges = []string{"localhost"}, nil
	for _, name := range append([]string{"127.0.0.1", "::1"}, names...) {
		if ip := net.ParseIP(name); ip != nil {
			ca.PermittedIPRanges = append(ca.PermittedIPRanges, single(ip))
		} else {
			ca.PermittedDNSDomains = append(ca.PermittedDNSDomains, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(replace(keyFile, "PRIVATE KEY", pkcs8, 0o600), replace(certFile, "CERTIFICATE", der, 0o644))
}

// single is the range of one address.
func single(ip net.IP) *net.IPNet {
	if v4 := ip.To4(); v4 != nil {
		ip = v4
	}
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(8*len(ip), 8*len(ip))}
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

// replace writes a file that is whole whenever it is there.
func replace(name, kind string, der []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func (o *Own) load(keyFile string) error {
	pair, err := tls.LoadX509KeyPair(o.file, keyFile)
	if err != nil {
		return fmt.Errorf("%s and %s: %w; remove both for a new authority, which clients have to trust anew", o.file, keyFile, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if o.ca, o.key = pair.Leaf, key; !ok || !o.ca.IsCA {
		return fmt.Errorf("%s: it is no certificate of an authority; remove it for a new one", o.file)
	}
	return nil
}

// may reports whether the authority can vouch for a name.
func (o *Own) may(name string) bool {
	if ip := net.ParseIP(name); ip != nil {
		for _, r := range o.ca.PermittedIPRanges {
			if r.Contains(ip) {
				return true
			}
		}
		return false
	}
	for _, d := range o.ca.PermittedDNSDomains {
		if strings.EqualFold(name, d) || strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(d)) {
			return true
		}
	}
	return false
}

// Get is tls.Config.GetCertificate. The certificate is made anew 30 days before it ends.
func (o *Own) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if o.leaf != nil && now.Before(o.leaf.Leaf.NotAfter.Add(-leafEnd)) {
		return o.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	end := now.Add(leafLife)
	if end.After(o.ca.NotAfter) {
		end = o.ca.NotAfter
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Modhaven"}, NotBefore: now.Add(-backdate), NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, name := range o.names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, o.ca, key.Public(), o.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	o.leaf = &tls.Certificate{Certificate: [][]byte{der, o.ca.Raw}, PrivateKey: key, Leaf: leaf}
	return o.leaf, nil
}

// File returns the name of the file with the authority's certificate.
func (o *Own) File() string { return o.file }

// PEM returns the authority's certificate as its file has it.
func (o *Own) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.ca.Raw})
}

// Fingerprint returns its SHA-256 as openssl prints it: pairs of hexadecimal digits with colons between.
func (o *Own) Fingerprint() string {
	sum := sha256.Sum256(o.ca.Raw)
	var b bytes.Buffer
	for i, c := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{c})))
	}
	return b.String()
}
