package proxy

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVar); dir != "" {
		os.Exit(victim(dir))
	}
	proxytest.Main(m)
}

// scanZip scans one zip.
func scanZip(r io.Reader, most int64, safe func(n int64)) (*zipScan, error) {
	return new(scanners).scan(r, most, safe)
}

// A fake is a Fetcher made of functions; one that is nil must not be called.
type fake struct {
	t     *testing.T
	list  func(ctx context.Context, path string) (*goproxy.Content, error)
	query func(ctx context.Context, path, query string) (*goproxy.Content, error)
	stat  func(ctx context.Context, f goproxy.File) (goproxy.Meta, error)
	fetch func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error)

	mu    sync.Mutex
	asked []string // "fetch example.com/m@v1.0.0.zip"
}

func (f *fake) note(op, what string, can bool) {
	f.mu.Lock()
	f.asked = append(f.asked, op+" "+what)
	f.mu.Unlock()
	if !can {
		f.t.Errorf("the upstream was asked: %s %s", op, what)
	}
}

// requests returns how often upstreams were asked, and empties the log.
func (f *fake) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.asked)
	f.asked = nil
	return n
}

func (f *fake) List(ctx context.Context, path string) (*goproxy.Content, error) {
	f.note("list", path, f.list != nil)
	return f.list(ctx, path)
}

func (f *fake) Query(ctx context.Context, path, query string) (*goproxy.Content, error) {
	f.note("query", path+"@"+query, f.query != nil)
	return f.query(ctx, path, query)
}

func (f *fake) Stat(ctx context.Context, file goproxy.File) (goproxy.Meta, error) {
	f.note("stat", file.String(), f.stat != nil)
	return f.stat(ctx, file)
}

func (f *fake) Fetch(ctx context.Context, file goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	f.note("fetch", file.String(), f.fetch != nil)
	return f.fetch(ctx, file, dst)
}

const from = "https://up.test" // where a fake's files come from

// send writes b in order, in pieces, and has it checked.
func send(ctx context.Context, b []byte, dst goproxy.Sink) (goproxy.Meta, error) {
	if err := dst.SetSize(int64(len(b))); err != nil {
		return goproxy.Meta{}, err
	}
	if err := write(dst, b, 0, int64(len(b))); err != nil {
		return goproxy.Meta{}, err
	}
	if err := dst.Check(ctx, from); err != nil {
		return goproxy.Meta{}, err
	}
	return goproxy.Meta{Size: int64(len(b)), From: from}, nil
}

// write writes b[off:end] in pieces of 100,000 bytes.
func write(dst io.WriterAt, b []byte, off, end int64) error {
	for off < end {
		n := min(end-off, 100_000)
		if _, err := dst.WriteAt(b[off:off+n], off); err != nil {
			return err
		}
		off += n
	}
	return nil
}

// serving returns a fake whose every file is what content says; nil is a 404.
func serving(t *testing.T, content func(f goproxy.File) []byte) *fake {
	return &fake{t: t, fetch: func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
		if b := content(f); b != nil {
			return send(ctx, b, dst)
		}
		return goproxy.Meta{}, goproxy.Absent("not found: %s", f)
	}}
}

// newService returns a Service over an empty store in memory, unless o says otherwise. When the test ends it is
// closed, and must have left nothing: no fill, no file, no slot, no byte of the spare memory.
func newService(t *testing.T, o Options) *Service {
	t.Helper()
	if o.Store == nil {
		o.Store = &store.Mem{}
	}
	if o.Spool == "" {
		o.Spool = t.TempDir()
	}
	if o.Refresh == 0 {
		o.Refresh = -1
	}
	s := New(o)
	t.Cleanup(func() {
		s.Close()
		wantIdle(t, s)
	})
	return s
}

// wantIdle checks that a Service that nobody uses holds nothing.
func wantIdle(t *testing.T, s *Service) {
	t.Helper()
	if err := s.Drain(t.Context()); err != nil && t.Context().Err() == nil {
		t.Error(err)
	}
	s.mu.Lock()
	fills := len(s.fills)
	s.mu.Unlock()
	s.answers.mu.Lock()
	refreshes := len(s.answers.refreshes)
	s.answers.mu.Unlock()
	if fills > 0 || refreshes > 0 {
		t.Errorf("%d fills and %d refreshes are left", fills, refreshes)
	}
	if left := s.spare.left.Load(); left != s.o.SpareDisk {
		t.Errorf("%d of %d bytes of spare memory are left", left, s.o.SpareDisk)
	}
	if !s.slots.sem.TryAcquire(s.o.Fills) {
		t.Error("slots are still taken")
	} else {
		s.slots.sem.Release(s.o.Fills)
	}
	if n := s.slots.taken; n != 0 || len(s.slots.by) > 0 {
		t.Errorf("%d places are taken, %d clients have any", n, len(s.slots.by))
	}
	if entries, err := os.ReadDir(s.o.Spool); err != nil || len(entries) > 0 {
		t.Errorf("left in the spool directory: %v, %v", entries, err)
	}
}

// settle waits for what goes on after clients were answered: the file is stored.
func settle(t *testing.T, s *Service) {
	t.Helper()
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func mkFile(path, version string, kind goproxy.Kind) goproxy.File {
	return goproxy.File{Version: module.Version{Path: path, Version: version}, Kind: kind}
}

var (
	theInfo = mkFile("example.com/m", "v1.0.0", goproxy.Info)
	theMod  = mkFile("example.com/m", "v1.0.0", goproxy.Mod)
	theZip  = mkFile("example.com/m", "v1.0.0", goproxy.Zip)
)

// filler returns content for any file, its zip of about size bytes.
func filler(size int) func(goproxy.File) []byte {
	var mu sync.Mutex
	made := map[goproxy.File][]byte{}
	return func(f goproxy.File) []byte {
		mu.Lock()
		defer mu.Unlock()
		if b := made[f]; b != nil {
			return b
		}
		switch f.Kind {
		case goproxy.Info:
			made[f] = fmt.Appendf(nil, "{\n \"Version\": %q,\t\"Time\":\"2024-01-02T15:04:05+08:00\",\"Origin\":{\"VCS\":\"git\"}}\n", f.Version.Version)
		case goproxy.Mod:
			made[f] = fmt.Appendf(nil, "module %s\n", f.Path)
		case goproxy.Zip:
			made[f] = storedZip(f.Version, size, 1)
		}
		return made[f]
	}
}

// storedZip returns a module's zip of about size bytes, in entries of 200,000 bytes that are not compressed, so
// that it is made fast and can be read from the front.
func storedZip(m module.Version, size int, seed byte) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	r := rand.NewChaCha8([32]byte{seed})
	prefix := m.Path + "@" + m.Version + "/"
	put := func(name string, b []byte) {
		w, err := z.CreateRaw(&zip.FileHeader{Name: prefix + name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(b),
			CompressedSize64: uint64(len(b)), UncompressedSize64: uint64(len(b))})
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			panic(err) // into memory
		}
	}
	put("go.mod", []byte("module "+m.Path+"\n"))
	for i := 0; buf.Len() < size; i++ {
		b := make([]byte, min(200_000, size-buf.Len()))
		r.Read(b)
		put(fmt.Sprintf("data/%04d.bin", i), b)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// get opens a file and reads it to the end.
func get(ctx context.Context, s goproxy.Source, f goproxy.File) ([]byte, goproxy.Meta, error) {
	return all(s.Open(ctx, f))
}

func all(c *goproxy.Content, err error) ([]byte, goproxy.Meta, error) {
	if err != nil {
		return nil, goproxy.Meta{}, err
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	if err == nil && int64(len(b)) != c.Size {
		err = fmt.Errorf("%d bytes came of %d announced, and no error", len(b), c.Size)
	}
	return b, c.Meta, err
}

// wantFile checks that f is served, and is want.
func wantFile(t *testing.T, s goproxy.Source, f goproxy.File, want []byte) {
	t.Helper()
	got, _, err := get(t.Context(), s, f)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v; want %d", f, len(got), err, len(want))
	}
}

// wantStored checks that the store holds f, and that it is want; nil is absence.
func wantStored(t *testing.T, s store.Store, f goproxy.File, want []byte) {
	t.Helper()
	got, _, err := all(s.Open(t.Context(), fileName(f)))
	switch {
	case want == nil && !errors.Is(err, os.ErrNotExist):
		t.Errorf("the store has %d bytes of %s, %v; want none", len(got), f, err)
	case want != nil && (err != nil || !bytes.Equal(got, want)):
		t.Errorf("the store has %d bytes of %s, %v; want %d", len(got), f, err, len(want))
	}
}

// events is a Recorder that keeps what it hears.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) Record(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

// of returns those of a kind.
func (e *events) of(kind EventKind) (found []Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.What == kind {
			found = append(found, ev)
		}
	}
	return found
}

// text is an upstream's answer.
func text(s string) *goproxy.Content {
	return &goproxy.Content{Meta: goproxy.Meta{Size: int64(len(s)), From: from}, Body: goproxy.NewBytes([]byte(s))}
}
