// Package access says who asks, and what he may read: credentials, rules of modules and rate limits.
//
// It writes no answer, terminates no TLS and fetches no module. Its refusals are errors of package goproxy, whose texts go
// to clients as they are.
package access

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

// The kinds of identities, by what they have shown.
const (
	KindAnonymous   = "anonymous" // nothing
	KindToken       = "token"     // a token that this proxy has made
	KindPassword    = "password"  // a user and a password
	KindOIDC        = "oidc"      // a token of an OpenID Connect issuer
	KindCertificate = "certificate"
)

var kinds = []string{KindToken, KindPassword, KindOIDC, KindCertificate}

// An Identity is who asks. Two that differ in Kind are two, though their names are the same. The zero value is nobody, who may
// read nothing.
type Identity struct {
	Name   string // for people and logs; chosen by the issuer, so that it may have any characters; "" for KindAnonymous
	Groups []string
	Kind   string
}

// String returns KIND:NAME, the form that access rules have for one identity.
func (id Identity) String() string {
	if id.Kind == KindAnonymous {
		return id.Kind
	}
	return id.Kind + ":" + id.Name
}

// Challenge is the value of WWW-Authenticate that belongs to every answer with status 401 (RFC 9110, 15.5.2). It is Basic, since
// that is what a netrc file can answer; Bearer is taken too.
const Challenge = `Basic realm="modhaven", charset="UTF-8"`

// Limited is the error of a request over a rate limit. It unwraps to a *goproxy.Refused with status 429.
type Limited struct {
	Who   string // the identity or the address whose limit it is
	After time.Duration
}

func (e *Limited) Error() string {
	return fmt.Sprintf("%s: too many requests; the next is answered in %v", e.Who, e.RetryAfter())
}

// RetryAfter returns how long to wait before the next request, in whole seconds, at least one.
func (e *Limited) RetryAfter() time.Duration {
	return max(time.Second, (e.After + time.Second - 1).Truncate(time.Second))
}

// Unwrap returns the refusal.
func (e *Limited) Unwrap() error {
	return &goproxy.Refused{Status: http.StatusTooManyRequests, Reason: e.Error()}
}

// Options are what a Guard is made of.
type Options struct {
	Auth  Auth
	Rules []Rule
	Limit Limit
	Log   *slog.Logger // hears of files that cannot be read again, and of issuers that are out of reach
	HTTP  *http.Client // asks issuers; nil for one of its own
}

// A Guard decides. Its methods may be called at once.
type Guard struct {
	auth        Auth
	rules       []Rule
	known       *lru.Cache[[]int] // of modules, the rules about them
	tokens      []*watched[*tokenSet]
	passwords   []*passwords
	issuers     []*issuer
	authorities []*watched[[]*x509.Certificate] // who sign client certificates
	limits      *limiter                        // of identities and addresses; nil for none
	guesses     *limiter                        // of addresses, for wrong passwords
	now         func() time.Time
}

// knownMemory holds some ten thousand modules.
const knownMemory = 4 << 20

// New returns a Guard for settings that were parsed before. It reads the files that they name, and fails where one is wrong; a
// file of tokens may be missing. Issuers are not asked before they are needed. Close it.
func New(o Options) (*Guard, error) { return newGuard(o, time.Now) }

func newGuard(o Options, now func() time.Time) (*Guard, error) {
	g := &Guard{
		auth: o.Auth, rules: o.Rules, now: now,
		known:   lru.New(knownMemory, func(about []int) int64 { return int64(8 * len(about)) }),
		limits:  newLimiter(o.Limit),
		guesses: newLimiter(Limit{PerSecond: guessRate, Burst: guessBurst}),
	}
	log := cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	var errs []error
	for _, name := range o.Auth.Tokens {
		w, err := watch(name, maxTokenFile, true, parseTokens, log, now)
		g.tokens, errs = append(g.tokens, w), append(errs, err)
	}
	verify := newVerifier()
	for _, name := range o.Auth.Passwords {
		w, err := watch(name, maxPasswordFile, false, parsePasswords, log, now)
		g.passwords, errs = append(g.passwords, &passwords{w, verify}), append(errs, err)
	}
	for _, s := range o.Auth.Issuers {
		g.issuers = append(g.issuers, newIssuer(s, o.HTTP, log, now))
	}
	for _, name := range o.Auth.Certificates {
		w, err := watch(name, maxCAs, false, parseCAs, log, now)
		g.authorities, errs = append(g.authorities, w), append(errs, err)
	}
	if o.Auth.None && slices.ContainsFunc(o.Rules, func(r Rule) bool { return r.Group != Anonymous }) {
		errs = append(errs, errors.New("access: it has rules for groups, and with `none` as the setting auth nobody can show which he is in; add a kind of credential"))
	}
	if err := errors.Join(errs...); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// Close ends what the Guard does in the background.
func (g *Guard) Close() {
	for _, i := range g.issuers {
		i.close()
	}
}

// ClientCAs returns who signs client certificates, as their files say now; nil where none are taken. A listener has them as
// tls.Config.ClientCAs of each new connection, with ClientAuth: tls.VerifyClientCertIfGiven.
func (g *Guard) ClientCAs() *x509.CertPool {
	if len(g.authorities) == 0 {
		return nil
	}
	pool := x509.NewCertPool()
	for _, w := range g.authorities {
		for _, c := range w.get() {
			pool.AddCert(c)
		}
	}
	return pool
}

// Check returns who asks. A credential in the header Authorization counts before a client certificate, and a wrong one is never
// passed over. Errors are *goproxy.Refused (401, with which the header Challenge goes, or 403 for a good token of an issuer that a
// condition keeps out), *Limited, which comes with the identity, *goproxy.Unavailable where a credential cannot be verified now,
// or that of a client that left. Each call counts for the rate limit: health checks should not come here.
func (g *Guard) Check(r *http.Request) (Identity, error) {
	addr := address(r.RemoteAddr)
	id, err := g.authenticate(r, addr)
	if err != nil {
		return Identity{}, err
	}
	who := id.String()
	if id.Kind == KindAnonymous {
		who = addr
	}
	return id, g.limits.take(who, g.now())
}

func (g *Guard) authenticate(r *http.Request, addr string) (Identity, error) {
	if values := r.Header["Authorization"]; len(values) > 0 && !g.auth.None {
		return g.credential(r.Context(), values, addr)
	}
	if id, ok := g.certificate(r.TLS); ok {
		return id, nil
	}
	if g.auth.None || g.auth.Anonymous {
		return Identity{Kind: KindAnonymous}, nil
	}
	return Identity{}, &goproxy.Refused{Status: http.StatusUnauthorized, Reason: "this proxy needs a credential, and none came; " + howTo}
}

// howTo tells people who see it in the output of the go command what to do.
const howTo = "put a user and a password or token for this host into ~/.netrc, or set GOAUTH (go help goauth); the go command sends them over https alone"

// May returns nil where id may read the module at path, which is unescaped, its checksums included. Otherwise it is a
// *goproxy.Refused with status 403, or 401 where a credential may change it, or a *goproxy.NotFound where a rule hides the
// module; these say the same whether or not the module exists.
func (g *Guard) May(id Identity, path string) error {
	switch ok, hidden := g.decide(id, path); {
	case ok:
		return nil
	case hidden:
		return goproxy.Absent("not found: %s: no such module", path)
	case id.Kind == KindAnonymous:
		return &goproxy.Refused{Status: http.StatusUnauthorized, Reason: fmt.Sprintf("%s: reading it needs a credential, and none came; %s", path, howTo)}
	}
	return &goproxy.Refused{Status: http.StatusForbidden, Reason: fmt.Sprintf(
		"%s: %.100q may not read it; ask whoever runs this proxy for a group that may (setting access)", path, id.String())}
}

// decide reports whether id may read a module, and where not, whether that is to be hidden.
func (g *Guard) decide(id Identity, path string) (ok, hidden bool) {
	about := g.about(path)
	for _, i := range about {
		if g.rules[i].grants(id) {
			return true, false
		}
		hidden = hidden || g.rules[i].Hide
	}
	return len(about) == 0 && g.enters(id), hidden
}

// about returns which rules are about a module.
func (g *Guard) about(path string) []int {
	if len(g.rules) == 0 {
		return nil
	}
	about, ok := g.known.Get(path)
	if !ok {
		for i, r := range g.rules {
			if r.covers(path) {
				about = append(about, i)
			}
		}
		g.known.Put(path, about)
	}
	return about
}

// enters reports whether id can be what Check returned.
func (g *Guard) enters(id Identity) bool {
	return slices.Contains(kinds, id.Kind) || id.Kind == KindAnonymous && (g.auth.None || g.auth.Anonymous)
}

// MayAll returns nil where id may read every module, so that he may see what names them all: the data tiles of a checksum
// database of one's own, a history, a list of what is stored. Otherwise it is a *goproxy.Refused.
func (g *Guard) MayAll(id Identity) error {
	ok := g.enters(id)
	for _, rule := range g.rules {
		ok = ok && (rule.grants(id) || g.grantsAll(id, rule.Patterns))
	}
	switch {
	case ok:
		return nil
	case id.Kind == KindAnonymous:
		return &goproxy.Refused{Status: http.StatusUnauthorized, Reason: "this names protected modules and needs a credential; none came; " + howTo}
	}
	return &goproxy.Refused{Status: http.StatusForbidden, Reason: fmt.Sprintf(
		"this names modules that %.100q may not read; ask whoever runs this proxy for a group that may (setting access)", id.String())}
}

// grantsAll reports whether another rule gives id the very same patterns.
func (g *Guard) grantsAll(id Identity, patterns string) bool {
	return slices.ContainsFunc(g.rules, func(r Rule) bool { return r.Patterns == patterns && r.grants(id) })
}

// Private reports whether answers about the module at path, unescaped, need a credential, so that no cache between may keep them:
// they go out with "Cache-Control: private, no-store". Give "" for what is about no module.
func (g *Guard) Private(path string) bool {
	ok, _ := g.decide(Identity{Kind: KindAnonymous}, path)
	return !ok
}
