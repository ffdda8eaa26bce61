package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// TestPeer01HitsShareNothingWithMisses: 40 cold fetches that hung kept a peer's stored zip from its clients for over 30 s, since
// hits and misses shared a pool of 30 workers. Here all slots and all places to wait are taken by fetches that hang; what is
// stored, fresh, or known to be absent is answered without any time passing.
func TestPeer01HitsShareNothingWithMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := filler(300_000)
		up := newLister(t, theList)
		hang := false
		up.fetch = func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
			if hang {
				<-ctx.Done()
				return goproxy.Meta{}, ctx.Err()
			}
			if f.Path == "example.com/absent" {
				return goproxy.Meta{}, goproxy.Absent("not there")
			}
			return send(ctx, files(f), dst)
		}
		s := newService(t, Options{Fetcher: up, Fills: 30, Waiting: 10, Memory: 1}) // nothing in memory
		absent := mkFile("example.com/absent", "v1.0.0", goproxy.Mod)
		stored := []goproxy.File{theInfo, theMod, theZip}
		for _, f := range stored {
			wantFile(t, s, f, files(f))
		}
		if _, err := s.Open(t.Context(), absent); !isNotFound(err) {
			t.Error(err)
		}
		wantAnswer(t, s, theList, false, 0)
		settle(t, s)
		hang = true
		var hung []*asking
		for i := range 40 {
			hung = append(hung, ask(t, s, mkFile(fmt.Sprintf("example.com/cold%d", i), "v1.0.0", goproxy.Zip)))
		}
		synctest.Wait()
		wantAsked(t, up, 4+1+30)
		_, _, err := get(t.Context(), s, mkFile("example.com/cold", "v1.0.0", goproxy.Zip))
		wantUnavailable(t, err, "too many")
		start := time.Now()
		for range 10 {
			for _, f := range stored {
				wantFile(t, s, f, files(f))
				if _, err := s.Stat(t.Context(), f); err != nil {
					t.Error(err)
				}
			}
			wantAnswer(t, s, theList, false, 0)
			if _, err := s.Open(t.Context(), absent); !isNotFound(err) {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("hits took %v", took)
		}
		wantAsked(t, up, 0)
		for _, c := range hung {
			c.cancel()
			<-c.done
		}
	})
}

// TestPeer04DamagedFilesAreFetchedAnew: peers served a corrupt or empty file of their cache as 200 for ever. Here what is not as
// long as it was stored, or too short to be such a file at all, is fetched anew, told of once, and right from then on.
func TestPeer04DamagedFilesAreFetchedAnew(t *testing.T) {
	t.Parallel()
	files := filler(300_000)
	for _, damage := range []struct {
		file goproxy.File
		size int64
	}{{theZip, 0}, {theZip, 10}, {theZip, 50_000}, {theZip, 200_000}, {theZip, 400_000}, {theInfo, 0}, {theInfo, 1}} {
		for _, how := range []string{"open", "stat", "open without fetching"} {
			t.Run(fmt.Sprintf("%s of %d bytes, %s", damage.file.Kind, damage.size, how), func(t *testing.T) {
				root := t.TempDir()
				d, err := store.NewDir(root, t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				f := damage.file
				before := newService(t, Options{Store: d, Fetcher: serving(t, files)})
				wantFile(t, before, f, files(f))
				settle(t, before)
				if err := os.Truncate(filepath.Join(root, filepath.FromSlash(fileName(f))), damage.size); err != nil {
					t.Fatal(err)
				}
				up := serving(t, files)
				up.stat = func(context.Context, goproxy.File) (goproxy.Meta, error) { return goproxy.Meta{Size: 1234}, nil }
				var heard events
				s := newService(t, Options{Store: d, Fetcher: up, Recorder: &heard})
				switch how {
				case "stat":
					if m, err := s.Stat(t.Context(), f); err != nil || m.Size != 1234 {
						t.Errorf("Stat = %+v, %v; want the upstream's word", m, err)
					}
				case "open without fetching":
					if _, err := s.Open(goproxy.WithoutFetch(t.Context()), f); !isNotFound(err) {
						t.Errorf("Open without fetching: %v", err)
					}
				}
				for range 2 {
					wantFile(t, s, f, files(f))
					settle(t, s)
					wantStored(t, d, f, files(f))
				}
				failed := heard.of(StoreFailed)
				if len(failed) != 1 || !errors.Is(failed[0].Err, store.ErrDamaged) {
					t.Errorf("events %+v", failed)
				}
				if n := len(heard.of(Fetched)); n != 1 {
					t.Errorf("fetched %d times", n)
				}
			})
		}
	}
}

// TestPeer05OneFillForTwentyClients: 20 clients that asked a peer for one cold zip made 20 downloads, and 2.9 GB of memory of
// them.
func TestPeer05OneFillForTwentyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storedZip(theZip.Version, 9<<20, 1)
		up := newStepwise(t)
		s := newService(t, Options{Fetcher: up})
		var clients []*streaming
		for range 10 {
			clients = append(clients, stream(t, s, theZip))
		}
		sink := <-up.sink
		sink.SetSize(int64(len(b)))
		mustWrite(t, sink, b, 0, 4_000_000)
		for range 10 { // these come while it flows
			clients = append(clients, stream(t, s, theZip))
		}
		synctest.Wait()
		mustWrite(t, sink, b, 4_000_000, int64(len(b)))
		if err := sink.Check(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		up.end <- nil
		for _, c := range clients {
			<-c.opened
			c.want(t, b, io.EOF)
		}
		wantAsked(t, up, 1)
	})
}

// TestPeer07ModNeedsNoZip: a .mod request made peers fetch the zip: "go mod graph" over 391 modules moved every zip, and failed
// where one was missing.
func TestPeer07ModNeedsNoZip(t *testing.T) {
	files := filler(100)
	up := serving(t, func(f goproxy.File) []byte {
		if f.Kind == goproxy.Zip {
			return nil
		}
		return files(f)
	})
	s := newService(t, Options{Fetcher: up})
	for i := range 20 {
		for _, kind := range []goproxy.Kind{goproxy.Mod, goproxy.Info} {
			f := mkFile(fmt.Sprintf("example.com/m%d", i), "v1.0.0", kind)
			wantFile(t, s, f, files(f))
		}
	}
	settle(t, s)
	for _, asked := range up.asked {
		if strings.HasSuffix(asked, ".zip") {
			t.Errorf("asked: %s", asked)
		}
	}
	if n := up.requests(); n != 40 {
		t.Errorf("%d requests for 40 files", n)
	}
}

// TestPeer09ListBelongsToNobody: when the first who asked a peer for a list left, the others got 404 "signal: killed".
func TestPeer09ListBelongsToNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		up := newLister(t, theList)
		up.says(theList, nil, gate)
		s := newService(t, Options{Fetcher: up})
		ctx, leave := context.WithCancel(t.Context())
		first := make(chan error)
		go func() {
			_, err := s.List(ctx, "example.com/m")
			first <- err
		}()
		synctest.Wait()
		done := make(chan struct{})
		for range 5 {
			go func() {
				wantAnswer(t, s, theList, false, 0)
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		leave()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that left: %v", err)
		}
		synctest.Wait()
		close(gate)
		for range 5 {
			<-done
		}
		wantAsked(t, up, 1)
	})
}

// TestPeer10StaleAtOnce: with its upstream dead a peer gave the list of before only after 1.5 to 2.8 s each time. Here the
// first who asks waits the budget at most, and after a failure nobody waits.
func TestPeer10StaleAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		wantAnswer(t, s, theList, false, 0)
		time.Sleep(2 * time.Minute)
		up.says("", away, make(chan struct{})) // hangs; the test's end ends it
		wantAnswer(t, s, theList, true, 3*time.Second)
		for range 100 {
			wantAnswer(t, s, theList, true, 0)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		wantAnswer(t, s, theList, false, 0)
		time.Sleep(2 * time.Minute)
		up.says("", away, nil) // is refused at once
		for range 100 {
			wantAnswer(t, s, theList, true, 0)
		}
		wantAsked(t, up, 2)
	})
}

// TestPeer16ListsAreCached: each list and @latest was a subprocess of a peer: 277 a second, an hour's worth of them when it
// was offline. Here a thousand requests within a minute are one upstream.
func TestPeer16ListsAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		for range 1000 {
			wantAnswer(t, s, theList, false, 0)
			if b, _, err := all(s.Query(t.Context(), "example.com/m", "latest")); string(b) != theList {
				t.Fatalf("%q, %v", b, err)
			}
			time.Sleep(59 * time.Millisecond)
		}
		wantAsked(t, up, 2)
	})
}

// TestPeer21InfoIsTheUpstreamsBytes: peers wrote .info anew: Origin lost, the time zone made UTC.
func TestPeer21InfoIsTheUpstreamsBytes(t *testing.T) {
	infos := []string{
		`{"Version":"v1.0.0","Time":"2024-01-02T15:04:05+08:00","Origin":{"VCS":"git","URL":"https://x.test/m","Hash":"00ff"}}`,
		"{\n\t\"Time\" : null,\n\t\"Version\" : \"v1.0.0\", \"Extra\": [1, 2]\n}\n\n",
		`{"version":"v1.0.0"}`,
	}
	for _, info := range infos {
		up := serving(t, func(goproxy.File) []byte { return []byte(info) })
		up.query = func(context.Context, string, string) (*goproxy.Content, error) { return text(info), nil }
		s := newService(t, Options{Fetcher: up})
		for range 2 {
			wantFile(t, s, theInfo, []byte(info))
			for _, query := range []string{"latest", "master"} {
				if b, _, err := all(s.Query(t.Context(), "example.com/m", query)); string(b) != info {
					t.Errorf("%s: %q, %v; want %q", query, b, err, info)
				}
			}
			settle(t, s)
		}
		wantStored(t, s.o.Store, theInfo, []byte(info))
	}
}

// TestPeer23NothingTornHasAName: a model cache server wrote to the final name, so that a crash left torn files that its index
// took for whole. Here the store holds no file at all until it is whole, and the spool none by its final name.
func TestPeer23NothingTornHasAName(t *testing.T) {
	t.Parallel()
	b := storedZip(theZip.Version, 9<<20, 1)
	root, spool := t.TempDir(), t.TempDir()
	d, err := store.NewDir(root, spool)
	if err != nil {
		t.Fatal(err)
	}
	up := newStepwise(t)
	s := newService(t, Options{Fetcher: up, Store: d, Spool: spool})
	done := make(chan struct{})
	go func() {
		defer close(done)
		wantFile(t, s, theZip, b)
	}()
	sink := <-up.sink
	sink.SetSize(int64(len(b)))
	for off := int64(0); off < int64(len(b)); off += 1_000_000 {
		mustWrite(t, sink, b, off, min(off+1_000_000, int64(len(b))))
		if files := filesBelow(t, root); len(files) > 0 {
			t.Fatalf("with %d bytes there the store holds %q", off, files)
		}
		for name := range filesBelow(t, spool) {
			if strings.Contains(name, "v1.0.0") || strings.HasSuffix(name, ".zip") {
				t.Errorf("the spool holds %s", name)
			}
		}
	}
	if err := sink.Check(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	if files := filesBelow(t, root); len(files) > 0 {
		t.Errorf("checked, and the store holds %q already", files)
	}
	up.end <- nil
	<-done
	settle(t, s)
	files := filesBelow(t, root)
	if got := files[filepath.FromSlash(fileName(theZip))]; !bytes.Equal(got, b) {
		t.Errorf("the store holds %d bytes, want %d", len(got), len(b))
	}
	if left := filesBelow(t, spool); len(left) > 0 {
		t.Errorf("the spool holds %d files still", len(left))
	}
}

func filesBelow(t *testing.T, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == ".swap.lock" {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err == nil {
			files[rel], err = os.ReadFile(p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
