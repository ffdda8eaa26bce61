package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// hosts is a DNS: addresses, with blanks between, by host. A host that it lacks does not exist; "?" never answers.
type hosts struct {
	mu    sync.Mutex
	known map[string]string
	asked []string
}

func (n *hosts) lookup(ctx context.Context, host string) (all []netip.Addr, err error) {
	n.mu.Lock()
	n.asked = append(n.asked, host)
	known, ok := n.known[host]
	n.mu.Unlock()
	switch {
	case known == "?":
		<-ctx.Done()
		return nil, ctx.Err()
	case !ok:
		return nil, &upstream.LookupError{Host: host, NotFound: true}
	}
	for _, a := range strings.Fields(known) {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, nil
}

func (n *hosts) times(host string) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.asked {
		if h == host {
			times++
		}
	}
	return times
}

func TestLeakGuard(t *testing.T) {
	for _, test := range []struct{ path, why string }{
		{"golang.org/x/text", ""},
		{"proxy.example/m", ""},
		{"absent.example/m", ""},
		{"git.corp.lan/m", "no name of the internet ends in .lan"},
		{"router.home.arpa/m", "no name of the internet ends in .home.arpa"},
		{"a.local/m", "no name of the internet ends in .local"},
		{"git.own.example/m", "it is below the own domain own.example"},
		{"own.example/m", "it is below the own domain own.example"},
		{"Git.Own.Example", "it is below the own domain own.example"},
		{"disown.example/m", ""},
		{"10.1.2.3/m", "it is an inner address"},
		{"ten.example/m", "its address is 10.1.2.3"},
		{"six.example/m", "its address is fd00::1"},
		{"loop.example/m", "its address is 127.0.0.1"},
		{"link.example/m", "its address is 169.254.1.1"},
		{"carrier.example/m", "its address is 100.64.1.1"},
		{"mapped.example/m", "its address is ::ffff:10.1.2.3"},
		{"both.example/m", ""}, // one address is of the internet
		{"blocked.example/m", ""},
		{"covered.lan/m", ""},
		{"routed.lan/m", ""},
		{"silent.example/m", ""},
	} {
		for _, refuse := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				dns := &hosts{known: map[string]string{
					"golang.org": "142.250.1.1", "proxy.example": "142.250.1.2", "ten.example": "10.1.2.3 10.1.2.4", "six.example": "fd00::1", "loop.example": "127.0.0.1", "link.example": "169.254.1.1",
					"carrier.example": "100.64.1.1", "mapped.example": "::ffff:10.1.2.3", "both.example": "10.1.2.3 142.250.1.1", "blocked.example": "0.0.0.0", "silent.example": "?",
				}}
				var log bytes.Buffer
				g := upstream.NewLeakGuard(upstream.LeakOptions{
					Rules:   goproxy.NewRules("covered.lan", []goproxy.Route{{Pattern: "routed.lan", Public: true}}),
					Domains: []string{"own.example"}, Private: "covered.lan", Refuse: refuse, Lookup: dns.lookup, Control: "proxy.example",
					Log: slog.New(slog.NewTextHandler(&log, nil)),
				})
				began := time.Now()
				err := g.Admit(t.Context(), test.path)
				took := time.Since(began)
				synctest.Wait()
				time.Sleep(2 * time.Second) // a look-up that gets no answer is over
				if !refuse {
					if err != nil || took > 0 {
						t.Errorf("%s: %v after %s; nothing is refused and nobody waits", test.path, err, took)
					}
					err = g.Admit(t.Context(), test.path)
				}
				leaks, n := g.Leaks()
				switch {
				case test.why == "":
					if err != nil || n > 0 || log.Len() > 0 || took > time.Second {
						t.Errorf("%s: %v after %s, %d %v\n%s", test.path, err, took, n, leaks, &log)
					}
				case refuse:
					if !errors.As(err, new(*goproxy.Refused)) || !strings.Contains(err.Error(), test.why) || g.Admits(test.path) {
						t.Errorf("%s: %v", test.path, err)
					}
					fallthrough
				default:
					if n == 0 || len(leaks) != 1 || leaks[0].Why != test.why || leaks[0].Count != n || leaks[0].Refused != refuse || leaks[0].Add != "private: covered.lan,"+leaks[0].Host {
						t.Errorf("%s: %d, %+v", test.path, n, leaks)
					}
					if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), leaks[0].Add) {
						t.Errorf("%s: the log says\n%s", test.path, &log)
					}
				}
			})
		}
	}
}

// A host is looked up once in ten minutes, however many ask and whatever came of it.
func TestLeakGuardAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &hosts{known: map[string]string{"git.example": "142.250.1.1"}}
		g := upstream.NewLeakGuard(upstream.LeakOptions{Refuse: true, Lookup: dns.lookup})
		if g.Admits("git.example/m") {
			t.Error("it is admitted before anything is known")
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := g.Admit(t.Context(), "git.example/m"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := dns.times("git.example"); n != 1 || !g.Admits("git.example/other") {
			t.Errorf("looked up %d times", n)
		}
		time.Sleep(11 * time.Minute)
		_ = g.Admit(t.Context(), "git.example/m")
		if n := dns.times("git.example"); n != 2 {
			t.Errorf("looked up %d times after eleven minutes", n)
		}
	})
}

// Where DNS gives no answers it is left alone, and holds nothing up: a network with an HTTP proxy alone.
func TestLeakGuardWithoutDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked int
		dead := func(ctx context.Context, _ string) ([]netip.Addr, error) {
			asked++
			<-ctx.Done()
			return nil, ctx.Err()
		}
		g := upstream.NewLeakGuard(upstream.LeakOptions{Refuse: true, Lookup: dead})
		began := time.Now()
		for i := range 50 {
			if err := g.Admit(t.Context(), string(rune('a'+i%26))+strings.Repeat("x", i)+".example/m"); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > 3*time.Second || asked > 3 {
			t.Errorf("50 modules were held up for %s, with %d look-ups", took, asked)
		}
		if err := g.Admit(t.Context(), "git.corp.lan/m"); err == nil {
			t.Error("a name that tells by itself is admitted")
		}
	})
}

// Where DNS has the public servers inside too, it says nothing of other hosts.
func TestLeakGuardControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &hosts{known: map[string]string{"git.example": "10.0.0.1", "proxy.example": "10.0.0.2"}}
		g := upstream.NewLeakGuard(upstream.LeakOptions{Refuse: true, Lookup: dns.lookup, Control: "proxy.example"})
		if err := g.Admit(t.Context(), "git.example/m"); err != nil {
			t.Error(err)
		}
	})
}

// However many hosts are asked for, a hundred are remembered, and all questions are counted.
func TestLeakGuardBounded(t *testing.T) {
	g := upstream.NewLeakGuard(upstream.LeakOptions{})
	for i := range 300 {
		if err := g.Admit(t.Context(), net.JoinHostPort("h"+strings.Repeat("x", i), "")[:i+1]+".lan/m"); err != nil {
			t.Fatal(err)
		}
	}
	if leaks, n := g.Leaks(); len(leaks) != 100 || n != 300 {
		t.Errorf("%d hosts, %d questions", len(leaks), n)
	}
	var none *upstream.LeakGuard
	if err := none.Admit(t.Context(), "a.lan/m"); err != nil || !none.Admits("a.lan/m") || none.Looks("a.lan/m") != "" {
		t.Error("a guard that is off does something")
	}
}

// TestRouterLeaks: the guard sees what goes to a public upstream by no rule, and that alone.
func TestRouterLeaks(t *testing.T) {
	for path, want := range map[string]string{
		"git.lan/m":          "refused 403",
		"corp.example/m":     "absent 404",
		"git.corp.example/m": "absent 404",
		"golang.org/m":       "absent 404",
		"corp.example/open":  "absent 404",
	} {
		var log []string
		r := crossroads(t, &log, "", upstream.LeakOptions{Refuse: true, Domains: []string{"corp.example"}})
		_, err := r.List(t.Context(), path)
		if kind(err) != want || want == "refused 403" && len(log) > 0 {
			t.Errorf("%s: %s (%v), asked %q; want %s", path, kind(err), err, log, want)
		}
	}
}
