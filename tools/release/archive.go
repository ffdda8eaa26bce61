package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const sumsFile = "SHA256SUMS"

// A member is a file in an archive.
type member struct {
	name string
	mode os.FileMode
	data []byte
}

func (r release) prefix() string { return "modhaven_" + strings.TrimPrefix(r.version, "v") }

// documents are the files of the repository that go into every archive, slash-separated.
func (r release) documents() ([]string, error) {
	docs, err := fs.Glob(os.DirFS(r.root), "docs/*.md")
	return append([]string{"LICENSE", "README.md", "README.zh-CN.md", "CHANGELOG.md", "DESIGN.md"}, docs...), err
}

// writeArchive writes the archive of one platform: a directory with the program, the
// documents and the licences of its parts. It is a zip for Windows, else a tar.gz.
func (r release) writeArchive(dir string, b binary, licences []byte) error {
	members, err := r.members(b, licences)
	if err != nil {
		return err
	}
	name := r.prefix() + "_" + b.os + "_" + b.arch
	for i := range members {
		members[i].name = name + "/" + members[i].name
	}
	if b.os == "windows" {
		return writeFile(filepath.Join(dir, name+".zip"), func(w io.Writer) error { return writeZip(w, members, r.time) })
	}
	return writeFile(filepath.Join(dir, name+".tar.gz"), func(w io.Writer) error { return writeTar(w, members, r.time) })
}

func (r release) members(b binary, licences []byte) ([]member, error) {
	program, err := os.ReadFile(b.file)
	if err != nil {
		return nil, err
	}
	exe := "modhaven"
	if b.os == "windows" {
		exe += ".exe"
	}
	members := []member{{exe, 0o755, program}, {"LICENSES-THIRD-PARTY", 0o644, licences}}
	docs, err := r.documents()
	if err != nil {
		return nil, err
	}
	for _, name := range docs {
		data, err := os.ReadFile(filepath.Join(r.root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		members = append(members, member{name, 0o644, data})
	}
	return members, nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func writeTar(w io.Writer, members []member, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, m := range members {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Mode: int64(m.mode), Size: int64(len(m.data)), ModTime: at, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(m.data); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

func writeZip(w io.Writer, members []member, at time.Time) error {
	z := zip.NewWriter(w)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: at}
		h.SetMode(m.mode)
		f, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(m.data); err != nil {
			return err
		}
	}
	return z.Close()
}

// writeSums writes sumsFile, for sha256sum -c, over all files of dir, and returns it.
func writeSums(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var sums strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return sums.String(), os.WriteFile(filepath.Join(dir, sumsFile), []byte(sums.String()), 0o644)
}
