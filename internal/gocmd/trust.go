package gocmd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// An authority signs the certificates that guards show to the go commands of this process, which alone know it. Its key is in memory only.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string // has its certificate, for SSL_CERT_DIR
}

// certDirs are where the go command looks for certificates if nothing is said.
const certDirs = "/etc/ssl/certs:/etc/pki/tls/certs"

// newAuthority makes an authority. It is nil where the go command asks the system whom to trust, and takes no certificates from a directory.
func newAuthority(dir string) (*authority, error) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return nil, nil //nolint:nilnil // none
	}
	a := &authority{dir: dir}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	a.cert = template("Modhaven, for its own go commands")
	a.cert.IsCA, a.cert.KeyUsage, a.cert.MaxPathLenZero = true, x509.KeyUsageCertSign, true
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return a, os.WriteFile(filepath.Join(dir, "guard.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(20, 0, 0), BasicConstraintsValid: true,
	}
}

// leaf returns a certificate for a host.
func (a *authority) leaf(host string) (*tls.Certificate, error) {
	t := template("")
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if ip := net.ParseIP(host); ip != nil {
		t.IPAddresses = []net.IP{ip}
	} else {
		t.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}, nil
}

// env has a command trust the authority beside what it trusts already.
func (a *authority) env(env []string) string {
	dirs := value(env, "SSL_CERT_DIR")
	if dirs == "" {
		dirs = certDirs
	}
	return "SSL_CERT_DIR=" + a.dir + ":" + dirs
}

// roots are whom a command with that environment trusts. They are read each time, since they may be renewed.
func roots(env []string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	var files []string
	if file := value(env, "SSL_CERT_FILE"); file != "" {
		files = append(files, file)
	}
	if dirs := value(env, "SSL_CERT_DIR"); dirs != "" {
		for _, dir := range strings.Split(dirs, ":") {
			found, _ := filepath.Glob(filepath.Join(dir, "*"))
			files = append(files, found...)
		}
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil {
			pool.AppendCertsFromPEM(b)
		} else if name == value(env, "SSL_CERT_FILE") {
			return nil, fmt.Errorf("SSL_CERT_FILE: %v", err)
		}
	}
	return pool, nil
}
