package sumdb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// VerifierOptions are the policy of a Verifier.
type VerifierOptions struct {
	Private *goproxy.Rules // by which modules are private: no database is asked for them
	Gate    Gate           // may be nil
	Bypass  []goproxy.Bypass
	// Refuse says that nothing is believed without the database; else a file goes out unverified where it cannot be reached.
	Refuse bool
}

// A Verifier says what the files of a version must be.
type Verifier struct {
	client *Client
	o      VerifierOptions
}

// NewVerifier returns a Verifier that asks client.
func NewVerifier(client *Client, o VerifierOptions) *Verifier {
	o.Gate = gate(o.Gate)
	return &Verifier{client, o}
}

// Want is what a version's files must be, as in go.sum ("h1:…"); an empty hash is not known.
type Want struct {
	Zip, Mod   string
	By         string // who says so
	TreeSize   int64  // of the checksum database that proves it
	Unverified string // why nothing is known that should be; "" where it is, or where the module is private
	Excepted   bool   // it is by a rule, not by trouble
}

// reach is how long a file waits for a database that does not answer, where it may go out unverified.
const reach = 10 * time.Second

// Want returns what the files of m must be. What the database does not know is refused (*goproxy.Refused): whoever serves
// it, it is no public module. Where the database is out of reach, the policy decides.
func (v *Verifier) Want(ctx context.Context, m module.Version) (Want, error) {
	if v.o.Private.Private(m.Path) != "" {
		return Want{}, nil
	}
	if b := v.bypass(m, time.Now()); b != nil {
		return Want{Unverified: fmt.Sprintf("excepted by checksum-bypass until %s: %s", b.Until.Format(time.DateOnly), b.Reason), Excepted: true}, nil
	}
	if err := v.o.Gate.Admit(ctx, m.Path); err != nil {
		return Want{}, err
	}
	if !v.o.Refuse {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(goproxy.WithStale(ctx), reach)
		defer cancel()
	}
	r, err := v.client.Lookup(ctx, m)
	if err == nil {
		return v.said(m, r)
	}
	if errors.As(err, new(*goproxy.NotFound)) {
		return Want{}, v.unknown(m, err)
	}
	var fork *ForkError
	switch {
	case errors.As(err, &fork):
		return Want{}, &goproxy.Wrong{Reason: fmt.Sprintf("%s cannot be verified: %v", m, fork)}
	case v.o.Refuse:
		return Want{}, &goproxy.Unavailable{Reason: fmt.Sprintf("%s cannot be verified, and checksum-unreachable is refuse: %v", m, err), RetryAfter: time.Second, Err: err}
	}
	return Want{Unverified: err.Error()}, nil
}

// Expect says that Want will likely be asked soon. It does not wait.
func (v *Verifier) Expect(ctx context.Context, m module.Version) {
	if v.o.Private.Private(m.Path) == "" && v.o.Gate.Admits(m.Path) && v.bypass(m, time.Now()) == nil {
		v.client.Expect(ctx, m)
	}
}

// said turns a record into what is wanted.
func (v *Verifier) said(m module.Version, r Record) (Want, error) {
	zip, mod := r.Hashes(m)
	if zip == "" || mod == "" {
		return Want{}, &goproxy.Wrong{Reason: fmt.Sprintf("%s: record %d of %s lacks its checksums", m, r.ID, v.client.o.DB.Name)}
	}
	return Want{Zip: zip, Mod: mod, By: v.client.o.DB.Name, TreeSize: r.TreeSize}, nil
}

func (v *Verifier) unknown(m module.Version, err error) error {
	return &goproxy.Refused{
		Status: http.StatusForbidden,
		Reason: fmt.Sprintf("%s: the checksum database %s does not know it (%s).\nA private module needs GOPRIVATE with its clients, and the setting private here; a public one that cannot be verified is not served.",
			m, v.client.o.DB.Name, tidy(err.Error())),
	}
}

// bypass returns the exception that m falls under at a time; nil for none.
func (v *Verifier) bypass(m module.Version, at time.Time) *goproxy.Bypass {
	for i := range v.o.Bypass {
		if b := &v.o.Bypass[i]; at.Before(b.Until) && goproxy.MatchesAny(b.Pattern, m.Path) {
			return b
		}
	}
	return nil
}
