package proxy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// TestNotFound: "not found" is remembered for ten minutes of a list, for one of a query or a file, with its words.
func TestNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := &goproxy.NotFound{Status: 410, Body: "gone\n", From: from}
		up := newLister(t, "")
		up.says("", gone, nil)
		up.fetch = func(context.Context, goproxy.File, goproxy.Sink) (goproxy.Meta, error) { return goproxy.Meta{}, gone }
		s := newService(t, Options{Fetcher: up})
		asks := map[string]func() error{
			"list":  func() error { _, err := s.List(t.Context(), "example.com/m"); return err },
			"query": func() error { _, err := s.Query(t.Context(), "example.com/m", "master"); return err },
			"file":  func() error { _, err := s.Open(t.Context(), theInfo); return err },
		}
		for what, ask := range asks {
			kept := time.Minute
			if what == "list" {
				kept = 10 * time.Minute
			}
			for range 2 {
				for range 3 {
					if err := ask(); !errors.Is(err, gone) {
						t.Errorf("%s: %v, want %v", what, err, gone)
					}
				}
				time.Sleep(kept - 1)
				if err := ask(); !errors.Is(err, gone) {
					t.Errorf("%s: %v, want %v", what, err, gone)
				}
				wantAsked(t, up, 1)
				time.Sleep(time.Nanosecond)
			}
		}
	})
}

// TestNotFoundAfterAnswer: what was there and is gone is absent at once; trouble after that has nothing stale in memory.
func TestNotFoundAfterAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		wantAnswer(t, s, theList, false, 0)
		time.Sleep(2 * time.Minute)
		up.says("", goproxy.Absent("gone"), nil)
		if _, err := s.List(t.Context(), "example.com/m"); !isNotFound(err) {
			t.Errorf("got %v", err)
		}
		if _, ok := s.answers.known.Get(goproxy.ListName("example.com/m")); ok {
			t.Error("the answer is still known")
		}
	})
}

// TestSuccessClearsAbsence: an .info or a list of the module ends what is remembered as absent of it, and of it alone.
func TestSuccessClearsAbsence(t *testing.T) {
	for _, what := range []string{"info", "list", "query", "stat"} {
		synctest.Test(t, func(t *testing.T) {
			files := filler(100)
			absent := goproxy.Absent("not yet")
			up := newLister(t, "")
			up.says("", absent, nil)
			published := false
			up.fetch = func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
				if !published && f != theInfo {
					return goproxy.Meta{}, absent
				}
				return send(ctx, files(f), dst)
			}
			up.stat = func(context.Context, goproxy.File) (goproxy.Meta, error) { return goproxy.Meta{}, nil }
			s := newService(t, Options{Fetcher: up})
			other := mkFile("example.com/other", "v1.0.0", goproxy.Mod)
			for _, f := range []goproxy.File{theMod, theZip, other} {
				if _, _, err := get(t.Context(), s, f); !isNotFound(err) {
					t.Errorf("%s: %v", f, err)
				}
			}
			published = true
			up.says(theList, nil, nil)
			var err error
			switch what {
			case "info":
				_, err = s.Open(t.Context(), theInfo)
			case "list":
				_, err = s.List(t.Context(), "example.com/m")
			case "query":
				_, err = s.Query(t.Context(), "example.com/m", "latest")
			case "stat":
				_, err = s.Stat(t.Context(), mkFile("example.com/m", "v1.1.0", goproxy.Zip))
			}
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, s, theMod, files(theMod))
			wantFile(t, s, theZip, files(theZip))
			if _, _, err := get(t.Context(), s, other); !isNotFound(err) {
				t.Errorf("another module: %v", err)
			}
		})
	}
}

// TestExists: an .info of a version that a fresh list lacks makes the list old; pseudo-versions and known ones do not.
func TestExists(t *testing.T) {
	tests := []struct {
		version string
		asks    int
	}{{"v1.2.0", 1}, {"v1.1.0", 0}, {"v0.0.0-20240101000000-000000000001", 0}, {"v2.0.0+incompatible", 1}}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			files := filler(100)
			up := newLister(t, theList)
			up.fetch = serving(t, files).fetch
			s := newService(t, Options{Fetcher: up})
			wantAnswer(t, s, theList, false, 0)
			up.says(theList+test.version+"\n", nil, nil)
			info := mkFile("example.com/m", test.version, goproxy.Info)
			wantFile(t, s, info, files(info))
			settle(t, s)
			up.requests()
			want := theList
			if test.asks > 0 {
				want += test.version + "\n"
			}
			wantAnswer(t, s, want, false, 0)
			wantAnswer(t, s, want, false, 0)
			wantAsked(t, up, test.asks)
		})
	}
}

// TestExistsDuringTrouble: the list that lacks it is given all the same when there is no newer one.
func TestExistsDuringTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up})
		wantAnswer(t, s, theList, false, 0)
		v := theInfo.Version
		v.Version = "v1.2.0"
		s.answers.exists(v)
		up.says("", away, nil)
		wantAnswer(t, s, theList, true, 0)
	})
}
