package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// certificate writes a new certificate for loopback, and its key, to files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestTLS has the go command download over TLS, verified by a checksum database that it reaches the same way.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	u := proxytest.New(t, proxytest.WithSumDB(db))
	hv := serve(t, u.URL, "--sumdb", db.Key, "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(hv.URL, "https://") {
		t.Fatalf("it says %s", hv.URL)
	}
	env := append(proxytest.GoEnv(t, hv.URL, db.Key), "SSL_CERT_FILE="+cert)
	checkDownloads(t, goOK(t, env, downloads(t)...))

	b, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := trusting(t, b).Get(hv.URL + "/example.com/plain/@v/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
		t.Errorf("got %s by %s", resp.Status, resp.Proto)
	}
}

// trusting returns a client that trusts one authority.
func trusting(t *testing.T, ca []byte) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("no certificate: %q", ca)
	}
	tr := &http.Transport{ForceAttemptHTTP2: true, DialContext: proxytest.Dialer{}.DialContext, TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}
