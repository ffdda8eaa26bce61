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
type Caller interface {
	// Name is for records; "" where nobody knows it.
	Name() string
	// May returns nil where he may know of the module at path, else a *goproxy.Refused or, where even that it exists is secret, a
	// *goproxy.NotFound.
	May(path string) error
	// MayAll returns nil where he may know of all modules.
	MayAll() error
	// Private reports whether answers about the module at path, or about none where that is "", depend on who asks: no cache
	// on the way may keep them.
	Private(path string) bool
	// PrivateAll reports the same of answers that name all modules.
	PrivateAll() bool
}

// admit asks the guard; false where it refuses, which is answered then.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request, a *Access) bool {
	if h.o.Guard == nil || a.Path == "healthz" || a.Path == "readyz" {
		return true
	}
	if a.Caller, a.Err = h.o.Guard.Admit(r); a.Err == nil {
		return true
	}
	a.Status, a.Bytes = writeError(w, r, a.Err)
	return false
}

// may says whether who asks may know of the module at path, "" for none.
func (a *Access) may(path string) error {
	if a.Caller == nil || path == "" {
		return nil
	}
	return a.Caller.May(path)
}

// mayAll says whether who asks may know of all modules.
func (a *Access) mayAll() error {
	if a.Caller == nil {
		return nil
	}
	return a.Caller.MayAll()
}

// private reports whether an answer about the module at path is for nobody else.
func (a *Access) private(path string) bool { return a.Caller != nil && a.Caller.Private(path) }

// mayAsk says whether who asks may have what a name below /sumdb/ says, and privateSum whether that is for nobody else.
func (a *Access) mayAsk(path string) error {
	if isRecords(path) {
		return a.mayAll()
	}
	return a.may(lookedUp(path))
}

func (a *Access) privateSum(path string) bool {
	if isRecords(path) {
		return a.Caller != nil && a.Caller.PrivateAll()
	}
	return a.private(lookedUp(path))
}

// isRecords reports whether a name below /sumdb/ is of a tile of records, which names all modules that the database knows.
func isRecords(path string) bool {
	_, tile, ok := strings.Cut(path, "/tile/")
	return ok && strings.Contains(tile, "/data/")
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
