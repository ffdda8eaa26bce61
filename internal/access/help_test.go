package access

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

func TestMain(m *testing.M) { proxytest.Main(m) }

// A clock is set by hand.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time        { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) after(d time.Duration) { c.ns.Add(int64(d)) }

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := replace(name, text); err != nil {
		t.Fatal(err)
	}
}

func hashed(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func newTestGuard(t *testing.T, o Options, c *clock) *Guard {
	t.Helper()
	g, err := newGuard(o, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/example.com/m/@v/list", nil)
	for _, a := range authorization {
		r.Header.Add("Authorization", a)
	}
	return r
}

func bearer(secret string) *http.Request { return request("Bearer " + secret) }

func basic(user, password string) *http.Request {
	r := request()
	r.SetBasicAuth(user, password)
	return r
}

// code is the status that an error of the Guard leads to; 200 for none.
func code(err error) int {
	var refused *goproxy.Refused
	var absent *goproxy.NotFound
	var away *goproxy.Unavailable
	switch {
	case err == nil:
		return 200
	case errors.As(err, &refused):
		return refused.Status
	case errors.As(err, &absent):
		return absent.Status
	case errors.As(err, &away):
		return 503
	}
	return 500
}

// A provider is an OpenID Connect issuer over TLS.
type provider struct {
	*httptest.Server
	rsa   *rsa.PrivateKey
	ecdsa *ecdsa.PrivateKey

	mu     sync.Mutex
	kids   [2]string // of the RSA and the EC key; "" where it is not published
	down   bool
	asked  int    // for keys
	answer string // in place of its configuration
	moved  string // where it redirects for its keys; "" for nowhere
}

var makeKeys = sync.OnceValues(func() (*rsa.PrivateKey, *ecdsa.PrivateKey) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	e, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err, err2); err != nil {
		panic(err)
	}
	return r, e
})

func newProvider(t *testing.T) *provider {
	p := &provider{kids: [2]string{"r1", "e1"}}
	p.rsa, p.ecdsa = makeKeys()
	p.Server = httptest.NewTLSServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		if p.answer != "" {
			io.WriteString(w, p.answer)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
	case "/keys":
		if p.moved != "" {
			http.Redirect(w, r, p.moved, http.StatusFound)
			return
		}
		p.asked++
		json.NewEncoder(w).Encode(map[string]any{"keys": p.keys()})
	default:
		http.NotFound(w, r)
	}
}

func (p *provider) keys() []map[string]string {
	b64 := base64.RawURLEncoding.EncodeToString
	keys := []map[string]string{{"kty": "OKP", "kid": "other"}, {"kty": "RSA", "use": "enc", "n": "x"}}
	if p.kids[0] != "" {
		keys = append(keys, map[string]string{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": p.kids[0],
			"n": b64(p.rsa.N.Bytes()), "e": b64(big.NewInt(int64(p.rsa.E)).Bytes())})
	}
	if p.kids[1] != "" {
		point, _ := p.ecdsa.PublicKey.Bytes()
		keys = append(keys, map[string]string{"kty": "EC", "crv": "P-256", "kid": p.kids[1], "x": b64(point[1:33]), "y": b64(point[33:])})
	}
	return keys
}

func (p *provider) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// token signs claims, with changes, as the provider does.
func (p *provider) token(now time.Time, head map[string]any, changes map[string]any) string {
	claims := map[string]any{"iss": p.URL, "aud": "modhaven", "sub": "build", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "nbf": now.Unix(),
		"groups": []string{"dev", "ops"}, "owner": "corp", "realm": map[string]any{"roles": []string{"lead"}}}
	for k, v := range changes {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	h := map[string]any{"alg": "RS256", "kid": "r1"}
	for k, v := range head {
		h[k] = v
	}
	part := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(h) + "." + part(claims)
	sum := sha256.Sum256([]byte(signed))
	var sig []byte
	if h["alg"] == "ES256" {
		r, s, _ := ecdsa.Sign(rand.Reader, p.ecdsa, sum[:])
		sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	} else {
		sig, _ = rsa.SignPKCS1v15(rand.Reader, p.rsa, crypto.SHA256, sum[:])
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// logged returns a logger and what it has logged.
func logged() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return b.Write(p)
		}), nil)), func() string {
			mu.Lock()
			defer mu.Unlock()
			return b.String()
		}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func inDir(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
