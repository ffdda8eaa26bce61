package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

const (
	leakWait    = time.Second // how long a question waits for DNS, where it may be refused
	leakFresh   = 10 * time.Minute
	leakUnknown = time.Minute // until a host is looked up again of which DNS said nothing, and DNS is asked again that says nothing
	leakFails   = 3           // look-ups in a row without an answer after which DNS is left alone
	leakLooks   = 16          // at once
	leakHosts   = 100         // that are remembered by name
)

// LeakOptions are what a LeakGuard is made of.
type LeakOptions struct {
	Rules *goproxy.Rules // what they cover is meant to be so
	// Domains are the organisation's own: they and all below them are internal.
	Domains []string
	// Private is the setting of that name, for the advice.
	Private string
	// Refuse has such names refused; else they are noted, and sent.
	Refuse bool
	// Lookup finds the addresses of hosts; nil: the names alone tell.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Control is a host of the internet: where DNS has it inside too, it says nothing of other hosts. "" for none.
	Control string
	Log     *slog.Logger
}

// A LeakGuard notes, or refuses, modules whose host looks internal, when a public server is about to be asked for them and
// no rule covers them. A nil *LeakGuard admits all. Its methods may be called at once.
//
// A host looks internal by its name, or where DNS has none but inner addresses for it. It is looked up once in ten minutes, never for what is stored. Where
// DNS says nothing, or not in time, everything is admitted.
type LeakGuard struct {
	o     LeakOptions
	looks *lru.Cache[*leakLook]
	slots chan struct{}

	mu    sync.Mutex // guards all below
	fails int        // look-ups in a row without an answer
	away  time.Time  // until when DNS is not asked
	leaks map[string]*Leak
	count int64
}

// A Leak is an internal host whose modules were asked for.
type Leak struct {
	Host    string    `json:"host"`
	Why     string    `json:"why"`
	First   time.Time `json:"first"`
	Count   int64     `json:"count"`   // of questions
	Refused bool      `json:"refused"` // they were not sent
	Add     string    `json:"add"`     // the setting that covers it
}

// A leakLook is one look-up.
type leakLook struct {
	done  chan struct{}
	why   string    // once done
	until time.Time // likewise: when it is due again
}

// NewLeakGuard returns a LeakGuard.
func NewLeakGuard(o LeakOptions) *LeakGuard {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &LeakGuard{
		o: o, slots: make(chan struct{}, leakLooks), leaks: map[string]*Leak{},
		looks: lru.New(maxHosts<<10, func(*leakLook) int64 { return 200 }),
	}
}

// Admit is called before a public server is asked for a module. Its error is a *goproxy.Refused, or that of ctx.
func (g *LeakGuard) Admit(ctx context.Context, path string) error {
	host := g.stranger(path)
	if host == "" {
		return nil
	}
	why := g.byName(host)
	if why == "" {
		l := g.look(host)
		if l == nil {
			return nil
		}
		if g.o.Refuse {
			select {
			case <-l.done:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if why = l.answer(); why == "" {
			return nil
		}
	}
	return g.note(host, why, path)
}

// Admits reports whether Admit would admit a module, as far as that is known without waiting.
func (g *LeakGuard) Admits(path string) bool {
	host := g.stranger(path)
	if host == "" || !g.o.Refuse {
		return true
	}
	if g.o.Lookup == nil {
		return g.byName(host) == ""
	}
	l, ok := g.looks.Get(host)
	return g.byName(host) == "" && ok && l.isDone() && l.answer() == ""
}

// Looks says why a module would be noted or refused, as far as its name tells; "" where it would not.
func (g *LeakGuard) Looks(path string) string {
	if host := g.stranger(path); host != "" {
		return g.byName(host)
	}
	return ""
}

// stranger returns the host of a module that no rule covers; "" where one does.
func (g *LeakGuard) stranger(path string) string {
	if g == nil {
		return ""
	}
	if r := g.o.Rules.Of(path); r.Private != "" || r.Route >= 0 {
		return ""
	}
	host, _, _ := strings.Cut(strings.ToLower(path), "/")
	return host
}

// innerNames are the ends of names that no server of the internet has: those of RFC 6761, 6762 and 8375, internal, which ICANN has
// reserved for private use, and those that it gave up since so many networks use them.
var innerNames = []string{"local", "internal", "intranet", "corp", "home", "lan", "private", "localdomain", "localhost", "home.arpa"}

// byName says why a host is internal, as far as its name tells.
func (g *LeakGuard) byName(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && isInner(a) {
		return "it is an inner address"
	}
	if !strings.Contains(host, ".") {
		return "it is a name without a domain"
	}
	for _, domain := range g.o.Domains {
		if isBelow(host, strings.ToLower(domain)) {
			return "it is below the own domain " + domain
		}
	}
	for _, end := range innerNames {
		if isBelow(host, end) {
			return "no name of the internet ends in ." + end
		}
	}
	return ""
}

func isBelow(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

// carrierGrade is shared by networks that are not of the internet (RFC 6598).
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")

func isInner(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carrierGrade.Contains(a)
}

// look returns the look-up of a host, begun now where one is due; nil where there is none and none can be.
func (g *LeakGuard) look(host string) *leakLook {
	if g.o.Lookup == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	last, ok := g.looks.Get(host)
	if ok && (!last.isDone() || now.Before(last.until)) || now.Before(g.away) {
		return last
	}
	select {
	case g.slots <- struct{}{}:
	default:
		return last
	}
	l := &leakLook{done: make(chan struct{})}
	g.looks.Put(host, l)
	go func() {
		defer func() { <-g.slots }()
		g.resolve(l, host)
	}()
	return l
}

// resolve asks DNS, and ends by itself.
func (g *LeakGuard) resolve(l *leakLook, host string) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(context.Background(), leakWait)
	defer cancel()
	addrs, err := g.o.Lookup(ctx, host)
	var none *LookupError
	known := err == nil || errors.As(err, &none) && none.NotFound
	l.until = time.Now().Add(leakUnknown)
	if known {
		l.until = time.Now().Add(leakFresh)
	}
	g.answered(known)
	if err != nil || len(addrs) == 0 || slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !isInner(a) }) {
		return
	}
	if g.o.Control != "" {
		if all, err := g.o.Lookup(ctx, g.o.Control); err == nil && slices.ContainsFunc(all, isInner) {
			return
		}
	}
	l.why = "its address is " + addrs[0].String()
}

// answered notes whether DNS had an answer.
func (g *LeakGuard) answered(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if yes {
		g.fails = 0
		return
	}
	if g.fails++; g.fails >= leakFails {
		g.fails, g.away = 0, time.Now().Add(leakUnknown)
	}
}

func (l *leakLook) isDone() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// answer returns why the host is internal, "" where it is not or that is not known yet.
func (l *leakLook) answer() string {
	if !l.isDone() {
		return ""
	}
	return l.why
}

// note counts a question, says so at the first one of a host, and returns the refusal where there is one.
func (g *LeakGuard) note(host, why, path string) error {
	g.mu.Lock()
	l, first := g.leaks[host], false
	g.count++
	if l == nil && len(g.leaks) < leakHosts {
		l, first = &Leak{Host: host, Why: why, First: time.Now(), Refused: g.o.Refuse, Add: "private: " + strings.TrimPrefix(g.o.Private+","+host, ",")}, true
		g.leaks[host] = l
	}
	if l != nil {
		l.Count++
	}
	g.mu.Unlock()
	if first {
		does := "a module's host looks internal, and its name goes to public servers"
		if g.o.Refuse {
			does = "a module's host looks internal; its name is not sent to public servers"
		}
		g.o.Log.Warn(does, "host", host, "why", why, "add", l.Add)
	}
	if !g.o.Refuse {
		return nil
	}
	return &goproxy.Refused{Status: http.StatusForbidden, Reason: fmt.Sprintf(
		"%s: %s looks internal (%s), so no public server is asked for it (leak_guard: refuse).\nWhoever runs this proxy adds it to private, or as public to routes.", path, host, why)}
}

// Leaks returns the internal hosts whose modules were asked for, at most a hundred, those asked for most first, and the number of all questions.
func (g *LeakGuard) Leaks() (hosts []Leak, count int64) {
	if g == nil {
		return nil, 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.leaks {
		hosts = append(hosts, *l)
	}
	slices.SortFunc(hosts, func(a, b Leak) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Host, b.Host)) })
	return hosts, g.count
}
