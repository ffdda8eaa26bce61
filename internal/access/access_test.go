package access

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A setup is a Guard with one credential of every kind.
type setup struct {
	*Guard
	clock                         *clock
	provider                      *provider
	tokens, htpasswd              string
	good, expired, revoked, after string // tokens; after is made for another proxy
}

func newSetup(t *testing.T, change func(*Options)) *setup {
	t.Helper()
	dir := t.TempDir()
	s := &setup{clock: newClock(), provider: newProvider(t), tokens: filepath.Join(dir, "tokens"), htpasswd: filepath.Join(dir, "htpasswd")}
	create := func(name string, expires time.Time) string {
		secret, err := Create(s.tokens, name, []string{"dev"}, s.clock.now(), expires)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	s.good, s.expired, s.revoked = create("ci", time.Time{}), create("old", s.clock.now()), create("lost", time.Time{})
	s.after = newSecret()
	if err := Revoke(s.tokens, "lost", s.clock.now()); err != nil {
		t.Fatal(err)
	}
	write(t, s.htpasswd, "# people\nalice:"+hashed(t, "wonder:land")+"\n")
	o := Options{HTTP: s.provider.Client(), Auth: Auth{
		Tokens: []string{s.tokens}, Passwords: []string{s.htpasswd},
		Issuers: []Issuer{{URL: s.provider.URL, Audience: "modhaven", Name: "sub", Groups: []string{"groups", "realm.roles"}, Require: []Require{{"owner", []string{"corp", "corp2"}}}}},
	}}
	if change != nil {
		change(&o)
	}
	s.Guard = newTestGuard(t, o, s.clock)
	return s
}

// TestCheck: every kind of credential, right and wrong.
func TestCheck(t *testing.T) {
	s := newSetup(t, nil)
	now := s.clock.now()
	jwt := func(head, changes map[string]any) string { return s.provider.token(now, head, changes) }
	m := func(k string, v any) map[string]any { return map[string]any{k: v} }
	es := map[string]any{"alg": "ES256", "kid": "e1"}
	tests := []struct {
		name string
		r    *http.Request
		code int
		want string // the identity, or a part of the reason
	}{
		{"nothing", request(), 401, "needs a credential, and none came"},
		{"token", bearer(s.good), 200, "token:ci"},
		{"token, scheme in capitals", request("BEARER  " + s.good), 200, "token:ci"},
		{"token as password", basic("anyone", s.good), 200, "token:ci"},
		{"token as user", basic(s.good, ""), 401, "not one of this proxy's"},
		{"token of another proxy", bearer(s.after), 401, "not one of this proxy's"},
		{"token, cut off", bearer(s.good[:len(s.good)-1]), 401, "not one of this proxy's"},
		{"token, expired", bearer(s.expired), 401, "token old is good no more: it expired at 2026-11-01T12:00:00Z"},
		{"token, revoked", basic("x", s.revoked), 401, "token lost is good no more: it was revoked at"},
		{"password", basic("alice", "wonder:land"), 200, "password:alice"},
		{"password again, from memory", basic("alice", "wonder:land"), 200, "password:alice"},
		{"wrong password", basic("alice", "wonderland"), 401, "not one of this proxy's"},
		{"no password", basic("alice", ""), 401, "not one of this proxy's"},
		{"long password", basic("alice", strings.Repeat("x", maxPassword+1)), 401, "not one of this proxy's"},
		{"unknown user", basic("bob", "wonder:land"), 401, "not one of this proxy's"},
		{"password as a bearer", bearer("wonder:land"), 401, "not one of this proxy's"},
		{"two headers", request("Bearer "+s.good, "Bearer "+s.good), 401, "2 headers"},
		{"odd scheme", request("Digest x"), 401, "neither Basic nor Bearer"},
		{"empty header", request(""), 401, "neither"},
		{"odd base64", request("Basic ???"), 401, "base64 is wrong"},
		{"no colon", request("Basic YWxpY2U="), 401, "no colon"},
		{"oidc RS256", bearer(jwt(nil, nil)), 200, "oidc:build"},
		{"oidc ES256", bearer(jwt(es, nil)), 200, "oidc:build"},
		{"oidc as password", basic("x", jwt(nil, nil)), 200, "oidc:build"},
		{"oidc without kid", bearer(jwt(m("kid", ""), nil)), 200, "oidc:build"},
		{"oidc, several audiences", bearer(jwt(nil, m("aud", []string{"a", "modhaven"}))), 200, "oidc:build"},
		{"oidc, expired", bearer(jwt(nil, m("exp", now.Add(-2*skew).Unix()))), 401, "expired at 2026-11-01T11:58:00Z"},
		{"oidc, within skew", bearer(jwt(nil, m("exp", now.Add(-skew/2).Unix()))), 200, "oidc:build"},
		{"oidc, not yet", bearer(jwt(nil, m("nbf", now.Add(2*skew).Unix()))), 401, "compare the clocks"},
		{"oidc, issued later", bearer(jwt(nil, m("iat", now.Add(2*skew).Unix()))), 401, "compare the clocks"},
		{"oidc, nbf is text", bearer(jwt(nil, m("nbf", "soon"))), 401, "claim nbf is no time"},
		{"oidc, for ever", bearer(jwt(nil, m("exp", nil))), 401, "no claim exp"},
		{"oidc, other audience", bearer(jwt(nil, m("aud", "vault"))), 401, "audience"},
		{"oidc, no audience", bearer(jwt(nil, m("aud", nil))), 401, "audience"},
		{"oidc, other owner", bearer(jwt(nil, m("owner", "mallory"))), 403, "claim owner"},
		{"oidc, other issuer", bearer(jwt(nil, m("iss", "https://evil.example"))), 401, "not one of this proxy's"},
		{"oidc, no name", bearer(jwt(nil, m("sub", nil))), 401, "claim sub"},
		{"oidc, alg none", bearer(jwt(m("alg", "none"), nil)), 401, "not one of this proxy's"},
		{"oidc, alg HS256", bearer(jwt(m("alg", "HS256"), nil)), 401, "not one of this proxy's"},
		{"oidc, key of the other algorithm", bearer(jwt(m("kid", "e1"), nil)), 401, "not one of this proxy's"},
		{"oidc, crit", bearer(jwt(m("crit", []string{"b64"}), nil)), 401, "crit"},
		{"oidc, changed", bearer(strings.Replace(jwt(nil, nil), ".eyJ", ".eyJ9", 1)), 401, "token cannot be read"},
		{"oidc, other signature", bearer(strings.TrimRight(jwt(nil, nil), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") + "AAAA"), 401, "not one of this proxy's"},
		{"oidc, long", bearer(jwt(nil, m("x", strings.Repeat("x", maxJWT)))), 401, "token cannot be read"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id, err := s.Check(test.r)
			got := id.String()
			if err != nil {
				got = err.Error()
			}
			if code(err) != test.code || !strings.Contains(got, test.want) {
				t.Errorf("%d %q, want %d %q", code(err), got, test.code, test.want)
			}
			if strings.Contains(got, s.good) || strings.Contains(got, "wonder:land") {
				t.Errorf("a secret is in %q", got)
			}
		})
	}
	id, err := s.Check(bearer(jwt(nil, nil)))
	if want := []string{"dev", "ops", "lead"}; err != nil || !slices.Equal(id.Groups, want) {
		t.Errorf("groups %q, want %q (%v)", id.Groups, want, err)
	}
}

// TestNoOracle: who guesses gets the very same answer whatever is wrong.
func TestNoOracle(t *testing.T) {
	s := newSetup(t, nil)
	var answers []string
	for _, r := range []*http.Request{basic("alice", "x"), basic("bob", "x"), bearer(s.after), bearer("x"), basic("ci", "x"), basic("x", s.after)} {
		_, err := s.Check(r)
		answers = append(answers, fmt.Sprint(code(err), err))
	}
	if slices.Sort(answers); answers[0] != answers[len(answers)-1] {
		t.Errorf("answers differ: %q", answers)
	}
}

// TestUnknownUserCosts: a user that there is not is compared with a hash too.
func TestUnknownUserCosts(t *testing.T) {
	s := newSetup(t, nil)
	for _, user := range []string{"alice", "bob"} {
		asked := 0
		ok, compared, err := s.passwords[0].check(t.Context(), user, "x", func() error { asked++; return nil })
		if ok || !compared || err != nil || asked != 1 {
			t.Errorf("%s: %v, %v; compared %v, %d times", user, ok, err, compared, asked)
		}
	}
	// The decoy's own password opens nothing.
	if _, err := s.Check(basic("nobody", "wonder:land")); code(err) != 401 {
		t.Errorf("a user that there is not came in with the password of another: %v", err)
	}
}

func TestAnonymousAndNone(t *testing.T) {
	s := newSetup(t, func(o *Options) { o.Auth.Anonymous = true })
	if id, err := s.Check(request()); err != nil || id.Kind != KindAnonymous || id.String() != "anonymous" {
		t.Errorf("Check = %v, %v", id, err)
	}
	if _, err := s.Check(bearer("x")); code(err) != 401 {
		t.Errorf("a wrong credential is passed over: %v", err)
	}
	none := newTestGuard(t, Options{Auth: Auth{None: true}}, newClock())
	if id, err := none.Check(bearer("x")); err != nil || id.Kind != KindAnonymous || none.May(id, "example.com/m") != nil || none.Private("example.com/m") {
		t.Errorf("with none: %v, %v", id, err)
	}
}

func TestCertificate(t *testing.T) {
	provider := newProvider(t)
	name := inDir(t, "ca.pem", string(pemOf(provider.Certificate())))
	g := newTestGuard(t, Options{Auth: Auth{Certificates: []string{name}}}, newClock())
	if g.ClientCAs() == nil {
		t.Fatal("no authorities")
	}
	u, _ := url.Parse("spiffe://corp.example/build")
	tests := []struct {
		leaf x509.Certificate
		want string
	}{
		{x509.Certificate{Subject: pkix.Name{CommonName: "build-1", Organization: []string{"dev"}}, DNSNames: []string{"other"}}, "certificate:build-1"},
		{x509.Certificate{DNSNames: []string{"host.corp.example", "b"}}, "certificate:host.corp.example"},
		{x509.Certificate{EmailAddresses: []string{"a@corp.example"}}, "certificate:a@corp.example"},
		{x509.Certificate{URIs: []*url.URL{u}}, "certificate:spiffe://corp.example/build"},
		{x509.Certificate{}, ""},
	}
	for _, test := range tests {
		r := request()
		test.leaf.NotAfter = newClock().now().Add(time.Hour)
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{&test.leaf, provider.Certificate()}}}
		id, err := g.Check(r)
		if test.want == "" && code(err) != 401 || test.want != "" && (err != nil || id.String() != test.want) {
			t.Errorf("%v, %v; want %q", id, err, test.want)
		}
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{&test.leaf}}
		if _, err := g.Check(r); code(err) != 401 {
			t.Errorf("an unverified certificate came in: %v", err)
		}
	}
}

// TestMay: who may read what, in every spelling.
func TestMay(t *testing.T) {
	rules, err := ParseRules("dev corp.example/*\n ops corp.example/infra hide; token:ci corp.example/infra\neveryone corp.example/open\nanonymous corp.example/site\nboss *.secret.example,exact.example/a/*/* hide")
	if err != nil {
		t.Fatal(err)
	}
	g := newTestGuard(t, Options{Rules: rules, Auth: Auth{Anonymous: true, Passwords: nil}}, newClock())
	anon := Identity{Kind: KindAnonymous}
	dev := Identity{Name: "alice", Kind: KindPassword, Groups: []string{"dev"}}
	ops := Identity{Name: "bob", Kind: KindOIDC, Groups: []string{"ops", "token:ci"}}
	ci := Identity{Name: "ci", Kind: KindToken}
	fake := Identity{Name: "ci", Kind: KindOIDC, Groups: []string{"token:ci"}}
	tests := []struct {
		id   Identity
		path string
		code int
	}{
		{anon, "golang.org/x/text", 200}, {dev, "golang.org/x/text", 200}, {Identity{}, "golang.org/x/text", 403},
		{dev, "corp.example/app", 200}, {dev, "corp.example/app/v2", 200}, {ops, "corp.example/app", 403}, {anon, "corp.example/app", 401},
		{ops, "Corp.Example/App", 403}, {ops, "corp.EXAMPLE/app/sub", 403}, {ops, "corp.example", 403}, {anon, "CORP.example", 401}, {dev, "corp.example", 200},
		{ops, "corp.example.org/app", 200},
		{ops, "corp.example/infra", 200}, {ci, "corp.example/infra/tool", 200}, {fake, "corp.example/infra", 404}, {anon, "corp.example/INFRA", 404},
		{ops, "corp.example/open", 200}, {anon, "corp.example/open/x", 401}, {anon, "corp.example/site", 200}, {Identity{}, "corp.example/site", 403},
		{dev, "git.secret.example/x", 404}, {dev, "git.secret.example", 404}, {dev, "secret.example", 200},
		{dev, "exact.example", 200}, {dev, "exact.example/b", 200}, {dev, "exact.example/a", 404}, {dev, "exact.example/a/b", 404}, {dev, "Exact.example/A/b/c/d", 404},
	}
	for _, test := range tests {
		err := g.May(test.id, test.path)
		if code(err) != test.code {
			t.Errorf("May(%s, %s) = %v, want %d", test.id, test.path, err, test.code)
		}
		if err != nil && !strings.HasPrefix(strings.TrimPrefix(err.Error(), "not found: "), test.path+": ") {
			t.Errorf("the reason does not start with the module: %q", err)
		}
		if want := code(g.May(anon, test.path)) != 200; g.Private(test.path) != want {
			t.Errorf("Private(%s) = %v", test.path, !want)
		}
	}
	all := Identity{Name: "root", Kind: KindToken, Groups: []string{"dev", "ops", "boss"}}
	if err := g.MayAll(all); err != nil {
		t.Errorf("MayAll of all groups: %v", err)
	}
	if a, d := g.MayAll(anon), g.MayAll(dev); code(a) != 401 || code(d) != 403 {
		t.Errorf("MayAll: %v; %v", a, d)
	}
	closed := newTestGuard(t, Options{Rules: rules}, newClock())
	if closed.May(anon, "golang.org/x/text") == nil || !closed.Private("") || !closed.Private("golang.org/x/text") || g.Private("") {
		t.Error("without anonymous everything is private; with it only what rules name")
	}
}

func TestReload(t *testing.T) {
	log, text := logged()
	s := newSetup(t, func(o *Options) { o.Log = log })
	check := func(r *http.Request, want int) {
		t.Helper()
		s.clock.after(lookEvery)
		if _, err := s.Check(r); code(err) != want {
			t.Errorf("%v, want %d", err, want)
		}
	}
	fresh, err := Create(s.tokens, "new", nil, s.clock.now(), s.clock.now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(bearer(fresh)); err != nil {
		t.Errorf("a new token does not count at once: %v", err)
	}
	if err := Revoke(s.tokens, "new", s.clock.now()); err != nil {
		t.Fatal(err)
	}
	check(bearer(fresh), 401)
	check(basic("alice", "wonder:land"), 200)
	write(t, s.htpasswd, "alice:"+hashed(t, "other")+"\n")
	check(basic("alice", "wonder:land"), 401)
	check(basic("alice", "other"), 200)

	// What is wrong leaves what was, and is said once.
	write(t, s.htpasswd, "alice:{SHA}x\n")
	check(basic("alice", "other"), 200)
	check(basic("alice", "other"), 200)
	write(t, s.tokens, "nonsense\n")
	check(bearer(s.good), 200)
	check(bearer(s.good), 200)
	if n := strings.Count(text(), "level=ERROR"); n != 2 || !strings.Contains(text(), "line 1: the hash of") {
		t.Errorf("%d errors are logged, want 2: %s", n, text())
	}
	for _, secret := range []string{s.good, fresh, "other"} {
		if strings.Contains(text(), secret) {
			t.Errorf("a secret is in the log: %s", text())
		}
	}
	s.clock.after(time.Hour)
	check(bearer(s.good), 200)
}

// TestOutage: while the issuer is down, keys that are known hold, and others are asked for once a minute.
func TestOutage(t *testing.T) {
	s := newSetup(t, nil)
	p := s.provider
	check := func(token string, want int) {
		t.Helper()
		if _, err := s.Check(bearer(token)); code(err) != want {
			t.Errorf("%v, want %d", err, want)
		}
		s.issuers[0].wait.Wait() // what runs in the background
	}
	token := func(kid string) string { return p.token(s.clock.now(), map[string]any{"kid": kid}, nil) }
	p.set(func() { p.down = true })
	check(token("r1"), 503)
	p.set(func() { p.down = false })
	check(token("r1"), 503) // not asked again so soon
	s.clock.after(keysPause)
	check(token("r1"), 200)
	p.set(func() { p.kids[0] = "r2" })
	for range 5 {
		check(token("r2"), 401)
	}
	s.clock.after(keysPause)
	check(token("r2"), 200)
	check(token("r1"), 401) // the issuer has withdrawn it
	p.set(func() { p.down = true })
	for range 5 {
		s.clock.after(2 * keysFresh)
		check(token("r2"), 200)
	}
	p.set(func() {
		if p.asked != 2 {
			t.Errorf("keys were asked for %d times, want 2", p.asked)
		}
		p.down, p.answer = false, `{"issuer":"https://other.example"}`
	})
	s.clock.after(keysPause)
	check(token("r3"), 401)
	p.set(func() { p.answer = `{"issuer":"` + p.URL + `","jwks_uri":"http://plain.example/"}` })
	s.clock.after(keysPause)
	check(token("r3"), 401)
	if err := s.issuers[0].failed; err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("keys over http: %v", err)
	}
}

// TestAtOnce is for the race detector.
func TestAtOnce(t *testing.T) {
	s := newSetup(t, func(o *Options) { o.Limit = Limit{PerSecond: 1, Burst: 100000} })
	now := s.clock.now()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 20 {
				s.clock.after(lookEvery / 4)
				for _, r := range []*http.Request{bearer(s.good), basic("alice", "wonder:land"), bearer(s.provider.token(now, nil, nil))} {
					if _, err := s.Check(r); err != nil {
						t.Error(err)
					}
				}
			}
			if _, err := Create(s.tokens, fmt.Sprintf("t%d", i), nil, now, time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all, err := List(s.tokens); err != nil || len(all) != 3+16 {
		t.Errorf("%d tokens (%v): some were lost", len(all), err)
	}
}

func TestNewFails(t *testing.T) {
	for _, test := range []struct {
		auth Auth
		want string
	}{
		{Auth{Passwords: []string{"absent"}}, "absent"},
		{Auth{None: true}, "nobody can show which he is in"},
		{Auth{Passwords: []string{inDir(t, "h", "alice:$apr1$x$y")}}, "line 1"},
		{Auth{Tokens: []string{inDir(t, "tokens", "x")}}, "tokens: line 1: "},
		{Auth{Certificates: []string{inDir(t, "ca", "x")}}, "no certificate"},
		{Auth{Tokens: []string{inDir(t, "big", strings.Repeat("#", maxTokenFile+1))}}, "more than"},
	} {
		if g, err := New(Options{Auth: test.auth, Rules: []Rule{{Group: "dev", Patterns: "corp.example"}}}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New(%v) = %v, %v; want %q", test.auth, g, err, test.want)
		}
	}
}
