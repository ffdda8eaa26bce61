package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/msg"
	"github.com/modhaven/modhaven/internal/upstream"
)

// drawn returns what a progress writes at a time, without control sequences, and whether
// the cursor is left at the begin of the line.
func drawn(p *progress, now time.Time, columns int) (text string, atBegin bool) {
	var out bytes.Buffer
	p.out = &out
	p.draw(now, columns)
	text = out.String()
	atBegin = text == "" || strings.HasSuffix(text, "\r") || strings.HasSuffix(text, eraseLine)
	text = strings.NewReplacer(eraseLine, "|", "\x1b[0K", "", "\r", "").Replace(text)
	return text, atBegin
}

func TestProgressLine(t *testing.T) {
	p := newProgress(nil, nil, msg.For("C"))
	defer p.close()
	begin := time.Now()
	see := func(after time.Duration, columns int, wants ...string) {
		t.Helper()
		got, atBegin := drawn(p, begin.Add(after), columns)
		if len(wants) == 0 && got != "" {
			t.Errorf("got %q, want nothing", got)
		}
		for _, want := range wants {
			if !strings.Contains(got, want) || !atBegin {
				t.Errorf("got %q, want %q and the cursor before it", got, want)
			}
		}
		if len(got) > columns {
			t.Errorf("%d columns, at most %d are there: %q", len(got), columns, got)
		}
	}
	see(0, 100)
	small := p.begin("example.com/small@v1.0.0.zip")
	small.size.Store(1000)
	see(0, 100)
	see(shownAfter/2, 100)
	see(2*shownAfter, 100, "|example.com/small@v1.0.0.zip   0% ")

	big := p.begin("example.com/big@v1.0.0.zip")
	big.size.Store(20e6)
	big.done.Store(10e6)
	see(2*shownAfter, 100, "example.com/small@v1.0.0.zip and 1 more   0% ") // the line does not jump
	p.end(small)
	see(0, 100, "|example.com/big@v1.0.0.zip  50% [", "10/20 MB")
	see(0, 71, "|...big@v1.0.0.zip  50% [")
	see(0, 54, "|  50% [")
	see(0, 53, "|") // too narrow
	see(0, 100, " 50% [")

	big.done.Store(20e6) // all there, not yet checked
	see(0, 100, "|")
	big.done.Store(0) // from the begin
	see(2*shownAfter, 100, "|example.com/big@v1.0.0.zip   0% [")
	p.end(big)
	see(2*shownAfter, 100, "|")

	some := p.begin("example.com/some@v1.0.0.zip") // of a size that is not known
	see(2*shownAfter, 100, "example.com/some@v1.0.0.zip ( 0 B)")
	some.done.Store(5e6)
	see(2*shownAfter, 100, "example.com/some@v1.0.0.zip (5.0 MB")
	p.end(some)
	see(2*shownAfter, 100, "|")
	see(2*shownAfter, 100)
}

func TestProgressWithoutTerminal(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out, nil, msg.For("C"))
	d := p.begin("x")
	d.done.Store(1e9)
	p.close()
	p.close()
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		n    int
		want string
	}{{100, "abcdefghijkl"}, {12, "abcdefghijkl"}, {11, "...efghijkl"}, {8, "...hijkl"}, {7, ""}, {0, ""}, {-5, ""}} {
		if got := shorten("abcdefghijkl", test.n); got != test.want {
			t.Errorf("%d: got %q, want %q", test.n, got, test.want)
		}
	}
}

// A source has one file of ten bytes and nothing else.
type source struct{ err error }

func (s source) List(context.Context, string) (*goproxy.Content, error) { return nil, s.err }
func (s source) Query(context.Context, string, string) (*goproxy.Content, error) {
	return nil, s.err
}
func (s source) Stat(context.Context, goproxy.File) (goproxy.Meta, error) {
	return goproxy.Meta{}, s.err
}

func (s source) Fetch(ctx context.Context, _ goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	err := errors.Join(dst.SetSize(10), dst.Reset(), dst.SetSize(10))
	for off := int64(0); off < 10; off += 5 {
		_, werr := dst.WriteAt([]byte("12345"), off)
		err = errors.Join(err, werr)
	}
	return goproxy.Meta{Size: 10}, errors.Join(err, dst.Check(ctx, "x"), s.err)
}

// A spoon is a sink that remembers what was done to it, and how far the progress was.
type spoon struct {
	calls []string
	far   func() int64
	seen  []int64
}

func (s *spoon) did(call string) { s.calls, s.seen = append(s.calls, call), append(s.seen, s.far()) }

func (s *spoon) WriteAt(b []byte, _ int64) (int, error) { s.did("write"); return len(b), nil }
func (s *spoon) SetSize(int64) error                    { s.did("size"); return nil }
func (s *spoon) Reset() error                           { s.did("reset"); return nil }
func (s *spoon) Check(context.Context, string) error    { s.did("check"); return nil }

func TestWatchedChain(t *testing.T) {
	r, err := goproxy.Parse("example.com/m/@v/v1.0.0.zip")
	if err != nil {
		t.Fatal(err)
	}
	for _, trouble := range []error{nil, down} {
		tl, line := newTally(), newProgress(nil, nil, msg.For("C"))
		w := watchChain(tl, line)(source{trouble})
		dst := &spoon{far: func() int64 { return line.all[0].done.Load() }}
		meta, err := w.Fetch(t.Context(), r.File, dst)
		if meta.Size != 10 || !errors.Is(err, trouble) || len(line.all) != 0 {
			t.Errorf("got %+v, %v; %d downloads are left", meta, err, len(line.all))
		}
		if got := strings.Join(dst.calls, " "); got != "size reset size write write check" {
			t.Errorf("the sink saw %s", got)
		}
		if last := dst.seen[len(dst.seen)-1]; last != 10 {
			t.Errorf("%d bytes were counted, want 10", last)
		}
		_, err = w.List(t.Context(), "example.com/m")
		_, err2 := w.Query(t.Context(), "example.com/m", "latest")
		_, err3 := w.Stat(t.Context(), r.File)
		if err != trouble || err2 != trouble || err3 != trouble {
			t.Errorf("got %v, %v, %v; want %v", err, err2, err3, trouble)
		}
		if left := tl.underWay(time.Now().Add(time.Hour)); len(left) > 0 {
			t.Errorf("under way: %v", left)
		}
	}
}

// What is broken off since nobody wants it any more is nobody's failure, nor is a check anybody's question.
func TestAttemptsThatDoNotCount(t *testing.T) {
	tl := newTally()
	for _, a := range []upstream.Attempt{{Cause: "check", Failure: "status"}, {Cause: "first", Failure: "canceled"}} {
		a.Upstream, a.Name, a.Err = "https://a", "example.com/m/@v/list", down
		tl.Attempted(t.Context(), a)
	}
	if len(tl.tried) > 0 {
		t.Errorf("got %v", tl.tried)
	}
}
