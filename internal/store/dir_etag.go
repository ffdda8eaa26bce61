package store

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

const etagSuffix = ".etag"

// etag returns the remembered ETag of the object fi, which is open, or "". That one is remembered of another size
// is ErrDamaged.
func (d *Dir) etag(name string, fi fs.FileInfo) (string, error) {
	b, err := os.ReadFile(d.file(name) + etagSuffix)
	if err != nil {
		return "", nil //nolint:nilerr // an object may do without
	}
	if now, err := os.Stat(d.file(name)); err != nil || !os.SameFile(fi, now) {
		return "", nil //nolint:nilerr // it was replaced while it was opened: the ETag may be the other's
	}
	etag, size, ok := parseETag(b)
	if ok && size != fi.Size() {
		return "", fmt.Errorf("store: %s: %w: it has %d bytes, not %d", name, ErrDamaged, fi.Size(), size)
	}
	return etag, nil
}

// writeETag remembers the ETag of the file to. A failure costs clients their validator and nothing else.
func (d *Dir) writeETag(to, etag string, size int64) {
	f, err := os.CreateTemp(d.tmp, "etag-*")
	if err != nil {
		return
	}
	_, err = f.WriteString(formatETag(etag, size))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil || os.Chmod(f.Name(), 0o644) != nil || d.disk.rename(f.Name(), to+etagSuffix) != nil {
		os.Remove(f.Name())
	}
}

// A file NAME.etag has the ETag, a space, the object's size and a newline.
func formatETag(etag string, size int64) string { return fmt.Sprintf("%s %d\n", etag, size) }

// parseETag is the inverse of formatETag. The file is not synced: after a crash anything may be in it.
func parseETag(b []byte) (etag string, size int64, ok bool) {
	etag, digits, ok := strings.Cut(string(b), " ")
	size, err := strconv.ParseInt(strings.TrimSuffix(digits, "\n"), 10, 64)
	if !ok || err != nil || etag == "" || len(etag) > maxETag || strings.ContainsFunc(etag, notETag) || formatETag(etag, size) != string(b) {
		return "", 0, false
	}
	return etag, size, true
}

const maxETag = 128

// notETag tells what cannot be in an ETag, RFC 9110, 8.8.3.
func notETag(r rune) bool { return r <= ' ' || r == '"' || r >= 0x7f }
