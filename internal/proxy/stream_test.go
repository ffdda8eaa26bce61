package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A stepwise fake hands the sink of the one fetch it is asked for to the test, which plays the upstream.
type stepwise struct {
	*fake
	sink chan goproxy.Sink
	end  chan error // how the fetch ends; nil only after a Check that returned nil
}

func newStepwise(t *testing.T) *stepwise {
	w := &stepwise{fake: &fake{t: t}, sink: make(chan goproxy.Sink), end: make(chan error)}
	w.fetch = func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
		w.sink <- dst
		select {
		case err := <-w.end:
			return goproxy.Meta{From: from}, err
		case <-ctx.Done():
			return goproxy.Meta{}, ctx.Err()
		}
	}
	return w
}

// A streaming client reads a file's body in a goroutine of its own.
type streaming struct {
	opened chan struct{} // closed when Open returned
	meta   goproxy.Meta
	err    error // of Open
	*following
}

func stream(t *testing.T, s *Service, f goproxy.File) *streaming {
	g := &streaming{opened: make(chan struct{})}
	go func() {
		defer close(g.opened)
		c, err := s.Open(t.Context(), f)
		if err != nil {
			g.err = err
			return
		}
		g.meta = c.Meta
		if body, ok := c.Body.(*follower); ok {
			g.following = startFollowing(body)
		} else {
			t.Errorf("the body is a %T", c.Body)
			c.Body.Close()
			g.following = &following{done: true, err: io.EOF}
		}
	}()
	return g
}

func (g *streaming) isOpen() bool {
	synctest.Wait()
	select {
	case <-g.opened:
		return true
	default:
		return false
	}
}

// got returns what the client has, and how its reading ended.
func (g *streaming) got() ([]byte, error) {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b, g.following.err
}

// TestPeer06StreamsBeforeItIsWhole: every peer sends the first byte only after the whole download, all checks and copies.
// Here a large zip flows while it comes; its last 64 KiB and its directory wait for the check.
func TestPeer06StreamsBeforeItIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storedZip(theZip.Version, 9<<20, 1)
		size := int64(len(b))
		up := newStepwise(t)
		s := newService(t, Options{Fetcher: up})
		first := stream(t, s, theZip)
		sink := <-up.sink
		sink.SetSize(size)
		mustWrite(t, sink, b, 0, 50)
		if first.isOpen() {
			t.Error("answered before an entry was whole")
		}
		mustWrite(t, sink, b, 50, 5_000_000)
		if !first.isOpen() || first.err != nil || first.meta.Size != size || first.meta.ETag != "" {
			t.Fatalf("not answered, or badly, with 5 of 9 MB there: %+v, %v", first.meta, first.err)
		}
		got, err := first.got()
		if n := len(got); err != nil || n < 4_700_000 || n > 5_000_000 || !bytes.Equal(got, b[:n]) {
			t.Errorf("with 5 MB there the client has %d bytes, %v", n, err)
		}
		mustWrite(t, sink, b, 5_000_000, size)
		second := stream(t, s, theZip) // one that comes late has all of it at once
		if !second.isOpen() {
			t.Fatal("the second one is not answered")
		}
		for _, c := range []*streaming{first, second} {
			got, err := c.got()
			if n := int64(len(got)); err != nil || n > size-heldBack || n < size-heldBack-300_000 || !bytes.Equal(got, b[:n]) {
				t.Errorf("all %d bytes are there, unchecked: a client has %d, %v", size, n, err)
			}
		}
		if err := sink.Check(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		if got, err := first.got(); err != nil || int64(len(got)) > size-heldBack {
			t.Errorf("checked, but the fetch has not ended: %d bytes, %v", len(got), err)
		}
		up.end <- nil
		first.want(t, b, io.EOF)
		second.want(t, b, io.EOF)
		settle(t, s)
		wantStored(t, s.o.Store, theZip, b)
	})
}

// TestSmallAndUnknownWait: a zip under 8 MiB, or of unknown length, and every .mod is answered once it is checked.
func TestSmallAndUnknownWait(t *testing.T) {
	tests := []struct {
		name      string
		file      goproxy.File
		b         []byte
		announced bool
	}{
		{"small zip", theZip, storedZip(theZip.Version, streamFrom-20_000, 1), true},
		{"large zip of unknown length", theZip, storedZip(theZip.Version, 9<<20, 1), false},
		{"large .mod", theMod, bytes.Repeat([]byte("// x\n"), 9<<20/5), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				up := newStepwise(t)
				s := newService(t, Options{Fetcher: up})
				c := stream(t, s, test.file)
				sink := <-up.sink
				if test.announced {
					sink.SetSize(int64(len(test.b)))
				}
				mustWrite(t, sink, test.b, 0, int64(len(test.b)))
				if c.isOpen() {
					t.Error("answered before it was checked")
				}
				if err := sink.Check(t.Context(), from); err != nil {
					t.Error(err)
				}
				up.end <- nil
				<-c.opened
				if c.err != nil || c.meta.Size != int64(len(test.b)) || c.meta.ETag == "" {
					t.Fatalf("%+v, %v", c.meta, c.err)
				}
				c.want(t, test.b, io.EOF)
			})
		})
	}
}

// TestTailWaitsForTheVerifier: the bytes are there and agree with themselves; the last of them wait for who knows the hash.
func TestTailWaitsForTheVerifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storedZip(theZip.Version, 9<<20, 1)
		v := &verifier{asked: make(chan module.Version, 9), answer: make(chan Want)}
		s := newService(t, Options{Fetcher: serving(t, func(goproxy.File) []byte { return b }), Verifier: v})
		c := stream(t, s, theZip)
		if !c.isOpen() {
			t.Fatal("not answered")
		}
		if got, err := c.got(); err != nil || len(got) > len(b)-heldBack {
			t.Errorf("before the verifier said a word the client has %d of %d bytes, %v", len(got), len(b), err)
		}
		if m := <-v.asked; m != theZip.Version {
			t.Errorf("asked for %v", m)
		}
		v.answer <- Want{Zip: hashZip(t, b), By: "db.test"}
		c.want(t, b, io.EOF)
		if len(v.asked) > 0 {
			t.Error("asked twice")
		}
	})
}

// A verifier says what the test tells it to.
type verifier struct {
	unprepared
	asked  chan module.Version
	answer chan Want
	err    error
}

func (v *verifier) Want(ctx context.Context, m module.Version) (Want, error) {
	v.asked <- m
	select {
	case w := <-v.answer:
		return w, v.err
	case <-ctx.Done():
		return Want{}, ctx.Err()
	}
}

// TestRangeWaits: a client wants the middle and then the end of a zip that is on its way.
func TestRangeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storedZip(theZip.Version, 9<<20, 1)
		size := int64(len(b))
		up := newStepwise(t)
		s := newService(t, Options{Fetcher: up})
		c := stream(t, s, theZip)
		sink := <-up.sink
		sink.SetSize(size)
		mustWrite(t, sink, b, 0, 2_000_000)
		if !c.isOpen() {
			t.Fatal("not answered")
		}
		ranged, err := s.Open(t.Context(), theZip)
		if err != nil {
			t.Fatal(err)
		}
		ranged.Body.(io.Seeker).Seek(6_000_000, io.SeekStart)
		g := startFollowing(ranged.Body.(*follower))
		g.want(t, nil, nil)
		mustWrite(t, sink, b, 2_000_000, size)
		if err := sink.Check(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		up.end <- nil
		g.want(t, b[6_000_000:], io.EOF)
		c.want(t, b, io.EOF)
	})
}

// TestRefetchUnnoticed: the upstream breaks off, another brings the same file: the client notices nothing.
func TestRefetchUnnoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storedZip(theZip.Version, 9<<20, 1)
		up := newStepwise(t)
		s := newService(t, Options{Fetcher: up})
		c := stream(t, s, theZip)
		sink := <-up.sink
		for _, until := range []int64{3_000_000, 1_000_000, 6_000_000, int64(len(b))} {
			sink.Reset()
			sink.SetSize(int64(len(b)))
			mustWrite(t, sink, b, 0, until)
			synctest.Wait()
		}
		if got, err := c.got(); err != nil || !bytes.HasPrefix(b, got) || len(got) < 8_000_000 {
			t.Errorf("the client has %d bytes, %v", len(got), err)
		}
		if err := sink.Check(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		up.end <- nil
		c.want(t, b, io.EOF)
	})
}

// TestRefetchDiffers: another upstream brings another file, which is right: who has the start of the first is cut off, who
// asks then gets the second.
func TestRefetchDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := storedZip(theZip.Version, 9<<20, 1), storedZip(theZip.Version, 9<<20, 2)
		up := newStepwise(t)
		s := newService(t, Options{Fetcher: up})
		c := stream(t, s, theZip)
		sink := <-up.sink
		sink.SetSize(int64(len(one)))
		mustWrite(t, sink, one, 0, 4_000_000)
		if !c.isOpen() {
			t.Fatal("not answered")
		}
		sink.Reset()
		sink.SetSize(int64(len(two)))
		late := stream(t, s, theZip)
		mustWrite(t, sink, two, 0, int64(len(two)))
		if err := sink.Check(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		got, err := c.got()
		if !errors.Is(err, errAborted) || !bytes.HasPrefix(one, got) {
			t.Errorf("the client of the first has %d bytes, %v", len(got), err)
		}
		up.end <- nil
		late.want(t, two, io.EOF)
		settle(t, s)
		wantStored(t, s.o.Store, theZip, two)
	})
}

// TestLateScanDoesNotAnswer: what was read of an attempt that is over lets nobody begin: the next may end in a clear error.
func TestLateScanDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storedZip(theZip.Version, 9<<20, 1)
		up := newStepwise(t)
		s := newService(t, Options{Fetcher: up})
		c := stream(t, s, theZip)
		sink := (<-up.sink).(*checked)
		sink.SetSize(int64(len(b)))
		mustWrite(t, sink, b, 0, 10) // less than an entry: the first attempt answers nobody
		sink.Reset()
		sink.SetSize(int64(len(b)) + 1)
		sink.release(100_000, 0)
		if c.isOpen() {
			t.Error("answered for an attempt that is over")
		}
		absent := goproxy.Absent("not here")
		up.end <- absent
		<-c.opened
		if !errors.Is(c.err, absent) {
			t.Errorf("got %v", c.err)
		}
	})
}

// TestUpstreamDiesMidway: the file cannot be had: the client's body does not end well, be the error the one that ends a file
// well, and nothing is stored.
func TestUpstreamDiesMidway(t *testing.T) {
	b := storedZip(theZip.Version, 9<<20, 1)
	deaths := []error{&goproxy.Unavailable{From: from, Reason: "closed too early"}, &goproxy.Unavailable{Reason: "EOF", Err: io.EOF}, io.EOF, errAborted}
	for _, death := range deaths {
		synctest.Test(t, func(t *testing.T) {
			up := newStepwise(t)
			s := newService(t, Options{Fetcher: up})
			c := stream(t, s, theZip)
			sink := <-up.sink
			sink.SetSize(int64(len(b)))
			mustWrite(t, sink, b, 0, 4_000_000)
			if !c.isOpen() {
				t.Fatal("not answered")
			}
			up.end <- death
			got, err := c.got()
			if !errors.Is(err, death) || err == io.EOF || !bytes.HasPrefix(b, got) {
				t.Errorf("the client has %d bytes, %v", len(got), err)
			}
			settle(t, s)
			wantStored(t, s.o.Store, theZip, nil)
		})
	}
}

// TestPeer08FillsOutliveClients: when the client of a peer left, all that had come was thrown away, and the next one began at
// byte 0. Here all clients leave midway; the files are fetched to their ends and stored.
func TestPeer08FillsOutliveClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := storedZip(theZip.Version, 9<<20, 1)
		up := newStepwise(t)
		s := newService(t, Options{Fetcher: up})
		ctx, leave := context.WithCancel(t.Context())
		opened := make(chan *goproxy.Content, 1)
		go func() {
			c, err := s.Open(ctx, theZip)
			if err != nil {
				t.Error(err)
			}
			opened <- c
		}()
		waiting := ask(t, s, theMod) // and one that waits for a small file
		sinks := []goproxy.Sink{<-up.sink, <-up.sink}
		zip, mod := sinks[0], sinks[1]
		if zip.(*checked).file == theMod {
			zip, mod = mod, zip
		}
		zip.SetSize(int64(len(b)))
		mustWrite(t, zip, b, 0, 4_000_000)
		c := <-opened
		leave()
		c.Body.Close()
		waiting.cancel()
		<-waiting.done
		synctest.Wait()
		mustWrite(t, zip, b, 4_000_000, int64(len(b)))
		if err := zip.Check(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, mod, []byte("module m\n"), 0, 9)
		if err := mod.Check(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		up.end <- nil
		up.end <- nil
		settle(t, s)
		wantStored(t, s.o.Store, theZip, b)
		wantStored(t, s.o.Store, theMod, []byte("module m\n"))
	})
}
