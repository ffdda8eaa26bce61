package doctor

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// A pair is two faults at once. Both must be found, and the one to fix first is the verdict.
type pair struct {
	name          string
	inject        func(w *world)
	first, second Code
}

// entries sets GOPROXY to a list in which the go command goes on after any failure.
func (w *world) entries(a, b string) { w.env["GOPROXY"] = a + "|" + b }

// other is a second module proxy, in which every request fails so.
func (w *world) other(f proxytest.Fault) string {
	up := proxytest.New(w)
	up.Fail("*", f)
	return up.URL
}

func expired(w *world) string {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	leaf := w.ca.leaf(w, leafOptions{names: []string{"backup.example.com"}, from: time.Now().Add(-48 * time.Hour), until: time.Now().Add(-24 * time.Hour)})
	c.Certificates = []tls.Certificate{leaf}
	return "https://backup.example.com:" + port(w.front(w.up.URL, c))
}

var pairs = []pair{
	{"an expired certificate, and nothing listens", func(w *world) { w.entries("http://"+closedPort(w.T).String(), expired(w)) }, "MH1701", "MH1801"},
	{"a wrong key, and nothing listens", func(w *world) {
		w.env["GOSUMDB"], w.env["GOPROXY"] = "sum.example.com+1234+abc", "http://"+closedPort(w.T).String()
	}, "MH1006", "MH1801"},
	{"a module cache that cannot be written, and 500", func(w *world) {
		write(w, filepath.Join(w.o.Dir, "file"), "")
		w.env["GOMODCACHE"] = filepath.Join(w.o.Dir, "file", "mod")
		w.up.Fail("*", proxytest.Status(500, ""))
	}, "MH1102", "MH1901"},
	{"NXDOMAIN, and a front without its server", func(w *world) {
		w.entries("https://prxy.example.com", w.other(proxytest.Status(502, "").And(proxytest.Header("Server", "nginx"))))
	}, "MH1201", "MH1905"},
	{"407, and a wrong key", func(w *world) {
		w.throughProxy(connectStatus("407 Proxy Authentication Required"))
		w.env["GOSUMDB"] = "gosum.io+ce6e7565+AY5qEHUk/qmHc5btzW45JVoENfazw8LielDsaI+lEbq6"
	}, "MH1007", "MH1604"},
	{"an unknown authority, and 401", func(w *world) {
		w.o.Roots = newAuthority(w, "another").pool()
		w.entries(w.url("proxy.example.com"), w.other(proxytest.Status(401, "")))
	}, "MH1705", "MH2301"},
	{"429, and a port forwarder without a backend", func(w *world) {
		w.entries(w.other(proxytest.Status(429, "")), "http://"+w.accept(func(net.Conn) {}))
	}, "MH1501", "MH1903"},
	{"AAAA is not answered, and 500", func(w *world) {
		w.dns.change(func(q dnsmessage.Question, m *dnsmessage.Message, _ bool) []byte {
			if q.Type == dnsmessage.TypeAAAA {
				return nil
			}
			return pack(m)
		})
		w.up.Fail("*", proxytest.Status(500, ""))
	}, "MH1901", "MH1211"},
	{"a stuck server, and a page", func(w *world) {
		w.entries("https://"+w.accept(swallow), w.other(proxytest.HTML()))
	}, "MH1904", "MH2002"},
	{"an old vendor directory, and 403", func(w *world) {
		write(w, filepath.Join(w.o.Dir, "go.mod"), "module m\n\ngo 1.25\n\nrequire example.com/plain v1.2.0\n")
		write(w, filepath.Join(w.o.Dir, "vendor", "modules.txt"), "# example.com/plain v1.1.0\n")
		w.up.Fail("*", proxytest.Status(403, ""))
	}, "MH1005", "MH2303"},
	{"a damaged zip, and 500 for the checksum database", func(w *world) {
		w.up.Fail(theZip, proxytest.Truncate(200))
		w.up.Fail("sumdb/*", proxytest.Status(500, ""))
	}, "MH2003", "MH2102"},
}

func TestPairs(t *testing.T) {
	atOnce(len(pairs), func(i int) {
		p := pairs[i]
		t.Run(p.name, func(t *testing.T) {
			w := newWorld(t)
			p.inject(w)
			r := w.examine()
			if r.Verdict.Code != p.first {
				t.Errorf("first to fix is %s, want %s", r.Verdict.Code, p.first)
			}
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == p.second }) {
				t.Errorf("%s is not found", p.second)
			}
			if t.Failed() {
				show(t, r)
			}
		})
	})
}
