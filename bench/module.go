package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"
)

// A recipe says what one module version of a fixture is like. The same recipe gives the
// same files, in the names of the protocol.
type recipe struct {
	module.Version
	Go       string // the go line; below 1.17 the go command reads the requirements' go.mod files too
	Requires []module.Version
	Size     int // of the zip, about; 0 makes no zip
	Seed     uint64
}

// textRatio is how far a zip of an author's text shrinks; a test watches it.
const textRatio = 3.4

// goMod returns the bytes of the recipe's go.mod.
func (r recipe) goMod() []byte {
	b := fmt.Appendf(nil, "module %s\n\ngo %s\n", r.Path, r.Go)
	if len(r.Requires) > 0 {
		b = append(b, "\nrequire (\n"...)
		for _, m := range r.Requires {
			b = fmt.Appendf(b, "\t%s %s\n", m.Path, m.Version)
		}
		b = append(b, ")\n"...)
	}
	return b
}

// info returns the bytes of the recipe's .info, with an Origin as real ones have.
func (r recipe) info() []byte {
	at := time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(r.Seed) * time.Hour)
	hash := fmt.Sprintf("%040x", r.Seed*0x9e3779b97f4a7c15)
	return fmt.Appendf(nil, `{"Version":%q,"Time":%q,"Origin":{"VCS":"git","URL":"https://%s","Hash":%q,"Ref":"refs/tags/%s"}}`,
		r.Version.Version, at.Format(time.RFC3339), r.Path, hash, r.Version.Version)
}

// write puts the module's files below dir and returns its lines of a go.sum.
func (r recipe) write(dir string) (string, error) {
	base := filepath.Join(dir, filepath.FromSlash(r.Path), "@v")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	v := r.Version.Version
	if err := os.WriteFile(filepath.Join(base, v+".mod"), r.goMod(), 0o644); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(base, v+".info"), r.info(), 0o644); err != nil {
		return "", err
	}
	if err := appendLine(filepath.Join(base, "list"), v); err != nil {
		return "", err
	}
	modSum, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(r.goMod())), nil
	})
	sums := fmt.Sprintf("%s %s/go.mod %s\n", r.Path, v, modSum)
	if err != nil || r.Size == 0 {
		return sums, err
	}
	name := filepath.Join(base, v+".zip")
	if err := r.writeZip(name); err != nil {
		return "", err
	}
	zipSum, err := dirhash.HashZip(name, dirhash.Hash1)
	return fmt.Sprintf("%s %s %s\n", r.Path, v, zipSum) + sums, err
}

func (r recipe) writeZip(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := modzip.Create(f, r.Version, r.files()); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// files returns the sources of the module: many small files and some large ones (the
// sizes are log-normal, the median 4 KB), until the zip will be about as large as asked.
func (r recipe) files() []modzip.File {
	a := newAuthor(r.Seed)
	files := []modzip.File{memFile{"go.mod", r.goMod()}, memFile{"LICENSE", a.source(1500)}}
	for size, i := 0, 0; size < int(float64(r.Size)*textRatio); i++ {
		n := min(int(4000*math.Exp(1.3*a.rng.NormFloat64())), 1<<20)
		name := fmt.Sprintf("%s/%s_%d.go", strings.ToLower(a.words[i/20%len(a.words)]), strings.ToLower(a.word()), i)
		files = append(files, memFile{name, a.source(n)})
		size += n
	}
	return files
}

func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, line); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// A memFile is a file of a module that is being made.
type memFile struct {
	name string
	data []byte
}

func (f memFile) Path() string                 { return f.name }
func (f memFile) Lstat() (fs.FileInfo, error)  { return memInfo(f), nil }
func (f memFile) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.data)), nil }

// A memInfo is what golang.org/x/mod/zip wants to know of a file.
type memInfo memFile

func (i memInfo) Name() string       { return filepath.Base(i.name) }
func (i memInfo) Size() int64        { return int64(len(i.data)) }
func (i memInfo) Mode() fs.FileMode  { return 0o644 }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return false }
func (i memInfo) Sys() any           { return nil }
