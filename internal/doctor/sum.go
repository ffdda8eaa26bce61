package doctor

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// sumFacts are what answers for a checksum database.
type sumFacts struct {
	target    *target
	db        string
	supported *exchange // nil where the database itself is asked
	latest    *exchange
	lookup    *exchange // nil where no version is known
	signed    bool      // by the key in GOSUMDB
	form      string    // what is wrong with the form, "" for nothing
	module    string
	hashes    map[string]string // of "M V" and "M V/go.mod"
}

// examineSum asks for a checksum database below prefix, which is empty at the database itself.
func (e *examination) examineSum(ctx context.Context, c *client, db goproxy.SumDB, prefix string) *sumFacts {
	f := &sumFacts{target: c.t, db: db.Name}
	if prefix != "" {
		f.supported = c.get(ctx, "the checksum database", prefix+"/supported", "")
		if f.supported.status != http.StatusOK || f.supported.end != "" {
			return f
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { f.latest = c.get(ctx, "the head of the checksum database", prefix+"/latest", "") })
	if m, ok := e.version(); ok && !e.m.unverified(m.Path) {
		f.module = m.String()
		path, err1 := module.EscapePath(m.Path)
		v, err2 := module.EscapeVersion(m.Version)
		if err1 == nil && err2 == nil {
			wg.Go(func() { f.lookup = c.get(ctx, "the record of "+f.module, prefix+"/lookup/"+path+"@"+v, "") })
		}
	}
	wg.Wait()
	f.read(db)
	return f
}

// version returns the version that is looked up.
func (e *examination) version() (module.Version, bool) {
	m := module.Version{Path: e.Module, Version: e.Options.Version}
	return m, m.Path != "" && goproxy.Fits(m.Path, m.Version)
}

func (f *sumFacts) read(db goproxy.SumDB) {
	v, err := note.NewVerifier(db.Key)
	if err != nil || f.latest.status != http.StatusOK || f.latest.end != "" {
		return
	}
	f.signed, f.form = openHead(f.latest.body, v)
	if f.lookup == nil || f.lookup.status != http.StatusOK || f.lookup.end != "" || f.form != "" {
		return
	}
	_, text, head, err := tlog.ParseRecord(f.lookup.body)
	if err != nil {
		f.form = "the record cannot be read"
		return
	}
	if signed, form := openHead(head, v); form != "" || !signed {
		f.signed, f.form = signed, form
	}
	f.hashes = parseSums(string(text))
}

// openHead reads a signed tree head.
func openHead(b []byte, v note.Verifier) (signed bool, form string) {
	n, err := note.Open(b, note.VerifierList(v))
	if err == nil {
		if _, err := tlog.ParseTree([]byte(n.Text)); err != nil {
			return true, "the head cannot be read"
		}
		return true, ""
	}
	if _, ok := err.(*note.UnverifiedNoteError); ok { //nolint:errorlint // note.Open returns it as it is
		return false, ""
	}
	if _, ok := err.(*note.InvalidSignatureError); ok { //nolint:errorlint // note.Open returns it as it is
		return false, ""
	}
	return false, "the head is not a signed note"
}

// parseSums reads lines of go.sum.
func parseSums(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		if w := strings.Fields(line); len(w) == 3 {
			all[w[0]+" "+w[1]] = w[2]
		}
	}
	return all
}

// serves reports whether the database can be asked here.
func (f *sumFacts) serves() bool {
	return f != nil && f.latest != nil && f.latest.status == http.StatusOK && f.latest.end == "" && f.form == "" && f.signed
}

// absent reports whether the go command goes on to the next who may know the database.
func (f *sumFacts) absent() bool {
	return f != nil && f.supported != nil && f.supported.end == "" && absent(f.supported.status)
}

// sumTarget returns the checksum database itself, where the go command would ask there; else nil.
func (e *examination) sumTarget(db goproxy.SumDB) *target {
	if db.Name == "" || e.m.unverified(e.Module) {
		return nil
	}
	if from, worst := e.sumEntry(); db.URL == "" && (from != nil || worst != nil) {
		return nil
	}
	address := db.URL
	if address == "" {
		address = "https://" + db.Name
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	return e.target(roleSum, u)
}

// goSum returns the lines of go.sum beside the go.mod that would be used.
func (e *examination) goSum() map[string]string {
	file := e.m.env["GOMOD"]
	if file == "" || file == os.DevNull {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(file), "go.sum"))
	if err != nil {
		return nil
	}
	return parseSums(string(b))
}
