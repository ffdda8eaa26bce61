package doctor

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// The roles of targets.
const (
	roleSettings = "settings"
	roleEntry    = "proxy"      // of GOPROXY
	roleProxy    = "http-proxy" // of HTTPS_PROXY
	roleSum      = "sumdb"
	roleVCS      = "vcs"
)

// A target is a server that a download depends on, and what the probes showed of it. Each
// part is nil where it was not probed.
type target struct {
	m     *machine
	role  string
	name  string   // without credentials
	url   *url.URL // with them, without a slash at its end
	host  string
	port  string
	via   *url.URL // the HTTP proxy, nil for none
	lost  bool     // the setting for an HTTP proxy cannot be used
	proxy *target  // that of via
	roots *rootPool
	once  sync.Once // reach, of an HTTP proxy

	dns     *dnsFacts
	tcp     []*tcpFacts
	addr    netip.AddrPort // that answers
	tunnel  *tunnelFacts
	tls     *tlsFacts
	web     *exchange // the first request
	content *contentFacts
	sum     *sumFacts
	vcs     *vcsFacts

	steps    []Step
	findings []Finding
	failed   bool // as judge left it
}

func newTarget(m *machine, role string, u *url.URL, roots *rootPool) *target {
	t := &target{m: m, role: role, url: u, host: u.Hostname(), port: portOf(u), roots: roots, name: goproxy.Redact(strings.TrimRight(u.String(), "/"))}
	if role != roleProxy {
		var err error
		if t.via, err = m.proxyFor(u); err != nil { // that is a finding of the settings
			t.via, t.lost = nil, true
		}
	}
	return t
}

// portOf returns the port of an address, that of its scheme where it names none.
func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme] + map[string]string{"http": "80"}[u.Scheme]
}

// vars are what every template may name.
func (t *target) vars() Vars {
	v := Vars{"host": t.host, "port": t.port, "url": t.name, "entry": t.name, "better": t.better()}
	if t.addr.IsValid() {
		v["addr"], v["ip"] = t.addr.String(), t.addr.Addr().String()
	} else if t.dns != nil && len(t.dns.addrs) > 0 {
		v["ip"] = t.dns.addrs[0].String()
		v["addr"] = net.JoinHostPort(v["ip"], t.port)
	}
	if t.via != nil {
		v["proxy"], v["name"] = hostPort(t.via), t.m.proxyName(t.url.Scheme)
	}
	return v
}

// better is GOPROXY with the other scheme for this entry.
func (t *target) better() string {
	list := redactList(t.m.env["GOPROXY"])
	if rest, ok := strings.CutPrefix(t.name, "http://"); ok {
		return strings.Replace(list, t.name, "https://"+rest, 1)
	}
	if rest, ok := strings.CutPrefix(t.name, "https://"); ok {
		return strings.Replace(list, t.name, "http://"+rest, 1)
	}
	return list
}

func hostPort(u *url.URL) string { return net.JoinHostPort(u.Hostname(), portOf(u)) }

// reach walks the stages up to a connection: DNS, TCP, and the HTTP proxy where there is one. It
// reports whether there is one.
func (t *target) reach(ctx context.Context) bool {
	if t.lost {
		return false
	}
	if t.via != nil {
		t.proxy.once.Do(func() { t.proxy.reach(ctx) })
		return t.proxy.addr.IsValid() && (!t.tunnelled() || t.connectTunnel(ctx))
	}
	t.dns = examineDNS(ctx, t.m, t, t.host)
	t.connectTo(ctx)
	return t.addr.IsValid()
}

// connectTo tries each address by itself.
func (t *target) connectTo(ctx context.Context) {
	const most = 6
	addrs := t.dns.addrs[:min(len(t.dns.addrs), most)]
	t.tcp = make([]*tcpFacts, len(addrs))
	each(len(addrs), func(i int) {
		port, err := strconv.ParseUint(t.port, 10, 16)
		if err == nil {
			t.tcp[i] = examineTCP(ctx, t, netip.AddrPortFrom(addrs[i], uint16(port)))
		} else {
			t.tcp[i] = &tcpFacts{target: t, dial: dial{outcome: unreachable, err: err}}
		}
	})
	for _, f := range t.tcp {
		if f.dial.outcome == connected && !t.addr.IsValid() {
			t.addr = f.dial.addr
		}
	}
}

// tcpTo returns what was found of the address that is used.
func (t *target) tcpTo() *tcpFacts {
	for _, f := range t.tcp {
		if f.dial.addr == t.addr {
			return f
		}
	}
	return nil
}

// credential returns the user and password that go with requests to u as the go command sends them, and where they are from.
func (t *target) credential(u *url.URL) (user, password, from string) {
	if u.User != nil {
		password, _ = u.User.Password()
		return u.User.Username(), password, "GOPROXY"
	}
	if t.m.token != "" && t.role == roleEntry && strings.EqualFold(u.Host, t.url.Host) && (u.Scheme == "https" || isLocal(u.Hostname())) {
		return "token", t.m.token, "MODHAVEN_TOKEN"
	}
	if u.Scheme != "https" {
		return "", "", ""
	}
	for _, e := range t.m.netrc {
		if strings.EqualFold(e.machine, u.Host) {
			return e.login, e.password, t.m.netrcName
		}
	}
	return "", "", ""
}

// nearNetrc returns a machine of netrc that may have been meant for the host, "" for none.
func (t *target) nearNetrc() string {
	for _, e := range t.m.netrc {
		name, _, _ := strings.Cut(e.machine, ":")
		if strings.EqualFold(name, t.host) || strings.HasSuffix(strings.ToLower(t.host), "."+strings.ToLower(name)) {
			return e.machine
		}
	}
	return ""
}

// open connects to the target: to the address that answers, through the HTTP proxy where there is one.
func (t *target) open(ctx context.Context, o sockOptions) (*wire, error) {
	if t.via == nil {
		conn, d := open(ctx, t.addr, o, connectPatience)
		if conn == nil {
			return nil, d.err
		}
		return conn, nil
	}
	conn, f := t.openTunnel(ctx)
	if conn == nil {
		return nil, cmp.Or(f.err, net.ErrClosed)
	}
	return conn, nil
}
