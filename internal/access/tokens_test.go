package access

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/modhaven/modhaven/internal/goproxy"
)

func pemOf(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func TestTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if all, err := List(file); err != nil || len(all) != 0 {
		t.Errorf("List of no file = %v, %v", all, err)
	}
	secret, err := Create(file, "ci", []string{"dev", "ops"}, now, now.Add(time.Hour))
	if err != nil || !isToken(secret) {
		t.Fatalf("%q, %v", secret, err)
	}
	b, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(b), secret) || strings.Contains(string(b), strings.TrimPrefix(secret, prefix)) {
		t.Errorf("the secret is in the file (%v): %s", err, b)
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if _, err := Create(file, "ci", nil, now, time.Time{}); err == nil || !strings.Contains(err.Error(), "a good token ci already") {
		t.Errorf("a second token of one name: %v", err)
	}
	if err := Revoke(file, "other", now); err == nil || !strings.Contains(err.Error(), `no token "other"`) {
		t.Errorf("revoked what is not: %v", err)
	}
	for range 2 { // the first time stays
		if err := Revoke(file, "ci", now); err != nil {
			t.Error(err)
		}
		now = now.Add(time.Minute)
	}
	all, err := List(file)
	want := []Token{{Name: "ci", Groups: []string{"dev", "ops"}, Created: now.Add(-2 * time.Minute), Expires: now.Add(58 * time.Minute), Revoked: now.Add(-2 * time.Minute)}}
	if diff := cmp.Diff(want, all, cmpopts.IgnoreUnexported(Token{})); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := Create(file, "ci", nil, now, time.Time{}); err != nil {
		t.Errorf("in place of a revoked one: %v", err)
	}
	for _, name := range []string{"", "a b", "-x", ".x", "a,b", "a\nb", "é", strings.Repeat("x", 65)} {
		if _, err := Create(file, name, nil, now, time.Time{}); err == nil {
			t.Errorf("%q is a name", name)
		}
		if _, err := Create(file, "g", []string{name}, now, time.Time{}); err == nil {
			t.Errorf("%q is a group", name)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTokensAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxTokens {
		tok := Token{Name: fmt.Sprintf("t%d", i), hash: hashOf(fmt.Sprint(i))}
		b.WriteString(tok.String() + "\n")
	}
	file := inDir(t, "tokens", b.String())
	if _, err := Create(file, "more", nil, time.Unix(1, 0), time.Time{}); err == nil || !strings.Contains(err.Error(), "most that are possible") {
		t.Errorf("one more than possible: %v", err)
	}
	if _, err := parseTokens([]byte(b.String() + strings.Replace(b.String()[:80], "t0", "tx", 1))); err == nil {
		t.Error("one more than possible was read")
	}
}

// FuzzTokens: what is read is written as it was read.
func FuzzTokens(f *testing.F) {
	tok := Token{Name: "ci", Groups: []string{"a", "b"}, Created: time.Unix(1, 0), Expires: time.Unix(2, 0), Revoked: time.Unix(3, 0)}
	f.Add([]byte(header + tok.String() + "\n"))
	f.Add([]byte("a b\n#\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseTokens(b)
		if err != nil {
			return
		}
		var text strings.Builder
		for i := range s.all {
			text.WriteString(s.all[i].String() + "\n")
		}
		again, err := parseTokens([]byte(text.String()))
		if err != nil || len(again.all) != len(s.all) {
			t.Fatalf("%q became %q: %v", b, text.String(), err)
		}
		for i := range s.all {
			if s.all[i].String() != again.all[i].String() {
				t.Errorf("%q became %q", s.all[i].String(), again.all[i].String())
			}
		}
	})
}

// FuzzPasswords: nothing but bcrypt of a bounded cost is taken.
func FuzzPasswords(f *testing.F) {
	f.Add([]byte("alice:$2y$05$abcdefghijklmnopqrstuuVbZr9xDmFNP7R3Fm6nRTfVqVqY0p6qu\n"))
	f.Add([]byte("alice:$apr1$x$y\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parsePasswords(b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("no line is named: %v", err)
			}
			return
		}
		for user, hash := range s.hashes {
			if user == "" || len(hash) != 60 || s.decoy == "" {
				t.Errorf("%q has %q", user, hash)
			}
		}
	})
}

// FuzzJWT: whatever comes, reading it ends, and nothing unsigned comes in.
func FuzzJWT(f *testing.F) {
	r, _ := makeKeys()
	k := key{alg: "RS256", rsa: &r.PublicKey}
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4IiwiZXhwIjoxLCJhdWQiOlsiYSIsMV19.AAAA")
	f.Add("eyJ.e30.")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := parseJWT(s)
		if err != nil {
			return
		}
		_ = tok.checkTimes(time.Unix(1e9, 0))
		_, _ = tok.list("aud"), tok.list("a.b.c")
		if k.signs(tok) {
			t.Errorf("%q is signed", s)
		}
	})
}

// FuzzKeys: whatever comes, keys that are taken can verify.
func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := parseKeys(b)
		if err != nil {
			return
		}
		for _, k := range keys {
			if k.signs(&jwt{alg: k.alg, signed: b, signature: make([]byte, 64)}) {
				t.Error("zeros are a signature")
			}
		}
	})
}

// FuzzCovers: a rule protects what its patterns match, in every case, and all that is below, and never less.
func FuzzCovers(f *testing.F) {
	f.Add("corp.example/*", "corp.example/Secret")
	f.Add("*.corp.example/*/*,a/b/", "git.corp.example")
	f.Fuzz(func(t *testing.T, patterns, path string) {
		rules, err := ParseRules("dev " + patterns)
		if err != nil || len(rules) != 1 || rules[0].Patterns != patterns {
			return
		}
		covers := rules[0].covers(path)
		if goproxy.MatchesAny(patterns, path) && !covers {
			t.Errorf("%q matches %q and is not protected", patterns, path)
		}
		ascii := !strings.ContainsFunc(path, func(c rune) bool { return c >= 0x80 })
		if ascii && covers != rules[0].covers(strings.ToUpper(path)) {
			t.Errorf("%q protects %q in one case alone", patterns, path)
		}
		if goproxy.MatchesAny(patterns, path) && path != "" && !rules[0].covers(strings.TrimSuffix(path, "/")+"/below") {
			t.Errorf("%q protects %q and not what is below", patterns, path)
		}
	})
}

// FuzzSettings: an error names its line; what is taken is bounded and checked.
func FuzzSettings(f *testing.F) {
	f.Add("token; htpasswd x\noidc https://a.example audience=b require=c=d", "dev a/*,b hide\neveryone c")
	f.Add("none", "# x\n;;x")
	f.Fuzz(func(t *testing.T, auth, access string) {
		if a, err := ParseAuth(auth, "state"); err == nil {
			for _, i := range a.Issuers {
				if i.Audience == "" || !strings.HasPrefix(strings.ToLower(i.URL), "https:") {
					t.Errorf("%q is taken: %v", auth, i)
				}
			}
		}
		rules, err := ParseRules(access)
		if err != nil {
			return
		}
		for _, r := range rules {
			again, err := ParseRules(fmt.Sprintf("%s %s%s", r.Group, r.Patterns, map[bool]string{true: " hide"}[r.Hide]))
			if err != nil || len(again) != 1 || again[0] != r {
				t.Errorf("%v became %v, %v", r, again, err)
			}
			r.covers("example.com/a/b")
		}
	})
}
