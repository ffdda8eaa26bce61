package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modhaven/modhaven/internal/lru"
)

const (
	dnsTimeout = 2 * time.Second // of one try
	dnsTries   = 3

	dnsFresh = 30 * time.Second // an answer is used without asking again
	dnsStale = time.Hour        // an answer is used while no newer one can be had
	dnsPause = 5 * time.Second  // between refreshes that fail, where a stale answer does meanwhile

	// otherFamily is what an answer with one family of addresses waits for the other (RFC 8305, 3).
	otherFamily = 50 * time.Millisecond
	// staleWait is what a question waits for a refresh before it takes the stale answer.
	staleWait = 250 * time.Millisecond

	maxHosts = 512 // about, in the cache
)

// dnsFamilies are the networks of net.Resolver that are asked, each for itself: a server that swallows questions for
// AAAA must not delay an A.
var dnsFamilies = [...]string{"ip4", "ip6"}

// A Resolver finds the addresses of hosts and remembers them: for 30 s, and for an hour while DNS has trouble.
// However many ask for a host, it is looked up once. A look-up belongs to nobody's question and ends by itself:
// within 2 s a try and three tries for each family of addresses. All methods may be called at once.
type Resolver struct {
	// Servers are the DNS servers, HOST:PORT, asked in turn. Where there are none, those of /etc/resolv.conf are, or the
	// system's own resolver where that file does not count (Windows, macOS).
	Servers []string
	// Timeout is how long one try may take; 0 stands for 2 s.
	Timeout time.Duration
	// Ask makes one try at one server ("": the system's resolver) for a host's addresses in a network, "ip4" or "ip6".
	// Where it is nil, net.Resolver does it.
	Ask func(ctx context.Context, server, network, host string) ([]netip.Addr, error)

	once  sync.Once
	hosts *lru.Cache[*dnsHost]
	mu    sync.Mutex // guards what hosts holds
}

// A dnsHost is what is known of one.
type dnsHost struct {
	name   string
	found  [len(dnsFamilies)]dnsFound
	fresh  time.Time  // until then nobody asks again
	flight *dnsFlight // nil while nobody asks
}

// dnsFound is the last good answer for one family.
type dnsFound struct {
	addrs []netip.Addr
	at    time.Time
}

// A dnsFlight is one look-up, for all who wait for it.
type dnsFlight struct {
	began time.Time
	ready chan struct{} // closed when there are addresses, or err says why not
	err   error
}

// Lookup returns the addresses of a host, at least one: those of IPv4 first. An address stands for itself, and names in
// the system's hosts file work. The error is a *LookupError, or that of ctx.
func (r *Resolver) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	h, f, addrs := r.look(strings.ToLower(name))
	if f == nil {
		return addrs, nil
	}
	var late <-chan time.Time
	if len(addrs) > 0 {
		t := time.NewTimer(time.Until(f.began.Add(staleWait)))
		defer t.Stop()
		late = t.C
	}
	select {
	case <-f.ready:
	case <-late:
		return addrs, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: gave up while its address was looked up: %w", name, ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if addrs := h.good(time.Now()); len(addrs) > 0 {
		return addrs, nil
	}
	return nil, f.err
}

// look returns what is known of a host, and the look-up to wait for unless that is fresh.
func (r *Resolver) look(name string) (*dnsHost, *dnsFlight, []netip.Addr) {
	r.once.Do(func() {
		r.hosts = lru.New(maxHosts<<10, func(*dnsHost) int64 { return 700 }) // about 1 KiB with the cache's own
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	h, ok := r.hosts.Get(name)
	if !ok {
		h = &dnsHost{name: name}
		r.hosts.Put(name, h)
	}
	now := time.Now()
	addrs := h.good(now)
	if len(addrs) > 0 && now.Before(h.fresh) {
		return h, nil, addrs
	}
	if h.flight == nil {
		h.flight = &dnsFlight{began: now, ready: make(chan struct{})}
		go r.refresh(h, h.flight)
	}
	return h, h.flight, addrs
}

// good returns the addresses that may still be used.
func (h *dnsHost) good(now time.Time) (addrs []netip.Addr) {
	for _, f := range h.found {
		if now.Sub(f.at) < dnsStale {
			addrs = append(addrs, f.addrs...)
		}
	}
	return addrs
}

// refresh looks a host up. It is ready with the first family that has addresses and a short while for the other;
// what comes later is for the cache.
func (r *Resolver) refresh(h *dnsHost, f *dnsFlight) {
	answers := make(chan dnsAnswer, len(dnsFamilies))
	var answered atomic.Pointer[string]
	for i := range dnsFamilies {
		go func() { answers <- r.ask(h.name, i, &answered) }()
	}
	var (
		all   []dnsAnswer
		timer <-chan time.Time
		ready bool
	)
	for len(all) < len(dnsFamilies) {
		select {
		case a := <-answers:
			all = append(all, a)
			r.keep(h, a)
			if len(a.addrs) > 0 && timer == nil {
				timer = time.After(otherFamily)
			}
		case <-timer:
			ready = true
			close(f.ready)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	h.flight = nil
	if ready {
		return
	}
	if timer == nil { // no family has any
		f.err = lookupError(h.name, all)
		h.fresh = time.Now().Add(dnsPause)
	}
	close(f.ready)
}

// keep remembers an answer. Trouble leaves what was known; absence does not.
func (r *Resolver) keep(h *dnsHost, a dnsAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch now := time.Now(); {
	case len(a.addrs) > 0:
		h.found[a.family] = dnsFound{a.addrs, now}
		h.fresh = now.Add(dnsFresh)
	case a.absent:
		h.found[a.family] = dnsFound{}
	}
}

// A dnsAnswer is what came of all tries for one family.
type dnsAnswer struct {
	family int
	addrs  []netip.Addr
	absent bool // a server said that there are none
	tries  []dnsTry
}

// A dnsTry is one that failed.
type dnsTry struct {
	server string
	err    error
}

// ask asks for one family, going round the servers. Absence is an answer: one more server is asked, and none where
// the same one has given addresses of the other family, by which answered names it.
func (r *Resolver) ask(name string, family int, answered *atomic.Pointer[string]) dnsAnswer {
	servers := r.servers()
	a := dnsAnswer{family: family}
	for i := range dnsTries {
		server := servers[i%len(servers)]
		addrs, err := r.try(server, dnsFamilies[family], name)
		if err == nil && len(addrs) > 0 {
			answered.Store(&server)
			return dnsAnswer{family: family, addrs: addrs}
		}
		a.tries = append(a.tries, dnsTry{server, err})
		if a.absent {
			break
		}
		a.absent = noSuchHost(err)
		if by := answered.Load(); a.absent && by != nil && *by == server {
			break
		}
	}
	return a
}

// try makes one. Its addresses have no zones and are not mapped.
func (r *Resolver) try(server, network, name string) ([]netip.Addr, error) {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = dnsTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	ask := r.Ask
	if ask == nil {
		ask = askDNS
	}
	addrs, err := ask(ctx, server, network, name)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	if len(addrs) == 0 && err == nil {
		err = &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return addrs, err
}
