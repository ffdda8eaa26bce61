package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	keysFresh   = time.Hour        // keys that are older are asked for again, while they are in use
	keysPause   = time.Minute      // between two askings, whatever comes
	keysTimeout = 10 * time.Second // of one asking
	maxDocument = 256 << 10
)

// An issuer verifies the tokens of one provider. Its keys are kept in memory and asked for again when a token has one that is not known, or
// when they are old; while the provider is out of reach the known ones hold.
type issuer struct {
	Issuer
	client *http.Client
	log    *slog.Logger
	now    func() time.Time
	ctx    context.Context // of what runs in the background
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu      sync.Mutex // guards all below
	keys    []key
	fetched time.Time     // when keys came
	tried   time.Time     // when they were asked for
	failed  error         // of the last asking
	running chan struct{} // closed when the asking under way has ended; nil where there is none
}

func newIssuer(s Issuer, client *http.Client, log *slog.Logger, now func() time.Time) *issuer {
	if client == nil {
		client = &http.Client{Timeout: keysTimeout}
	}
	safe := *client
	safe.CheckRedirect = overTLS
	i := &issuer{Issuer: s, client: &safe, log: log, now: now}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	return i
}

// overTLS keeps redirects from leaving TLS: whoever can change the keys can make tokens.
func overTLS(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != "https" || len(via) > 5 {
		return errors.New("it redirects to an address that is not https, or for ever")
	}
	return nil
}

func (i *issuer) close() {
	i.mu.Lock() // so that start does not begin anything after
	i.cancel()
	i.mu.Unlock()
	i.wait.Wait()
}

// check says whose a token is. The signature comes first: until then everything is a guess, and the answer says no more than that.
func (i *issuer) check(ctx context.Context, t *jwt, now time.Time) (Identity, error) {
	keys, err := i.find(ctx, t)
	if err != nil {
		return Identity{}, err
	}
	if !slices.ContainsFunc(keys, func(k key) bool { return k.signs(t) }) {
		return Identity{}, wrong()
	}
	if err := t.checkTimes(now); err != nil {
		return Identity{}, unauthorized("the token of %s is not taken: %v", i.URL, err)
	}
	if !slices.Contains(t.list("aud"), i.Audience) {
		return Identity{}, unauthorized("the token of %s is not taken: its audience is %.200q and must be %q", i.URL, t.list("aud"), i.Audience)
	}
	for _, r := range i.Require {
		if !slices.ContainsFunc(t.list(r.Claim), func(v string) bool { return slices.Contains(r.Values, v) }) {
			return Identity{}, &goproxy.Refused{Status: http.StatusForbidden, Reason: fmt.Sprintf(
				"the token of %s is not taken: its claim %s is %.200q, and this proxy lets others in (setting auth, require)", i.URL, r.Claim, t.list(r.Claim))}
		}
	}
	id := Identity{Name: t.text(i.Name), Kind: KindOIDC}
	if id.Name == "" {
		return Identity{}, unauthorized("the token of %s is not taken: its claim %s, which names who has it, is no text", i.URL, i.Name)
	}
	for _, claim := range i.Groups {
		id.Groups = append(id.Groups, t.list(claim)...)
	}
	return id, nil
}

// find returns the keys that may have signed a token. It waits for the issuer where none is known.
func (i *issuer) find(ctx context.Context, t *jwt) ([]key, error) {
	i.mu.Lock()
	keys, now := i.match(t), i.now()
	if len(keys) == 0 || now.Sub(i.fetched) >= keysFresh {
		i.start(now)
	}
	running := i.running
	i.mu.Unlock()
	if len(keys) == 0 && running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if keys = i.match(t); len(keys) == 0 && i.keys == nil {
		reason := "it was just asked"
		if i.failed != nil {
			reason = i.failed.Error()
		}
		return nil, &goproxy.Unavailable{Reason: fmt.Sprintf("the token cannot be verified: the keys of %s are not known: %s", i.URL, reason), RetryAfter: keysPause}
	}
	return keys, nil
}

func (i *issuer) match(t *jwt) []key {
	var all []key
	for _, k := range i.keys {
		if k.alg == t.alg && (k.id == t.kid || t.kid == "" || k.id == "") {
			all = append(all, k)
		}
	}
	return all
}

// start asks for the keys in the background, where that is not done already or was not just done. i.mu is held.
func (i *issuer) start(now time.Time) {
	since := now.Sub(i.tried)
	if i.running != nil || !i.tried.IsZero() && since >= 0 && since < keysPause || i.ctx.Err() != nil {
		return
	}
	i.tried = now
	running := make(chan struct{})
	i.running = running
	i.wait.Go(func() {
		ctx, cancel := context.WithTimeout(i.ctx, keysTimeout)
		defer cancel()
		keys, err := i.fetch(ctx)
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.failed = err; err == nil {
			i.keys, i.fetched = keys, now
		}
		i.running = nil
		close(running)
		if err != nil && i.ctx.Err() == nil {
			i.log.Warn("the keys of an OpenID Connect issuer cannot be had; those that are known hold", "issuer", i.URL, "known", len(i.keys), "err", err)
		}
	})
}

// fetch asks the issuer where its keys are (OpenID Connect Discovery 1.0, 4), and for them.
func (i *issuer) fetch(ctx context.Context) ([]key, error) {
	b, err := i.get(ctx, strings.TrimSuffix(i.URL, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var d struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, errors.New("its configuration is not a JSON object")
	}
	if d.Issuer != i.URL {
		return nil, fmt.Errorf("its configuration is that of %.200q; write the issuer so in the setting auth", d.Issuer)
	}
	if u, err := url.Parse(d.Keys); err != nil || u.Scheme != "https" {
		return nil, fmt.Errorf("its configuration has %.200q as the address of its keys, which is not https", d.Keys)
	}
	if b, err = i.get(ctx, d.Keys); err != nil {
		return nil, err
	}
	return parseKeys(b)
}

func (i *issuer) get(ctx context.Context, addr string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, addr, nil)
	if err != nil {
		return nil, err
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: the answer is %s", addr, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err == nil && len(b) > maxDocument {
		err = fmt.Errorf("%s: it has more than %d bytes", addr, maxDocument)
	}
	return b, err
}
