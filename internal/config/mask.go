package config

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// masked returns a key's text without users and passwords.
func (k Key) masked(text string) string {
	switch k.Name {
	case "upstreams":
		return MaskList(text)
	case "sumdb":
		return maskSumDB(text)
	case "routes":
		return maskRoutes(text)
	case "upstream-options":
		return maskOptions(text)
	case "otlp":
		return maskURL(text)
	}
	return text
}

// quote is the text for a message: masked, quoted and not endless.
func quote(k Key, text string) string { return shortQuote(k.masked(text)) }

// shortQuote quotes what is masked already, the beginning of it where it is long.
func shortQuote(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

// MaskList returns a list of upstreams as it is, but for users and passwords. Where it is
// no list of addresses, nothing before its last '@' is shown: a password with a ',' in it
// is cut in two by the list's syntax.
func MaskList(list string) string {
	if !maskable(entries(list)) {
		return maskAll(list)
	}
	var b strings.Builder
	for rest := list; ; {
		i := strings.IndexAny(rest, ",|")
		if i < 0 {
			b.WriteString(maskAddress(strings.TrimSpace(rest)))
			return b.String()
		}
		b.WriteString(maskAddress(strings.TrimSpace(rest[:i])))
		b.WriteByte(rest[i])
		rest = rest[i+1:]
	}
}

// maskSumDB masks the address after the name or key. The key's own text is public.
func maskSumDB(spec string) string {
	f := strings.Fields(spec)
	if !maskable(f) {
		return maskAll(spec)
	}
	for i := range f {
		f[i] = maskAddress(f[i])
	}
	return strings.Join(f, " ")
}

// maskURL masks a text that should be one address.
func maskURL(text string) string {
	if !maskable([]string{text}) {
		return maskAll(text)
	}
	return maskAddress(text)
}

// mask is what goproxy.Redact writes in place of a user and a password.
const mask = "…"

// maskable reports whether all entries are addresses or words, so that it is known where
// in them a password stands.
func maskable(entries []string) bool {
	for _, e := range entries {
		_, err := url.Parse(withScheme(e))
		if (err != nil || strings.Count(e, "://") > 1) && !isMasked(e) {
			return false
		}
	}
	return true
}

func maskAll(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return mask + s[i:]
	}
	return s
}

func maskAddress(entry string) string {
	switch {
	case isMasked(entry):
		return entry
	case strings.Contains(entry, ":/"):
		return goproxy.Redact(entry)
	}
	return strings.TrimPrefix(goproxy.Redact(withScheme(entry)), "https://")
}

// isMasked reports whether an address is one that maskAddress has returned.
func isMasked(entry string) bool {
	_, after, ok := strings.Cut(entry, "://")
	if !ok {
		after = entry
	}
	return strings.HasPrefix(after, mask+"@") && strings.Count(after, "@") == 1
}

// withScheme returns an entry of a list with the scheme that may be left out.
func withScheme(entry string) string {
	if strings.Contains(entry, ":/") {
		return entry
	}
	return "https://" + entry
}
