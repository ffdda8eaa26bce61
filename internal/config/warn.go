package config

import "github.com/modhaven/modhaven/internal/goproxy"

// Warnings returns what is allowed and may still surprise, one sentence each. It is
// meant for a Config that has passed Check.
func (c *Config) Warnings() []*Message {
	var all []*Message
	e, err := c.effectiveUpstreams()
	for _, own := range e.own {
		all = append(all, message("%s in GOPROXY is this very server and is left out; the upstreams are now %s (%s)",
			goproxy.Redact(own), MaskList(e.list), e.from))
	}
	if err != nil {
		return all
	}
	switch entry, next := guarding(e.ups); {
	case entry == "":
	case c.Failover != "any":
		all = append(all, message("while %s is out of reach nothing behind its ',' is asked, so public modules fail too; `failover: any` asks %s then for modules that match no private pattern",
			goproxy.Redact(entry), goproxy.Redact(next)))
	case c.Private == "":
		all = append(all, message("failover is any and private is empty, so every module counts as public: while %s is out of reach the names it guards are asked of %s; list them in private",
			goproxy.Redact(entry), goproxy.Redact(next)))
	}
	return all
}

// guarding returns the first address with a ',' between it and another address, and
// that other one. Before direct or off a ',' costs nothing.
func guarding(ups []goproxy.Upstream) (entry, next string) {
	for i := range len(ups) - 1 {
		if after := ups[i+1].URL; !ups[i].AnyError && after != goproxy.Direct && after != goproxy.Off {
			return ups[i].URL, after
		}
	}
	return "", ""
}
