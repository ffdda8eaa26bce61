package proxy

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// TestPersisted: another process finds the answers of the one before, fresh or stale.
func TestPersisted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &store.Mem{}
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up, Store: shared})
		first := wantAnswer(t, s, theList, false, 0)
		if b, _, err := all(s.Query(t.Context(), "example.com/m", "latest")); string(b) != theList {
			t.Errorf("%q, %v", b, err)
		}
		settle(t, s)
		s.Close()
		wantAsked(t, up, 2)

		time.Sleep(30 * time.Second)
		s = newService(t, Options{Fetcher: up, Store: shared})
		if m := wantAnswer(t, s, theList, false, 0); !m.Checked.Equal(first.Checked) {
			t.Errorf("checked %v, want %v", m.Checked, first.Checked)
		}
		s.Close()
		wantAsked(t, up, 0)

		time.Sleep(24 * time.Hour)
		up.says("", away, nil)
		s = newService(t, Options{Fetcher: up, Store: shared})
		if m := wantAnswer(t, s, theList, true, 0); !m.Checked.Equal(first.Checked) {
			t.Errorf("checked %v, want %v", m.Checked, first.Checked)
		}
		if b, m, err := all(s.Query(t.Context(), "example.com/m", "latest")); string(b) != theList || !m.Stale {
			t.Errorf("%q, %+v, %v", b, m, err)
		}
	})
}

// TestStoredTimeGrows: an unchanged answer is written anew only after ten minutes, and then with its time.
func TestStoredTimeGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		puts := 0
		mem := &store.Mem{Fail: func(op, _ string) error {
			if op == "put" {
				puts++
			}
			return nil
		}}
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up, Store: mem})
		start := time.Now()
		for time.Since(start) < rewriteAfter {
			wantAnswer(t, s, theList, false, 0)
			settle(t, s)
			time.Sleep(time.Minute)
		}
		if puts != 1 {
			t.Errorf("written %d times in %v", puts, time.Since(start))
		}
		wantAnswer(t, s, theList, false, 0)
		settle(t, s)
		k := s.answers.load(t.Context(), question{name: goproxy.ListName("example.com/m")})
		if puts != 2 || !k.checked.Equal(time.Now()) {
			t.Errorf("after %v written %d times, checked %v", time.Since(start), puts, k.checked)
		}
		up.says("v1.2.0\n", nil, nil)
		time.Sleep(time.Minute)
		wantAnswer(t, s, "v1.2.0\n", false, 0)
		settle(t, s)
		if puts != 3 {
			t.Errorf("a new answer was written %d times", puts-2)
		}
	})
}

// TestStoredAnswersThatAreNone: what the store has in place of an answer is asked anew and replaced.
func TestStoredAnswersThatAreNone(t *testing.T) {
	for _, stored := range []string{"", "\n", "{}", "nonsense\nv1.0.0\n", `{"from":1}` + "\nv1.0.0\n", `{"checked":"x"}` + "\n", "\x00\x00"} {
		synctest.Test(t, func(t *testing.T) {
			mem := &store.Mem{}
			name := queryFile(question{name: goproxy.ListName("example.com/m")})
			if err := mem.Put(t.Context(), name, io.NewSectionReader(strings.NewReader(stored), 0, int64(len(stored))), store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			var heard events
			s := newService(t, Options{Fetcher: newLister(t, theList), Store: mem, Recorder: &heard})
			wantAnswer(t, s, theList, false, 0)
			settle(t, s)
			if len(heard.of(StoreFailed)) != 1 {
				t.Errorf("%q: events %+v", stored, heard.all)
			}
			k := s.answers.load(t.Context(), question{name: goproxy.ListName("example.com/m")})
			if k == nil || string(k.body) != theList {
				t.Errorf("%q was not replaced: %+v", stored, k)
			}
		})
	}
}

// TestClockAhead: an answer stored by a clock that was years ahead is asked again today.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := formatStored(&known{body: []byte("v0.0.9\n"), from: from, checked: time.Now().AddDate(5, 0, 0)})
		if err != nil {
			t.Fatal(err)
		}
		mem := &store.Mem{}
		name := queryFile(question{name: goproxy.ListName("example.com/m")})
		if err := mem.Put(t.Context(), name, io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		s := newService(t, Options{Fetcher: newLister(t, theList), Store: mem})
		wantAnswer(t, s, theList, false, 0)
	})
}

// FuzzParseStored: formatStored is the inverse.
func FuzzParseStored(f *testing.F) {
	b, err := formatStored(&known{body: []byte(theList), from: from, checked: time.Unix(1e9, 0).UTC()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("{}\n"))
	f.Add([]byte("null\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := parseStored(b)
		if err != nil {
			if k != nil {
				t.Errorf("%q: %+v and %v", b, k, err)
			}
			return
		}
		if !bytes.HasSuffix(b, k.body) || k.etag != store.ETag(k.body) {
			t.Errorf("%q was read as %q, ETag %q", b, k.body, k.etag)
		}
		written, err := formatStored(k)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", k, err)
		}
		again, err := parseStored(written)
		if err != nil || !bytes.Equal(again.body, k.body) || again.from != k.from || !again.checked.Equal(k.checked) {
			t.Errorf("%+v was written %q and read %+v, %v", k, written, again, err)
		}
	})
}
