// Package msg says what people read in their language: English, or Simplified Chinese
// where the locale asks for it.
//
// Messages are keyed by their English text, and the files chinese*.go are the only catalogue. What
// programs read (keys, JSON, log records, answers of the protocol) is never translated.
package msg

import (
	"io"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// A Printer prints in one language. It may be used by several goroutines at once.
//
// Numbers given to %d are grouped ("12,345"), so a port or a code is given as a string.
type Printer struct {
	p       *message.Printer
	english bool
}

// New returns a Printer for the locale in an environment: LC_ALL, else LC_MESSAGES, else LANG.
func New(environ []string) *Printer { return For(Locale(environ)) }

// For returns a Printer for a locale such as "zh_CN.UTF-8"; English when it is no
// language there are messages for.
func For(locale string) *Printer {
	tag := match(locale)
	b := catalog.NewBuilder(catalog.Fallback(language.English))
	if tag == language.SimplifiedChinese {
		for _, e := range chinese() {
			// The builder fails on texts with ${}, which a test excludes.
			_ = b.SetString(tag, e.english, e.chinese)
			if folded := fold(e.english); folded != e.english {
				_ = b.SetString(tag, folded, e.chinese)
			}
		}
	}
	return &Printer{message.NewPrinter(tag, message.Catalog(b)), tag == language.English}
}

// Sprintf is fmt.Sprintf with the translation of format.
func (p *Printer) Sprintf(format string, args ...any) string { return p.p.Sprintf(format, args...) }

// Fprintf is fmt.Fprintf with the translation of format.
func (p *Printer) Fprintf(w io.Writer, format string, args ...any) (int, error) {
	return p.p.Fprintf(w, format, args...)
}

// Text returns the translation of a text without verbs. How its words are broken into
// lines does not count, and is lost.
func (p *Printer) Text(s string) string {
	if s = fold(s); p.english || strings.Contains(s, "%") {
		return s
	}
	return p.p.Sprintf(s)
}

func fold(s string) string { return strings.Join(strings.Fields(s), " ") }

// Locale returns what an environment says about the language of messages: the first of
// LC_ALL, LC_MESSAGES and LANG that is not empty.
func Locale(environ []string) string {
	vars := make(map[string]string)
	for _, kv := range environ {
		if name, v, ok := strings.Cut(kv, "="); ok {
			vars[name] = v
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := vars[name]; v != "" {
			return v
		}
	}
	return ""
}

// match returns English or Simplified Chinese. A locale whose character set is not UTF-8
// gets English, since what is printed is UTF-8.
func match(locale string) language.Tag {
	name, _, _ := strings.Cut(locale, "@")
	name, charset, _ := strings.Cut(name, ".")
	if charset != "" && !strings.EqualFold(charset, "UTF-8") && !strings.EqualFold(charset, "UTF8") {
		return language.English
	}
	want, err := language.Parse(strings.ReplaceAll(name, "_", "-"))
	if err != nil {
		return language.English
	}
	have := []language.Tag{language.English, language.SimplifiedChinese}
	_, i, confidence := language.NewMatcher(have).Match(want)
	if confidence == language.No {
		return language.English
	}
	return have[i]
}
