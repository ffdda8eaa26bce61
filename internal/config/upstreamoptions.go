package config

import (
	"errors"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// everyUpstream stands in the key upstream-options for all upstreams.
const everyUpstream = "*"

// UpstreamOptions returns what is set for each upstream, by its URL as in the lists that are
// in place: what is set for all of them, and over it what is set for the one. An upstream
// for which nothing is set has no entry. The error joins one *Error for each mistake.
//
// Where these lists cannot be read the options are checked as far as they can be; their
// own mistakes are those of UpstreamList and Routes.
func (c *Config) UpstreamOptions() (map[string]goproxy.UpstreamOptions, error) {
	lines := readOptions(c.Options)
	if err := c.checkOptionMask(lines); err != nil {
		return nil, err
	}
	var problems []*Message
	for _, l := range lines {
		problems = append(problems, l.problems()...)
	}
	ups, err := c.allUpstreams()
	if err != nil {
		return nil, c.optionErrors(problems)
	}
	own, more := ownLines(lines, ups)
	if problems = append(problems, more...); len(problems) > 0 {
		return nil, c.optionErrors(problems)
	}
	all := make(map[string]goproxy.UpstreamOptions)
	for _, u := range ups {
		if u.URL == goproxy.Direct || u.URL == goproxy.Off {
			continue
		}
		var o goproxy.UpstreamOptions
		for _, l := range []*optionLine{own[everyUpstream], own[u.URL]} {
			if l != nil {
				l.applyAll(&o)
				all[u.URL] = o
			}
		}
	}
	return all, nil
}

func (c *Config) optionErrors(problems []*Message) error {
	var errs []error
	if len(problems) > maxErrors {
		problems = append(problems[:maxErrors:maxErrors], message("further mistakes are not listed"))
	}
	for _, m := range problems {
		errs = append(errs, &Error{"upstream-options", c.origin["upstream-options"], m})
	}
	return errors.Join(errs...)
}

// checkOptionMask is checkMask for this key.
func (c *Config) checkOptionMask(lines []optionLine) error {
	if strings.Contains(c.Options, mask+"@") {
		return c.checkMask("upstream-options", c.Options, nil)
	}
	if strings.Contains(c.Options, "@") && !maskableOptions(lines) {
		return c.problem("upstream-options", "%q cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX", maskAll(c.Options))
	}
	return nil
}

// problems returns what is wrong with a line, whatever the upstreams are.
func (l optionLine) problems() []*Message {
	var all []*Message
	words, given := l.words, make(map[string]bool)
	if l.broken {
		words = words[:max(len(words)-1, 0)]
	}
	for _, w := range words {
		name, _, ok := strings.Cut(w, "=")
		if ok && given[name] {
			all = append(all, message("%s: the option %s stands twice", l.shown(), shortQuote(name)))
			continue
		}
		given[name] = true
		if m := l.apply(&goproxy.UpstreamOptions{}, w); m != nil {
			all = append(all, m)
		}
	}
	switch {
	case l.broken:
		all = append(all, message("%s: a double quote stands only around a whole value, as in ca=\"/my files/ca.pem\"", l.shown()))
	case len(words) == 0:
		all = append(all, message("%s has no options; write them after it, such as attempts=3", l.shown()))
	case given["cert"] && !given["key"]:
		all = append(all, message("%s: a certificate needs its private key; set key too", l.shown()))
	case given["key"] && !given["cert"]:
		all = append(all, message("%s: a private key needs its certificate; set cert too", l.shown()))
	}
	return all
}

// applyAll sets all that a line without problems says.
func (l optionLine) applyAll(o *goproxy.UpstreamOptions) {
	for _, w := range l.words {
		_ = l.apply(o, w)
	}
}

// ownLines returns the line of each upstream that has one, by its URL.
func ownLines(lines []optionLine, ups []goproxy.Upstream) (map[string]*optionLine, []*Message) {
	var problems []*Message
	by := make(map[string]*optionLine)
	for i, l := range lines {
		urls := named(ups, l.addr)
		if len(urls) == 0 && !(l.broken && len(l.words) == 0) {
			problems = append(problems, noUpstream(l.shown(), ups))
		}
		for _, u := range urls {
			if by[u] != nil {
				problems = append(problems, message("%s stands twice; write all of its options in one line", l.shown()))
				break
			}
		}
		for _, u := range urls {
			by[u] = &lines[i]
		}
	}
	return by, problems
}

// named returns the URLs of the upstreams that an address means, which may lack https://,
// and the user and the password.
func named(ups []goproxy.Upstream, addr string) []string {
	if addr == everyUpstream {
		return []string{everyUpstream}
	}
	one, err := goproxy.ParseUpstreams(addr)
	if err != nil || len(one) != 1 || one[0].URL == goproxy.Direct || one[0].URL == goproxy.Off {
		return nil
	}
	var urls []string
	for _, u := range ups {
		if u.URL == one[0].URL || withoutUser(u.URL) == one[0].URL {
			urls = append(urls, u.URL)
		}
	}
	return urls
}

func withoutUser(addr string) string {
	scheme, rest, _ := strings.Cut(addr, "://")
	host, path, slash := strings.Cut(rest, "/")
	host = scheme + "://" + host[strings.LastIndexByte(host, '@')+1:]
	if !slash {
		return host
	}
	return host + "/" + path
}

func noUpstream(addr string, ups []goproxy.Upstream) *Message {
	var have []string
	for _, u := range ups {
		if u.URL != goproxy.Direct && u.URL != goproxy.Off {
			have = append(have, goproxy.Redact(u.URL))
		}
	}
	if len(have) == 0 {
		return message("%s is none of the upstreams, and there are none", addr)
	}
	return message("%s is none of the upstreams; write %s, or * for all", addr, strings.Join(have, " or "))
}
