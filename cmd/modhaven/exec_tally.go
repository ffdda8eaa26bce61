package main

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/upstream"
	"golang.org/x/mod/module"
)

// A tally counts what a proxy did for one command. Its methods may be called at once.
type tally struct {
	mu       sync.Mutex
	modules  map[module.Version]bool // false once something of it had to be fetched
	bytes    int64
	requests int
	stale    map[string]bool
	unstored map[string]error
	retried  map[string]bool
	tried    map[string][]attempt // of what has not come, by name: who failed, each once
	failed   map[string]failure   // by name
	asked    map[*question]bool   // what has no answer yet
	yielded  map[string]failure   // what was left to the command itself, by name
}

// An attempt is what one upstream said instead of giving something.
type attempt struct {
	upstream string
	err      error
}

// A question is what was asked for.
type question struct {
	name     string
	upstream string // that was asked last
	what     string // in words
	since    time.Time
}

// A failure is something that was asked for and did not come in the end.
type failure struct {
	what  string    // in words
	tried []attempt // empty where nobody was asked
	err   error     // the answer that the command got
}

// A sum is what a tally comes to.
type sum struct {
	requests int
	modules  int // versions of which anything was served
	stored   int // those of them that came from the store alone
	bytes    int64
	stale    int // lists and queries answered as they were known before
	retried  int // downloads that came after an upstream had failed
	failed   int
	yielded  int // what the command had to fetch by itself
	unstored int // what the store did not take or give
	storeErr error
}

func newTally() *tally {
	return &tally{
		modules:  map[module.Version]bool{},
		stale:    map[string]bool{},
		unstored: map[string]error{},
		retried:  map[string]bool{},
		tried:    map[string][]attempt{},
		failed:   map[string]failure{},
		asked:    map[*question]bool{},
		yielded:  map[string]failure{},
	}
}

// Record implements proxy.Recorder.
func (t *tally) Record(e proxy.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.What {
	case proxy.ServedStale:
		t.stale[e.Name] = true
	case proxy.StoreFailed:
		t.unstored[e.Name] = e.Err
	}
}

// observe hears of a request of the module proxy protocol.
func (t *tally) observe(a server.Access) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if a.Status < http.StatusBadRequest {
		t.bytes += a.Bytes
	}
	if a.Err == nil && a.Request.Op == goproxy.OpFile && a.Method == http.MethodGet {
		from, seen := t.modules[a.Request.File.Version]
		t.modules[a.Request.File.Version] = a.Stored && (from || !seen)
	}
	t.ended(a.Path, wording(a.Request), a.Err)
}

// checksums hears of a question to the checksum database.
func (t *tally) checksums(path string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	t.ended("sumdb/"+path, path, err)
}

// ended keeps a failure, or forgets one that has been made good.
func (t *tally) ended(name, what string, err error) {
	if isFailure(err) {
		t.failed[name] = failure{what, t.tried[name], err}
	} else {
		delete(t.failed, name)
	}
}

// attempted hears what an upstream answered to the question for name.
func (t *tally) attempted(upstream, name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tried := t.tried[name]
	switch {
	case err == nil:
		if len(tried) > 0 {
			t.retried[name] = true
		}
		delete(t.tried, name)
	case isFailure(err):
		tried = slices.DeleteFunc(slices.Clone(tried), func(a attempt) bool { return a.upstream == upstream })
		t.tried[name] = append(tried, attempt{upstream, err})
	}
}

// asks hears that what is called name is asked for; the function that it returns, that it no longer is.
func (t *tally) asks(name, what string) (over func()) {
	q := &question{name: name, what: what, since: time.Now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked[q] = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.asked, q)
	}
}

// Asking implements upstream.Observer.
func (t *tally) Asking(upstream, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for q := range t.asked {
		if q.name == name {
			q.upstream = upstream
		}
	}
}

// Attempted implements upstream.Observer.
func (t *tally) Attempted(_ context.Context, a upstream.Attempt) {
	if a.Cause != "check" && a.Failure != "canceled" {
		t.attempted(a.Upstream, a.Name, a.Err)
	}
}

// Changed implements upstream.Observer.
func (t *tally) Changed(string, upstream.Class, string, string) {}

// yields hears that version control did not give something here, and that the command fetches it by itself.
func (t *tally) yields(name, what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.yielded[name] = failure{what: what, err: err}
}

// lost returns what was left to the command because of trouble that may pass.
func (t *tally) lost() (all []failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(t.yielded)) {
		if f := t.yielded[name]; errors.As(f.err, new(*goproxy.Unavailable)) {
			all = append(all, f)
		}
	}
	return all
}

// forget begins anew with what failed: the command runs again.
func (t *tally) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.failed)
	clear(t.tried)
	clear(t.yielded)
}

// underWay returns what was asked before a time and has no answer yet, the oldest first.
func (t *tally) underWay(before time.Time) []question {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []question
	for q := range t.asked {
		if q.since.Before(before) {
			all = append(all, *q)
		}
	}
	slices.SortFunc(all, func(a, b question) int { return a.since.Compare(b.since) })
	return all
}

// isFailure reports whether an answer is trouble: not absence, which is mostly the answer to
// a guess at a module's path, nor that whoever asked has left.
func isFailure(err error) bool {
	var unavailable *goproxy.Unavailable
	var wrong *goproxy.Wrong
	var refused *goproxy.Refused
	return errors.As(err, &unavailable) || errors.As(err, &wrong) || errors.As(err, &refused)
}

// wording says for people what was asked for.
func wording(r goproxy.Request) string {
	switch r.Op {
	case goproxy.OpFile:
		return r.File.String()
	case goproxy.OpList:
		return r.Path + "/@v/list"
	}
	return r.Path + "@" + r.Query
}

// failures returns what did not come, in the order of their names.
func (t *tally) failures() []failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []failure
	for _, name := range slices.Sorted(maps.Keys(t.failed)) {
		all = append(all, t.failed[name])
	}
	return all
}

// sum returns what the tally has come to.
func (t *tally) sum() sum {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := sum{requests: t.requests, modules: len(t.modules), bytes: t.bytes, stale: len(t.stale), retried: len(t.retried), failed: len(t.failed), yielded: len(t.yielded), unstored: len(t.unstored)}
	for _, stored := range t.modules {
		if stored {
			s.stored++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.unstored)) {
		s.storeErr = t.unstored[name]
		break
	}
	return s
}
