package proxy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/storetest"
)

// onDisk returns a Service whose store and spool are on one small disk, as in a state directory.
func onDisk(t *testing.T, disk string, o Options) *Service {
	t.Helper()
	for _, dir := range []string{"spool/1-x", "root"} {
		if err := os.MkdirAll(filepath.Join(disk, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o.Spool = filepath.Join(disk, "spool/1-x")
	d, err := store.NewDir(filepath.Join(disk, "root"), o.Spool)
	if err != nil {
		t.Fatal(err)
	}
	o.Store = d
	return newService(t, o)
}

// TestDiskFullDuringFill: the disk under the spool and the store fills up while a zip comes. Clients get it all the same, up to
// 8 MiB, whether its length is known or not; larger ones are refused with the reason; nothing torn is left.
func TestDiskFullDuringFill(t *testing.T) {
	t.Parallel()
	needSpare(t)
	disk := storetest.Tmpfs(t, 4<<20)
	files := filler(6 << 20)
	large := mkFile("example.com/large", "v1.0.0", goproxy.Zip)
	huge := storedZip(large.Version, 9<<20, 3)
	announced := true
	up := &fake{t: t, fetch: func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
		b := files(f)
		if f == large {
			b = huge
		}
		if announced {
			return send(ctx, b, dst)
		}
		if err := write(dst, b, 0, int64(len(b))); err != nil {
			return goproxy.Meta{}, err
		}
		return goproxy.Meta{From: from}, dst.Check(ctx, from)
	}}
	var heard events
	s := onDisk(t, disk, Options{Fetcher: up, Recorder: &heard})
	for _, announced = range []bool{true, false} {
		wantFile(t, s, theZip, files(theZip))
		settle(t, s)
		wantStored(t, s.o.Store, theZip, nil)
		_, _, err := get(t.Context(), s, large)
		wantUnavailable(t, err, s.o.Spool, "8 MiB", "no space left")
		settle(t, s)
		wantIdle(t, s)
	}
	if n := len(heard.of(StoreFailed)); n != 2 {
		t.Errorf("%d failures of the store were reported, want 2", n)
	}
	// What fits is stored as ever.
	small := mkFile("example.com/small", "v1.0.0", goproxy.Mod)
	wantFile(t, s, small, files(small))
	settle(t, s)
	wantStored(t, s.o.Store, small, files(small))
}

// TestDiskFullForMany: many at once with a full disk share the memory; who finds none left is told so, and it is all given
// back.
func TestDiskFullForMany(t *testing.T) {
	t.Parallel()
	needSpare(t)
	disk := storetest.Tmpfs(t, 1<<20)
	files := filler(3 << 20)
	s := onDisk(t, disk, Options{Fetcher: serving(t, files), SpareDisk: 10 << 20})
	var clients sync.WaitGroup
	for i := range 12 {
		f := mkFile(fmt.Sprintf("example.com/m%d", i), "v1.0.0", goproxy.Zip)
		clients.Go(func() {
			b, _, err := get(t.Context(), s, f)
			if err != nil {
				wantUnavailable(t, err, "memory", "in use")
			} else if len(b) != len(files(f)) {
				t.Errorf("%s: %d bytes, want %d", f, len(b), len(files(f)))
			}
		})
	}
	clients.Wait()
	settle(t, s)
	wantIdle(t, s)
	f := mkFile("example.com/last", "v1.0.0", goproxy.Zip)
	wantFile(t, s, f, files(f))
}

// TestSpoolGone: someone removed the spool directory under a running process.
func TestSpoolGone(t *testing.T) {
	needSpare(t)
	files := filler(300_000)
	dir := filepath.Join(t.TempDir(), "spool")
	s := New(Options{Store: &store.Mem{}, Fetcher: serving(t, files), Spool: dir})
	defer s.Close()
	for _, f := range []goproxy.File{theInfo, theMod, theZip} {
		wantFile(t, s, f, files(f))
		settle(t, s)
		wantStored(t, s.o.Store, f, files(f))
	}
}
