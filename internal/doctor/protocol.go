package doctor

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// sampleModule is asked for where no module was named: every public proxy has it, and a
// private one may say that it does not.
const sampleModule = "golang.org/x/text"

// contentFacts are what the files of a version showed.
type contentFacts struct {
	target  *target
	path    string
	version string // "" where none is known
	list    []byte
	known   bool // the proxy has the module
	info    *exchange
	mod     *exchange
	zip     *exchange
	tail    *exchange // the last of a large zip
	wrong   string    // what is wrong with a file
	what    string    // which file that is
	kind    Code
	modHash string
	zipHash string // "" where the zip was not read whole
	speed   float64
}

// protocol asks a module proxy what the go command would ask it.
func (e *examination) protocol(ctx context.Context, c *client, db goproxy.SumDB) {
	t := c.t
	path := e.Module
	if path == "" {
		path = sampleModule
	}
	escaped, err := module.EscapePath(path)
	if err != nil {
		return // the command has checked it
	}
	t.web = c.get(ctx, "the list of versions", "/"+escaped+"/@v/list", "")
	e.second(ctx, c, t.web, "/"+escaped+"/@v/list")
	if t.web.end != "" || t.web.status != http.StatusOK && !absent(t.web.status) {
		return
	}
	f := &contentFacts{target: t, path: path, known: t.web.status == http.StatusOK}
	if f.known {
		f.list = t.web.body
	}
	t.content = f
	if t.web.isHTML() {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { f.files(ctx, c, escaped, e.Version, e.Module == "") })
	if db.Name != "" && !e.m.unverified(path) {
		wg.Go(func() { t.sum = e.examineSum(ctx, c, db, "/sumdb/"+db.Name) })
	}
	wg.Wait()
	f.check()
}

// second asks again in another way what had no answer, to see why.
func (e *examination) second(ctx context.Context, c *client, x *exchange, path string) {
	t := c.t
	switch {
	case t.url.Scheme == "https" && x.proto != "HTTP/1.1" && t.tls.state.NegotiatedProtocol == "h2" && (x.end == hungUp || x.end == malformed || x.end == wasReset || x.end == cutShort):
		one := newClient(t, false)
		defer one.tr.CloseIdleConnections()
		y := one.get(ctx, x.what, path, "")
		x.h1 = y.end == "" && y.status != 0
	case t.url.Scheme == "http" && t.via == nil && (x.end == hungUp || x.end == wasReset || x.end == malformed || x.end == hung || x.status == http.StatusBadRequest):
		if x.end == hungUp || x.end == wasReset || x.end == malformed {
			if f := t.tcpTo(); f != nil {
				f.idle = idle(ctx, t.addr)
			}
		}
		h := t.shake(ctx, otherPatience, &tls.Config{ServerName: t.host})
		x.speaks = h.err == nil || h.alert() >= 0
	}
}

// absent reports whether a status says that there is no such thing.
func absent(status int) bool { return status == http.StatusNotFound || status == http.StatusGone }

// files asks for the files of a version: of the one that is named, else of the latest. Of a sample's zip a part will do.
func (f *contentFacts) files(ctx context.Context, c *client, escaped, version string, sample bool) {
	if version == "" || version == "latest" {
		version = goproxy.Latest(f.list)
	}
	if version == "" || !goproxy.Fits(f.path, version) {
		query := "/@latest"
		if version != "" {
			query = "/@v/" + escapeQuery(version) + ".info"
		}
		f.info = c.get(ctx, "the .info", "/"+escaped+query, "")
		version = versionIn(f.info)
		if version == "" {
			return
		}
	}
	f.version = version
	name, err := module.EscapeVersion(version)
	if err != nil {
		return
	}
	at := "/" + escaped + "/@v/" + name
	var wg sync.WaitGroup
	if f.info == nil {
		wg.Go(func() { f.info = c.get(ctx, "the .info", at+".info", "") })
	}
	wg.Go(func() { f.mod = c.get(ctx, "the .mod", at+".mod", "") })
	wg.Go(func() {
		part := ""
		if sample {
			part = "bytes=0-524287" // enough to tell the speed
		}
		f.zip = c.get(ctx, "the zip", at+".zip", part)
		if f.zip.status == http.StatusOK && f.zip.end == "" && f.zip.got >= maxBody && f.zip.length > maxBody {
			f.tail = c.get(ctx, "the end of the zip", at+".zip", fmt.Sprintf("bytes=%d-%d", f.zip.length-1024, f.zip.length-1))
		}
	})
	wg.Wait()
}

func escapeQuery(q string) string {
	if s, err := module.EscapeVersion(q); err == nil {
		return s
	}
	return "latest"
}

// versionIn returns the version that an .info names, "" for none.
func versionIn(x *exchange) string {
	var info struct{ Version string }
	if x.status != http.StatusOK || x.end != "" || json.Unmarshal(x.body, &info) != nil || module.CanonicalVersion(info.Version) != info.Version {
		return ""
	}
	return info.Version
}

// check judges the form of the files.
func (f *contentFacts) check() {
	for _, x := range []*exchange{f.info, f.mod, f.zip} {
		if x == nil || x.status != http.StatusOK && x.status != http.StatusPartialContent || x.end != "" || f.wrong != "" {
			continue
		}
		f.what = x.what
		switch {
		case x.isHTML():
			f.kind, f.wrong = "MH2002", "a page"
		case len(x.body) == 0:
			f.kind, f.wrong = "MH2006", "nothing"
		case x == f.info && f.version != "":
			if err := goproxy.CheckInfo(x.body, f.path, f.version); err != nil {
				f.kind, f.wrong = "MH2004", err.Error()
			}
		case x == f.mod:
			f.modHash, _ = dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.body)), nil })
		case x == f.zip:
			f.checkZip()
		}
	}
	if f.kind == "" && f.known {
		if clean, err := goproxy.CleanList(f.list, f.path); err != nil || len(clean) < len(f.list) && len(bytes.Fields(f.list)) > 0 && len(bytes.Fields(clean)) == 0 {
			f.what, f.kind, f.wrong = "the list of versions", "MH2004", "it has lines that are no versions of "+f.path
		}
	}
}

// endOfZip begins the last record of a zip (APPNOTE 4.3.16).
const endOfZip = "PK\x05\x06"

func (f *contentFacts) checkZip() {
	x := f.zip
	if took := x.took - x.first; took > 50*time.Millisecond && x.got > 256<<10 {
		f.speed = float64(x.got) / took.Seconds()
	}
	if !bytes.HasPrefix(x.body, []byte("PK")) {
		f.kind, f.wrong = "MH2004", "it does not begin as a zip does"
		return
	}
	if x.status == http.StatusPartialContent || x.length > x.got || x.got >= maxBody {
		if f.tail != nil && f.tail.status == http.StatusPartialContent && f.tail.end == "" && !bytes.Contains(f.tail.body, []byte(endOfZip)) {
			f.kind, f.wrong = "MH2003", "no central directory"
		}
		return
	}
	if !bytes.Contains(x.body[max(0, len(x.body)-66<<10):], []byte(endOfZip)) {
		f.kind, f.wrong = "MH2003", "no central directory"
		return
	}
	r, err := zip.NewReader(bytes.NewReader(x.body), int64(len(x.body)))
	if err != nil {
		f.kind, f.wrong = "MH2005", errText(err)
		return
	}
	prefix := f.path + "@" + f.version + "/"
	files := map[string]*zip.File{}
	var names []string
	for _, z := range r.File {
		if !strings.HasPrefix(z.Name, prefix) {
			f.kind, f.wrong, f.what = "MH2004", fmt.Sprintf("its file %.100q is not below %s", z.Name, prefix), "the zip"
			return
		}
		names, files[z.Name] = append(names, z.Name), z
	}
	if f.zipHash, err = dirhash.Hash1(names, func(name string) (io.ReadCloser, error) { return bounded(files[name]) }); err != nil {
		f.kind, f.wrong = "MH2005", errText(err)
	}
}

// bounded opens a file of a zip, of which no more is read than a module may have.
func bounded(z *zip.File) (io.ReadCloser, error) {
	const most = 64 << 20
	if z.UncompressedSize64 > most {
		return nil, fmt.Errorf("%.100q is too large to be looked at", z.Name)
	}
	return z.Open()
}

// versions returns the highest versions that a proxy has, for people.
func (f *contentFacts) versions() string {
	all := strings.Fields(string(f.list))
	sorted := make([]module.Version, 0, len(all))
	for _, v := range all {
		if goproxy.Fits(f.path, v) {
			sorted = append(sorted, module.Version{Path: f.path, Version: v})
		}
	}
	module.Sort(sorted)
	const most = 4
	var names []string
	for _, m := range sorted[max(0, len(sorted)-most):] {
		names = append(names, m.Version)
	}
	return strings.Join(names, ", ")
}
