package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWrap(t *testing.T) {
	wide := strings.Repeat("模", 60)
	for _, tt := range []struct {
		text string
		want string
	}{
		{"", ""},
		{"one line", "    one line\n"},
		{strings.Repeat("word ", 16), "    " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\n    word\n"},
		{strings.Repeat("x", 90), "    " + strings.Repeat("x", 90) + "\n"},
		{wide, "    " + strings.Repeat("模", 38) + "\n    " + strings.Repeat("模", 22) + "\n"},
		{strings.Repeat("模", 38) + "，块", "    " + strings.Repeat("模", 37) + "\n    模，块\n"},
	} {
		if got := wrap(tt.text, 4); got != tt.want {
			t.Errorf("wrap(%q):\n%swant\n%s", tt.text, got, tt.want)
		}
	}
}

// Wrapping moves words and loses nothing but spaces.
func FuzzWrap(f *testing.F) {
	f.Add("a text (with brackets), 和中文，混排 of both", 4)
	f.Add(strings.Repeat("模块。", 50), 8)
	f.Fuzz(func(t *testing.T, text string, indent int) {
		if !utf8.ValidString(text) || indent < 0 || indent > 70 {
			return
		}
		squeeze := func(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }
		got := wrap(text, indent)
		if squeeze(got) != squeeze(text) {
			t.Errorf("wrap(%q, %d) = %q", text, indent, got)
		}
	})
}
