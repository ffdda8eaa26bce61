package doctor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// A netFault is one thing that is wrong with the network, and what must be said of it. Where it
// cannot be told from something else by the client alone, or is the class that the report must
// name beside its own.
type netFault struct {
	name   string
	inject func(n *network)
	class  Class
	code   Code
	fix    string
	or     Class
}

// in runs commands, one a line: the part, and what to run there.
func commands(lines ...string) func(n *network) {
	return func(n *network) {
		for _, l := range lines {
			part, command, _ := strings.Cut(l, ": ")
			n.in(part, command)
		}
	}
}

const toProxy = "-d " + serverAddr + " -p tcp --dport 443 "

var netFaults = []netFault{
	{"all is well", func(*network) {}, OK, Well, "", ""},
	{"all is well, by address", func(n *network) { n.env["GOPROXY"] = "http://" + serverAddr + ",direct"; n.servePlain() }, OK, Well, "", ""},
	{"all is well, with IPv6", func(n *network) { n.six() }, OK, Well, "", ""},

	// The disk
	{"the disk of the module cache is full", func(n *network) { n.fullDisk("GOMODCACHE") }, Local, "MH1103", "GOMODCACHE", ""},
	{"the disk for temporary files is full", func(n *network) { n.fullDisk("GOTMPDIR") }, Local, "MH1103", "GOTMPDIR", ""},

	// Who does not take the connection?
	{"nothing listens", func(n *network) { n.https.Close() }, OriginDown, "MH1801", "ss -ltnp 'sport = :443'", Firewall},
	{"the host's firewall refuses with a reset", commands("server: iptables -A INPUT " + toProxy + "-j REJECT --reject-with tcp-reset"), OriginDown, "MH1801", "ss -ltnp", Firewall},
	{"nothing listens on any port", func(n *network) { n.env["GOPROXY"] = "https://" + dnsAddr + ":444" }, OriginDown, "MH1801", "ss -ltnp", ""},
	{"a firewall rejects", commands("router: iptables -A FORWARD " + toProxy + "-j REJECT"), Firewall, "MH1301", "on " + gatewayAddr, ""},
	{"a firewall rejects with a reset", commands("router: iptables -A FORWARD " + toProxy + "-j REJECT --reject-with tcp-reset"), Firewall, "MH1302", "firewall", ""},
	{"a firewall rejects with a reset, and all ports", commands("router: iptables -A FORWARD -d " + serverAddr + " -p tcp -j REJECT --reject-with tcp-reset"), Firewall, "MH1302", "firewall", ""},
	{"a firewall prohibits", commands("router: iptables -A FORWARD " + toProxy + "-j REJECT --reject-with icmp-admin-prohibited"), Firewall, "MH1309", "on " + gatewayAddr, ""},
	{"a firewall prohibits the host", commands("router: iptables -A FORWARD " + toProxy + "-j REJECT --reject-with icmp-host-prohibited"), Firewall, "MH1309", "on " + gatewayAddr, ""},
	{"a firewall says that there is no host", commands("router: iptables -A FORWARD " + toProxy + "-j REJECT --reject-with icmp-host-unreachable"), Firewall, "MH1301", "on " + gatewayAddr, ""},
	{"a firewall drops", commands("router: iptables -A FORWARD " + toProxy + "-j DROP"), Firewall, "MH1304", "let TCP to " + serverAddr, ""},
	{"a firewall drops answers", commands("router: iptables -A FORWARD -s " + serverAddr + " -p tcp --sport 443 -j DROP"), Firewall, "MH1304", "answers back", ""},
	{"a firewall drops all to the host", commands("router: iptables -A FORWARD -d " + serverAddr + " -j DROP"), Firewall, "MH1305", "traceroute", ""},
	{"the host's firewall drops", commands("server: iptables -A INPUT " + toProxy + "-j DROP"), Firewall, "MH1304", "let TCP to", ""},
	{"the host's firewall rejects", commands("server: iptables -A INPUT " + toProxy + "-j REJECT"), Firewall, "MH1310", "iptables -I INPUT", ""},
	{"this machine's firewall drops", commands("client: iptables -A OUTPUT " + toProxy + "-j DROP"), Firewall, "MH1306", "iptables -I OUTPUT", ""},
	{"this machine's firewall rejects", commands("client: iptables -A OUTPUT " + toProxy + "-j REJECT"), Firewall, "MH1303", "iptables -I OUTPUT", ""},
	{"the host is gone", func(n *network) { n.moveTo(nobodyAddr) }, OriginDown, "MH1803", "still the address", ""},
	{"the host is gone, and the router silent", func(n *network) {
		n.moveTo(nobodyAddr)
		n.in("router", "iptables -A OUTPUT -p icmp -j DROP")
	}, Firewall, "MH1305", "is up", OriginDown},
	{"nothing gets out", func(n *network) {
		n.env["GOPROXY"] = "https://proxy.test|https://backup.test"
		n.dns.all(netip.MustParseAddr("198.51.100.11"), "backup.test")
		n.in("router", "iptables -A FORWARD -p tcp ! --dport 53 -j DROP")
	}, Firewall, "MH1311", "HTTPS_PROXY", Path},
	{"the server takes no connections", func(n *network) { n.fullQueue() }, Firewall, "MH1304", "let TCP to", OriginSick},

	// Where does the port lead?
	{"a port is mapped to one that is closed", func(n *network) {
		n.https.Close()
		n.in("server", "iptables -t nat -A PREROUTING "+toProxy+"-j DNAT --to-destination "+boxAddr+":9999")
	}, PortMapping, "MH1502", "docker run -p 443:", ""},
	{"a port is mapped to a machine that is gone", func(n *network) {
		n.https.Close()
		n.in("server", "iptables -t nat -A PREROUTING "+toProxy+"-j DNAT --to-destination 203.0.113.99:443")
	}, PortMapping, "MH1504", "mapping of port 443", ""},
	{"a port forwarder without a backend", func(n *network) {
		n.env["GOPROXY"] = "https://proxy.test:444"
		accept(n.T, n.listenAt("server", serverAddr+":444"), func(net.Conn) {})
	}, PortMapping, "MH1501", "docker ps", ""},

	// Does it get there?
	{"no default route", commands("client: ip route del default"), Local, "MH1105", "ip route get", ""},
	{"a route into nothing", commands("client: ip route add blackhole " + serverAddr), Local, "MH1105", "ip route get " + serverAddr, ""},
	{"a route that is unreachable", commands("client: ip route add unreachable " + serverAddr), Local, "MH1105", "ip route get " + serverAddr, ""},
	{"a route that is prohibited", commands("client: ip route add prohibit " + serverAddr), Local, "MH1105", "ip route get " + serverAddr, ""},
	{"the gateway is gone", func(n *network) {
		n.env["GOPROXY"] = "https://" + serverAddr
		n.in("router", "ip addr del "+gatewayAddr+"/24 dev to-client")
	}, Path, "MH1401", "ip neigh show " + gatewayAddr, ""},
	{"a router without a route", func(n *network) { n.moveTo("203.0.113.80") }, Path, "MH1402", "add the route on " + gatewayAddr, ""},
	{"a circle of routes", func(n *network) {
		n.in("router", "ip route add 192.88.99.0/24 via "+serverAddr)
		n.moveTo("192.88.99.1")
	}, Path, "MH1407", "mend the routes", ""},
	{"every first packet is lost", commands("router: iptables -A FORWARD " + toProxy + "--syn -m statistic --mode nth --every 2 --packet 0 -j DROP"), Degraded, "MH1405", "mtr -T", ""},
	{"IPv6 is broken", func(n *network) {
		n.six()
		n.in("router", "ip6tables -A FORWARD -j DROP")
	}, Degraded, "MH1406", "IPv6", ""},

	// TLS
	{"a filter drops a name", commands("router: iptables -A FORWARD " + toProxy + "-m string --string proxy.test --algo bm -j DROP"), Firewall, "MH1307", "let TLS connections to proxy.test", ""},
	{"a filter resets a name", commands("router: iptables -A FORWARD " + toProxy + "-m string --string proxy.test --algo bm -j REJECT --reject-with tcp-reset"), Firewall, "MH1308", "let TLS connections to proxy.test", ""},
	{"large packets are lost on the way there", commands("router: iptables -A FORWARD " + toProxy + "-m length --length 1200:65535 -j DROP"), Path, "MH1403", "tlsmlkem=0", ""},
	{"large packets are lost on the way back", func(n *network) {
		n.longChain()
		n.in("router", "iptables -A FORWARD -s "+serverAddr+" -p tcp --sport 444 -m length --length 1200:65535 -j DROP")
	}, Path, "MH1404", "clamp", ""},
	{"everything after the handshake is lost", commands("router: iptables -A FORWARD " + toProxy + "-m length --length 100:65535 -j DROP"), Firewall, "MH1312", "open connections", ""},
	{"a server that says nothing", func(n *network) {
		n.env["GOPROXY"] = "https://proxy.test:444"
		accept(n.T, n.listenAt("server", serverAddr+":444"), swallow)
	}, OriginSick, "MH1904", "restart", ""},

	// HTTP
	{"a connection is cut after some bytes", func(n *network) {
		n.bigZip()
		n.in("router", "iptables -A FORWARD -s "+serverAddr+" -p tcp --sport 443 -m connbytes --connbytes 200000: --connbytes-dir reply --connbytes-mode bytes -j DROP")
		n.in("router", "iptables -A FORWARD "+toProxy+"-m connbytes --connbytes 200000: --connbytes-dir reply --connbytes-mode bytes -j DROP")
	}, Path, "MH1408", "open connections", ""},

	// DNS
	{"UDP to the DNS server is dropped", commands("router: iptables -A FORWARD -p udp --dport 53 -j DROP"), DNS, "MH1207", "UDP", ""},
	{"the DNS server is out of reach", commands("router: iptables -A FORWARD -p udp --dport 53 -j DROP", "router: iptables -A FORWARD -p tcp --dport 53 -j DROP"), DNS, "MH1205", "resolv.conf", Firewall},
	{"a firewall rejects questions", commands("router: iptables -A FORWARD -p udp --dport 53 -j REJECT"), DNS, "MH1216", "on " + gatewayAddr, ""},
	{"this machine's firewall drops questions", commands("client: iptables -A OUTPUT -p udp --dport 53 -j DROP"), DNS, "MH1217", "port 53", ""},
	{"no DNS server runs", func(n *network) {
		n.o.Resolvers = []netip.AddrPort{netip.MustParseAddrPort(serverAddr + ":53")}
	}, DNS, "MH1206", "resolv.conf", ""},

	// Version control
	{"a private module", func(n *network) { n.private(goImport, gitRefs) }, OK, Well, "", ""},
	{"a repository wants a credential", func(n *network) { n.private(goImport, answers(401)) }, Auth, "MH2304", "insteadOf", ""},
	{"no such repository", func(n *network) { n.private(goImport, answers(404)) }, NotFound, "MH2203", "path of the module", Auth},
	{"a page that names no repository", func(n *network) { n.private("<html></html>", gitRefs) }, NotFound, "MH2203", "path of the module", Auth},
	{"a host without a certificate for a private module", func(n *network) {
		n.env["GOPRIVATE"], n.o.Module, n.o.Version = "http.test", "http.test/lib", ""
	}, TLS, "MH1703", "http.test", DNS},
	{"version control cannot be reached", func(n *network) {
		n.private(goImport, gitRefs)
		n.in("router", "iptables -A FORWARD -d 198.51.100.11 -p tcp --dport 443 -j REJECT")
	}, Firewall, "MH1301", "on " + gatewayAddr, ""},

	// The HTTP proxy
	{"the HTTP proxy refuses", func(n *network) { n.env["HTTPS_PROXY"] = "http://u:" + secret + "@" + dnsAddr + ":3128" }, HTTPProxy, "MH1602", "HTTPS_PROXY", ""},
	{"the HTTP proxy is silent", func(n *network) {
		n.env["HTTPS_PROXY"] = "http://" + dnsAddr + ":3128"
		n.in("router", "iptables -A FORWARD -p tcp --dport 3128 -j DROP")
	}, HTTPProxy, "MH1603", "HTTPS_PROXY", ""},
	{"a firewall before the HTTP proxy rejects", func(n *network) {
		n.env["HTTPS_PROXY"] = "http://" + dnsAddr + ":3128"
		n.in("router", "iptables -A FORWARD -p tcp --dport 3128 -j REJECT")
	}, Firewall, "MH1301", "on " + gatewayAddr, ""},
	{"NO_PROXY is too wide", func(n *network) {
		n.env["HTTPS_PROXY"], n.env["NO_PROXY"] = "http://"+dnsAddr+":3128", ".test"
		n.in("router", "iptables -A FORWARD -d "+serverAddr+" -j DROP")
	}, Config, "MH1010", "NO_PROXY (.test)", Firewall},
}

// servePlain serves the proxy on port 80, in place of what is there.
func (n *network) servePlain() {
	n.env["GOPROXY"] = "http://" + serverAddr + ":8080"
	n.serveAt(n.listenAt("server", serverAddr+":8080"), nil, n.passOn(n.up.URL))
}

// six gives all of them IPv6 addresses, and the proxy's name too.
func (n *network) six() {
	for _, l := range []string{
		"client: ip addr add 2001:db8:1::2/64 dev to-router nodad", "router: ip addr add 2001:db8:1::1/64 dev to-client nodad",
		"router: ip addr add 2001:db8:2::1/64 dev to-server nodad", "server: ip addr add 2001:db8:2::10/64 dev to-router nodad",
		"client: ip route add default via 2001:db8:1::1", "server: ip route add default via 2001:db8:2::1",
	} {
		part, command, _ := strings.Cut(l, ": ")
		n.in(part, command)
	}
	n.serveAt(n.listenAt("server", "[2001:db8:2::10]:443"), n.tls, n.passOn(n.up.URL))
	n.dns.mu.Lock()
	defer n.dns.mu.Unlock()
	for _, name := range []string{"proxy.test", "sum.test"} {
		n.dns.names[name] = append(n.dns.names[name], netip.MustParseAddr("2001:db8:2::10"))
	}
}

// fullQueue has a program listen that takes no connection, until its queue is full.
func (n *network) fullQueue() {
	n.env["GOPROXY"] = "https://proxy.test:444"
	n.do("server", func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		n.Cleanup(func() { unix.Close(fd) })
		return errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: 444, Addr: netip.MustParseAddr(serverAddr).As4()}), unix.Listen(fd, 0))
	})
	n.do("client", func() error {
		for range 2 {
			d := net.Dialer{Timeout: time.Second}
			if c, err := d.DialContext(n.Context(), "tcp", serverAddr+":444"); err == nil {
				n.Cleanup(func() { c.Close() })
			}
		}
		return nil
	})
}

// fullDisk puts a directory on a disk of its own, and fills that.
func (n *network) fullDisk(name string) {
	dir := filepath.Join(n.dir, "disk")
	write(n, filepath.Join(dir, "under"), "")
	n.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "modhaven-lab", dir)
	n.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	if err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 128<<10), 0o666); !errors.Is(err, unix.ENOSPC) {
		n.Fatalf("the disk is not full: %v", err)
	}
	n.env[name] = dir
}

const goImport = `<html><head><meta name="go-import" content="git.test/lib git http://198.51.100.11/lib.git"></head></html>`

// private asks about a private module on a host with a page and a git server.
func (n *network) private(page string, git http.Handler) {
	n.in("server", "ip addr add 198.51.100.11/24 dev to-router")
	n.dns.all(netip.MustParseAddr("198.51.100.11"), "git.test")
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{n.ca.leaf(n.T, leafOptions{names: []string{"git.test"}})}}
	n.serveAt(n.listenAt("server", "198.51.100.11:443"), c, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }))
	n.serveAt(n.listenAt("server", "198.51.100.11:80"), nil, git)
	n.env["GOPRIVATE"], n.o.Module, n.o.Version = "git.test", "git.test/lib/v2/pkg", ""
}

func answers(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(status)
	})
}

// gitRefs is a git server with one commit.
var gitRefs = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	ref := strings.Repeat("12345678", 5) + " HEAD\x00 agent=test\n"
	fmt.Fprintf(w, "001e# service=git-upload-pack\n0000%04x%s0000", len(ref)+4, ref)
})

// longChain serves the proxy with certificates that do not fit into one packet.
func (n *network) longChain() {
	c := n.tls.Clone()
	leaf := n.ca.leaf(n.T, leafOptions{names: []string{"proxy.test"}})
	for range 6 {
		more := n.ca.leaf(n.T, leafOptions{names: []string{"padding.test"}})
		leaf.Certificate = append(leaf.Certificate, more.Certificate[0])
	}
	c.Certificates = []tls.Certificate{leaf}
	n.env["GOPROXY"] = "https://proxy.test:444"
	n.serveAt(n.listenAt("server", serverAddr+":444"), c, n.passOn(n.up.URL))
}

// bigZip makes the zip of the module large.
func (n *network) bigZip() {
	n.up.Fail(theZip, proxytest.Instead(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, endless{}, 3<<20)
	})))
}

// endless reads as the begin of a zip, for ever.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = "PK"[i%2]
	}
	return len(b), nil
}

// TestNetwork injects each fault of the network, alone.
func TestNetwork(t *testing.T) {
	needsRoot(t)
	atOnce(len(netFaults), func(i int) {
		f := netFaults[i]
		t.Run(f.name, func(t *testing.T) {
			n := newNetwork(t)
			f.inject(n)
			r := n.examine()
			f.judge(t, r)
			if t.Failed() {
				show(t, r)
			}
		})
	})
}

func (f netFault) judge(t *testing.T, r *Report) {
	t.Helper()
	judgeFault(t, fault{f.name, nil, f.class, f.code, f.fix}, r)
	if f.or != "" && !slices.ContainsFunc(r.Verdict.Alternatives, func(a Alternative) bool { return a.Class == f.or }) {
		t.Errorf("it does not say that it may be %s: %v", f.or, r.Verdict.Alternatives)
	}
}
