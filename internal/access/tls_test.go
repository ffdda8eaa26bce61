package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// certify makes a certificate for a common name, of an authority, or where parent is nil of itself.
func certify(t *testing.T, name string, parent *tls.Certificate, expires time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"dev"}}, NotBefore: time.Unix(1, 0), NotAfter: expires,
		IsCA: parent == nil, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	signer, by := key, leaf
	if parent != nil {
		signer, by = parent.PrivateKey.(*ecdsa.PrivateKey), parent.Leaf
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, by, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}
}

// TestClientCertificate: over a connection, as a listener is to be set up.
func TestClientCertificate(t *testing.T) {
	later := time.Now().Add(time.Hour)
	ours, other := certify(t, "authority", nil, later), certify(t, "authority", nil, later)
	g := newTestGuard(t, Options{Auth: Auth{Certificates: []string{inDir(t, "ca.pem", string(pemOf(ours.Leaf)))}}}, newClock())
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, err := g.Check(r)
		fmt.Fprint(w, code(err), id, id.Groups)
	}))
	srv.TLS = &tls.Config{ClientCAs: g.ClientCAs(), ClientAuth: tls.VerifyClientCertIfGiven}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are the point
	srv.StartTLS()
	defer srv.Close()
	for _, test := range []struct {
		name string
		cert *tls.Certificate
		want string // "" where no connection comes to be
	}{
		{"none", nil, "401 : []"},
		{"ours", new(certify(t, "build-1", &ours, later)), "200 certificate:build-1 [dev]"},
		{"of another authority", new(certify(t, "build-1", &other, later)), ""},
		{"expired", new(certify(t, "build-1", &ours, time.Unix(2, 0))), ""},
	} {
		client := srv.Client().Transport.(*http.Transport).Clone()
		if test.cert != nil {
			client.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return test.cert, nil }
		}
		resp, err := (&http.Client{Transport: client}).Get(srv.URL)
		got := ""
		if err == nil {
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			got = string(b)
		}
		client.CloseIdleConnections()
		if got != test.want {
			t.Errorf("%s: %q, want %q (%v)", test.name, got, test.want, err)
		}
	}
}
