package goproxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseUpstreams(t *testing.T) {
	const google, cn = "https://proxy.golang.org", "https://goproxy.cn"
	china := []Upstream{
		{URL: cn, AnyError: true, Public: true},
		{URL: "https://mirrors.aliyun.com/goproxy", AnyError: true, Public: true},
		{URL: "https://goproxy.io", AnyError: true, Public: true},
		{URL: google, AnyError: true, Public: true},
	}
	direct, off := Upstream{URL: Direct}, Upstream{URL: Off}
	own := func(addr string, anyError bool) Upstream { return Upstream{URL: addr, AnyError: anyError} }
	tests := []struct {
		in   string
		want []Upstream
	}{
		{DefaultUpstreams, []Upstream{{URL: google, Public: true}, direct}},
		{"default", []Upstream{{URL: google, AnyError: true, Public: true}, direct}},
		{"cn", append(slices.Clone(china), direct)},
		{"off", []Upstream{off}},
		{"direct", []Upstream{direct}},
		// The separator after an entry says when the next one is asked.
		{"https://a.test,https://b.test", []Upstream{own("https://a.test", false), own("https://b.test", false)}},
		{"https://a.test|https://b.test", []Upstream{own("https://a.test", true), own("https://b.test", false)}},
		{"https://a.test|https://b.test,direct", []Upstream{own("https://a.test", true), own("https://b.test", false), direct}},
		{"https://a.test,off", []Upstream{own("https://a.test", false), off}},
		// Nothing after direct or off is read.
		{"direct,https://a.test", []Upstream{direct}},
		{"off|nonsense", []Upstream{off}},
		{"https://a.test,direct,off", []Upstream{own("https://a.test", false), direct}},
		// Blanks and empty entries, as the go command reads them.
		{" https://a.test , https://b.test ", []Upstream{own("https://a.test", false), own("https://b.test", false)}},
		{",,https://a.test,,", []Upstream{own("https://a.test", false)}},
		{"https://a.test|", []Upstream{own("https://a.test", false)}},
		{"https://a.test| ,", []Upstream{own("https://a.test", false)}},
		{"default,", []Upstream{{URL: google, AnyError: true, Public: true}, direct}},
		{"default, ,", []Upstream{{URL: google, AnyError: true, Public: true}, direct}},
		// A named list within another: its end does not end the whole.
		{"default,https://a.test", []Upstream{{URL: google, Public: true}, own("https://a.test", false)}},
		{"cn|https://a.test|direct", append(slices.Clone(china), own("https://a.test", true), direct)},
		{"https://a.test,default", []Upstream{own("https://a.test", false), {URL: google, AnyError: true, Public: true}, direct}},
		// Addresses.
		{"a.test", []Upstream{own("https://a.test", false)}},
		{"a.test/x/", []Upstream{own("https://a.test/x", false)}},
		{"localhost:3000", []Upstream{own("https://localhost:3000", false)}},
		{"http://127.0.0.1:3000///", []Upstream{own("http://127.0.0.1:3000", false)}},
		{"https://user:secret@a.test/p", []Upstream{own("https://user:secret@a.test/p", false)}},
		{"https://[::1]:80", []Upstream{own("https://[::1]:80", false)}},
		{"https://PROXY.golang.org:443/x", []Upstream{{URL: "https://PROXY.golang.org:443/x", Public: true}}},
		{"https://proxy.golang.org.evil.test", []Upstream{own("https://proxy.golang.org.evil.test", false)}},
	}
	for _, test := range tests {
		got, err := ParseUpstreams(test.in)
		if err != nil {
			t.Errorf("ParseUpstreams(%q): %v", test.in, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("ParseUpstreams(%q): (-want +got)\n%s", test.in, diff)
		}
	}
}

func TestParseUpstreamsErrors(t *testing.T) {
	tests := []struct {
		in   string
		want []string // parts of the error
	}{
		{"", []string{"empty"}},
		{" , |", []string{"empty"}},
		{"china", []string{`"china"`, "default, cn"}},
		{"ftp://a.test", []string{"ftp://a.test", "https or http"}},
		{"file:///x", []string{"https or http"}},
		{"https://", []string{"no host"}},
		{"https://:80", []string{"no host"}},
		{"https:///x", []string{"no host"}},
		{"https://a.test?x=1", []string{"no query"}},
		{"https://a.test/?", []string{"no query"}},
		{"https://a.test#x", []string{"no fragment"}},
		{"https://a.test/#", []string{"no fragment"}},
		{"https://a b.test", []string{"not an address"}},
		{"https://a.test:x", []string{"not an address"}},
		// All at once.
		{"nonsense,https://a.test,ftp://b.test", []string{"nonsense", "ftp://b.test"}},
	}
	for _, test := range tests {
		_, err := ParseUpstreams(test.in)
		if err == nil {
			t.Errorf("ParseUpstreams(%q): no error", test.in)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("ParseUpstreams(%q): %v; it must say %q", test.in, err, part)
			}
		}
	}
	for _, in := range []string{"ftp://user:secret@a.test", "https://user:secret@a.test?x", "https://user:secret@a.test:port", "https://user:secret@a b"} {
		if _, err := ParseUpstreams(in); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseUpstreams(%q): %v; a password must not be told", in, err)
		}
	}
}

// FuzzParseUpstreams: FormatUpstreams is the inverse.
func FuzzParseUpstreams(f *testing.F) {
	for _, list := range []string{DefaultUpstreams, "cn", "default|a.test", "https://a.test/ |b.test,off", "a.test:80,direct", "https://u:p@h/x y"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, list string) {
		ups, err := ParseUpstreams(list)
		if err != nil {
			return
		}
		for i, u := range ups {
			if (u.URL == Direct || u.URL == Off) && (i < len(ups)-1 || u.AnyError || u.Public) {
				t.Errorf("ParseUpstreams(%q): entry %d is %+v", list, i, u)
			}
		}
		text := FormatUpstreams(ups)
		again, err := ParseUpstreams(text)
		if err != nil || !slices.Equal(again, ups) {
			t.Errorf("ParseUpstreams(%q) = %+v\nwritten %q is %+v, %v", list, ups, text, again, err)
		}
	})
}

func TestRedact(t *testing.T) {
	tests := []struct{ in, want string }{
		{"https://a.test/x", "https://a.test/x"},
		{"https://user:secret@a.test/x", "https://…@a.test/x"},
		{"https://secret@a.test", "https://…@a.test"},
		{"https://user:@a.test", "https://…@a.test"},
		{"https://user:sec%zzret@a.test", "…@a.test"},
		{"https://user:secret@a b", "…@a b"},
		{"direct", "direct"},
		{"", ""},
	}
	for _, test := range tests {
		if got := Redact(test.in); got != test.want {
			t.Errorf("Redact(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

const (
	testKey  = "sum.example.com+33cfdb63+AWzyf8i0DsB/BWJOBTmTN2DTzcZMF+I2QkLwCsRKLZgk"
	slashKey = "localhost.localdev/sumdb+00000c67+AcTrnkbUA+TU4heY3hkjiSES/DSQniBqIeQ/YppAUtK6"
)

func TestParseSumDB(t *testing.T) {
	tests := []struct {
		in   string
		want SumDB
		spec string
	}{
		{"off", SumDB{}, "off"},
		{"off https://x.test", SumDB{}, "off"},
		{"sum.golang.org", SumDB{Name: "sum.golang.org", Key: sumGolangOrgKey}, "sum.golang.org"},
		{"  sum.golang.org\t", SumDB{Name: "sum.golang.org", Key: sumGolangOrgKey}, "sum.golang.org"},
		{"sum.golang.google.cn", SumDB{Name: "sum.golang.org", Key: sumGolangOrgKey, URL: CNMirror}, "sum.golang.org"},
		{"sum.golang.org https://mirror.test/sum/", SumDB{Name: "sum.golang.org", Key: sumGolangOrgKey, URL: "https://mirror.test/sum"}, "sum.golang.org"},
		{"sum.golang.google.cn http://127.0.0.1:1", SumDB{Name: "sum.golang.org", Key: sumGolangOrgKey, URL: "http://127.0.0.1:1"}, "sum.golang.org"},
		{sumGolangOrgKey, SumDB{Name: "sum.golang.org", Key: sumGolangOrgKey}, "sum.golang.org"},
		{slashKey + " https://x.test", SumDB{Name: "localhost.localdev/sumdb", Key: slashKey, URL: "https://x.test"}, slashKey},
	}
	for _, test := range tests {
		got, err := ParseSumDB(test.in)
		if err != nil {
			t.Errorf("ParseSumDB(%q): %v", test.in, err)
		}
		if got != test.want {
			t.Errorf("ParseSumDB(%q) = %+v, want %+v", test.in, got, test.want)
		}
		if got.Spec() != test.spec {
			t.Errorf("ParseSumDB(%q).Spec() = %q, want %q", test.in, got.Spec(), test.spec)
		}
	}
	for _, in := range []string{"", " ", "sum.example.com", "OFF", testKey[:len(testKey)-3], "sum.golang.org a b", "sum.golang.org ftp://x",
		"sum.golang.org https://x?y", "sum.golang.org nonsense", "a+b+c", "+" + testKey} {
		if db, err := ParseSumDB(in); err == nil || db != (SumDB{}) {
			t.Errorf("ParseSumDB(%q) = %+v, %v; want an error", in, db, err)
		}
	}
}

func FuzzParseSumDB(f *testing.F) {
	for _, spec := range []string{"off", "sum.golang.org", "sum.golang.google.cn", sumGolangOrgKey, slashKey + " https://x.test/", "x y z"} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		db, err := ParseSumDB(spec)
		if err != nil {
			if db != (SumDB{}) {
				t.Errorf("ParseSumDB(%q) = %+v and %v", spec, db, err)
			}
			return
		}
		if strings.ContainsAny(db.Spec(), " \t\n") {
			t.Errorf("ParseSumDB(%q).Spec() = %q has blanks", spec, db.Spec())
		}
		again, err := ParseSumDB(db.Spec())
		if err != nil || again.Name != db.Name || again.Key != db.Key || again.URL != "" {
			t.Errorf("ParseSumDB(%q) = %+v; of %q it is %+v, %v", spec, db, db.Spec(), again, err)
		}
		if db.URL != "" {
			again, err := ParseSumDB(db.Spec() + " " + db.URL)
			if err != nil || again != db && db.Name != "" {
				t.Errorf("ParseSumDB(%q) = %+v; with its address %+v, %v", spec, db, again, err)
			}
		}
	})
}
