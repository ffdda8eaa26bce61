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
	}
	return text
}

// quote is the text for a message: masked, quoted and not endless.
func quote(k Key, text string) string {
	const most = 200
	text = k.masked(text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}

// MaskList returns a list of upstreams as it is, but for users and passwords. Where it is
// no list of addresses, nothing before its last '@' is shown: a password with a ',' in it
// is cut in two by the list's syntax.
func MaskList(list string) string {
	for _, e := range entries(list) {
		if !strings.HasPrefix(addressee(e), goproxyMask+"@") && !isAddress(e) {
			return maskAll(list)
		}
	}
	var b strings.Builder
	for rest := list; ; {
		i := strings.IndexAny(rest, ",|")
		if i < 0 {
			b.WriteString(maskAddress(rest))
			return b.String()
		}
		b.WriteString(maskAddress(rest[:i]))
		b.WriteByte(rest[i])
		rest = rest[i+1:]
	}
}

// maskSumDB masks the address after the name or key. The key's own text is public.
func maskSumDB(spec string) string {
	f := strings.Fields(spec)
	for i := range f {
		if f[i] = maskAddress(f[i]); !isAddress(f[i]) {
			f[i] = maskAll(f[i])
		}
	}
	return strings.Join(f, " ")
}

// goproxyMask is what goproxy.Redact writes in place of a user and a password.
const goproxyMask = "…"

func maskAll(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return goproxyMask + s[i:]
	}
	return s
}

func maskAddress(entry string) string {
	switch {
	case !strings.Contains(entry, "@"), strings.LastIndexByte(addressee(entry), '@') == len(goproxyMask) && strings.HasPrefix(addressee(entry), goproxyMask):
		return entry
	case strings.Contains(entry, ":/"):
		return goproxy.Redact(entry)
	}
	return strings.TrimPrefix(goproxy.Redact("https://"+strings.TrimSpace(entry)), "https://")
}

// addressee returns an entry without its scheme.
func addressee(entry string) string {
	if _, after, ok := strings.Cut(entry, "://"); ok {
		return after
	}
	return entry
}

func isAddress(entry string) bool {
	if !strings.Contains(entry, ":/") {
		entry = "https://" + entry
	}
	_, err := url.Parse(entry)
	return err == nil
}
