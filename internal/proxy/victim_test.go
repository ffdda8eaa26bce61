package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// victimVar makes the test binary a process that serves from the state directory named in it, and may be killed at any
// moment.
const victimVar = "MODHAVEN_TEST_VICTIM"

// victimChunk is how many bytes its upstream gives at once. It says "step" after each.
const victimChunk = 8 << 10

// victim opens the state, says "swept N SPOOL", and then does what stdin says: "get NAME" gets a file and says "ok" once it is
// stored, and "step" for each thing that happened on the way.
func victim(dir string) int {
	state, err := store.OpenState(dir)
	if err != nil {
		return say(1, "error: %v", err)
	}
	d, err := store.NewDir(state.Dir, state.Spool)
	if err != nil {
		return say(1, "error: %v", err)
	}
	files := victimFiles{}
	s := New(Options{Store: telling{d}, Fetcher: &fake{fetch: files.fetch}, Spool: state.Spool})
	say(0, "swept %d %s", state.Swept, state.Spool)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		name, _ := strings.CutPrefix(in.Text(), "get ")
		r, err := goproxy.Parse(name)
		if err != nil {
			return say(1, "error: %v", err)
		}
		b, _, err := get(context.Background(), s, r.File)
		if err != nil || !bytes.Equal(b, files.of(r.File)) {
			return say(1, "error: %d bytes of %s, %v", len(b), name, err)
		}
		if err := s.Drain(context.Background()); err != nil {
			return say(1, "error: %v", err)
		}
		say(0, "ok")
	}
	return 0
}

func say(code int, format string, args ...any) int {
	fmt.Printf(format+"\n", args...)
	return code
}

// victimFiles are the files of a victim's upstream that were made last.
type victimFiles map[goproxy.File][]byte

// of returns what a file must be: zips of few and of many bytes, by the version. Only one at a time may ask.
func (v victimFiles) of(f goproxy.File) []byte {
	if b := v[f]; b != nil {
		return b
	}
	if len(v) > 3 {
		clear(v)
	}
	if f.Kind != goproxy.Zip {
		v[f] = filler(0)(f)
	} else {
		v[f] = storedZip(f.Version, victimSize(f), f.Version.Version[len("v1.0.")])
	}
	return v[f]
}

func victimSize(f goproxy.File) int {
	switch {
	case strings.HasSuffix(f.Version.Version, "00"): // flows before it is whole
		return streamFrom + 500_000
	case strings.HasSuffix(f.Version.Version, "1"): // small enough for memory
		return 20_000
	}
	return 150_000
}

func (v victimFiles) fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	b := v.of(f)
	if err := dst.SetSize(int64(len(b))); err != nil {
		return goproxy.Meta{}, err
	}
	for off := 0; off < len(b); off += victimChunk {
		if _, err := dst.WriteAt(b[off:min(off+victimChunk, len(b))], int64(off)); err != nil {
			return goproxy.Meta{}, err
		}
		say(0, "step")
	}
	if err := dst.Check(ctx, from); err != nil {
		return goproxy.Meta{}, err
	}
	say(0, "step")
	return goproxy.Meta{From: from}, nil
}

// telling is a Dir that says when it begins to store and when it has.
type telling struct{ *store.Dir }

func (d telling) Put(ctx context.Context, name string, src *io.SectionReader, o store.PutOptions) error {
	say(0, "step")
	err := d.Dir.Put(ctx, name, src, o)
	say(0, "step")
	return err
}

// steps is how often "step" is said for a file.
func (v victimFiles) steps(f goproxy.File) int { return (len(v.of(f))+victimChunk-1)/victimChunk + 3 }
