package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/modhaven/modhaven/internal/access"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// A person asks a server with what he has.
type person struct {
	name   string
	header string           // Authorization
	cert   *tls.Certificate // shown whoever is asked for
	groups string           // what he is: "", "dev", "admin"; "anonymous" without a credential
	bad    string           // a word of why his credential is refused; "" where it is good
	few    bool             // asks little: his guesses are counted
}

// people are one of each kind of credential that there is, with what a server needs to know them.
func people(t *testing.T) (all []person, auth, caFile string) {
	t.Helper()
	now := time.Now()
	file := filepath.Join(t.TempDir(), access.TokenFile)
	token := func(name string, expires time.Time, groups ...string) string {
		secret, err := access.Create(file, name, groups, now.Add(-2*time.Hour), expires)
		if err != nil {
			t.Fatal(err)
		}
		return proxytest.Plant(secret)
	}
	dev, admin := token("dev", time.Time{}, "dev"), token("admin", time.Time{}, "dev", "ops")
	expired, revoked := token("old", now.Add(-time.Hour), "dev"), token("gone", time.Time{}, "dev")
	if err := access.Revoke(file, "gone", now); err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(proxytest.Plant("alices-pass-word")), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	htpasswd := inFile(t, "htpasswd", "alice:"+string(hash)+"\n")
	idp, other := newIssuer(t), newIssuer(t)
	ours, theirs := newSigner(t, "authority"), newSigner(t, "authority")
	jwt := func(from *issuer, changes map[string]any) string {
		return "Bearer " + proxytest.Plant(from.token(t, idp.URL, now, changes))
	}
	all = []person{
		{name: "nobody", groups: "anonymous"},
		{name: "token", header: "Bearer " + dev, groups: "dev"},
		{name: "token as a password", header: basic("robot", dev), groups: "dev"},
		{name: "token of all groups", header: "Bearer " + admin, groups: "admin"},
		{name: "wrong token", header: "Bearer " + dev[:len(dev)-1] + "x", bad: "not one of this proxy's"},
		{name: "expired token", header: "Bearer " + expired, bad: "it expired at"},
		{name: "revoked token", header: basic("x", revoked), bad: "it was revoked at"},
		{name: "password", header: basic("alice", "alices-pass-word"), groups: "dev"},
		{name: "wrong password", header: basic("alice", "bobs-pass-word"), bad: "not one of this proxy's", few: true},
		{name: "no scheme", header: "Digest x", bad: "neither Basic nor Bearer"},
		{name: "OIDC", header: jwt(idp, nil), groups: "dev"},
		{name: "OIDC of another group", header: jwt(idp, map[string]any{"groups": []string{"sales"}}), groups: ""},
		{name: "OIDC expired", header: jwt(idp, map[string]any{"exp": now.Add(-time.Hour).Unix()}), bad: "expired"},
		{name: "OIDC of another issuer", header: jwt(other, map[string]any{"iss": other.URL}), bad: "not one of this proxy's"},
		{name: "OIDC signed by another", header: jwt(other, nil), bad: "not one of this proxy's"},
		{name: "OIDC for another audience", header: jwt(idp, map[string]any{"aud": "elsewhere"}), bad: "audience"},
		{name: "certificate", cert: ours.client(t, "builder", "dev"), groups: "dev"},
		{name: "certificate of no group", cert: ours.client(t, "visitor", "sales"), groups: ""},
		{name: "foreign certificate", cert: theirs.client(t, "builder", "dev"), bad: "handshake"},
	}
	auth = "token " + file + "; htpasswd " + htpasswd + "; certificate " + ours.file + "; oidc " + idp.URL + " audience=modhaven groups=groups"
	return all, auth, idp.file
}

func basic(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

func inFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A signer is an authority of client certificates.
type signer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newSigner(t *testing.T, name string) *signer {
	t.Helper()
	s := &signer{key: newKey(t)}
	s.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der := certify(t, s.cert, s.cert, &s.key.PublicKey, s.key)
	s.file = inFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return s
}

func (s *signer) client(t *testing.T, name, group string) *tls.Certificate {
	t.Helper()
	key := newKey(t)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name, Organization: []string{group}}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	return &tls.Certificate{Certificate: [][]byte{certify(t, leaf, s.cert, &key.PublicKey, s.key)}, PrivateKey: key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certify(t *testing.T, leaf, parent *x509.Certificate, key *ecdsa.PublicKey, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, key, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// An issuer is an OpenID Connect provider over TLS.
type issuer struct {
	*httptest.Server
	key  *ecdsa.PrivateKey
	file string // its certificate
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{key: newKey(t)}
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
		case "/keys":
			point, _ := i.key.PublicKey.Bytes()
			json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{"kty": "EC", "crv": "P-256", "kid": "e1",
				"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])}}})
		default:
			http.NotFound(w, r)
		}
	}))
	i.Config.ErrorLog = log.New(io.Discard, "", 0)
	i.StartTLS()
	t.Cleanup(i.Close)
	proxytest.Register(i.Listener.Addr().String())
	i.file = inFile(t, "idp.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw})))
	return i
}

// token signs claims, with changes. Its claim iss is that address.
func (i *issuer) token(t *testing.T, iss string, now time.Time, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": iss, "aud": "modhaven", "sub": "build", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "groups": []string{"dev"}}
	for k, v := range changes {
		claims[k] = v
	}
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(map[string]string{"alg": "ES256", "kid": "e1"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}
