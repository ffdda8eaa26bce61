package access

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestNewTokenAtOnce has a token work when it was made, though the file was looked at a moment before; the clock stands still.
func TestNewTokenAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	c := newClock()
	g := newTestGuard(t, Options{Auth: Auth{Tokens: []string{file}}}, c)
	if _, err := g.Check(bearer(newSecret())); code(err) != 401 {
		t.Errorf("a token that nobody made: %v", err)
	}
	for _, name := range []string{"one", "two"} {
		secret, err := Create(file, name, nil, c.now(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if id, err := g.Check(bearer(secret)); err != nil || id.Name != name {
			t.Errorf("the new token %s: %v, %v", name, id, err)
		}
	}
}

// TestGuessesReadNothing has tries with tokens that there are not read the file no more often than it changes.
func TestGuessesReadNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	c := newClock()
	if _, err := Create(file, "one", nil, c.now(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	reads := 0
	w, err := watch(file, maxTokenFile, true, func(b []byte) (*tokenSet, error) { reads++; return parseTokens(b) }, nil, c.now)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		w.latest().find(newSecret())
	}
	if reads != 1 {
		t.Errorf("the file was read %d times", reads)
	}
	if _, err := Create(file, "two", nil, c.now(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := len(w.latest().all); got != 2 || reads != 2 {
		t.Errorf("%d tokens after %d reads", got, reads)
	}
}

// TestNewUserAtOnce is TestNewTokenAtOnce for passwords.
func TestNewUserAtOnce(t *testing.T) {
	text := "alice:" + hashed(t, "a") + "\n"
	file := inDir(t, "htpasswd", text)
	g := newTestGuard(t, Options{Auth: Auth{Passwords: []string{file}}}, newClock())
	if err := os.WriteFile(file, []byte(text+"bob:"+hashed(t, "b")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := g.Check(basic("bob", "b")); err != nil || id.Name != "bob" {
		t.Errorf("the new user: %v, %v", id, err)
	}
}

// TestNewAuthority has a file of authorities be read again: for new connections, and for those that there are.
func TestNewAuthority(t *testing.T) {
	c := newClock()
	later := c.now().Add(time.Hour)
	ours, other := certify(t, "authority", nil, later), certify(t, "authority", nil, later)
	file := inDir(t, "ca.pem", string(pemOf(ours.Leaf)))
	g := newTestGuard(t, Options{Auth: Auth{Certificates: []string{file}}}, c)
	by := func(ca tls.Certificate) *tls.ConnectionState {
		leaf := certify(t, "build-1", &ca, later)
		return &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf.Leaf, ca.Leaf}}}
	}
	check := func(what string, state *tls.ConnectionState, want int) {
		t.Helper()
		r := request()
		r.TLS = state
		if id, err := g.Check(r); code(err) != want {
			t.Errorf("%s: %v, %v; want %d", what, id, err, want)
		}
	}
	old, young := by(ours), by(other)
	check("ours", old, 200)
	check("of another authority", young, 401)
	if err := os.WriteFile(file, pemOf(other.Leaf), 0o600); err != nil {
		t.Fatal(err)
	}
	c.after(lookEvery)
	check("of one that was taken out", old, 401)
	check("of one that was added", young, 200)
	want := x509.NewCertPool()
	want.AddCert(other.Leaf)
	if !g.ClientCAs().Equal(want) {
		t.Error("new connections are not verified by what the file says now")
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.after(lookEvery)
	check("while the file is bad", young, 200)
	c.after(2 * time.Hour)
	check("expired while connected", young, 401)
}
