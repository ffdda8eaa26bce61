package server

import (
	"net/http"
	"strings"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A Guard says who asks, before anything else is looked at. Health is asked by anybody.
type Guard interface {
	// Admit returns who asks. The error is a *goproxy.Refused: 401 where a credential is missing or wrong, 403, or 429.
	Admit(r *http.Request) (Caller, error)
}

// A Caller is who asks.
type Caller struct {
	Name   string // "" where nobody knows
	Secret bool   // what he is told is for him alone: no cache on the way may keep it
	// May returns nil where he may know of a module, else a *goproxy.Refused or, where even that it exists is secret, a
	// *goproxy.NotFound. nil: he may know of all.
	May func(modulePath string) error
}

func (c *Caller) may(path string) error {
	if c.May == nil {
		return nil
	}
	return c.May(path)
}

// admit asks the guard; false where it refuses, which is answered then.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, a *Access) bool {
	if h.o.Guard == nil || a.Path == "healthz" || a.Path == "readyz" {
		return true
	}
	var err error
	if a.Caller, err = h.o.Guard.Admit(r); err == nil {
		return true
	}
	a.Err = err
	if code, _, _ := status(err); code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Modhaven"`)
	}
	a.Status, a.Bytes = writeError(w, r, err)
	return false
}

// lookedUp returns the path of the module that a name below /sumdb/ is about, "" where it is about none.
func lookedUp(path string) string {
	_, arg, ok := strings.Cut(path, "/lookup/")
	if !ok {
		return ""
	}
	escaped, _, _ := strings.Cut(arg, "@")
	name, err := module.UnescapePath(escaped)
	if err != nil {
		return "" // nobody answers that
	}
	return name
}

// modulePath is what a request is about.
func modulePath(req goproxy.Request) string {
	if req.Op == goproxy.OpFile {
		return req.File.Path
	}
	return req.Path
}
