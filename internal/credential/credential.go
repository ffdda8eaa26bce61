// Package credential has the credentials that version control hosts want: from files, from variables, from what a
// command or a git credential helper prints, and of GitHub Apps.
//
// It sends nothing to the hosts and knows nothing of modules or of git: who fetches asks it for the credential of one
// host when that is needed. It never shows a secret, be it in an error.
package credential

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// A Secret is a user and a password or token.
type Secret struct{ User, Password string }

// ErrNone says that there is no credential for a host.
var ErrNone = errors.New("no credential is configured")

// Options are what Hosts are made of, beside their settings.
type Options struct {
	Environ []string     // as os.Environ: where variables are looked for, and what commands get
	HTTP    *http.Client // asks GitHub; nil for one of its own, which trusts what the system does
	Log     *slog.Logger // hears why a credential cannot be had
}

// Hosts has the credentials of some hosts. Its methods may be called at once.
type Hosts struct {
	all []Host
	by  map[string]*keeper
	log *slog.Logger
}

// New returns the credentials that the settings name. It fails where a file that they name cannot be used; commands and
// GitHub are not asked before they are needed.
func New(all []Host, o Options) (*Hosts, error) {
	h := &Hosts{all: all, by: map[string]*keeper{}, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	client := cmp.Or(o.HTTP, &http.Client{Timeout: askTime, CheckRedirect: noRedirect})
	var errs []error
	for _, s := range all {
		errs = append(errs, s.checkFiles())
		if ask := s.source(o.Environ, client); ask != nil {
			h.by[s.Name] = &keeper{ask: ask, turn: make(chan struct{}, 1), now: time.Now}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h, nil
}

// noRedirect keeps what is sent to GitHub there.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Names returns the hosts that have a user and a password, as HOST or HOST:PORT.
func (h *Hosts) Names() []string {
	var names []string
	for _, s := range h.all {
		if h.by[s.Name] != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// Get returns the credential of a host, HOST or HOST:PORT, for https. It is ErrNone where there is none; other errors say
// which host's cannot be had, and no more: why is for the log, since it names files and commands of the server.
func (h *Hosts) Get(ctx context.Context, host string) (Secret, error) {
	host = canonical(host)
	k := h.by[host]
	if k == nil {
		return Secret{}, fmt.Errorf("%s: %w", host, ErrNone)
	}
	s, err := k.get(ctx)
	if err != nil && ctx.Err() == nil {
		h.log.ErrorContext(ctx, "direct: the credential of a host cannot be had", "host", host, "err", err)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("%s: its credential cannot be had now; the server's log says why", host)
	}
	return s, nil
}

// Refused says that a host did not take its credential. It reports whether another one can be had now: one that was
// remembered is forgotten, and a file may have changed.
func (h *Hosts) Refused(ctx context.Context, host string, old Secret) (again bool) {
	k := h.by[canonical(host)]
	return k != nil && k.refused(ctx, old)
}

// canonical returns a host as it is looked for: in lower case, without the port of https.
func canonical(host string) string { return strings.TrimSuffix(strings.ToLower(host), ":443") }

// A source returns a credential and until when it may be remembered; the zero time is not at all.
type source func(ctx context.Context) (Secret, time.Time, error)

// A keeper remembers what a source has said.
type keeper struct {
	ask  source
	now  func() time.Time
	turn chan struct{} // has room for who asks or reads what is below

	secret Secret
	since  time.Time
	until  time.Time
}

// pause is how long a remembered credential stays though it was refused, so that the command behind it is not run for
// every request.
const pause = 10 * time.Second

func (k *keeper) get(ctx context.Context) (Secret, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return Secret{}, context.Cause(ctx)
	}
	now := k.now()
	if now.Before(k.until) {
		return k.secret, nil
	}
	s, until, err := k.ask(ctx)
	if err != nil {
		return Secret{}, err
	}
	k.secret, k.since, k.until = s, now, until
	return s, nil
}

func (k *keeper) refused(ctx context.Context, old Secret) bool {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if k.now().Before(k.until) && k.secret == old {
		if k.now().Sub(k.since) < pause {
			<-k.turn
			return false
		}
		k.until = time.Time{}
	}
	<-k.turn
	s, err := k.get(ctx)
	return err == nil && s != old
}
