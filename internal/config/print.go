package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Print writes the effective values as YAML that can be loaded again, each with what it
// is and where it came from. Users and passwords are masked.
func (c *Config) Print(w io.Writer) error {
	var b strings.Builder
	for i, k := range Keys() {
		if i > 0 {
			b.WriteByte('\n')
		}
		text, from := c.effectiveText(k)
		fmt.Fprintf(&b, "# %s.\n# From: %s.\n%s: %s\n", k.Help(), from, k.YAML(), yamlText(k.masked(text)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// effectiveText returns what an empty key stands for, where it stands for something.
func (c *Config) effectiveText(k Key) (text, from string) {
	text, from = k.text(c), c.origin[k.Name].String()
	if text != "" {
		return text, from
	}
	goSetting := ""
	switch k.Name {
	case "state":
		if dir, err := c.StateDir(); err == nil {
			text = dir
		}
	case "upstreams":
		text, goSetting = c.UpstreamText()
	case "sumdb":
		text, goSetting = c.SumDBText()
	}
	if goSetting != "" {
		from += ", which is " + MaskList(goSetting)
	}
	return text, from
}

// yamlText writes a value so that it is read as the same text again.
func yamlText(s string) string {
	switch {
	case isPlain(s):
		return s
	case isBlock(s):
		return "|-\n  " + strings.ReplaceAll(s, "\n", "\n  ")
	}
	return strconv.Quote(s)
}

// isBlock reports whether s is well read as a block of lines: there are several, each
// begins with something, and none has what YAML could take for the end of a line.
func isBlock(s string) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if line == "" || line[0] == ' ' || strings.ContainsFunc(line, func(r rune) bool { return (r < ' ' || r > '~') && r != '…' }) {
			return false
		}
	}
	return strings.Contains(s, "\n")
}

// isPlain reports whether YAML takes s for itself without quotes: it begins with a letter,
// a digit or '/', and holds nothing that could end it or begin something else.
func isPlain(s string) bool {
	if s == "" || strings.EqualFold(s, "null") || strings.HasSuffix(s, ":") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		word := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '/'
		if !word && (i == 0 || !strings.ContainsRune(".:_-+,|@=~", rune(c))) {
			return false
		}
	}
	return true
}
