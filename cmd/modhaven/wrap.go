package main

import (
	"strings"
	"unicode/utf8"
)

// wrap breaks a text into lines of at most 80 columns, each indented. Chinese may be broken
// between any two characters, but no line begins with what closes a clause.
func wrap(text string, indent int) string {
	const columns = 80
	var b strings.Builder
	margin := strings.Repeat(" ", indent)
	line, used := "", indent
	for _, piece := range pieces(text) {
		w := columnsOf(strings.TrimRight(piece, " "))
		if used+w > columns && line != "" {
			b.WriteString(margin + strings.TrimRight(line, " ") + "\n")
			line, used = "", indent
		}
		line += piece
		used += columnsOf(piece)
	}
	if line = strings.TrimRight(line, " "); line != "" {
		b.WriteString(margin + line + "\n")
	}
	return b.String()
}

// pieces cuts a text where a line may end: after a space, and around a wide character
// unless the next one closes a clause.
func pieces(text string) []string {
	var all []string
	start := 0
	for i, r := range text {
		next, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):])
		switch {
		case i+utf8.RuneLen(r) == len(text):
		case r == ' ' && next != ' ', (isWide(r) || isWide(next)) && next != ' ' && !strings.ContainsRune("，。；：、）」！？,.;:)", next) && !strings.ContainsRune("（「", r):
			all = append(all, text[start:i+utf8.RuneLen(r)])
			start = i + utf8.RuneLen(r)
		}
	}
	return append(all, text[start:])
}

func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n++
		if isWide(r) {
			n++
		}
	}
	return n
}

// isWide reports whether a character takes two columns: all from the CJK punctuation on
// that occur in messages do.
func isWide(r rune) bool { return r >= 0x2e80 }
