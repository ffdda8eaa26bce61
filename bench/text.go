package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A writer of text that looks like Go source to a compressor: identifiers of some
// frequency, the same phrases again and again, comments. The same seed gives the same text.
type author struct {
	rng   *rand.Rand
	words []string // commonest first
	lines []string // templates; % stands for a word
}

func newAuthor(seed uint64) *author {
	a := &author{rng: rand.New(rand.NewPCG(seed, 0x6d6f6468)), lines: lineTemplates()}
	for range 1500 {
		a.words = append(a.words, a.identifier())
	}
	return a
}

// identifier returns a new name of two to five syllables, some in camel case.
func (a *author) identifier() string {
	const consonants, vowels = "bcdfghklmnprstvwz", "aeiou"
	var b strings.Builder
	for i := range 2 + a.rng.IntN(4) {
		syllable := string([]byte{consonants[a.rng.IntN(len(consonants))], vowels[a.rng.IntN(len(vowels))]})
		if i > 0 && a.rng.IntN(3) == 0 {
			syllable = strings.ToUpper(syllable[:1]) + syllable[1:] + string(consonants[a.rng.IntN(len(consonants))])
		}
		b.WriteString(syllable)
	}
	return b.String()
}

// word returns a name; the common ones come often, as in real text.
func (a *author) word() string { return a.pick(a.words, 6) }

// pick returns one of from, seldom those after the first share-th part.
func (a *author) pick(from []string, share float64) string {
	return from[min(int(a.rng.ExpFloat64()*float64(len(from))/share), len(from)-1)]
}

// source returns about n bytes of a Go file. A file has a few names of its own that it
// uses again and again.
func (a *author) source(n int) []byte {
	own := make([]string, 12+n/500)
	for i := range own {
		own[i] = a.word()
	}
	b := fmt.Appendf(make([]byte, 0, n+200), "package %s\n\n", strings.ToLower(a.word()))
	for len(b) < n {
		line := a.pick(a.lines, 3)
		for {
			before, after, more := strings.Cut(line, "%")
			b = append(b, before...)
			if !more {
				break
			}
			if a.rng.IntN(5) == 0 {
				b = append(b, a.word()...)
			} else {
				b = append(b, a.pick(own, 4)...)
			}
			line = after
		}
		b = append(b, '\n')
	}
	return b
}

// lineTemplates are lines as they are common in Go source, the commonest first.
func lineTemplates() []string {
	return []string{
		"\t}", "\tif err != nil {", "\t\treturn nil, err", "}\n", "\t% := %.%(%)",
		"\t%.% = %", "\tif %.% == nil {", "\t\treturn %",
		"// % returns the % of the %, or nil where the % has no %.",
		"func (% *%) %(% context.Context, % string) (*%, error) {",
		"\t%, err := %.%(ctx, %)", "\t\treturn fmt.Errorf(\"% %: %w\", %, err)",
		"type % struct {", "\t% string `json:\"%,omitempty\"`", "\t% *%", "\t% []%",
		"\tfor _, % := range %.% {", "\t\t% = append(%, %{%: %, %: %})", "\tswitch %.% {",
		"\tcase %, %:", "\t\t%.%(%, %)", "\t% map[string]%", "// % is not safe for use by several goroutines.",
		"import (", "\t\"example.com/%/%\"", ")", "const % = \"%-%\"",
		"\tt.Run(\"% %\", func(t *testing.T) {", "\t\tif got, want := %.%(%), %; got != want {",
		"\t\t\tt.Errorf(\"%(%) = %d, want %d\", %, got, want)", "\t// TODO(%): % before the % is %.",
		"\t\t{name: \"% %\", %: %, want: \"%/%\"},", "var _ % = (*%)(nil)",
	}
}
