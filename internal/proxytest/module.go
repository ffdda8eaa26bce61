package proxytest

import (
	archivezip "archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

// A Module is one version of a module as an upstream has it.
type Module struct {
	Path, Version string

	// Files are the module's files by slash-separated name.
	Files map[string]string
	// Mod is the .mod as served, byte for byte. Where it is "", it is the go.mod among
	// Files, else the one line that the go command makes up.
	Mod string
	// Info is the .info as served, byte for byte. Where it is "", it is the version and
	// its time: that of a pseudo-version, else 2024-01-02T15:04:05Z.
	Info string
	// Zip is the .zip as served. Where it is nil it is made from Files.
	Zip []byte
	// Refs are branches, tags and hashes whose .info is this version's.
	Refs []string
	// Unlisted keeps the version out of the list.
	Unlisted bool

	zipTag string // the zip's ETag, once complete
}

// defaultTime is when every version was made that does not say otherwise.
var defaultTime = time.Date(2024, 1, 2, 15, 4, 5, 0, time.UTC)

// prefix is what the names of the version's files share, without the dot.
func (m Module) prefix() (string, error) {
	p, err := module.EscapePath(m.Path)
	if err != nil {
		return "", err
	}
	v, err := module.EscapeVersion(m.Version)
	return p + "/@v/" + v, err
}

// Name returns the name of the version's "info", "mod" or "zip" below a proxy's
// address: "example.com/!upper/@v/v1.0.0.zip". It panics on a path or version that
// has no such name.
func (m Module) Name(ext string) string {
	p, err := m.prefix()
	if err != nil {
		panic(err)
	}
	return p + "." + ext
}

// check reports whether m can be a version of a module at all.
func (m Module) check() error {
	if m.Version != module.CanonicalVersion(m.Version) {
		return fmt.Errorf("version %q is not canonical", m.Version)
	}
	return module.Check(m.Path, m.Version)
}

// complete returns m with Mod, Info and Zip as they are served.
func (m Module) complete() (Module, error) {
	if err := m.check(); err != nil {
		return m, err
	}
	if m.Mod == "" {
		m.Mod = m.Files["go.mod"]
	}
	if m.Mod == "" {
		m.Mod = "module " + modfile.AutoQuote(m.Path) + "\n"
	}
	if m.Info == "" {
		b, err := json.Marshal(struct {
			Version string
			Time    time.Time
		}{m.Version, m.time()})
		if err != nil {
			return m, err
		}
		m.Info = string(b)
	}
	if m.Zip == nil {
		var err error
		if m.Zip, err = m.makeZip(); err != nil {
			return m, err
		}
	}
	m.zipTag = etag(m.Zip)
	return m, nil
}

// etag returns a strong ETag of b.
func etag(b []byte) string { return fmt.Sprintf(`"%x"`, sha256.Sum256(b)) }

func (m Module) time() time.Time {
	if t, err := module.PseudoVersionTime(m.Version); err == nil {
		return t
	}
	var info struct{ Time time.Time }
	if json.Unmarshal([]byte(m.Info), &info) == nil && !info.Time.IsZero() {
		return info.Time
	}
	return defaultTime
}

func (m Module) makeZip() ([]byte, error) {
	var files []zip.File
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		files = append(files, memFile{name, m.Files[name]})
	}
	var b bytes.Buffer
	err := zip.Create(&b, module.Version{Path: m.Path, Version: m.Version}, files)
	return b.Bytes(), err
}

// GoSum returns the two lines that go.sum and a checksum database have for m.
func (m Module) GoSum() ([]byte, error) {
	m, err := m.complete()
	if err != nil {
		return nil, err
	}
	zipHash, err := hashZip(m.Zip)
	if err != nil {
		return nil, fmt.Errorf("%s@%s: %v", m.Path, m.Version, err)
	}
	modHash, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(m.Mod)), nil
	})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%[1]s %[2]s %[3]s\n%[1]s %[2]s/go.mod %[4]s\n", m.Path, m.Version, zipHash, modHash), nil
}

// hashZip is dirhash.HashZip for a zip in memory.
func hashZip(b []byte) (string, error) {
	z, err := archivezip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return "", err
	}
	files := map[string]*archivezip.File{}
	for _, f := range z.File {
		files[f.Name] = f
	}
	return dirhash.Hash1(slices.Collect(maps.Keys(files)), func(name string) (io.ReadCloser, error) {
		return files[name].Open()
	})
}

// A memFile is a zip.File and its own FileInfo.
type memFile struct{ name, data string }

func (f memFile) Path() string                 { return f.name }
func (f memFile) Lstat() (os.FileInfo, error)  { return f, nil }
func (f memFile) Open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(f.data)), nil }
func (f memFile) Name() string                 { return path.Base(f.name) }
func (f memFile) Size() int64                  { return int64(len(f.data)) }
func (f memFile) Mode() fs.FileMode            { return 0o644 }
func (f memFile) ModTime() time.Time           { return time.Time{} }
func (f memFile) IsDir() bool                  { return false }
func (f memFile) Sys() any                     { return nil }
