package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// effective is a list of upstreams and the words that say where it came from.
type effective struct {
	ups  []goproxy.Upstream
	list string // as it was written, without entries that were dropped
	from string // "" for the key itself
	own  []string
}

// UpstreamList returns the upstreams to use: those of the key, else the machine's
// GOPROXY without entries that are this server; off alone where offline is on. The error
// is an *Error.
func (c *Config) UpstreamList() ([]goproxy.Upstream, error) {
	if c.isOffline() {
		return []goproxy.Upstream{{URL: goproxy.Off}}, nil
	}
	e, err := c.effectiveUpstreams()
	return e.ups, err
}

func (c *Config) isOffline() bool { return c.Offline == "on" }

// UpstreamText returns the list as text, with its secrets, and where it came from in words
// for people. It is that of UpstreamList, unless offline is on: then it is the one in place.
func (c *Config) UpstreamText() (list, from string) {
	e, _ := c.effectiveUpstreams()
	return e.list, e.from
}

func (c *Config) effectiveUpstreams() (effective, error) {
	if list := c.everyRoute(); list != "" && c.Upstreams == "" {
		if err := c.checkRouteMask(); err != nil {
			return effective{}, err
		}
		routes, err := c.readRoute(routeLine{patterns: everyModule, list: list})
		if err != nil {
			return effective{}, err
		}
		return effective{ups: routes[0].Upstreams, list: list, from: "the line * of routes"}, nil
	}
	if c.Upstreams != "" {
		ups, err := goproxy.ParseUpstreams(c.Upstreams)
		e := effective{ups: ups, list: c.Upstreams}
		if err != nil {
			return e, c.problem("upstreams", "%s", err.Error())
		}
		for _, u := range ups {
			if c.isSelf(u.URL) {
				return e, c.problem("upstreams", "%s is this very server, which would ask itself without end", goproxy.Redact(u.URL))
			}
		}
		return e, nil
	}
	return c.goProxy()
}

// goProxy takes the machine's GOPROXY. The likeliest loop is that of somebody who set
// GOPROXY to this server, as its first line of output says, and starts it again from
// there: then the setting below that one is meant.
func (c *Config) goProxy() (effective, error) {
	var own []string
	for _, s := range c.goEnv.all("GOPROXY") {
		list, dropped := c.withoutSelf(s.Value)
		for _, entry := range dropped {
			if !slices.Contains(own, entry) {
				own = append(own, entry)
			}
		}
		if len(dropped) > 0 && !namesAddress(list) {
			continue
		}
		e := effective{list: list, from: "GOPROXY of " + s.From, own: own}
		if !maskable(entries(list)) {
			return e, c.problem("upstreams", "GOPROXY of %s cannot be read; in a user or a password everything but letters, digits, - . _ ~ is written as %%XX", s.From)
		}
		var err error
		if e.ups, err = goproxy.ParseUpstreams(list); err != nil {
			return e, c.problem("upstreams", "GOPROXY of %s cannot be used: %s; set upstreams", s.From, err.Error())
		}
		return e, nil
	}
	ups, err := goproxy.ParseUpstreams(goproxy.DefaultUpstreams)
	return effective{ups, goproxy.DefaultUpstreams, "GOPROXY of Go's defaults", own}, err
}

// withoutSelf takes this server's own addresses out of a list, each with the separator after it.
func (c *Config) withoutSelf(list string) (rest string, dropped []string) {
	var b strings.Builder
	for list != "" {
		i := strings.IndexAny(list, ",|") + 1
		if i == 0 {
			i = len(list)
		}
		entry := strings.TrimSpace(strings.TrimRight(list[:i], ",|"))
		if c.isSelf(entry) {
			dropped = append(dropped, entry)
		} else {
			b.WriteString(list[:i])
		}
		list = list[i:]
	}
	if len(dropped) == 0 {
		return b.String(), nil
	}
	return strings.TrimRight(b.String(), ",|"), dropped
}

func entries(list string) []string {
	f := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == '|' })
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	return f
}

func namesAddress(list string) bool {
	for _, e := range entries(list) {
		if e != "" && e != goproxy.Direct && e != goproxy.Off {
			return true
		}
	}
	return false
}

// isSelf reports whether an entry of a list is the address that is listened on. It
// errs towards no: a name of this machine in the network is not recognized.
func (c *Config) isSelf(entry string) bool {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "0" {
		return false
	}
	u, err := url.Parse(withScheme(entry))
	if err != nil || u.Hostname() == "" || !isLoopback(u.Hostname()) {
		return false
	}
	if p := u.Port(); p != port && (p != "" || port != map[string]string{"http": "80", "https": "443"}[u.Scheme]) {
		return false
	}
	a, errA := netip.ParseAddr(u.Hostname())
	b, errB := netip.ParseAddr(host)
	if errA == nil && errB == nil && b.Unmap().IsLoopback() {
		return a.Unmap() == b.Unmap()
	}
	return host == "" || isLoopback(host) || errB == nil && b.IsUnspecified()
}

// isLoopback reports whether a host, a name or an address, can be reached from this machine alone.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// SumDatabase returns the checksum database to use: that of the key, else the machine's
// GOSUMDB. The zero value is none. The error is an *Error.
func (c *Config) SumDatabase() (goproxy.SumDB, error) {
	spec, from := c.SumDBText()
	db, err := goproxy.ParseSumDB(spec)
	switch {
	case err == nil:
		return db, nil
	case from == "":
		return db, c.problem("sumdb", "%s", strings.ReplaceAll(err.Error(), spec, maskSumDB(spec)))
	}
	return db, c.problem("sumdb", "%s cannot be used: %s; set sumdb", from, strings.ReplaceAll(err.Error(), spec, maskSumDB(spec)))
}

// SumDBText returns the specification of SumDatabase as text, with its secrets, and where
// it came from in words for people.
func (c *Config) SumDBText() (spec, from string) {
	if c.SumDB != "" {
		return c.SumDB, ""
	}
	s := c.goEnv.Get("GOSUMDB")
	return s.Value, "GOSUMDB of " + s.From
}

// SumDBMirrors returns further addresses where the checksum database is served, to be asked
// after the upstreams' own copies and its own address: the mirror for mainland China
// when the upstreams name the list cn.
func (c *Config) SumDBMirrors() []string {
	db, err := c.SumDatabase()
	known, _ := goproxy.ParseSumDB(goproxy.DefaultSumDB)
	if err != nil || db.Key != known.Key || db.URL == goproxy.CNMirror || !c.usesCN() || c.isOffline() {
		return nil
	}
	return []string{goproxy.CNMirror}
}

func (c *Config) usesCN() bool {
	list, _ := c.UpstreamText()
	used := entries(list)
	if end := slices.IndexFunc(used, func(e string) bool { return e == goproxy.Direct || e == goproxy.Off }); end >= 0 {
		used = used[:end]
	}
	return slices.Contains(used, "cn")
}
