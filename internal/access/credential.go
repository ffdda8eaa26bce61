package access

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// unauthorized returns the refusal of a credential.
func unauthorized(format string, args ...any) error {
	return &goproxy.Refused{Status: http.StatusUnauthorized, Reason: fmt.Sprintf(format, args...)}
}

// wrong is the refusal of whatever nobody knows, the same whether it is the user or the password: who guesses learns nothing.
func wrong() error {
	return unauthorized("the credential that came is not one of this proxy's: the user, the password or the token is wrong, or it was made for another proxy")
}

// credential says whose the values of a header Authorization are (RFC 7617, RFC 6750). A token may also be the password of any user, since
// a netrc file has no place for a token alone.
func (g *Guard) credential(ctx context.Context, values []string, addr string) (Identity, error) {
	if len(values) > 1 {
		return Identity{}, unauthorized("%d headers Authorization came, and one is possible", len(values))
	}
	var user, secret string
	var basic bool
	switch scheme, rest, _ := strings.Cut(values[0], " "); strings.ToLower(scheme) {
	case "bearer":
		secret = strings.TrimSpace(rest)
	case "basic":
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		if err != nil {
			return Identity{}, unauthorized("the header Authorization is not a Basic credential: its base64 is wrong")
		}
		user, secret, basic = cut(string(b))
		if !basic {
			return Identity{}, unauthorized("the header Authorization is not a Basic credential: it has no colon")
		}
	default:
		return Identity{}, unauthorized("the header Authorization is neither Basic nor Bearer")
	}
	if isToken(secret) && len(g.tokens) > 0 {
		return g.token(secret)
	}
	if isJWT(secret) && len(g.issuers) > 0 {
		return g.oidc(ctx, secret)
	}
	if !basic {
		return Identity{}, wrong()
	}
	return g.password(ctx, user, secret, addr)
}

func cut(s string) (user, secret string, ok bool) { return strings.Cut(s, ":") }

// token says whose a token is. Only who has it learns why it is good no more.
func (g *Guard) token(secret string) (Identity, error) {
	var stale error
	for _, file := range g.tokens {
		t, ok := file.get().find(secret)
		if !ok {
			t, ok = file.latest().find(secret) // it may have been made a moment ago
		}
		if !ok {
			continue
		}
		problem := t.Problem(g.now())
		if problem == "" {
			return Identity{Name: t.Name, Groups: t.Groups, Kind: KindToken}, nil
		}
		stale = unauthorized("the token %s is good no more: %s; ask whoever runs this proxy for another (modhaven token create)", t.Name, problem)
	}
	return Identity{}, cmp.Or(stale, wrong())
}

func (g *Guard) password(ctx context.Context, user, password, addr string) (Identity, error) {
	guessed := false
	for _, p := range g.passwords {
		ok, compared, err := p.check(ctx, user, password, func() error { return g.guesses.ready(addr, g.now()) })
		if err != nil {
			return Identity{}, err
		}
		if ok {
			return Identity{Name: user, Kind: KindPassword}, nil
		}
		guessed = guessed || compared
	}
	if guessed {
		_ = g.guesses.take(addr, g.now()) // the next one is told
	}
	return Identity{}, wrong()
}

// oidc asks the one issuer that a token names.
func (g *Guard) oidc(ctx context.Context, secret string) (Identity, error) {
	t, err := parseJWT(secret)
	if err != nil {
		return Identity{}, unauthorized("the token cannot be read: %v", err)
	}
	var last error
	for _, i := range g.issuers { // several of one address may want different audiences
		if i.URL != t.text("iss") {
			continue
		}
		id, err := i.check(ctx, t, g.now())
		if err == nil {
			return id, nil
		}
		last = err
	}
	return Identity{}, cmp.Or(last, wrong())
}

// certificate returns who the verified client certificate of a connection is for: its common name, else its first name of a host, a mail
// address or a URI. Its groups are its organizations, as they are for Kubernetes.
func (g *Guard) certificate(state *tls.ConnectionState) (Identity, bool) {
	if len(g.authorities) == 0 || state == nil || !slices.ContainsFunc(state.VerifiedChains, g.isTrusted) {
		return Identity{}, false
	}
	leaf := state.VerifiedChains[0][0] // that of all chains
	names := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	names = append(names, leaf.EmailAddresses...)
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	name := cmp.Or(names...)
	return Identity{Name: name, Groups: leaf.Subject.Organization, Kind: KindCertificate}, name != ""
}

// isTrusted reports whether a chain holds still: its connection may be older than a change of the files.
func (g *Guard) isTrusted(chain []*x509.Certificate) bool {
	if len(chain) == 0 || g.now().After(chain[0].NotAfter) {
		return false
	}
	root := chain[len(chain)-1]
	return slices.ContainsFunc(g.authorities, func(w *watched[[]*x509.Certificate]) bool { return slices.ContainsFunc(w.get(), root.Equal) })
}

// maxCAs bounds a file of authorities, in bytes.
const maxCAs = 4 << 20

// parseCAs reads authorities in PEM.
func parseCAs(b []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("its certificate %d cannot be read: %w", len(all)+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("it has no certificate of an authority in PEM")
	}
	return all, nil
}
