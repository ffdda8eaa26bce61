package proxytest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
)

// An Upstream is a module proxy.
type Upstream struct {
	*Server
	// Storage is where zips are, with [RedirectZips]; else nil. The names there are
	// those of the upstream, with a query that stands for a signature.
	Storage *Server

	set setup
	cat catalog
}

// New starts an upstream that serves the fixtures. It is closed when the test ends.
func New(t TB, opts ...Option) *Upstream {
	t.Helper()
	u := &Upstream{set: setup{unknown: http.StatusNotFound}}
	for _, o := range opts {
		o(&u.set)
	}
	var mods []Module
	if !u.set.noFixtures {
		mods = Fixtures(t)
	}
	u.Server = newServer(t, http.HandlerFunc(u.answer), u.set.everyAnswer)
	for _, m := range append(mods, u.set.mods...) {
		u.Add(m)
	}
	u.start(u.set.security)
	if u.set.redirect {
		u.Storage = newServer(t, http.HandlerFunc(u.store), u.set.everyAnswer)
		u.Storage.start(u.set.security)
	}
	return u
}

// Add publishes a version, or replaces it. Checksum databases that have it already keep what they have.
func (u *Upstream) Add(m Module) {
	u.t.Helper()
	if err := u.cat.add(m); err != nil {
		u.t.Fatalf("proxytest: %v", err)
	}
	for _, db := range u.set.dbs {
		if _, ok := db.cat.find(m.Path, m.Version); !ok {
			db.Add(m)
		}
	}
}

// Remove takes a version away.
func (u *Upstream) Remove(path, version string) {
	u.t.Helper()
	if err := u.cat.remove(path, version); err != nil {
		u.t.Fatalf("proxytest: %v", err)
	}
}

// answer is the protocol of https://go.dev/ref/mod#goproxy-protocol.
func (u *Upstream) answer(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	for _, db := range u.set.dbs {
		if strings.HasPrefix(name, "sumdb/"+db.Name+"/") {
			http.StripPrefix("/sumdb/"+db.Name, db.next).ServeHTTP(w, r)
			return
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, r.Method+" is not allowed", http.StatusMethodNotAllowed)
		return
	}
	if u.set.noLatest && strings.HasSuffix(name, "/@latest") {
		http.NotFound(w, r)
		return
	}
	f, ok := u.find(name)
	switch {
	case !ok:
		http.Error(w, "not found: "+name+": no such module or version", u.set.unknown)
	case f.zip && u.set.redirect:
		http.Redirect(w, r, u.Storage.URL+"/"+name+"?signature=valid", http.StatusFound)
	default:
		u.send(w, r, f)
	}
}

// store is the storage.
func (u *Upstream) store(w http.ResponseWriter, r *http.Request) {
	f, ok := u.find(strings.TrimPrefix(r.URL.Path, "/"))
	if !ok || !f.zip || r.URL.RawQuery != "signature=valid" {
		http.Error(w, "no such object, or the signature is wrong", http.StatusForbidden)
		return
	}
	u.send(w, r, f)
}

// A file is what a name stands for.
type file struct {
	body  []byte
	ctype string
	etag  string
	zip   bool
}

func text(s string) file {
	return file{body: []byte(s), ctype: "text/plain; charset=UTF-8", etag: etag([]byte(s))}
}

func (u *Upstream) find(name string) (file, bool) {
	if esc, ok := strings.CutSuffix(name, "/@latest"); ok {
		m, ok := latest(u.cat.versions(esc))
		return u.info(m), ok
	}
	esc, what, _ := strings.Cut(name, "/@v/")
	versions := u.cat.versions(esc)
	if what == "list" {
		return text(list(versions, u.set.pseudo)), len(versions) > 0
	}
	for _, m := range versions {
		switch {
		case name == m.Name("info"), m.hasRef(what):
			return u.info(m), true
		case name == m.Name("mod"):
			return text(m.Mod), true
		case name == m.Name("zip"):
			return file{m.Zip, "application/zip", m.zipTag, true}, true
		}
	}
	return file{}, false
}

// hasRef reports whether what is the .info of one of m's refs.
func (m Module) hasRef(what string) bool {
	esc, ok := strings.CutSuffix(what, ".info")
	ref, err := module.UnescapeVersion(esc)
	return ok && err == nil && slices.Contains(m.Refs, ref)
}

func (u *Upstream) info(m Module) file {
	info := m.Info
	if u.set.spaced {
		var b bytes.Buffer
		if json.Indent(&b, []byte(info), " ", "\t") == nil {
			info = "\n " + b.String() + "\n"
		}
	}
	f := text(info)
	f.ctype = "application/json"
	return f
}

func (u *Upstream) send(w http.ResponseWriter, r *http.Request, f file) {
	h := w.Header()
	h.Set("Content-Type", f.ctype)
	if u.set.gzip && !f.zip {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			f.body = compress(f.body)
			f.etag = etag(f.body)
		}
	}
	if !u.set.noETag {
		h.Set("ETag", f.etag)
	}
	if u.set.ranges != RangesHonoured && r.Header.Get("Range") != "" {
		var done bool
		if r, done = u.set.ranges.answer(w, r, f.body); done {
			return
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}

func compress(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // a bytes.Buffer does not fail
	_ = z.Close()
	return out.Bytes()
}

// answer answers a request that has a Range, or returns the request without it.
func (k Ranges) answer(w http.ResponseWriter, r *http.Request, b []byte) (*http.Request, bool) {
	size := len(b)
	var first, last int
	switch n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); {
	case k == RangesIgnored || n == 0 || first >= size:
		r = r.Clone(r.Context())
		r.Header.Del("Range")
		return r, false
	case k == RangesRefused:
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		http.Error(w, "no ranges", http.StatusRequestedRangeNotSatisfiable)
		return r, true
	case n == 1 || last >= size:
		last = size - 1
	}
	part, total := b[first:last+1], size
	switch k {
	case RangesWrong:
		part = b[:last+1-first]
	case RangesShifted:
		part, first = b[:last+1], 0
	case RangesResized:
		total++
	}
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, total))
	w.Header().Set("Content-Length", fmt.Sprint(len(part)))
	w.WriteHeader(http.StatusPartialContent)
	if r.Method != http.MethodHead {
		_, _ = w.Write(part) // the client's end is the client's business
	}
	return r, true
}
