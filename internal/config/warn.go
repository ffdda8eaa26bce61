package config

import (
	"net/url"
	"strconv"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// Warnings returns what is allowed and may still surprise, one sentence each. It is
// meant for a Config that has passed Check.
func (c *Config) Warnings() []*Message {
	if c.isOffline() {
		return nil // nobody is asked
	}
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
	options, _ := c.UpstreamOptions()
	all = append(all, weightWarnings(e.ups, options)...)
	ups, _ := c.allUpstreams()
	if len(ups) == 0 {
		ups = e.ups
	}
	return append(all, plainWarnings(ups, options)...)
}

// weightWarnings is about weights that cannot mean what they say.
func weightWarnings(ups []goproxy.Upstream, options map[string]goproxy.UpstreamOptions) []*Message {
	var all []*Message
	for _, group := range groups(ups) {
		sum := 0
		for _, u := range group {
			sum += options[u.URL].Weight
		}
		first := goproxy.Redact(group[0].URL)
		switch {
		case len(group) == 1 && sum > 0:
			all = append(all, message("the weight of %s has no effect: weights share the questions out among upstreams that '|' joins, and it is joined to none", first))
		case sum > 100:
			all = append(all, message("the weights of %s and those that '|' joins to it come to %s percent, and there are 100 to share out", first, strconv.Itoa(sum)))
		}
	}
	return all
}

// plainWarnings is about upstreams that are asked without TLS.
func plainWarnings(ups []goproxy.Upstream, options map[string]goproxy.UpstreamOptions) []*Message {
	var all []*Message
	for _, u := range ups {
		addr, err := url.Parse(u.URL)
		if err != nil || addr.Scheme != "http" {
			continue
		}
		o := options[u.URL]
		if (o.BearerFile != "" || o.Headers != "") && !isLoopback(addr.Hostname()) {
			all = append(all, message("what bearer-file and headers-file send to %s goes through the network unencrypted; use https", goproxy.Redact(u.URL)))
		}
		if o.CA != "" || o.Cert != "" {
			all = append(all, message("ca, cert and key have no effect on %s, which is not asked over https", goproxy.Redact(u.URL)))
		}
	}
	return all
}

// groups returns the addresses that '|' joins, group by group.
func groups(ups []goproxy.Upstream) [][]goproxy.Upstream {
	var all [][]goproxy.Upstream
	joined := false
	for _, u := range ups {
		if u.URL == goproxy.Direct || u.URL == goproxy.Off {
			break
		}
		if last := len(all) - 1; joined {
			all[last] = append(all[last], u)
		} else {
			all = append(all, []goproxy.Upstream{u})
		}
		joined = u.AnyError
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
