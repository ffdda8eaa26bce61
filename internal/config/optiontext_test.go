package config

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadOptions(t *testing.T) {
	type line = optionLine
	for text, want := range map[string][]line{
		"":                            nil,
		" ; ;;":                       nil,
		"a":                           {{"a", []string{}, false}},
		"a x=1  y=2":                  {{"a", []string{"x=1", "y=2"}, false}},
		"a x=1\nb y=2":                {{"a", []string{"x=1"}, false}, {"b", []string{"y=2"}, false}},
		"a x=1;b y=2 ; c":             {{"a", []string{"x=1"}, false}, {"b", []string{"y=2"}, false}, {"c", []string{}, false}},
		`a x="1 ; 2" y=3`:             {{"a", []string{"x=1 ; 2", "y=3"}, false}},
		`a x="";"b c" "x y=z"`:        {{"a", []string{"x="}, false}, {"b c", []string{"x y=z"}, false}},
		`https://a/?q="x" y`:          {{"https://a/?q=x", []string{"y"}, false}},
		`a x=C:\files\y`:              {{"a", []string{`x=C:\files\y`}, false}},
		`a x="1` + "\n" + `b y=2`:     {{"a", []string{`x="1`}, true}, {"b", []string{"y=2"}, false}},
		`a x="1"2; b`:                 {{"a", []string{`x="1"2; b`}, true}},
		`a x=1"2" y=3`:                {{"a", []string{`x=1"2" y=3`}, true}},
		`"a`:                          {{`"a`, []string{}, true}},
		"a x=y=\"z\"":                 {{"a", []string{`x=y="z"`}, true}},
		"* proxy=http://u:p@h:1;#b x": {{"*", []string{"proxy=http://u:p@h:1"}, false}, {"#b", []string{"x"}, false}},
	} {
		if diff := cmp.Diff(want, readOptions(text), cmp.AllowUnexported(line{})); diff != "" {
			t.Errorf("readOptions(%q) (-want +got):\n%s", text, diff)
		}
	}
}

func TestMaskOptions(t *testing.T) {
	for text, want := range map[string]string{
		"https://a ca=/x; b  hedge=on":                            "https://a ca=/x\nb hedge=on",
		"https://u:p@a attempts=3":                                "https://…@a attempts=3",
		"u:p@a.example/x proxy=http://me:secret@h:1":              "…@a.example/x proxy=http://…@h:1",
		"* proxy=me:secret@h:1 key=/a@b.pem":                      "* proxy=…@h:1 key=/a@b.pem",
		"* prxy=http://me:secret@h":                               "* prxy=http://…@h",
		"* ca=https://me:secret@h/ca.pem":                         "* ca=https://…@h/ca.pem",
		"* ca=\"/a b\" cert=\"x;y\" key=\"\"":                     "* ca=\"/a b\" cert=\"x;y\" key=",
		"a x=1;#b y=2":                                            "a x=1\n\"#b\" y=2",
		"a x=1 proxy=http://me:sec ret@h":                         "…@h",
		"a x=1 proxy=http://me:5 ca=9@h y=2":                      "a x=1 proxy=http://me:5 ca=9@h y=2", // a file whose name has an @
		"a x=1\nb proxy=http://me:sec\"ret@h y=2":                 "…@h y=2",
		"a proxy=\"http://me:sec ret@h\"":                         "…@h\"",
		"a x=me:secret@h":                                         "…@h",
		"a https://me:secret@h":                                   "…@h",
		"https://a https://me:secret@h":                           "…@h",
		"https://a x=1\" \n b":                                    "https://a x=1\" \n b",
		"https://…@a proxy=http://…@h":                            "https://…@a proxy=http://…@h",
		"https://me:1;secret@h proxy=http://proxy.corp.example:1": "https://me:1\n…@h proxy=http://proxy.corp.example:1",
	} {
		got := maskOptions(text)
		if got != want {
			t.Errorf("maskOptions(%q) = %q, want %q", text, got, want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("maskOptions(%q) = %q shows a password", text, got)
		}
		if again := maskOptions(got); again != got {
			t.Errorf("maskOptions(%q) = %q, masked again %q", text, got, again)
		}
	}
}

// FuzzOptions reads any text as options: no panic, and what can be written again is read
// as the same.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{
		"", "https://proxy.golang.org ca=/x attempts=3; * hedge=on", "a x=\"1 ; 2\"\n\n# no\n* y=", "\"#\" \"=\" \"a b=c d\"", "a x=\u00a0 \"\u00a0\"", "a \"",
		"https://proxy.golang.org cert=a key=b proxy=direct weight=0 min-speed=1KiB check=off dial=1s;* retries=0 netrc=off concurrency=4 first=1h",
	} {
		f.Add(s)
	}
	k := optionsKey(f)
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		if m := k.set(c, text); m != nil {
			return
		}
		lines := readOptions(c.Options)
		for _, l := range lines {
			if l.broken {
				return
			}
		}
		written := formatOptions(lines)
		if diff := cmp.Diff(lines, readOptions(written), cmp.AllowUnexported(optionLine{})); diff != "" {
			t.Fatalf("%q is written %q (-want +got):\n%s", text, written, diff)
		}
		again := Default()
		if m := k.set(again, written); m != nil || again.Options != written {
			t.Fatalf("%q is written %q, and set as %q (%v)", text, written, again.Options, m)
		}
		want, err := c.UpstreamOptions()
		got, errAgain := again.UpstreamOptions()
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (errAgain == nil) {
			t.Errorf("%q: errors %v and, written again, %v (-want +got):\n%s", text, err, errAgain, diff)
		}
	})
}

func optionsKey(tb testing.TB) Key {
	for _, k := range Keys() {
		if k.Name == "upstream-options" {
			return k
		}
	}
	tb.Fatal("no key upstream-options")
	return Key{}
}

// FuzzMaskOptions: whatever a user and a password are, neither the printed options nor an
// error show them in a well-written address.
func FuzzMaskOptions(f *testing.F) {
	f.Add("me", "secret", "ca=/x", "https://a.example hedge=on;")
	f.Add("…", "p@ss;w rd/\"ü%", "\"", "")
	f.Fuzz(func(t *testing.T, user, password, word, before string) {
		if before != "" && !strings.HasSuffix(before, ";") {
			before += ";"
		}
		info := url.UserPassword(user, password).String() + "@"
		if len(password) < 3 || strings.Contains(before+word, info) {
			return
		}
		c := Default()
		text := before + "https://" + info + "host.example " + word + " proxy=http://" + info + "proxy.example"
		k := optionsKey(t)
		if m := k.set(c, text); m != nil {
			if strings.Contains(m.String(), info) {
				t.Errorf("%q: the error shows the password: %s", text, m)
			}
			return
		}
		if got := k.masked(c.Options); strings.Contains(got, info) {
			t.Errorf("maskOptions(%q) = %q", text, got)
		}
		if _, err := c.UpstreamOptions(); err != nil && strings.Contains(err.Error(), info) {
			t.Errorf("%q: the error shows the password: %v", text, err)
		}
	})
}
