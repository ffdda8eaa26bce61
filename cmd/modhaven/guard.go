package main

import (
	"errors"
	"net/http"

	"github.com/modhaven/modhaven/internal/access"
	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/server"
)

// accessOptions reads who may ask and for what. The error joins a *config.Error for each thing that is wrong.
func accessOptions(cfg *config.Config) (o access.Options, err error) {
	state, err := cfg.StateDir()
	if err != nil {
		return o, err
	}
	var errs [4]error
	mistake := func(n int, key string, err error) {
		if err != nil {
			errs[n] = cfg.Mistake(key, err)
		}
	}
	o.Auth, err = access.ParseAuth(cfg.Auth, state)
	mistake(0, "auth", err)
	o.Rules, err = access.ParseRules(cfg.Access)
	mistake(1, "access", err)
	o.Limit, err = access.ParseLimit(cfg.RateLimit)
	mistake(2, "rate-limit", err)
	if len(o.Auth.Certificates) > 0 && !cfg.TLS() {
		mistake(3, "auth", errors.New("client certificates are shown to a server with TLS; set tls_cert, tls_acme or tls_self_signed"))
	}
	return o, errors.Join(errs[:]...)
}

// check is cfg.Check and what only the rooms behind it can read.
func check(cfg *config.Config) error {
	_, err := accessOptions(cfg)
	_, credErr := directCredentials(cfg)
	return errors.Join(cfg.Check(), err, credErr)
}

// newGuard builds what says who may ask for what; nil where everybody may, as often as he likes.
func (hv *haven) newGuard(cfg *config.Config) error {
	o, err := accessOptions(cfg)
	if err != nil {
		return err
	}
	if cfg.Auth == "" {
		o.Auth.None = true
	}
	if o.Auth.None && o.Limit == (access.Limit{}) {
		return nil
	}
	o.Log = hv.log
	if hv.guard, err = access.New(o); err != nil {
		return cfg.Mistake("auth", err)
	}
	return nil
}

// porter is an access.Guard in the words of package server.
type porter struct{ *access.Guard }

// Admit implements server.Guard.
func (p porter) Admit(r *http.Request) (server.Caller, error) {
	id, err := p.Check(r)
	var limited *access.Limited
	if errors.As(err, &limited) {
		return nil, &goproxy.Refused{Status: http.StatusTooManyRequests, Reason: limited.Error(), RetryAfter: limited.RetryAfter()}
	}
	if err != nil {
		return nil, err
	}
	return caller{p.Guard, id}, nil
}

// caller is an access.Identity in the words of package server.
type caller struct {
	guard *access.Guard
	id    access.Identity
}

// Name implements server.Caller.
func (c caller) Name() string {
	if c.id.Kind == access.KindAnonymous {
		return ""
	}
	return c.id.String()
}

// May implements server.Caller.
func (c caller) May(path string) error { return c.guard.May(c.id, path) }

// MayAll implements server.Caller.
func (c caller) MayAll() error { return c.guard.MayAll(c.id) }

// Private implements server.Caller.
func (c caller) Private(path string) bool { return c.guard.Private(path) }

// PrivateAll implements server.Caller.
func (c caller) PrivateAll() bool {
	return c.guard.MayAll(access.Identity{Kind: access.KindAnonymous}) != nil
}
