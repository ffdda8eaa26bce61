package upstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/upstream"
)

// An authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate, PEM
}

func newAuthority(t *testing.T) *authority {
	a := &authority{}
	der, key := a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.key = key
	a.cert, _ = x509.ParseCertificate(der)
	a.file = writePEM(t, "ca.pem", "CERTIFICATE", der)
	return a
}

// sign returns a certificate and its key. Before there is one of the authority, it signs itself.
func (a *authority) sign(t *testing.T, c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// server returns the configuration of a server called up.test, which wants a certificate where wants is set.
func (a *authority) server(t *testing.T, wants bool) *tls.Config {
	der, key := a.sign(t, &x509.Certificate{DNSNames: []string{"up.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	if wants {
		conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		conf.ClientCAs.AddCert(a.cert)
	}
	return conf
}

// dated returns a server's configuration with a certificate for up.test that is valid between two times.
func (a *authority) dated(t *testing.T, from, to time.Time) *tls.Config {
	der, key := a.sign(t, &x509.Certificate{DNSNames: []string{"up.test"}, NotBefore: from, NotAfter: to})
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// client returns the files of a client's certificate and key.
func (a *authority) client(t *testing.T) (cert, key string) {
	der, k := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "builds"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "cert.pem", "CERTIFICATE", der), writePEM(t, "key.pem", "PRIVATE KEY", b)
}

func writePEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	return writeFile(t, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// serveTLS answers at up.test, over HTTP/2 too.
func serveTLS(t *testing.T, conf *tls.Config, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.TLS, s.EnableHTTP2 = conf, true
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	proxytest.Register(s.Listener.Addr().String())
	return s
}

// upTest is the address of a server at up.test.
func upTest(addr net.Addr) string {
	_, port, _ := net.SplitHostPort(addr.String())
	return "up.test:" + port
}

// loopback is a Dialer for which all hosts are this machine.
func loopback() *upstream.Dialer {
	return &upstream.Dialer{
		Dial: proxytest.Dialer{}.DialContext,
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
	}
}

// transport returns one that takes no proxy from the environment.
func transport(t *testing.T, o goproxy.UpstreamOptions) *upstream.Transport {
	t.Helper()
	if o.Proxy == "" {
		o.Proxy = "direct"
	}
	tr, err := upstream.BuildTransport(upstream.DefaultTimeouts, o, loopback())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}
