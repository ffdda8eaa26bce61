package doctor

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/http2"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// A fault is one thing that is wrong, alone, and what the doctor must say of it.
type fault struct {
	name   string
	inject func(w *world)
	class  Class  // of the verdict
	code   Code   // of the verdict; of a finding that must be there where the verdict is Degraded
	fix    string // that must be in the title or command of a fix
}

// wellFaults are none: all is well, in different ways.
var wellFaults = []fault{
	{"a module and version", func(*world) {}, OK, Well, ""},
	{"no module", func(w *world) { w.o.Module, w.o.Version = "", "" }, OK, Well, ""},
	{"a module without a version", func(w *world) { w.o.Version = "" }, OK, Well, ""},
	{"a branch", func(w *world) { w.o.Module, w.o.Version = "example.com/plain", "latest" }, OK, Well, ""},
	{"plain HTTP", func(w *world) { w.env["GOPROXY"] = w.up.URL }, OK, Well, ""},
	{"two entries", func(w *world) {
		w.env["GOPROXY"] = w.url("proxy.example.com") + "|" + w.url("backup.example.com") + ",direct"
	}, OK, Well, ""},
	{"the checksum database off", func(w *world) { w.env["GOSUMDB"] = "off" }, OK, Well, ""},
	{"the checksum database at an address", func(w *world) { w.env["GOSUMDB"] = w.sum.Spec() }, OK, Well, ""},
	{"no checksum database for it", func(w *world) {
		w.env["GONOSUMDB"] = "example.com"
		w.up.Fail("sumdb/*", proxytest.Status(500, ""))
	}, OK, Well, ""},
	{"through an HTTP proxy", func(w *world) { w.throughProxy(connectOK) }, OK, Well, ""},
	{"through SOCKS", func(w *world) { w.throughSOCKS(socksAs(0, 0)) }, OK, Well, ""},
	{"through SOCKS, plain", func(w *world) {
		w.https = strings.TrimPrefix(w.up.URL, "http://") // where the proxy leads
		w.throughSOCKS(socksAs(0, 0))
		w.env["HTTP_PROXY"], w.env["GOPROXY"] = w.env["HTTPS_PROXY"], "http://http.example.com"
	}, OK, Well, ""},
	{"HTTP/1 only", func(w *world) {
		w.tls.NextProtos = []string{"http/1.1"}
		w.https = w.front(w.up.URL, w.tls)
		w.env["GOPROXY"] = w.url("proxy.example.com")
	}, OK, Well, ""},
	{"a version whose zip is answered by a redirect", func(w *world) {
		up := proxytest.New(w, proxytest.WithSumDB(w.sum), proxytest.RedirectZips())
		w.env["GOPROXY"] = up.URL
	}, OK, Well, ""},
	{"an answer that is too long for UDP", func(w *world) {
		w.dns.change(func(_ dnsmessage.Question, m *dnsmessage.Message, tcp bool) []byte {
			if m.Truncated = !tcp; m.Truncated {
				m.Answers = nil
			}
			return pack(m)
		})
	}, OK, Well, ""},
	{"a server that takes a second", func(w *world) { w.up.Fail("*", proxytest.Delay(900*time.Millisecond)) }, OK, Well, ""},
}

// loopbackFaults are those that need no other network than loopback.
var loopbackFaults = slices.Concat(settingFaults, nameFaults, connectFaults, certificateFaults, answerFaults, fileFaults, sumFaultsLab, proxyFaults, listFaults)

var settingFaults = []fault{
	{"GOPROXY=off", func(w *world) { w.env["GOPROXY"] = "off" }, Config, "MH1001", "go env -u GOPROXY"},
	{"a wrong scheme", func(w *world) { w.env["GOPROXY"] = "htps://proxy.example.com" }, Config, "MH1002", "GOPROXY"},
	{"a wrong key", func(w *world) { w.env["GOSUMDB"] = "sum.example.com+1234+abc" }, Config, "MH1006", "go env -u GOSUMDB"},
	{"the key of gosum.io", func(w *world) { w.env["GOSUMDB"] = "gosum.io+ce6e7565+AY5qEHUk/qmHc5btzW45JVoENfazw8LielDsaI+lEbq6" }, Config, "MH1007", "go env -u GOSUMDB"},
	{"no vendor directory", func(w *world) {
		write(w, filepath.Join(w.o.Dir, "go.mod"), "module m\n\ngo 1.25\n")
		w.env["GOFLAGS"] = "-mod=vendor"
	}, Config, "MH1005", "go mod vendor"},
	{"an old vendor directory", func(w *world) {
		write(w, filepath.Join(w.o.Dir, "go.mod"), "module m\n\ngo 1.25\n\nrequire example.com/plain v1.2.0\n")
		write(w, filepath.Join(w.o.Dir, "vendor", "modules.txt"), "# example.com/plain v1.1.0\n## explicit\nexample.com/plain\n")
	}, Config, "MH1005", "go mod vendor"},
	{"an HTTP proxy that is no address", func(w *world) { w.env["HTTPS_PROXY"] = "http://[:" }, Config, "MH1009", "export HTTPS_PROXY"},
	{"http:// to a TLS port", func(w *world) { w.env["GOPROXY"] = "http://127.0.0.1:" + port(w.https) }, Config, "MH1011", "https://"},
	{"a private module that is not called so", func(w *world) { w.up.Fail("sumdb/*/lookup/*", proxytest.Status(404, "not found")) }, Config, "MH1012", "GOPRIVATE=example.com/plain"},
	{"a proxy that is gone", func(w *world) {
		w.env["GOPROXY"] = w.url("proxy.example.com") + ",https://gocenter.io"
	}, Degraded, "MH1008", "GOPROXY"},
	{"a directory that is not there", func(w *world) { w.env["GOPROXY"] = "file:///nowhere," + w.url("proxy.example.com") }, Degraded, "MH1015", "directory"},
	{"a module cache that cannot be written", func(w *world) {
		write(w, filepath.Join(w.o.Dir, "file"), "")
		w.env["GOMODCACHE"] = filepath.Join(w.o.Dir, "file", "mod")
	}, Local, "MH1102", "go env -w GOMODCACHE"},
	{"no authorities", func(w *world) { w.o.Roots = x509.NewCertPool() }, Local, "MH1104", "ca-certificates"},
	{"a clock that is behind", func(w *world) { w.o.Now = func() time.Time { return time.Now().Add(-72 * time.Hour) } }, Local, "MH1106", "set-ntp"},
	{"a clock that is ahead", func(w *world) { w.o.Now = func() time.Time { return time.Now().Add(400 * 24 * time.Hour) } }, Local, "MH1106", "set-ntp"},
	{"netrc has another port", func(w *world) {
		write(w, filepath.Join(w.o.Dir, ".netrc"), "machine proxy.example.com login u password "+secret+"\n")
		w.up.Fail("*", proxytest.Status(401, "who are you?"))
	}, Config, "MH1017", "machine proxy.example.com"},
}

// rcode answers every question with it.
func rcode(c dnsmessage.RCode) func(w *world) {
	return func(w *world) {
		w.dns.change(func(_ dnsmessage.Question, m *dnsmessage.Message, _ bool) []byte {
			m.RCode, m.Answers = c, nil
			return pack(m)
		})
	}
}

var nameFaults = []fault{
	{"NXDOMAIN", func(w *world) { w.env["GOPROXY"] = "https://prxy.example.com" }, DNS, "MH1201", "spelling"},
	{"no address", rcode(dnsmessage.RCodeSuccess), DNS, "MH1202", "record"},
	{"SERVFAIL", rcode(dnsmessage.RCodeServerFailure), DNS, "MH1203", "dig @127.0.0.1"},
	{"REFUSED", rcode(dnsmessage.RCodeRefused), DNS, "MH1204", "resolv.conf"},
	{"NOTIMP", rcode(dnsmessage.RCodeNotImplemented), DNS, "MH1204", "resolv.conf"},
	{"a silent DNS server", func(w *world) {
		w.dns.change(func(dnsmessage.Question, *dnsmessage.Message, bool) []byte { return nil })
	}, DNS, "MH1205", "resolv.conf"},
	{"no DNS server", func(w *world) { w.o.Resolvers = []netip.AddrPort{closedPort(w.T)} }, DNS, "MH1206", "resolv.conf"},
	{"no DNS servers are known, and Go finds nothing", func(w *world) { w.o.Resolvers = []netip.AddrPort{} }, DNS, "MH1205", "resolv.conf"},
	{"UDP gets lost", func(w *world) {
		w.dns.change(func(_ dnsmessage.Question, m *dnsmessage.Message, tcp bool) []byte {
			if tcp {
				return pack(m)
			}
			return nil
		})
	}, DNS, "MH1207", "UDP"},
	{"a long answer and no TCP", func(w *world) {
		w.dns.change(func(_ dnsmessage.Question, m *dnsmessage.Message, tcp bool) []byte {
			if tcp {
				return nil
			}
			m.Truncated, m.Answers = true, nil
			return pack(m)
		})
	}, DNS, "MH1208", "TCP"},
	{"a wrong id", func(w *world) {
		w.dns.change(func(_ dnsmessage.Question, m *dnsmessage.Message, _ bool) []byte {
			m.ID++
			return pack(m)
		})
	}, DNS, "MH1213", "dig @127.0.0.1"},
	{"garbage", func(w *world) {
		w.dns.change(func(dnsmessage.Question, *dnsmessage.Message, bool) []byte { return []byte("<html>") })
	}, DNS, "MH1213", "dig @127.0.0.1"},
	{"a sinkhole", func(w *world) {
		w.dns.all(netip.MustParseAddr("0.0.0.0"), "proxy.example.com")
		w.env["GOPROXY"] = fmt.Sprintf("https://proxy.example.com:%d", closedPort(w.T).Port())
	}, DNS, "MH1209", "filter"},
	{"AAAA is not answered", func(w *world) {
		w.dns.change(func(q dnsmessage.Question, m *dnsmessage.Message, _ bool) []byte {
			if q.Type == dnsmessage.TypeAAAA {
				return nil
			}
			return pack(m)
		})
	}, Degraded, "MH1211", "AAAA"},
	{"a slow DNS server", func(w *world) {
		w.dns.change(func(_ dnsmessage.Question, m *dnsmessage.Message, _ bool) []byte {
			time.Sleep(950 * time.Millisecond)
			return pack(m)
		})
	}, Degraded, "MH1212", "DNS server"},
	{"one of two DNS servers is dead", func(w *world) { w.o.Resolvers = append(w.o.Resolvers, closedPort(w.T)) }, Degraded, "MH1215", "resolv.conf"},
	{"two DNS servers disagree", func(w *world) {
		other := newNameServer(w.T)
		other.all(netip.MustParseAddr("192.0.2.80"), "proxy.example.com")
		w.o.Resolvers = append(w.o.Resolvers, other.addr)
	}, Degraded, "MH1210", "resolv.conf"},
}

var connectFaults = []fault{
	{"nothing listens", func(w *world) { w.env["GOPROXY"] = "https://" + closedPort(w.T).String() }, OriginDown, "MH1801", "ss -ltnp"},
	{"nothing listens, plain", func(w *world) { w.env["GOPROXY"] = "http://" + closedPort(w.T).String() }, OriginDown, "MH1801", "ss -ltnp"},
	{"a port forwarder without a backend", func(w *world) {
		w.env["GOPROXY"] = "https://" + w.accept(func(net.Conn) {})
	}, PortMapping, "MH1501", "docker ps"},
	{"a port forwarder without a backend, plain", func(w *world) {
		w.env["GOPROXY"] = "http://" + w.accept(func(net.Conn) {})
	}, PortMapping, "MH1501", "docker ps"},
	{"a port forwarder that resets", func(w *world) {
		w.env["GOPROXY"] = "https://" + w.accept(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
	}, PortMapping, "MH1501", "docker ps"},
	{"another protocol", func(w *world) {
		w.env["GOPROXY"] = "https://" + w.accept(func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n")
			swallow(c)
		})
	}, PortMapping, "MH1505", "ss -ltnp"},
	{"plain HTTP on the TLS port", func(w *world) { w.env["GOPROXY"] = strings.Replace(w.up.URL, "http:", "https:", 1) }, PortMapping, "MH1503", "http://"},
}

// secure serves TLS with a configuration of its own.
func secure(change func(w *world, c *tls.Config)) func(w *world) {
	return func(w *world) {
		c := &tls.Config{MinVersion: tls.VersionTLS12}
		change(w, c)
		w.https = w.front(w.up.URL, c)
		w.env["GOPROXY"] = w.url("proxy.example.com")
	}
}

// signed serves a certificate of the test's authority.
func signed(o leafOptions) func(w *world) {
	if o.names == nil {
		o.names = []string{"proxy.example.com"}
	}
	return secure(func(w *world, c *tls.Config) { c.Certificates = []tls.Certificate{w.ca.leaf(w, o)} })
}

// afterHello reads the first message of TLS, and hands the connection on.
func afterHello(f func(c net.Conn)) func(w *world) {
	return func(w *world) {
		w.env["GOPROXY"] = "https://" + w.accept(func(c net.Conn) {
			head := make([]byte, 5)
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, c, int64(head[3])<<8|int64(head[4]))
			f(c)
		})
	}
}

var certificateFaults = []fault{
	{"an expired certificate", signed(leafOptions{from: time.Now().Add(-48 * time.Hour), until: time.Now().Add(-24 * time.Hour)}), TLS, "MH1701", "renew"},
	{"a certificate of the future", signed(leafOptions{from: time.Now().Add(24 * time.Hour), until: time.Now().Add(48 * time.Hour)}), TLS, "MH1702", "valid now"},
	{"a certificate for another name", signed(leafOptions{names: []string{"other.example.com"}}), TLS, "MH1703", "proxy.example.com"},
	{"an unknown authority", secure(func(w *world, c *tls.Config) {
		c.Certificates = []tls.Certificate{newAuthority(w, "Corp Root CA").leaf(w, leafOptions{names: []string{"proxy.example.com"}})}
	}), TLS, "MH1705", "update-ca-certificates"},
	{"a self-signed certificate", secure(func(w *world, c *tls.Config) {
		self := newAuthority(w, "proxy.example.com", "proxy.example.com")
		c.Certificates = []tls.Certificate{{Certificate: [][]byte{self.cert.Raw}, PrivateKey: self.key}}
	}), TLS, "MH1704", "SSL_CERT_FILE"},
	{"a missing intermediate certificate", secure(func(w *world, c *tls.Config) {
		between := w.ca.between(w, "Between CA")
		at := w.serve(nil, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(between.cert.Raw) }))
		c.Certificates = []tls.Certificate{between.leaf(w, leafOptions{names: []string{"proxy.example.com"}, issuerURL: "http://" + at + "/ca.der"})}
	}), TLS, "MH1706", "whole chain"},
	{"an inspection device of a known maker", secure(func(w *world, c *tls.Config) {
		c.Certificates = []tls.Certificate{newAuthority(w, "Fortinet Untrusted CA").leaf(w, leafOptions{names: []string{"proxy.example.com"}})}
	}), TLS, "MH1707", "inspection"},
	{"one unknown authority for two hosts", func(w *world) {
		w.dns.all(netip.MustParseAddr("127.0.0.1"), "proxy.other.test")
		ca := newAuthority(w, "Some Box")
		c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.leaf(w, leafOptions{names: []string{"proxy.example.com", "proxy.other.test"}})}}
		w.https = w.front(w.up.URL, c)
		w.env["GOPROXY"] = w.url("proxy.example.com") + "|" + w.url("proxy.other.test")
	}, TLS, "MH1707", "inspection"},
	{"TLS 1.1 only", secure(func(w *world, c *tls.Config) {
		c.Certificates = []tls.Certificate{w.ca.leaf(w, leafOptions{names: []string{"proxy.example.com"}})}
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	}), TLS, "MH1708", "TLS 1.2"},
	{"no certificate for the name", secure(func(w *world, c *tls.Config) {
		c.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil } //nolint:nilnil // that is the fault
	}), TLS, "MH1710", "set up proxy.example.com"},
	{"a client certificate is wanted", secure(func(w *world, c *tls.Config) {
		c.Certificates = []tls.Certificate{w.ca.leaf(w, leafOptions{names: []string{"proxy.example.com"}})}
		c.ClientAuth = tls.RequireAnyClientCert
	}), TLS, "MH1711", "client"},
	{"a server that says nothing after the first message", afterHello(swallow), OriginSick, "MH1904", "restart"},
	{"a server that hangs up after the first message", afterHello(func(net.Conn) {}), TLS, "MH1712", "log"},
	{"a server that resets after the first message", afterHello(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), TLS, "MH1712", "log"},
}

// fails gives a fault to all requests, or to those that match.
func fails(f proxytest.Fault, pattern ...string) func(w *world) {
	return func(w *world) {
		if len(pattern) == 0 {
			pattern = []string{"*"}
		}
		for _, p := range pattern {
			w.up.Fail(p, f)
		}
	}
}

// plainly asks over plain HTTP, where a test's server can break connections as it likes.
func plainly(f func(w *world)) func(w *world) {
	return func(w *world) {
		w.env["GOPROXY"] = w.up.URL
		f(w)
	}
}

var answerFaults = []fault{
	{"401 without a credential", func(w *world) {
		write(w, filepath.Join(w.o.Dir, ".netrc"), "")
		w.up.Fail("*", proxytest.Status(401, ""))
	}, Auth, "MH2301", "machine proxy.example.com"},
	{"401 with one of netrc", fails(proxytest.Status(401, "")), Auth, "MH2302", ".netrc"},
	{"401 with one of GOPROXY", func(w *world) {
		w.env["GOPROXY"] = strings.Replace(w.env["GOPROXY"], "//", "//user:"+secret+"@", 1)
		w.up.Fail("*", proxytest.Status(401, ""))
	}, Auth, "MH2302", "GOPROXY"},
	{"403", fails(proxytest.Status(403, "by policy 7")), Auth, "MH2303", "allow"},
	{"429", fails(proxytest.Status(429, "").And(proxytest.Header("Retry-After", "60"))), OriginSick, "MH1903", "-p=1"},
	{"500", fails(proxytest.Status(500, "")), OriginSick, "MH1901", "log"},
	{"503", fails(proxytest.Status(503, "busy")), OriginSick, "MH1901", "log"},
	{"502 of a front", fails(proxytest.Status(502, "").And(proxytest.Header("Server", "nginx/1.29"))), OriginSick, "MH1905", "nginx/1.29"},
	{"522 of an edge that hides its name", fails(proxytest.Status(522, "").And(proxytest.Header("Cf-Ray", "8f-FRA"))), OriginSick, "MH1905", "Cloudflare"},
	{"504 of a front", fails(proxytest.Status(504, "").And(proxytest.Header("Via", "1.1 edge"))), OriginSick, "MH1905", "edge"},
	{"no answer to a request", fails(proxytest.Hang(-1)), OriginSick, "MH1902", "does not answer"},
	{"no answer to a request, plain", plainly(fails(proxytest.Hang(-1))), OriginSick, "MH1902", "does not answer"},
	{"it hangs up on a request", plainly(fails(proxytest.Close(-1))), OriginSick, "MH1910", "log"},
	{"it resets on a request", plainly(fails(proxytest.Reset(-1))), OriginSick, "MH1910", "log"},
	{"a redirect in a circle", fails(proxytest.RedirectLoop()), OriginSick, "MH1907", "curl -sIL"},
	{"a redirect to http", fails(proxytest.Instead(http.RedirectHandler("http://http.example.com/x", http.StatusFound))), OriginSick, "MH1908", "https"},
	{"a login page by redirect", func(w *world) {
		portal := w.serve(nil, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "<html>Please log in</html>") }))
		w.up.Fail("*", proxytest.Instead(http.RedirectHandler("http://corp.example.com:"+port(portal)+"/login", http.StatusFound)))
		w.env["GOPROXY"] = w.up.URL
	}, Content, "MH2001", "corp.example.com"},
	{"a page in place of every file", fails(proxytest.HTML()), Content, "MH2002", "browser"},
	{"418", fails(proxytest.Status(418, "")), Content, "MH2004", "proxy at"},
	{"HTTP/2 streams are reset", func(w *world) {
		w.https = w.serve(w.tls, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor == 2 {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(rw, "v1.2.0\n")
		}))
		w.env["GOPROXY"] = w.url("proxy.example.com")
	}, OriginSick, "MH1906", "http2client=0"},
	{"HTTP/2 GOAWAY in place of an answer", func(w *world) { w.goAway() }, OriginSick, "MH1906", "http2client=0"},
	{"no such module", func(w *world) { w.o.Module, w.o.Version = "example.com/nothing", "v1.0.0" }, NotFound, "MH2201", "path"},
	{"no such version", func(w *world) { w.o.Version = "v1.0.9" }, NotFound, "MH2202", "v1.2.0"},
	{"no such branch", func(w *world) { w.o.Version = "nobranch" }, NotFound, "MH2202", "go list -m -versions"},
}

const (
	theInfo = "example.com/plain/@v/v1.2.0.info"
	theMod  = "example.com/plain/@v/v1.2.0.mod"
	theZip  = "example.com/plain/@v/v1.2.0.zip"
)

var fileFaults = []fault{
	{"a zip that is cut short", plainly(fails(proxytest.Close(100), theZip)), OriginSick, "MH1912", "log"},
	{"a zip that is reset", plainly(fails(proxytest.Reset(100), theZip)), OriginSick, "MH1912", "log"},
	{"a zip that stops coming", plainly(fails(proxytest.Hang(100), theZip)), OriginSick, "MH1911", "stops"},
	{"half a zip, as if it were whole", fails(proxytest.Truncate(200), theZip), Content, "MH2003", "remove"},
	{"a damaged zip", fails(proxytest.Flip(64), theZip), Content, "MH2005", "remove"},
	{"a page in place of the zip", fails(proxytest.HTML(), theZip), Content, "MH2002", "browser"},
	{"a page in place of the .info", fails(proxytest.HTML(), theInfo), Content, "MH2002", "browser"},
	{"an empty .mod", fails(proxytest.Truncate(0), theMod), Content, "MH2006", "proxy"},
	{"an .info of another version", fails(proxytest.Instead(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"Version":"v1.1.0"}`) })), theInfo), Content, "MH2004", "proxy"},
	{"a list of nonsense", fails(proxytest.Instead(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "not\nversions\n") })), "example.com/plain/@v/list"), Content, "MH2004", "proxy"},
	{"what is no gzip and says so", fails(proxytest.Header("Content-Encoding", "gzip"), theInfo), Content, "MH2007", "compressed"},
	{"a slow zip", func(w *world) {
		w.env["GOPROXY"] = w.up.URL
		w.up.Fail(theZip, proxytest.Slow(100))
	}, Degraded, "MH1909", "modhaven serve"},
	{"500 for the zip alone", fails(proxytest.Status(500, ""), theZip), OriginSick, "MH1901", "log"},
}

var sumFaultsLab = []fault{
	{"500 for the checksum database", fails(proxytest.Status(500, ""), "sumdb/*"), Checksum, "MH2102", "404"},
	{"403 for the checksum database", fails(proxytest.Status(403, ""), "sumdb/*"), Checksum, "MH2102", "404"},
	{"a page in place of the checksum database", fails(proxytest.HTML(), "sumdb/*/latest"), Checksum, "MH2106", "answers at"},
	{"another key", func(w *world) {
		other := proxytest.NewSumDB(w, "sum.example.com/two")
		w.up.Fail("sumdb/sum.example.com/latest", proxytest.Instead(passTo(other.URL+"/latest")))
	}, Checksum, "MH2103", "go env GOSUMDB"},
	{"a .mod that is not what is recorded", fails(proxytest.Instead(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "module example.com/evil\n") })), theMod), Checksum, "MH2104", "remove"},
	{"a go.sum that is not what is recorded", func(w *world) {
		write(w, filepath.Join(w.o.Dir, "go.mod"), "module m\n\ngo 1.25\n\nrequire example.com/plain v1.2.0\n")
		write(w, filepath.Join(w.o.Dir, "go.sum"), "example.com/plain v1.2.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
	}, Checksum, "MH2105", "git log -S"},
	{"no copy, and the database cannot be reached", fails(proxytest.Status(404, ""), "sumdb/*"), Checksum, "MH2101", "sum.golang.google.cn"},
	{"the address in GOSUMDB is dead", func(w *world) {
		w.env["GOSUMDB"] = w.sum.Key + " http://" + closedPort(w.T).String()
	}, Checksum, "MH2101", "module proxy"},
}

var proxyFaults = []fault{
	{"407", func(w *world) {
		w.throughProxy(connectStatus("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=corp"))
	}, HTTPProxy, "MH1604", "USER:PASSWORD"},
	{"403 of the HTTP proxy", func(w *world) { w.throughProxy(connectStatus("403 Forbidden")) }, HTTPProxy, "MH1605", "allow"},
	{"502 of the HTTP proxy", func(w *world) { w.throughProxy(connectStatus("502 Bad Gateway")) }, HTTPProxy, "MH1606", "cannot reach"},
	{"503 of the HTTP proxy", func(w *world) { w.throughProxy(connectStatus("503 Service Unavailable")) }, HTTPProxy, "MH1606", "cannot reach"},
	{"an HTTP proxy that closes", func(w *world) { w.throughProxy(func(*world, net.Conn) {}) }, HTTPProxy, "MH1607", "HTTPS_PROXY"},
	{"an HTTP proxy that is silent", func(w *world) { w.throughProxy(func(_ *world, c net.Conn) { swallow(c) }) }, HTTPProxy, "MH1603", "HTTPS_PROXY"},
	{"an HTTP proxy that is not there", func(w *world) {
		w.env["HTTPS_PROXY"] = "http://user:" + secret + "@" + closedPort(w.T).String()
	}, HTTPProxy, "MH1602", "HTTPS_PROXY"},
	{"an HTTP proxy without an address", func(w *world) { w.env["HTTPS_PROXY"] = "http://nowhere.example.com:3128" }, HTTPProxy, "MH1601", "HTTPS_PROXY"},
	{"SOCKS refuses the password", func(w *world) { w.throughSOCKS(socksAs(0, 1)) }, HTTPProxy, "MH1604", "USER:PASSWORD"},
	{"SOCKS refuses by a rule", func(w *world) { w.throughSOCKS(socksAs(2, 0)) }, HTTPProxy, "MH1605", "allow"},
	{"SOCKS cannot reach the server", func(w *world) { w.throughSOCKS(socksAs(4, 0)) }, HTTPProxy, "MH1606", "cannot reach"},
	{"SOCKS for a plain address", func(w *world) {
		w.throughSOCKS(socksAs(5, 0))
		w.env["HTTP_PROXY"], w.env["GOPROXY"] = w.env["HTTPS_PROXY"], "http://http.example.com"
	}, HTTPProxy, "MH1606", "cannot reach"},
	{"an HTTP proxy that is named as SOCKS", func(w *world) {
		w.throughSOCKS(func(_ *world, c net.Conn) { connectStatus("400 Bad Request")(w, c) }) // it waits for the end of a line
	}, HTTPProxy, "MH1603", "correct HTTPS_PROXY"},
	{"another protocol in place of SOCKS", func(w *world) {
		w.throughSOCKS(func(_ *world, c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	}, HTTPProxy, "MH1607", "scheme"},
	{"SOCKS that is not there", func(w *world) { w.env["HTTPS_PROXY"] = "socks5://" + closedPort(w.T).String() }, HTTPProxy, "MH1602", "HTTPS_PROXY"},
	{"407 to a plain request", func(w *world) {
		at := w.serve(nil, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(407) }))
		w.env["HTTP_PROXY"], w.env["GOPROXY"] = "http://"+at, "http://http.example.com"
	}, HTTPProxy, "MH1604", "HTTP_PROXY"},
}

var listFaults = []fault{
	{"a comma after one that fails", func(w *world) {
		w.env["GOPROXY"] = "http://" + closedPort(w.T).String() + "," + w.url("proxy.example.com")
	}, OriginDown, "MH1801", "|"},
	{"one that fails, and one that stands in", func(w *world) {
		w.env["GOPROXY"] = "http://" + closedPort(w.T).String() + "|" + w.url("proxy.example.com")
	}, Degraded, "MH1801", "start the server"},
	{"one that fails, and one without a copy of the checksum database", func(w *world) {
		w.up.Fail("sumdb/*", proxytest.Status(404, ""))
		w.env["GOPROXY"] = "http://" + closedPort(w.T).String() + "|" + w.url("proxy.example.com")
	}, Config, "MH1004", "direct"},
	{"the second of two fails", func(w *world) {
		w.env["GOPROXY"] = w.url("proxy.example.com") + "|http://" + closedPort(w.T).String()
	}, Degraded, "MH1801", "start the server"},
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// closedPort is one that nothing listens on.
func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// passTo answers with what another address has.
func passTo(addr string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, addr, nil)
		if err != nil {
			panic(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}
}

// throughProxy has requests go through an HTTP proxy that wants a password, and does f with each connection.
func (w *world) throughProxy(f func(w *world, c net.Conn)) {
	at := w.accept(func(c net.Conn) { f(w, c) })
	w.env["HTTPS_PROXY"] = "http://user:" + secret + "@" + at
}

// connectOK connects to the TLS server, whatever host is asked for.
func connectOK(w *world, c net.Conn) {
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil || req.Method != http.MethodConnect {
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	w.join(c, r)
}

// join passes on what comes on c to the TLS server, and what it answers.
func (w *world) join(c net.Conn, r io.Reader) {
	var d net.Dialer
	to, err := d.DialContext(w.Context(), "tcp", w.https)
	if err != nil {
		return
	}
	defer to.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(to, r)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, to)
	c.Close()
	<-done
}

// throughSOCKS has requests go through a SOCKS proxy that wants a password, and does f with each connection.
func (w *world) throughSOCKS(f func(w *world, c net.Conn)) {
	at := w.accept(func(c net.Conn) { f(w, c) })
	w.env["HTTPS_PROXY"] = "socks5://user:" + secret + "@" + at
}

// socksAs speaks SOCKS 5: it answers to the password and to the wish for a connection with these numbers, and connects to the
// TLS server where both are 0.
func socksAs(reply, login byte) func(w *world, c net.Conn) {
	return func(w *world, c net.Conn) {
		r := bufio.NewReader(c)
		skip := func(n int) (last byte) {
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil || n == 0 {
				return 0
			}
			return b[n-1]
		}
		skip(int(skip(2)))
		_, _ = c.Write([]byte{5, 2})
		skip(int(skip(2)))
		if skip(int(skip(1))); login != 0 {
			_, _ = c.Write([]byte{1, login})
			return
		}
		_, _ = c.Write([]byte{1, 0})
		skip(int(skip(5)) + 2)
		_, _ = c.Write([]byte{5, reply, 0, 1, 127, 0, 0, 1, 1, 2})
		if reply == 0 {
			w.join(c, r)
		}
	}
}

// goAway serves HTTP/1, and ends connections of HTTP/2 with GOAWAY when a request comes.
func (w *world) goAway() {
	l := w.listen()
	s := &http.Server{Handler: w.passOn(w.up.URL), TLSConfig: w.tls.Clone(), ErrorLog: quiet(), ReadHeaderTimeout: time.Minute}
	s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": func(_ *http.Server, c *tls.Conn, _ http.Handler) {
		defer c.Close()
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		f := http2.NewFramer(c, c)
		_ = f.WriteSettings()
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			if _, ok := frame.(*http2.HeadersFrame); ok {
				_ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
				return
			}
		}
	}}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.ServeTLS(l, "", "") }()
	w.Cleanup(func() { s.Close(); <-done })
	w.https = l.Addr().String()
	w.env["GOPROXY"] = w.url("proxy.example.com")
}

// connectStatus answers CONNECT with a status line, and headers behind it.
func connectStatus(status string) func(*world, net.Conn) {
	return func(_ *world, c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
		}
	}
}

// judgeFault holds a report against what a fault must come to.
func judgeFault(t *testing.T, f fault, r *Report) {
	t.Helper()
	gather(f, r)
	if r.Verdict.Class != f.class || r.Exit != f.class.Exit() {
		t.Errorf("class %s (exit %d), want %s", r.Verdict.Class, r.Exit, f.class)
	}
	if f.class == OK {
		return
	}
	has := func(o Finding) bool { return o.Code == f.code }
	if f.class != Degraded && r.Verdict.Code != f.code || !slices.ContainsFunc(r.Findings, has) {
		t.Errorf("code %s, want %s", r.Verdict.Code, f.code)
	}
	if !slices.ContainsFunc(r.Fixes, func(x Fix) bool { return strings.Contains(x.Title.String()+"\n"+x.Command, f.fix) }) {
		t.Errorf("no fix says %q: %v", f.fix, r.Fixes)
	}
	for _, x := range r.Findings {
		if len(x.Evidence) > maxEvidence {
			t.Errorf("%s has %d lines of evidence", x.Code, len(x.Evidence))
		}
		if x.Confidence == Certain && len(x.Alternatives) > 0 {
			t.Errorf("%s is certain, and has alternatives", x.Code)
		}
	}
}

// TestLoopback injects each fault that needs no network, alone.
func TestLoopback(t *testing.T) {
	all := slices.Concat(slices.Repeat(wellFaults, *healthy), loopbackFaults)
	atOnce(len(all), func(i int) {
		f := all[i]
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(t)
			f.inject(w)
			r := w.examine()
			judgeFault(t, f, r)
			if t.Failed() {
				show(t, r)
			}
		})
	})
}

// atOnce calls f with 0 to n-1, several at once: faults are mostly waited for.
func atOnce(n int, f func(int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, 8) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
