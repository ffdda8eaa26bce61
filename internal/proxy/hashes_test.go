package proxy

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// TestHashes: hashes are those of the bytes that are stored, which are fetched first where they are not, and agree with the
// ledger or are refused.
func TestHashes(t *testing.T) {
	files, others := filler(100_000), filler(90_000)
	ledger := &book{}
	s := newService(t, Options{Fetcher: serving(t, files), Ledger: ledger})
	wantZip, wantMod := hashZip(t, files(theZip)), hashMod(t, files(theMod))
	for _, when := range []string{"cold", "stored"} {
		zip, mod, err := s.Hashes(t.Context(), theZip.Version)
		if err != nil || zip != wantZip || mod != wantMod {
			t.Errorf("%s: got %s, %s, %v, want %s, %s", when, zip, mod, err, wantZip, wantMod)
		}
	}
	wantStored(t, s.o.Store, theZip, files(theZip))
	if got := ledger.of(theZip); got.H1 != wantZip || got.From != from {
		t.Errorf("the ledger has %+v", got)
	}
	put := func(b []byte) {
		t.Helper()
		if err := s.o.Store.Put(t.Context(), fileName(theZip), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), store.PutOptions{If: "*", ETag: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	flipped := bytes.Clone(files(theZip))
	flipped[len(flipped)/2] ^= 1
	for what, b := range map[string][]byte{"another zip": others(theZip), "a flipped byte": flipped, "no zip": []byte("nothing of the kind, but long enough")} {
		put(b)
		_, _, err := s.Hashes(t.Context(), theZip.Version)
		var wrong *goproxy.Wrong
		if !errors.As(err, &wrong) || what == "another zip" && !strings.Contains(wrong.Reason, wantZip) {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestHashesBeforeTheLedger: a file that was stored before there was a ledger is noted when its hash is asked for.
func TestHashesBeforeTheLedger(t *testing.T) {
	files := filler(1000)
	s := newService(t, Options{Fetcher: serving(t, files)})
	wantFile(t, s, theZip, files(theZip))
	wantFile(t, s, theMod, files(theMod))
	settle(t, s)
	if _, _, err := s.Hashes(t.Context(), theZip.Version); !errors.As(err, new(*goproxy.Unavailable)) {
		t.Errorf("without a ledger: got %v", err)
	}
	ledger := &book{}
	s = newService(t, Options{Store: s.o.Store, Fetcher: serving(t, files), Ledger: ledger})
	if _, _, err := s.Hashes(t.Context(), theZip.Version); err != nil {
		t.Error(err)
	}
	if got := ledger.of(theZip).H1; got != hashZip(t, files(theZip)) {
		t.Errorf("the ledger has %s", got)
	}
}
