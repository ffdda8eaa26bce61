package config

import (
	"cmp"
	"strings"
)

// An optionLine is what the key upstream-options says of one upstream, as it was written.
type optionLine struct {
	addr   string
	words  []string // without quotes, mostly "name=value"
	broken bool     // the last word has a double quote where none can be
}

// shown returns the address for messages.
func (l optionLine) shown() string { return cmp.Or(maskURL(l.addr), `""`) }

// readOptions cuts the text of the key into lines and words. Lines end with a newline or
// a ';', words with a blank. A word, or what follows its first '=', may be in double quotes
// and has none inside.
func readOptions(text string) []optionLine {
	var all []optionLine
	for rest := range strings.SplitSeq(text, "\n") {
		for rest != "" {
			var words []string
			var broken bool
			if words, rest, broken = cutLine(rest); len(words) > 0 {
				all = append(all, optionLine{words[0], words[1:], broken})
			}
		}
	}
	return all
}

// cutLine takes the words off that are before the end of a line. The last one is as it
// stands where broken.
func cutLine(s string) (words []string, rest string, broken bool) {
	for {
		s = strings.TrimLeft(s, " ")
		if s == "" || s[0] == ';' {
			return words, strings.TrimPrefix(s, ";"), false
		}
		word, rest, ok := cutWord(s)
		if !ok {
			return append(words, s), "", true
		}
		words, s = append(words, word), rest
	}
}

// cutWord takes the word off that s begins with.
func cutWord(s string) (word, rest string, ok bool) {
	end := strings.IndexAny(s, ` ;"`)
	switch {
	case end < 0:
		return s, "", true
	case s[end] != '"':
		return s[:end], s[end:], true
	case end > 0 && strings.IndexByte(s, '=') != end-1:
		return "", "", false
	}
	quoted, rest, ok := strings.Cut(s[end+1:], `"`)
	if !ok || rest != "" && rest[0] != ' ' && rest[0] != ';' {
		return "", "", false
	}
	return s[:end] + quoted, rest, true
}

// formatOptions is the inverse of readOptions for lines that are not broken.
func formatOptions(lines []optionLine) string {
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(quoteWord(l.addr))
		for _, w := range l.words {
			b.WriteByte(' ')
			if name, value, ok := strings.Cut(w, "="); ok && value != "" && quoteWord(name) == name {
				b.WriteString(name + "=" + quoteWord(value))
			} else {
				b.WriteString(quoteWord(w))
			}
		}
	}
	return b.String()
}

// quoteWord puts what would not be read as one word, or as a comment, into quotes.
func quoteWord(s string) string {
	if s == "" || s[0] == '#' || strings.Contains(s, ";") || len(strings.Fields(s)) != 1 || strings.TrimSpace(s) != s {
		return `"` + s + `"`
	}
	return s
}

// maskOptions returns the text without users and passwords, one upstream a line. Where it
// is not known what is an address, nothing before its last '@' is shown.
func maskOptions(text string) string {
	lines := readOptions(text)
	if !maskableOptions(lines) {
		return maskAll(text)
	}
	for i, l := range lines {
		lines[i].addr = maskAddress(l.addr)
		for j, w := range l.words {
			l.words[j] = maskWord(w)
		}
	}
	return formatOptions(lines)
}

// maskableOptions reports whether it is known where in the lines a password stands.
func maskableOptions(lines []optionLine) bool {
	for _, l := range lines {
		if l.broken || !maskable([]string{l.addr}) {
			return false
		}
		for _, w := range l.words {
			if !maskableWord(w) {
				return false
			}
		}
	}
	return true
}

// maskableWord lets no part of a password pass that a blank has cut off an address.
func maskableWord(w string) bool {
	name, value, _ := strings.Cut(w, "=")
	switch {
	case name == "proxy" || strings.Contains(value, "://"):
		return !strings.ContainsAny(name, "@:/") && maskable([]string{value})
	case strings.Contains(w, "@"):
		return isFileOption(name)
	}
	return !strings.Contains(w, "://")
}

func maskWord(w string) string {
	name, value, ok := strings.Cut(w, "=")
	if !ok || name != "proxy" && !strings.Contains(value, "://") {
		return w
	}
	return name + "=" + maskAddress(value)
}
