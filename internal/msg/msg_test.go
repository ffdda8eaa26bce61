package msg

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// verbs returns the verbs of a format in the order of their arguments.
func verbs(format string) []string {
	var all []string
	next := 0
	for _, m := range regexp.MustCompile(`%(\[(\d)\])?[-+# 0]*[\d.]*([a-zA-Z%])`).FindAllStringSubmatch(format, -1) {
		if m[3] == "%" {
			continue
		}
		if m[2] != "" {
			next = int(m[2][0]-'0') - 1
		}
		for len(all) <= next {
			all = append(all, "")
		}
		all[next] = m[3]
		next++
	}
	return all
}

func TestVerbs(t *testing.T) {
	for _, e := range chinese() {
		if got, want := verbs(e.chinese), verbs(e.english); !slices.Equal(got, want) {
			t.Errorf("%q has the verbs %q, its translation %q has %q", e.english, want, e.chinese, got)
		}
		if strings.Contains(e.english+e.chinese, "${") {
			t.Errorf("%q: ${ has a meaning of its own in a catalogue", e.english)
		}
	}
}

// names returns the {names} of a template, each once, in one order.
func names(template string) []string {
	all := regexp.MustCompile(`\{[a-z_]+\}`).FindAllString(template, -1)
	slices.Sort(all)
	return slices.Compact(all)
}

func TestNames(t *testing.T) {
	for _, e := range chinese() {
		if got, want := names(e.chinese), names(e.english); !slices.Equal(got, want) {
			t.Errorf("%q has the names %q, its translation %q has %q", e.english, want, e.chinese, got)
		}
	}
}

func TestTranslations(t *testing.T) {
	seen := make(map[string]bool)
	p := For("zh_CN.UTF-8")
	for _, e := range chinese() {
		if !strings.ContainsFunc(e.chinese, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("the translation of %q is %q, not Chinese", e.english, e.chinese)
		}
		if seen[fold(e.english)] {
			t.Errorf("%q is translated twice", e.english)
		}
		seen[fold(e.english)] = true
		if len(verbs(e.english)) == 0 && p.Text(e.english) != e.chinese {
			t.Errorf("Text(%q) = %q, want %q", e.english, p.Text(e.english), e.chinese)
		}
	}
}

func TestLocale(t *testing.T) {
	for _, tt := range []struct {
		environ []string
		chinese bool
	}{
		{nil, false},
		{[]string{"LANG=zh_CN.UTF-8"}, true},
		{[]string{"LANG=zh_CN.utf8"}, true},
		{[]string{"LANG=zh_CN"}, true},
		{[]string{"LANG=zh"}, true},
		{[]string{"LANG=zh_SG.UTF-8"}, true},
		{[]string{"LANG=zh-Hans-CN"}, true},
		{[]string{"LANG=zh_CN.UTF-8@pinyin"}, true},
		{[]string{"LANG=zh_CN.GB18030"}, false},
		{[]string{"LANG=en_US.UTF-8"}, false},
		{[]string{"LANG=fr_FR.UTF-8"}, false},
		{[]string{"LANG=C.UTF-8"}, false},
		{[]string{"LANG=POSIX"}, false},
		{[]string{"LANG=../../x"}, false},
		{[]string{"LANG=zh_CN.UTF-8", "LC_MESSAGES=en_US.UTF-8"}, false},
		{[]string{"LANG=en_US.UTF-8", "LC_MESSAGES=zh_CN.UTF-8"}, true},
		{[]string{"LC_ALL=C", "LC_MESSAGES=zh_CN.UTF-8", "LANG=zh_CN.UTF-8"}, false},
		{[]string{"LC_ALL=", "LC_MESSAGES=", "LANG=zh_CN.UTF-8"}, true},
		{[]string{"LC_CTYPE=zh_CN.UTF-8"}, false},
	} {
		want := "done"
		if tt.chinese {
			want = "完成"
		}
		if got := New(tt.environ).Text("done"); got != want {
			t.Errorf("with %q: %q, want %q", tt.environ, got, want)
		}
	}
}

func TestPrinter(t *testing.T) {
	for _, tt := range []struct{ locale, format, want string }{
		{"", "%s is missing", "FILE is missing"},
		{"zh_CN", "%s is missing", "缺少 FILE"},
		{"zh_CN", "no translation of %s", "no translation of FILE"},
	} {
		p := For(tt.locale)
		if got := p.Sprintf(tt.format, "FILE"); got != tt.want {
			t.Errorf("in %q: %q, want %q", tt.locale, got, tt.want)
		}
		var b strings.Builder
		if _, err := p.Fprintf(&b, tt.format, "FILE"); err != nil || b.String() != tt.want {
			t.Errorf("in %q: printed %q (%v), want %q", tt.locale, b.String(), err, tt.want)
		}
	}
	const percent = "100% of\nit"
	if got := For("zh_CN").Text(percent); got != "100% of it" {
		t.Errorf("Text(%q) = %q", percent, got)
	}
	if got := For("zh_CN").Sprintf("%q cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX", "x"); !strings.HasSuffix(got, "%XX") {
		t.Errorf("a translation with %%%% gives %q", got)
	}
}

func BenchmarkNew(b *testing.B) {
	for _, lang := range []string{"en_US.UTF-8", "zh_CN.UTF-8"} {
		b.Run(lang, func(b *testing.B) {
			for b.Loop() {
				New([]string{"LANG=" + lang})
			}
		})
	}
}
