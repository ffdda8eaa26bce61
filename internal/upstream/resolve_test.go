package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/upstream"
)

// A dnsAnswer is what DNS says to a question.
type dnsAnswer func(ctx context.Context, server, network, host string) ([]netip.Addr, error)

// names is DNS as a test wants it. A question is "server network host".
type names struct {
	mu      sync.Mutex
	asked   []string
	answers dnsAnswer
}

func (n *names) ask(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	n.asked = append(n.asked, strings.TrimSpace(server+" "+network+" "+host))
	answers := n.answers
	n.mu.Unlock()
	return answers(ctx, server, network, host)
}

func (n *names) set(f dnsAnswer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers = f
}

// questions returns what was asked since it was called last, sorted.
func (n *names) questions() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	q := n.asked
	n.asked = nil
	slices.Sort(q)
	return q
}

func (n *names) resolver(servers ...string) *upstream.Resolver {
	return &upstream.Resolver{Servers: servers, Ask: n.ask}
}

// dnsBubble is synctest.Test for what goes on by itself for a while: a look-up.
func dnsBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(10 * time.Second)
		f(t)
	})
}

var (
	v4   = netip.MustParseAddr("192.0.2.1")
	v4b  = netip.MustParseAddr("192.0.2.2")
	v6   = netip.MustParseAddr("2001:db8::1")
	v6b  = netip.MustParseAddr("2001:db8::2")
	gone = &net.DNSError{Err: "no such host", IsNotFound: true}
	sick = &net.DNSError{Err: "server misbehaving", IsTemporary: true}
)

func both(_ context.Context, _, network, _ string) ([]netip.Addr, error) {
	if network == "ip4" {
		return []netip.Addr{v4}, nil
	}
	return []netip.Addr{v6}, nil
}

func silent(ctx context.Context, _, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: "i/o timeout", IsTimeout: true, IsTemporary: true}
}

func fails(err error) dnsAnswer {
	return func(context.Context, string, string, string) ([]netip.Addr, error) { return nil, err }
}

// lookUp looks up.test up, and says how long that took by the clock of the dnsBubble.
func lookUp(t *testing.T, r *upstream.Resolver) (string, time.Duration, error) {
	t.Helper()
	began := time.Now()
	addrs, err := r.Lookup(t.Context(), "up.test")
	if err == nil && len(addrs) == 0 {
		t.Error("no address and no error")
	}
	return fmt.Sprint(addrs), time.Since(began), err
}

// TestOneLookup: however many ask, each family is asked for once, and not again for 30 s.
func TestOneLookup(t *testing.T) {
	dnsBubble(t, func(t *testing.T) {
		n := &names{answers: func(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
			time.Sleep(time.Second)
			return both(ctx, server, network, host)
		}}
		r := n.resolver("a:53")
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				name := "up.test"
				if i%2 == 0 {
					name = "UP.test"
				}
				if got, err := r.Lookup(t.Context(), name); err != nil || !slices.Equal(got, []netip.Addr{v4, v6}) {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
		wg.Wait()
		time.Sleep(29 * time.Second)
		lookUp(t, r)
		if got := n.questions(); !slices.Equal(got, []string{"a:53 ip4 up.test", "a:53 ip6 up.test"}) {
			t.Errorf("asked %q", got)
		}
		time.Sleep(2 * time.Second)
		lookUp(t, r)
		synctest.Wait()
		if got := n.questions(); len(got) != 2 {
			t.Errorf("after 30 s asked %q", got)
		}
	})
}

// TestFirstLookup: how long the first question for a host takes, whom it asks, and what comes of it.
func TestFirstLookup(t *testing.T) {
	four := func(six dnsAnswer) dnsAnswer {
		return func(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
			if network == "ip4" {
				return []netip.Addr{v4}, nil
			}
			return six(ctx, server, network, host)
		}
	}
	serverA := func(first dnsAnswer) dnsAnswer {
		return func(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
			if server == "a:53" {
				return first(ctx, server, network, host)
			}
			return both(ctx, server, network, host)
		}
	}
	tests := []struct {
		name    string
		servers []string
		answers dnsAnswer
		want    string
		took    time.Duration
		asked   int    // with both families
		err     string // a part of it
	}{
		{"both", []string{"a:53"}, both, "[192.0.2.1 2001:db8::1]", 0, 2, ""},
		{"no AAAA", []string{"a:53"}, four(fails(gone)), "[192.0.2.1]", 0, 0, ""},
		{"AAAA is not answered", []string{"a:53"}, four(silent), "[192.0.2.1]", 50 * time.Millisecond, 4, ""},
		{"AAAA fails", []string{"a:53"}, four(fails(sick)), "[192.0.2.1]", 0, 4, ""},
		{"the first server is silent", []string{"a:53", "b:53"}, serverA(silent), "[192.0.2.1 2001:db8::1]", 2 * time.Second, 4, ""},
		{"the first server is sick", []string{"a:53", "b:53"}, serverA(fails(sick)), "[192.0.2.1 2001:db8::1]", 0, 4, ""},
		{"the first server does not know it", []string{"a:53", "b:53"}, serverA(fails(gone)), "[192.0.2.1 2001:db8::1]", 0, 4, ""},
		{"no such host", []string{"a:53", "b:53", "c:53"}, fails(gone), "[]", 0, 4, "up.test: no such host, says DNS server a:53 and DNS server b:53; check the name"},
		{"nothing and no error", []string{"a:53"}, fails(nil), "[]", 0, 4, "up.test: no such host"},
		{"silence", []string{"a:53", "b:53"}, silent, "[]", 6 * time.Second, 6, "up.test: its address could not be looked up (DNS server a:53: no answer in time; DNS server b:53: no answer in time); check the network"},
		{"sick", []string{"a:53"}, fails(sick), "[]", 0, 6, "(DNS server a:53: server misbehaving)"},
		{"the system's resolver", []string{""}, fails(sick), "[]", 0, 6, "(the system's resolver: server misbehaving)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dnsBubble(t, func(t *testing.T) {
				n := &names{answers: test.answers}
				got, took, err := lookUp(t, n.resolver(test.servers...))
				if got != test.want || took != test.took {
					t.Errorf("got %s after %v, want %s after %v", got, took, test.want, test.took)
				}
				if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
					t.Errorf("got error %v, want %q", err, test.err)
				}
				time.Sleep(time.Minute)
				if q := n.questions(); test.asked > 0 && len(q) != test.asked {
					t.Errorf("asked %q, want %d questions", q, test.asked)
				}
			})
		})
	}
}

func TestLookupErrorIsOfNet(t *testing.T) {
	dnsBubble(t, func(t *testing.T) {
		for _, test := range []struct {
			answers         dnsAnswer
			absent, timeout bool
		}{
			{answers: fails(gone), absent: true},
			{answers: fails(sick)},
			{answers: silent, timeout: true},
			{answers: fails(errors.New("odd"))},
		} {
			_, _, err := lookUp(t, (&names{answers: test.answers}).resolver("a:53", "b:53"))
			var dns *net.DNSError
			var own *upstream.LookupError
			if !errors.As(err, &dns) || !errors.As(err, &own) {
				t.Fatalf("%v is no DNS error", err)
			}
			if dns.IsNotFound != test.absent || own.NotFound != test.absent || own.Timeout() != test.timeout || own.Temporary() == test.absent {
				t.Errorf("%v: absent %v and %v, timeout %v, temporary %v", err, dns.IsNotFound, own.NotFound, own.Timeout(), own.Temporary())
			}
			if !strings.HasSuffix(dns.Server, ":53") || dns.Name != "up.test" || own.Host != "up.test" {
				t.Errorf("%v: server %q, names %q and %q", err, dns.Server, dns.Name, own.Host)
			}
		}
	})
}

// TestStale: an hour without DNS is bridged, with no wait but a short one at each refresh.
func TestStale(t *testing.T) {
	for name, trouble := range map[string]dnsAnswer{"sick": fails(sick), "silent": silent} {
		t.Run(name, func(t *testing.T) {
			dnsBubble(t, func(t *testing.T) {
				n := &names{answers: both}
				r := n.resolver("a:53")
				lookUp(t, r)
				n.set(trouble)
				began := time.Now()
				for time.Since(began) < 59*time.Minute {
					time.Sleep(7 * time.Second)
					if got, took, err := lookUp(t, r); got != "[192.0.2.1 2001:db8::1]" || took > 250*time.Millisecond {
						t.Fatalf("after %v: %s, %v, after %v", time.Since(began), got, err, took)
					}
				}
				time.Sleep(2 * time.Minute)
				if got, _, err := lookUp(t, r); err == nil {
					t.Errorf("after an hour: %s", got)
				}
				n.set(both)
				time.Sleep(10 * time.Second)
				if _, _, err := lookUp(t, r); err != nil {
					t.Errorf("DNS is back: %v", err)
				}
			})
		})
	}
}

// TestStaleFamily: a family in trouble keeps its addresses while the other gets new ones; absence takes them away.
func TestStaleFamily(t *testing.T) {
	dnsBubble(t, func(t *testing.T) {
		n := &names{answers: both}
		r := n.resolver("a:53")
		lookUp(t, r)
		for _, step := range []struct {
			six  error
			want string
		}{{sick, "[192.0.2.2 2001:db8::1]"}, {gone, "[192.0.2.2]"}} {
			n.set(func(_ context.Context, _, network, _ string) ([]netip.Addr, error) {
				if network == "ip4" {
					return []netip.Addr{v4b}, nil
				}
				return nil, step.six
			})
			time.Sleep(time.Minute)
			if got, _, err := lookUp(t, r); got != step.want {
				t.Errorf("%v: got %s, %v, want %s", step.six, got, err, step.want)
			}
		}
		n.set(fails(gone))
		time.Sleep(time.Minute)
		if got, _, err := lookUp(t, r); err == nil {
			t.Errorf("the host is gone, and is %s", got)
		}
	})
}

// TestLateFamily: an AAAA that comes after the A was given out is known to the next who asks.
func TestLateFamily(t *testing.T) {
	dnsBubble(t, func(t *testing.T) {
		n := &names{answers: func(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
			if network == "ip6" {
				time.Sleep(time.Second)
			}
			return both(ctx, server, network, host)
		}}
		r := n.resolver("a:53")
		if got, _, _ := lookUp(t, r); got != "[192.0.2.1]" {
			t.Errorf("at first: %s", got)
		}
		time.Sleep(time.Second)
		if got, _, _ := lookUp(t, r); got != "[192.0.2.1 2001:db8::1]" {
			t.Errorf("later: %s", got)
		}
	})
}

// TestLookupIsNobodys: who gives up does not end the look-up of the others.
func TestLookupIsNobodys(t *testing.T) {
	dnsBubble(t, func(t *testing.T) {
		n := &names{answers: func(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
			time.Sleep(time.Second)
			return both(ctx, server, network, host)
		}}
		r := n.resolver("a:53")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := r.Lookup(ctx, "up.test"); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "up.test: ") {
			t.Errorf("gave up with %v", err)
		}
		if _, took, err := lookUp(t, r); err != nil || took >= time.Second {
			t.Errorf("took %v, %v", took, err)
		}
		if q := n.questions(); len(q) != 2 {
			t.Errorf("asked %q", q)
		}
	})
}

func TestAddressesAreNotLookedUp(t *testing.T) {
	n := &names{}
	for _, name := range []string{"192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"} {
		if got, err := n.resolver("a:53").Lookup(t.Context(), name); err != nil || len(got) != 1 || got[0].Is4In6() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestHostsAreBounded: hosts that nobody asks for any more leave the cache.
func TestHostsAreBounded(t *testing.T) {
	dnsBubble(t, func(t *testing.T) {
		n := &names{answers: both}
		r := n.resolver("a:53")
		lookUp(t, r)
		for i := range 5000 {
			if _, err := r.Lookup(t.Context(), fmt.Sprintf("h%d.test", i)); err != nil {
				t.Fatal(err)
			}
		}
		n.questions()
		lookUp(t, r)
		synctest.Wait()
		if q := n.questions(); len(q) != 2 {
			t.Errorf("asked %q", q)
		}
	})
}
