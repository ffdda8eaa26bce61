package gocmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A survey is what one command found out about a module: a list and the .info of "latest", or why there is none.
type survey struct {
	list      []byte
	listErr   error
	latest    []byte
	latestErr error
}

// listed is what "go list -m -json" prints of a module, as far as it is of use.
type listed struct {
	Version   string
	Versions  []string
	Retracted []string
	Error     *struct{ Err string }

	err error // what Error means
}

// List implements goproxy.Fetcher: the tags that are versions, retracted ones too, one a line. A module that has no tag has an empty list.
func (f *Fetcher) List(ctx context.Context, path string) (*goproxy.Content, error) {
	s, err := f.survey(ctx, path)
	if err == nil {
		err = s.listErr
	}
	return answer(s.list, err)
}

// Query implements goproxy.Fetcher. A revision is a branch, a tag or a commit; "latest" is the highest version that is not retracted, else the
// tip of the default branch.
func (f *Fetcher) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	if query == "latest" {
		s, err := f.survey(ctx, path)
		if err == nil {
			err = s.latestErr
		}
		return answer(s.latest, err)
	}
	if err := checkQuery(path, query); err != nil {
		return nil, err
	}
	b, err := f.queries.do(ctx, f, path+"@"+query, func(ctx context.Context) ([]byte, error) { return f.resolve(ctx, path, query) })
	return answer(b, err)
}

func answer(b []byte, err error) (*goproxy.Content, error) {
	if err != nil {
		return nil, err
	}
	return goproxy.InMemory(goproxy.Meta{Size: int64(len(b)), From: From, Checked: time.Now()}, b), nil
}

// Stat implements goproxy.Fetcher. The size of a zip that has not been fetched is negative: only its version is known to exist.
func (f *Fetcher) Stat(ctx context.Context, file goproxy.File) (goproxy.Meta, error) {
	m := goproxy.Meta{Size: -1, From: From}
	err := f.with(ctx, file, goproxy.Mod, func(name string) error {
		info, err := os.Stat(name)
		if err == nil {
			m.Size = info.Size()
		}
		if file.Kind == goproxy.Zip && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return m, err
}

// Fetch implements goproxy.Fetcher.
func (f *Fetcher) Fetch(ctx context.Context, file goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	m := goproxy.Meta{From: From}
	err := f.with(ctx, file, file.Kind, func(name string) error {
		r, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("%s: %v", file, err)
		}
		defer r.Close()
		info, err := r.Stat()
		if err != nil {
			return fmt.Errorf("%s: %v", file, err)
		}
		m.Size = info.Size()
		return deliver(ctx, file, r, m.Size, dst)
	})
	return m, err
}

// deliver hands a file on that is whole.
func deliver(ctx context.Context, file goproxy.File, r io.Reader, size int64, dst goproxy.Sink) error {
	if size > file.Kind.MaxSize() {
		return &goproxy.Wrong{From: From, Reason: fmt.Sprintf("%s: %d bytes are more than the %d that the go command accepts", file, size, file.Kind.MaxSize())}
	}
	if file.Kind != goproxy.Zip {
		b, err := io.ReadAll(r)
		if err == nil {
			err = check(file, b)
		}
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	if err := dst.SetSize(size); err != nil {
		return err
	}
	// A Sink's WriterTo or ReaderFrom must not be found: it would not see ctx.
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.NewOffsetWriter(dst, 0)}, struct{ io.Reader }{&until{ctx, r}}, make([]byte, 256<<10)); err != nil {
		return err
	}
	return dst.Check(ctx, From)
}

func check(file goproxy.File, b []byte) error {
	if file.Kind == goproxy.Info {
		return goproxy.CheckInfo(b, file.Path, file.Version.Version)
	}
	return goproxy.CheckMod(b)
}

// until is a reader that ends with a context.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// with calls use with the name of a file in the go command's cache, which stays there until use returns. Where there is no file of the needed kind, it
// is fetched. A .mod does not cost a zip, since the go command reads many a .mod of modules that it builds nothing of. An .info does: who asks for
// that wants the rest next, and another command would look for the repository and its tags again.
func (f *Fetcher) with(ctx context.Context, file goproxy.File, need goproxy.Kind, use func(name string) error) error {
	if err := checkFile(file); err != nil {
		return err
	}
	sh := f.shelves.use(file.Path)
	defer f.putBack(sh)
	name := sh.file(file)
	wanted := file
	wanted.Kind = need
	if _, err := os.Stat(sh.file(wanted)); err != nil {
		_, err := f.files.do(ctx, f, fmt.Sprint(wanted.Version, need == goproxy.Mod), func(ctx context.Context) (struct{}, error) {
			if need == goproxy.Mod {
				return struct{}{}, f.look(ctx, sh, file.Version)
			}
			return struct{}{}, f.download(ctx, sh, file.Version)
		})
		if err != nil && !exists(sh.file(wanted)) { // an .info counts, whatever became of the go.mod
			return err
		}
	}
	return use(name)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// look has the .info and the .mod of a version fetched.
func (f *Fetcher) look(ctx context.Context, sh *shelf, m module.Version) error {
	l, err := f.list(ctx, sh, m.String(), m.Path, m.Version)
	switch {
	case err != nil:
		return err
	case l.err != nil:
		return l.err
	case !exists(sh.file(goproxy.File{Version: m, Kind: goproxy.Mod})):
		return f.download(ctx, sh, m) // it says why there is no go.mod
	}
	return nil
}

// download has all files of a version fetched. What counts is which files there are, not how the command ended: a go.mod may ask for a newer Go.
func (f *Fetcher) download(ctx context.Context, sh *shelf, m module.Version) error {
	out, err := f.run(ctx, sh, m.String(), "mod", "download", "-json", "--", m.Path+"@"+m.Version)
	if err != nil {
		return err
	}
	var d struct{ Zip, Dir, Error string }
	perr := json.Unmarshal(out.stdout, &d)
	if d.Dir != "" { // only the zip is of use
		if err := removeAll(d.Dir); err != nil {
			f.o.Log.WarnContext(ctx, "direct: an unpacked module stays on disk", "module", m.String(), "err", err)
		}
	}
	switch {
	case d.Zip != "":
		return nil
	case d.Error != "":
		return f.judge(m.String(), d.Error, out)
	case perr != nil || out.err != nil:
		return f.judge(m.String(), string(out.stderr), out)
	}
	return f.judge(m.String(), "the go command made no zip and does not say why", out)
}

// list runs "go list -m" for one version or query. An Error in what it prints is left to the caller, since other fields may be filled beside it.
func (f *Fetcher) list(ctx context.Context, sh *shelf, thing, path, query string, flags ...string) (l listed, err error) {
	args := append([]string{"list", "-m", "-e", "-json"}, flags...)
	out, err := f.run(ctx, sh, thing, append(args, "--", path+"@"+query)...)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(out.stdout, &l); err != nil {
		return l, f.judge(thing, string(out.stderr), out)
	}
	if l.Error != nil {
		l.err = f.judge(thing, l.Error.Err, out)
	}
	return l, nil
}

// resolve returns the .info of the version that a query means.
func (f *Fetcher) resolve(ctx context.Context, path, query string) ([]byte, error) {
	sh := f.shelves.use(path)
	defer f.putBack(sh)
	thing := path + "@" + query
	l, err := f.list(ctx, sh, thing, path, query)
	if err != nil {
		return nil, err
	}
	if l.err != nil {
		return nil, l.err
	}
	return sh.info(path, l.Version)
}

func (f *Fetcher) survey(ctx context.Context, path string) (survey, error) {
	if err := checkPath(path); err != nil {
		return survey{}, err
	}
	return f.surveys.do(ctx, f, path, func(ctx context.Context) (survey, error) { return f.explore(ctx, path) })
}

// explore asks for all versions, and for the highest of them.
func (f *Fetcher) explore(ctx context.Context, path string) (s survey, err error) {
	sh := f.shelves.use(path)
	defer f.putBack(sh)
	l, err := f.list(ctx, sh, path, path, "latest", "-versions", "-retracted")
	if err != nil {
		return s, err
	}
	if l.err != nil && len(l.Versions) == 0 {
		return s, l.err
	}
	var list strings.Builder
	for _, v := range l.Versions {
		list.WriteString(v + "\n")
	}
	s.list, s.listErr = goproxy.CleanList([]byte(list.String()), path)
	switch {
	case len(l.Retracted) > 0, l.err != nil && goproxy.Fits(path, l.Version): // with -retracted "latest" may be such a version, without it is not
		s.latest, s.latestErr = f.resolve(ctx, path, "latest")
	case l.err != nil:
		s.latestErr = l.err
	default:
		s.latest, s.latestErr = sh.info(path, l.Version)
	}
	return s, nil
}

// info returns the .info that the go command has stored.
func (sh *shelf) info(path, version string) ([]byte, error) {
	if !goproxy.Fits(path, version) {
		return nil, &goproxy.Wrong{From: From, Reason: fmt.Sprintf("%s: the go command names version %.100q, which does not fit", path, version)}
	}
	file := goproxy.File{Version: module.Version{Path: path, Version: version}, Kind: goproxy.Info}
	b, err := os.ReadFile(sh.file(file))
	if err != nil {
		return nil, fmt.Errorf("%s: %v", file, err)
	}
	return b, goproxy.CheckInfo(b, path, version)
}

// file returns where the go command stores a file.
func (sh *shelf) file(file goproxy.File) string {
	return filepath.Join(sh.dir, "cache", "download", filepath.FromSlash(file.Name()))
}
