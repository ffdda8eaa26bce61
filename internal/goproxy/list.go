package goproxy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/note"
)

// Named lists that may stand in a list of upstreams in place of an address. Each is
// joined by '|', since it guards nothing.
var namedLists = map[string]string{
	"default": "https://proxy.golang.org|direct",
	"cn":      "https://goproxy.cn|https://mirrors.aliyun.com/goproxy|https://goproxy.io|https://proxy.golang.org|direct",
}

// Direct and Off are the words that may stand in a list in place of an address.
const (
	Direct = "direct"
	Off    = "off"
)

// DefaultUpstreams and DefaultSumDB are the go command's own defaults.
const (
	DefaultUpstreams = "https://proxy.golang.org,direct"
	DefaultSumDB     = "sum.golang.org"
)

// An Upstream is one entry of a list of upstreams.
type Upstream struct {
	URL string // absolute, without trailing slash; or Direct, or Off
	// AnyError says that the next entry is asked after any failure ('|'), and not only
	// after a 404 or 410 (',').
	AnyError bool
	// Public says that the entry is a well-known public proxy: it is never asked for a
	// private module.
	Public bool
}

// ParseUpstreams reads a list with the syntax and the meaning of GOPROXY: addresses,
// "direct" and "off", separated by ',' or '|'; whatever follows "direct" or "off" is not
// used. An entry may also be the name of a list: "default" or "cn".
func ParseUpstreams(list string) ([]Upstream, error) {
	var ups []Upstream
	var errs []error
	for rest := list; rest != ""; {
		i := strings.IndexAny(rest, ",|")
		entry, anyError := rest, false
		if i >= 0 {
			entry, anyError, rest = rest[:i], rest[i] == '|', rest[i+1:]
		} else {
			rest = ""
		}
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if named, ok := namedLists[entry]; ok {
			sub, err := ParseUpstreams(named)
			if err != nil {
				return nil, err
			}
			if strings.Trim(rest, ",| ") != "" && len(sub) > 1 { // the list goes on: what ends the named one does not end this one
				sub = sub[:len(sub)-1]
			}
			sub[len(sub)-1].AnyError = anyError
			ups = append(ups, sub...)
		} else if entry == Direct || entry == Off {
			ups = append(ups, Upstream{URL: entry})
		} else if u, err := parseUpstreamURL(entry); err != nil {
			errs = append(errs, err)
		} else {
			ups = append(ups, Upstream{URL: u, AnyError: anyError, Public: isPublic(u)})
		}
		if last := len(ups) - 1; last >= 0 && (ups[last].URL == Direct || ups[last].URL == Off) {
			break
		}
	}
	if len(ups) > 0 {
		ups[len(ups)-1].AnyError = false // a separator at the end separates nothing
	}
	if len(ups) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("the list is empty; it needs an address, a named list (default, cn), direct or off"))
	}
	return ups, errors.Join(errs...)
}

// parseUpstreamURL checks one address as the go command does: "https://" may be left out.
func parseUpstreamURL(entry string) (string, error) {
	if strings.ContainsAny(entry, ".:/") && !strings.Contains(entry, ":/") {
		entry = "https://" + entry
	}
	u, err := url.Parse(entry)
	if err != nil {
		return "", fmt.Errorf("%q is not an address: %v", Redact(entry), errors.Unwrap(err))
	}
	switch {
	case u.Scheme == "":
		return "", fmt.Errorf("%q is neither an address, a named list (default, cn), direct nor off", entry)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("%q: the scheme must be https or http", Redact(entry))
	case u.Hostname() == "":
		return "", fmt.Errorf("%q has no host", Redact(entry))
	case strings.ContainsAny(entry, "?#"):
		return "", fmt.Errorf("%q: an address has no query and no fragment", Redact(entry))
	}
	return strings.TrimRightFunc(entry, func(r rune) bool { return r == '/' || unicode.IsSpace(r) }), nil
}

// FormatUpstreams is the inverse of ParseUpstreams.
func FormatUpstreams(ups []Upstream) string {
	var b strings.Builder
	for i, u := range ups {
		b.WriteString(u.URL)
		if i < len(ups)-1 {
			b.WriteByte(map[bool]byte{true: '|', false: ','}[u.AnyError])
		}
	}
	return b.String()
}

// Redact returns an address without its user and password, for messages and logs.
func Redact(addr string) string {
	u, err := url.Parse(addr)
	if err != nil {
		if i := strings.LastIndexByte(addr, '@'); i >= 0 {
			return "…" + addr[i:]
		}
		return addr
	}
	if u.User == nil {
		return addr
	}
	u.User = url.User("…")
	s := u.String()
	return strings.Replace(s, url.User("…").String()+"@", "…@", 1)
}

// publicHosts are proxies that anyone may ask: a private name must not reach them.
var publicHosts = map[string]bool{
	"proxy.golang.org":          true,
	"goproxy.cn":                true,
	"goproxy.io":                true,
	"mirrors.aliyun.com":        true,
	"mirrors.cloud.tencent.com": true,
	"mirrors.tencent.com":       true,
	"repo.huaweicloud.com":      true,
	"mirrors.huaweicloud.com":   true,
	"goproxy.baidu.com":         true,
	"gocenter.io":               true,
	"athens.azurefd.net":        true,
}

func isPublic(addr string) bool {
	u, err := url.Parse(addr)
	return err == nil && publicHosts[strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")] // a name may end in its root
}

// A SumDB says which checksum database to use. The zero value is none ("off").
type SumDB struct {
	Name string // host, or host/path, as in the verifier key
	Key  string // verifier key, golang.org/x/mod/sumdb/note
	URL  string // where it is asked; "" for the upstreams' own copies, then https://Name
}

// A Bypass excepts modules from verification by a checksum database, for a while.
type Bypass struct {
	Pattern string    // with the syntax of GONOSUMDB
	Until   time.Time // when it ends
	Reason  string    // for people
}

const sumGolangOrgKey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

// CNMirror is where sum.golang.org is served for mainland China.
const CNMirror = "https://sum.golang.google.cn"

// ParseSumDB reads a specification with the syntax of GOSUMDB: "off", a known name, a
// verifier key, either of them followed by an address.
func ParseSumDB(spec string) (SumDB, error) {
	f := strings.Fields(spec)
	switch {
	case len(f) == 0:
		return SumDB{}, errors.New("the checksum database is empty; it needs a name such as sum.golang.org, a verifier key, or off")
	case len(f) > 2:
		return SumDB{}, fmt.Errorf("%q has %d fields; it needs a name or key, and may have an address after it", spec, len(f))
	case f[0] == Off:
		return SumDB{}, nil
	}
	db := SumDB{Key: f[0]}
	switch f[0] {
	case "sum.golang.org":
		db.Key = sumGolangOrgKey
	case "sum.golang.google.cn":
		db.Key, db.URL = sumGolangOrgKey, CNMirror
	}
	v, err := note.NewVerifier(db.Key)
	if err != nil {
		return SumDB{}, fmt.Errorf("%q is neither off, sum.golang.org, sum.golang.google.cn nor a verifier key NAME+HASH+KEY: %v", f[0], err)
	}
	db.Name = v.Name()
	if u, err := url.Parse("https://" + db.Name); err != nil || u.Host == "" || strings.HasSuffix(db.Name, "/") ||
		strings.Contains(db.Name, "..") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return SumDB{}, fmt.Errorf("%q: the name of a checksum database is a host, or host/path", db.Name)
	}
	if len(f) == 2 {
		if db.URL, err = parseUpstreamURL(f[1]); err != nil {
			return SumDB{}, err
		}
	}
	return db, nil
}

// Spec is what a client of this proxy sets as GOSUMDB: the database without an address,
// so that it asks through the proxy.
func (db SumDB) Spec() string {
	switch {
	case db.Name == "":
		return Off
	case db.Key == sumGolangOrgKey:
		return db.Name
	}
	return db.Key
}
