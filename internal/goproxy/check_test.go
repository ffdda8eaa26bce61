package goproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestCheckInfo: what the go command accepts, measured with it.
func TestCheckInfo(t *testing.T) {
	const path = "example.com/m"
	tests := []struct {
		in      string
		version string // asked; "" for a query
		ok      bool
	}{
		{`{"Version":"v1.2.3","Time":"2024-01-02T15:04:05Z"}`, "v1.2.3", true},
		{"{\n  \"Version\": \"v1.2.3\"\n}\n", "v1.2.3", true},
		{`{"Version":"v1.2.3","Time":null}`, "v1.2.3", true},
		{`{"Version":"v1.2.3","Time":"2024-01-02T15:04:05+08:00"}`, "v1.2.3", true},
		{`{"version":"v1.2.3","time":"2024-01-02T15:04:05Z","Extra":[1]}`, "v1.2.3", true},
		{`{"Version":"v1.2.3","Origin":null}`, "v1.2.3", true},
		{`{"Version":"v1.2.3","Origin":{"VCS":"git","Hash":"00","New":1}}`, "v1.2.3", true},
		{`{"Version":"v1.2.3","Origin":"git"}`, "v1.2.3", false},
		{`{"Version":"v1.2.3","Origin":{"VCS":1}}`, "v1.2.3", false},
		{`{"Version":"v1.2.3","Time":""}`, "v1.2.3", false},
		{`{"Version":"v1.2.3","Time":"2020-01-01"}`, "v1.2.3", false},
		{`{"Version":"v1.2.3"} x`, "v1.2.3", false},
		{`{"Version":"v1.2.3"`, "v1.2.3", false},
		{`{"Version":"v1.2.4"}`, "v1.2.3", false},
		{`{"Version":"v1.2.3+incompatible"}`, "v1.2.3", false},
		{`{"Version":1}`, "v1.2.3", false},
		{`{}`, "v1.2.3", false},
		{``, "v1.2.3", false},
		{`[]`, "v1.2.3", false},
		{`not found`, "v1.2.3", false},
		{"<!DOCTYPE html><title>Welcome</title>", "v1.2.3", false},
		{"\ufeff \n<html>", "v1.2.3", false},
		// A query may be answered by any version that fits.
		{`{"Version":"v1.2.3"}`, "", true},
		{`{"Version":"v2.0.0+incompatible"}`, "", true},
		{`{"Version":"v0.0.0-20240101000000-000000000001"}`, "", true},
		{`{"Version":"v2.0.0"}`, "", false},
		{`{"Version":"v1.2"}`, "", false},
		{`{"Version":"v1.2.3+meta"}`, "", false},
		{`{"Version":"master"}`, "", false},
		{`{"Version":""}`, "", false},
		{`{}`, "", false},
	}
	for _, test := range tests {
		err := CheckInfo([]byte(test.in), path, test.version)
		if (err == nil) != test.ok {
			t.Errorf("CheckInfo(%q, %q) = %v", test.in, test.version, err)
		}
		wantWrong(t, test.in, err)
	}
}

// wantWrong checks that an error, if there is one, is a *Wrong with a reason of one line.
func wantWrong(t *testing.T, in string, err error) {
	t.Helper()
	var w *Wrong
	if err != nil && (!errors.As(err, &w) || w.Reason == "" || strings.Contains(w.Reason, "\n")) {
		t.Errorf("%.60q: %#v, want a *Wrong with a reason", in, err)
	}
}

// FuzzCheckInfo: what is accepted is what the go command can read, and of the version asked.
func FuzzCheckInfo(f *testing.F) {
	f.Add([]byte(`{"Version":"v1.2.3","Time":"2024-01-02T15:04:05Z"}`), "v1.2.3")
	f.Add([]byte(`{"Version":"v1.2.3","Origin":{}}`), "")
	f.Add([]byte("<html>"), "v1.0.0")
	f.Fuzz(func(t *testing.T, b []byte, version string) {
		if version != "" && !Fits("example.com/m", version) {
			return // is never asked
		}
		err := CheckInfo(b, "example.com/m", version)
		if err != nil {
			wantWrong(t, string(b), err)
			return
		}
		var info struct {
			Version string
			Time    time.Time
			Origin  map[string]any
		}
		if err := json.Unmarshal(b, &info); err != nil {
			t.Fatalf("%q was accepted: %v", b, err)
		}
		if version != "" && info.Version != version || version == "" && !Fits("example.com/m", info.Version) {
			t.Errorf("%q was accepted for %q", b, version)
		}
	})
}

func TestCheckMod(t *testing.T) {
	for _, in := range []string{"", "module example.com/m\n", "module \"rsc.io/quote\"", "module (\n x\n)\n", "go 9.99\n", "// Deprecated: x\nmodule m", "nonsense <html>"} {
		if err := CheckMod([]byte(in)); err != nil {
			t.Errorf("CheckMod(%q): %v", in, err)
		}
	}
	for _, in := range []string{"<html>", "  \r\n<!DOCTYPE", "\ufeff<a>", "<"} {
		err := CheckMod([]byte(in))
		if err == nil {
			t.Errorf("CheckMod(%q): no error", in)
		}
		wantWrong(t, in, err)
	}
}

func TestCleanList(t *testing.T) {
	tests := []struct{ path, in, want string }{
		{"example.com/m", "", ""},
		{"example.com/m", "v1.0.0\nv1.1.0\n", "v1.0.0\nv1.1.0\n"},
		{"example.com/m", "v1.1.0\nv1.0.0", "v1.1.0\nv1.0.0"}, // order and end as they came
		{"example.com/m", "v1.0.0 2024-01-02T15:04:05Z\n", "v1.0.0 2024-01-02T15:04:05Z\n"},
		{"example.com/m", "v0.0.0-20240101000000-000000000001\n", "v0.0.0-20240101000000-000000000001\n"},
		{"example.com/m", "v1.0.0\r\n\r\nv1.1.0\r\n", "v1.0.0\r\n\r\nv1.1.0\r\n"},
		{"example.com/m", "v1.0.0\nv2.0.0\nv2.0.0+incompatible\n", "v1.0.0\nv2.0.0+incompatible\n"},
		{"example.com/m", "v1\nv1.2\n1.0.1\nv1.0.0+meta\nmaster\nv1.0.0\n", "v1.0.0\n"},
		{"example.com/m", "v2.0.0", ""},
		{"example.com/m/v2", "v1.0.0\nv2.0.0\n", "v2.0.0\n"},
		{"example.com/m", "404 page not found\n", ""},
	}
	for _, test := range tests {
		got, err := CleanList([]byte(test.in), test.path)
		if err != nil || string(got) != test.want {
			t.Errorf("CleanList(%q, %s) = %q, %v; want %q", test.in, test.path, got, err, test.want)
		}
	}
	for _, in := range []string{"<html>", "\n <!doctype", "v1.0.0\n\x00"} {
		got, err := CleanList([]byte(in), "example.com/m")
		if err == nil || got != nil {
			t.Errorf("CleanList(%q) = %q, %v; want an error", in, got, err)
		}
		wantWrong(t, in, err)
	}
}

// FuzzCleanList: what is left is left the second time, and is lines of what came.
func FuzzCleanList(f *testing.F) {
	f.Add([]byte("v1.0.0\nv2.0.0\nv1.1.0"), "example.com/m")
	f.Add([]byte("v2.0.0 x\r\n\n \tv2.0.1"), "example.com/m/v2")
	f.Fuzz(func(t *testing.T, b []byte, path string) {
		before := bytes.Clone(b)
		clean, err := CleanList(b, path)
		if !bytes.Equal(b, before) {
			t.Fatalf("CleanList(%q) wrote to it: %q", before, b)
		}
		if err != nil {
			wantWrong(t, string(b), err)
			return
		}
		again, err := CleanList(clean, path)
		if err != nil && IsHTML(clean) {
			return // what stood before the page is gone
		}
		if err != nil || !bytes.Equal(again, clean) {
			t.Errorf("CleanList(%q) = %q; again %q, %v", b, clean, again, err)
		}
		for line := range bytes.Lines(clean) {
			if f := bytes.Fields(line); len(f) > 0 && !Fits(path, string(f[0])) {
				t.Errorf("CleanList(%q) keeps %q", b, line)
			}
		}
	})
}

func TestLatest(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"\n\n", ""},
		{"v1.0.0\nv1.10.0\nv1.9.0\n", "v1.10.0"},
		{"v1.0.0\nv1.1.0-rc.1\n", "v1.0.0"},
		{"v1.1.0-rc.1\nv1.1.0-rc.2\nv0.0.0-20240101000000-000000000001", "v1.1.0-rc.2"},
		{"v0.0.0-20240101000000-000000000001\nv0.0.0-20240201000000-000000000002\nv0.0.0-20230101000000-000000000003\n", "v0.0.0-20240201000000-000000000002"},
		{"v1.0.0\nv2.0.0+incompatible\n", "v2.0.0+incompatible"},
		{"v1.0.0 2024-01-02T15:04:05Z\n", "v1.0.0"},
		{"v0.0.0-00010101000000-000000000000\n", "v0.0.0-00010101000000-000000000000"},
		// The time beside a version goes before the one in it; where it cannot be read, the version does not count.
		{"v0.0.0-20240101000000-000000000001 2024-06-01T00:00:00Z\nv0.0.0-20240201000000-000000000002\n", "v0.0.0-20240101000000-000000000001"},
		{"v0.0.0-20240101000000-000000000001 yesterday\nv0.0.0-20230201000000-000000000002\n", "v0.0.0-20230201000000-000000000002"},
	}
	for _, test := range tests {
		if got := Latest([]byte(test.in)); got != test.want {
			t.Errorf("Latest(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

// FuzzLatest: the latest is one of the list.
func FuzzLatest(f *testing.F) {
	f.Add([]byte("v1.0.0\nv1.1.0-rc.1\nv0.0.0-20240101000000-000000000001\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := CleanList(b, "example.com/m")
		if err != nil {
			return
		}
		got := Latest(list)
		found := got == ""
		for line := range bytes.Lines(list) {
			if f := bytes.Fields(line); len(f) > 0 && string(f[0]) == got {
				found = true
			}
		}
		if !found {
			t.Errorf("Latest(%q) = %q", list, got)
		}
	})
}

func TestBytes(t *testing.T) {
	b := NewBytes([]byte("hello"))
	if got, err := io.ReadAll(io.LimitReader(b, 2)); string(got) != "he" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if string(b.All()) != "hello" {
		t.Errorf("All = %q after reading a part", b.All())
	}
	if _, err := b.Seek(-1, io.SeekEnd); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(b); string(got) != "o" || err != nil || b.Close() != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestMatchesAny(t *testing.T) {
	tests := []struct {
		patterns, path string
		want           bool
	}{
		{"", "example.com/m", false},
		{"example.com", "example.com/m", true},
		{"example.com/m", "example.com/other", false},
		{"*.corp.test,rsc.io/private", "git.corp.test/x/y", true},
		{"*.corp.test,rsc.io/private", "rsc.io/private/quux", true},
		{"*.corp.test,rsc.io/private", "rsc.io/public", false},
		// A private name must not leave in any spelling.
		{"example.com/secret", "example.com/Secret", true},
		{"Example.com/SECRET", "example.com/secret", true},
	}
	for _, test := range tests {
		if got := MatchesAny(test.patterns, test.path); got != test.want {
			t.Errorf("MatchesAny(%q, %q) = %v", test.patterns, test.path, got)
		}
	}
}

func TestErrorWords(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		err  error
		want string
	}{
		{&NotFound{Status: 404}, "not found"},
		{&NotFound{Status: 410, Body: "gone\n"}, "gone\n"},
		{Absent("no %s", "x"), "no x"},
		{&Refused{Status: 403, Reason: "no"}, "no"},
		{&Wrong{Reason: "bad"}, "bad"},
		{&Wrong{From: "a.test", Reason: "bad"}, "a.test: bad"},
		{&Unavailable{Reason: "away", Err: cause}, "away"},
		{&Unavailable{From: "a.test", Reason: "away"}, "a.test: away"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%#v says %q, want %q", test.err, got, test.want)
		}
	}
	if !errors.Is(&Unavailable{Err: cause}, cause) {
		t.Error("the cause of trouble is lost")
	}
}

func TestFetchDisabled(t *testing.T) {
	if FetchDisabled(t.Context()) || !FetchDisabled(WithoutFetch(t.Context())) {
		t.Error("WithoutFetch marks a context, and nothing else does")
	}
}
