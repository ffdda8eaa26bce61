package config

import (
	"bytes"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func printed(t *testing.T, c *Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPrint(t *testing.T) {
	file := write(t, "fills: 3\nsumdb: off\n")
	c, err := Load(Sources{
		File:    file,
		Environ: []string{"MODHAVEN_UPSTREAMS=https://me:secret@proxy.corp.example/go,https://proxy.golang.org|direct"},
		Flags:   map[string]string{"state": `/a b\c: d`, "fresh": "60s", "upstream-options": "proxy.corp.example/go  proxy=http://me:secret@proxy:1 ca=\"/a b\" ; * attempts=2"},
		GoEnv:   DefaultGoEnv(),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := printed(t, c)
	for _, want := range []string{
		"# From: file " + file + ":1.\nfills: 3\n",
		"# From: file " + file + ":2.\nsumdb: off\n",
		"# From: environment MODHAVEN_UPSTREAMS.\nupstreams: \"https://…@proxy.corp.example/go,https://proxy.golang.org|direct\"\n",
		"# From: flag --state.\nstate: \"/a b\\\\c: d\"\n",
		"# From: flag --fresh.\nfresh: 1m\n",
		"# From: flag --upstream-options.\nupstream_options: |-\n  proxy.corp.example/go proxy=http://…@proxy:1 ca=\"/a b\"\n  * attempts=2\n",
		"# From: default.\noffline: off\n",
		"# From: default.\notlp: \"\"\n",
		"# The address to listen on, HOST:PORT.\n# From: default.\nlisten: 127.0.0.1:3000\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Print lacks %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "/me:") {
		t.Errorf("Print shows a user or a password:\n%s", got)
	}
}

// What is empty is printed as what it stands for.
func TestPrintEffective(t *testing.T) {
	root := t.TempDir()
	goenv := filepath.Join(root, "env")
	if err := os.WriteFile(goenv, []byte("GOPROXY=https://u:p@goproxy.cn,direct\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Sources{Environ: []string{"GOENV=" + goenv, "GOROOT=" + root, "GOSUMDB=sum.golang.google.cn"}})
	if err != nil {
		t.Fatal(err)
	}
	got := printed(t, c)
	for _, want := range []string{
		"# From: default, which is GOPROXY of " + goenv + ".\nupstreams: \"https://…@goproxy.cn,direct\"\n",
		"# From: default, which is GOSUMDB of the environment.\nsumdb: sum.golang.google.cn\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Print lacks %q in:\n%s", want, got)
		}
	}
}

func TestMask(t *testing.T) {
	for list, want := range map[string]string{
		"https://a|https://b,direct":           "https://a|https://b,direct",
		"https://u:p@a/x|https://b,direct":     "https://…@a/x|https://b,direct",
		"u:p@a.example/x,default":              "…@a.example/x,default",
		"https://u@a":                          "https://…@a",
		"https://…@a/x,https://u:p@b":          "https://…@a/x,https://…@b",
		"https://user:pa,ss@host":              "…@host",
		"https://user:p%ZZ@host|https://a":     "…@host|https://a",
		"https://a,https://u:p|q@host/@x":      "…@x",
		" https://u:p@a , https://b ":          "https://…@a,https://b",
		"https://proxy.example/a@v1,https://b": "https://proxy.example/a@v1,https://b",
		"":                                     "",
	} {
		got := MaskList(list)
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("MaskList(%q) = %q, want %q", list, got, want)
		}
		if again := MaskList(got); again != got {
			t.Errorf("MaskList(%q) = %q, masked again %q", list, got, again)
		}
	}
	for spec, want := range map[string]string{
		"off": "off", "sum.golang.org": "sum.golang.org",
		"sum.golang.org https://u:p@mirror.example": "sum.golang.org https://…@mirror.example",
		"sum.golang.org+033de0ae+Ac4z u:p@mirror":   "sum.golang.org+033de0ae+Ac4z …@mirror",
	} {
		if got := maskSumDB(spec); got != want {
			t.Errorf("maskSumDB(%q) = %q, want %q", spec, got, want)
		}
	}
}

// Errors are shown to more people than may know a password.
func TestErrorsMask(t *testing.T) {
	for _, src := range []Sources{
		{Flags: map[string]string{"upstreams": "ftp://me:secret@host"}},
		{Flags: map[string]string{"upstreams": "https://me:secret@127.0.0.1:3000"}},
		{Flags: map[string]string{"upstreams": "https://me:secret@host\x00"}},
		{Flags: map[string]string{"upstreams": "https://me:sec%ZZsecret@host"}},
		{Flags: map[string]string{"sumdb": "sum.golang.org ftp://me:secret@host"}},
		{Flags: map[string]string{"sumdb": "nonsense https://me:secret@host"}},
		{Flags: map[string]string{"sumdb": "sum.golang.org https://me:secret@host more"}},
		{Flags: map[string]string{"upstream-options": "* proxy=http://me:secret@host\x00"}},
		{Flags: map[string]string{"upstream-options": "https://me:secret@host ca=\""}},
		{Flags: map[string]string{"upstream-options": "\"https://me:secret@host"}},
		{Flags: map[string]string{"upstream-options": "https://me:secret@host"}},
		{Flags: map[string]string{"upstream-options": "* attempts=secret@host"}},
		{Flags: map[string]string{"otlp": "https://me:secret@host\x00"}},
		{Flags: map[string]string{"otlp": "https://me:secret@host"}},
		{File: write(t, "upstreams: 'https://me:secret@host\nfills: 1\n")},
		{File: write(t, "upstreams: {https://me:secret@host\n")},
	} {
		src.GoEnv = DefaultGoEnv()
		c, err := Load(src)
		if err == nil {
			err = c.Check()
		}
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Load(%+v): error %v, want one without the password", src, err)
		}
	}
}

// FuzzYAML reads any bytes as a file: no panic, and what is accepted can be printed
// and read again as the same.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"", "listen: 127.0.0.1:3000\n", "fills: 1\nfills: 2", "private: |\n  a\n", "sumdb: 'off'", "state: \"\\u00e9 # x\"", "a: [1", "? x\n: y",
		"---\n--- \n", "upstreams: https://u:p@h|direct\n", "private: \"\\ta\"", "<<: *x", "private: null\nstate: ~", "private: -", "private: \"a: b\"", "\ufeffauth: none",
		"upstream_options: |\n  # x\n  https://u:p@a ca=\"/b c\"\n\n  * hedge=on;x\n", "upstream_options: \"a x=1;#b\\u00a0\"", "upstream_options: >-\n  a\n\n  b",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		c := Default()
		if errs := c.loadYAML("f", data); len(errs) > 0 {
			if errors.Join(errs...).Error() == "" {
				t.Errorf("an error without words for %q", data)
			}
			return
		}
		var b bytes.Buffer
		if err := c.Print(&b); err != nil {
			t.Fatal(err)
		}
		again := Default()
		if errs := again.loadYAML("printed", b.Bytes()); len(errs) > 0 {
			t.Fatalf("%q is printed so that it cannot be read: %v\n%s", data, errs, b.Bytes())
		}
		for _, k := range Keys() {
			want, _ := c.effectiveText(k)
			if got := k.text(again); got != k.masked(want) {
				t.Errorf("%q: %s = %q, printed and read again %q", data, k.Name, want, got)
			}
		}
	})
}

// FuzzMask: whatever a user and a password are, a well-written address does not show them.
func FuzzMask(f *testing.F) {
	f.Add("me", "secret", "https://a.example,")
	f.Add("…", "p@ss,w|rd/ü%", "direct|")
	f.Fuzz(func(t *testing.T, user, password, before string) {
		info := url.UserPassword(user, password).String()
		if before != "" && !strings.HasSuffix(before, ",") && !strings.HasSuffix(before, "|") {
			before += "https://a.example" // a separator that was forgotten
		}
		list := before + "https://" + info + "@host.example/x,direct"
		got := MaskList(list)
		if strings.Contains(got, info+"@") || strings.Contains(got, ":"+url.UserPassword("", password).String()[1:]+"@host") {
			t.Errorf("MaskList(%q) = %q", list, got)
		}
	})
}
