package doctor

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// budget is how long all of it may take, whatever is broken.
const budget = 14 * time.Second

// Options say what to examine.
type Options struct {
	Environ  []string          // as os.Environ, of whoever runs the go command
	Override map[string]string // settings of the go command in place of its own
	Dir      string            // where it is run
	Module   string            // "" for none
	Version  string            // "" for any

	// Given says who gave Override, a phrase of GivenBy, in place of the go command: that is not asked then, and no other program
	// is run.
	Given  string
	Token  string   // shown to entries of GOPROXY over https or on this machine, from MODHAVEN_TOKEN
	NotRun []NotRun // targets of the report that are not probed

	Resolvers []netip.AddrPort // in place of the system's
	Roots     *x509.CertPool   `json:"-"` // in place of the system's
	Now       func() time.Time `json:"-"` // of the clock that certificates are judged by; nil for time.Now
}

// GivenBy are the values of Options.Given beside none.
const (
	GivenByArguments = "the command line"
	GivenByModhaven  = "Modhaven's settings"
)

// A NotRun is a target that is not probed, and why.
type NotRun struct {
	Name string
	Why  string // of WhyNotRun
}

// The reasons of a NotRun.
const (
	WhyDirect  = "the go command fetches from version control there, and the doctor of a server runs no program"
	WhyOptions = "upstream_options say how it is connected to, and the doctor does not connect so"
	WhyLooks   = "the module's name looks internal, and no public upstream is asked for it (leak_guard)"
)

// An examination is one run.
type examination struct {
	*Options
	m       *machine
	roots   *rootPool
	entries []entry
	targets []*target // in the order of the report
	proxies map[string]*target
	all     []Finding
}

// An entry is one of GOPROXY, in its order.
type entry struct {
	goproxy.Upstream
	target *target // nil for direct, off and a file
}

// Examine walks the stages of a download and says what it found. It returns within 15 seconds.
func Examine(ctx context.Context, o Options) *Report {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	if o.Now == nil {
		o.Now = time.Now
	}
	e := &examination{Options: &o, m: readMachine(ctx, &o), roots: &rootPool{o.Roots}, proxies: map[string]*target{}}
	e.plan()
	settings := e.settings(ctx)
	e.probe(ctx)
	return e.report(start, settings)
}

// ExamineSettings is the first stage of Examine alone: no packet is sent.
func ExamineSettings(ctx context.Context, o Options) []Finding {
	e := &examination{Options: &o, m: readMachine(ctx, &o), roots: &rootPool{o.Roots}, proxies: map[string]*target{}}
	e.plan()
	return merge(e.settings(ctx))
}

// plan finds the targets that the settings lead to.
func (e *examination) plan() {
	for _, u := range readList(e.m.env["GOPROXY"]) {
		n := entry{Upstream: u}
		if address, err := url.Parse(u.URL); err == nil && strings.HasPrefix(address.Scheme, "http") && address.Host != "" && !e.m.private(e.Module) {
			n.target = e.target(roleEntry, address)
		}
		e.entries = append(e.entries, n)
	}
	e.planVCS()
}

// readList reads GOPROXY, leaving out what is no address. Named lists are Modhaven's own, and the go command knows none.
func readList(list string) (all []goproxy.Upstream) {
	for list != "" {
		i := strings.IndexAny(list, ",|")
		word, sep := list, byte(0)
		if i >= 0 {
			word, sep, list = list[:i], list[i], list[i+1:]
		} else {
			list = ""
		}
		word = strings.TrimSpace(word)
		switch word {
		case "":
			continue
		case goproxy.Direct, goproxy.Off:
			return append(all, goproxy.Upstream{URL: word})
		}
		if strings.ContainsAny(word, ".:/") && !strings.Contains(word, ":/") {
			word = "https://" + word
		}
		all = append(all, goproxy.Upstream{URL: strings.TrimRight(word, "/"), AnyError: sep == '|'})
	}
	return all
}

// target makes one, and one for the HTTP proxy that it is reached by.
func (e *examination) target(role string, u *url.URL) *target {
	t := newTarget(e.m, role, u, e.roots)
	if t.via != nil {
		key := hostPort(t.via)
		if e.proxies[key] == nil {
			e.proxies[key] = newTarget(e.m, roleProxy, t.via, e.roots)
			e.proxies[key].name = key
			e.targets = append(e.targets, e.proxies[key])
		}
		t.proxy = e.proxies[key]
	}
	e.targets = append(e.targets, t)
	return t
}

// probe walks the stages of all targets at once. The checksum database itself is last, where nobody answers for it.
func (e *examination) probe(ctx context.Context) {
	db, _ := goproxy.ParseSumDB(e.m.env["GOSUMDB"]) // what cannot be read is a finding of the settings
	var wg sync.WaitGroup
	for _, t := range e.targets {
		switch t.role {
		case roleProxy:
			wg.Go(func() { t.once.Do(func() { t.reach(ctx) }) })
		case roleVCS:
			wg.Go(func() { e.walkVCS(ctx, t) })
		default:
			wg.Go(func() { e.walk(ctx, t, db) })
		}
	}
	wg.Wait()
	if t := e.sumTarget(db); t != nil {
		e.walk(ctx, t, db)
	}
}

// walk walks the stages of one target, up to the first that fails.
func (e *examination) walk(ctx context.Context, t *target, db goproxy.SumDB) {
	if !t.reach(ctx) {
		return
	}
	if t.url.Scheme == "https" {
		t.tls = examineTLS(ctx, t, e.Now())
		if t.tls.err != nil || t.tls.verify != nil {
			return
		}
	}
	c := newClient(t, true)
	defer c.tr.CloseIdleConnections()
	switch t.role {
	case roleEntry:
		e.protocol(ctx, c, db)
	case roleSum:
		t.sum = e.examineSum(ctx, c, db, "")
		t.web = t.sum.latest
	}
}

// examineHost returns an address of HOST:PORT that answers; none is valid where none does.
func examineHost(ctx context.Context, m *machine, addr string) netip.AddrPort {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}
	}
	u := &url.URL{Scheme: "https", Host: net.JoinHostPort(host, port)}
	t := &target{m: m, url: u, host: host, port: port}
	t.dns = &dnsFacts{target: t, host: host}
	if a, err := netip.ParseAddr(host); err == nil {
		t.dns.addrs = []netip.Addr{a}
	} else {
		t.dns.lookup(ctx, m)
	}
	t.connectTo(ctx)
	return t.addr
}
