package access

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPasswordFile(t *testing.T) {
	hash := hashed(t, "x")
	dear := strings.Replace(hash, "$04$", "$15$", 1)
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"# people\r\n\r\nalice:" + hash + "\r\n", ""},
		{"alice:" + strings.Replace(hash, "$2a$", "$2y$", 1), ""}, // as htpasswd writes it
		{"alice", "line 1: it is not USER:HASH"},
		{"alice:", "line 1: it is not USER:HASH"},
		{":" + hash, "line 1: it is not USER:HASH"},
		{"a:" + hash + "\nalice:$apr1$abcdefgh$0123456789012345678901", `line 2: the hash of "alice" is not bcrypt's; set the password again with: htpasswd -B FILE USER`},
		{"alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "not bcrypt's"},
		{"alice:" + hash[:59], "not bcrypt's"},
		{"alice:" + hash + "x", "not bcrypt's"},
		{"alice:plain", "not bcrypt's"},
		{"alice:" + dear, "has cost 15"},
		{"alice:" + hash + "\nalice:" + hash, `line 2: "alice" stands in the file twice`},
	} {
		_, err := parsePasswords([]byte(test.in))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%q: %v, want %q", test.in, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "W6ph5") {
			t.Errorf("a hash is in %q", err)
		}
	}
}

// TestHtpasswdForm: the form of the htpasswd command opens.
func TestHtpasswdForm(t *testing.T) {
	file := inDir(t, "people", "alice:"+strings.Replace(hashed(t, "wonder"), "$2a$", "$2y$", 1)+"\n")
	g := newTestGuard(t, Options{Auth: Auth{Passwords: []string{file}}}, newClock())
	if id, err := g.Check(basic("alice", "wonder")); err != nil || id.Name != "alice" {
		t.Errorf("%v, %v", id, err)
	}
}

// TestPasswordsAreBounded: comparisons wait for a slot, no more than some of them, and a client that leaves does not.
func TestPasswordsAreBounded(t *testing.T) {
	s := newSetup(t, nil)
	v := s.passwords[0].verifier
	for range cap(v.slots) {
		v.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("left")
	cancel(left)
	if _, err := s.Check(basic("alice", "wonder:land").WithContext(ctx)); !errors.Is(err, left) {
		t.Errorf("a client that left: %v", err)
	}
	v.waiting.Add(maxWaiting)
	if _, err := s.Check(basic("bob", "x")); code(err) != 503 {
		t.Errorf("with %d before it: %v", maxWaiting, err)
	}
	if _, err := s.Check(bearer(s.good)); err != nil {
		t.Errorf("a token waits for passwords: %v", err)
	}
	v.waiting.Add(-maxWaiting)
	for range cap(v.slots) {
		<-v.slots
	}
	if _, err := s.Check(basic("alice", "wonder:land")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestTokensAppear: a file of tokens that is made later counts, and one that goes takes its tokens with it.
func TestTokensAppear(t *testing.T) {
	clock, file := newClock(), t.TempDir()+"/tokens"
	g := newTestGuard(t, Options{Auth: Auth{Tokens: []string{file}}}, clock)
	secret, err := Create(file, "ci", nil, clock.now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	clock.after(lookEvery)
	if _, err := g.Check(bearer(secret)); err != nil {
		t.Errorf("a new file: %v", err)
	}
	remove(t, file)
	clock.after(lookEvery)
	if _, err := g.Check(bearer(secret)); code(err) != http.StatusUnauthorized {
		t.Errorf("a file that is gone: %v", err)
	}
}

// TestRedirectedKeys: keys do not come over a connection that anybody can change.
func TestRedirectedKeys(t *testing.T) {
	s := newSetup(t, nil)
	s.provider.set(func() { s.provider.moved = "http://127.0.0.1:1/keys" })
	_, err := s.Check(bearer(s.provider.token(s.clock.now(), nil, nil)))
	if code(err) != 503 || !strings.Contains(err.Error(), "not https") {
		t.Errorf("%v, want 503", err)
	}
}
