package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A listenFault is one reason why a client is refused, and what must be said on the server's machine.
type listenFault struct {
	name     string
	inject   func(n *network)
	class    Class
	code     Code
	fix      string
	evidence string // that one line of it must have; the summary counts as one
}

// listenAs is an address for ExamineListening where it is not that of the proxy.
const listenAs = "LISTEN"

// asNobody has the doctor run without privileges.
const asNobody = "NOBODY"

// The namespaces of rows that run at the same time are other ones of one machine, so some ports are of one row alone.
var listenFaults = []listenFault{
	{"all is well", func(*network) {}, OK, Open, "", "pid "},
	{"all is well, on all addresses", func(n *network) { n.listenAt("server", ":445"); n.env[listenAs] = serverAddr + ":445" }, OK, Open, "", "[::]:445"},
	{"all is well, over IPv6", func(n *network) { n.six(); n.env[listenAs] = "[2001:db8:2::10]:443" }, OK, Open, "", "[2001:db8:2::10]:443"},
	{"all is well, behind a firewall with exceptions", commands(
		"server: iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "server: iptables -A INPUT -i lo -j ACCEPT", "server: iptables -N web",
		"server: iptables -A INPUT -p tcp -m multiport --dports 80,440:443 -j web", "server: iptables -A web -s 192.0.2.0/24 -m comment --comment it's -j LOG", "server: iptables -A web ! -d 192.0.2.1 -j ACCEPT", "server: iptables -P INPUT DROP",
	), OK, Open, "", ""},
	{"all is well, for nobody", func(n *network) { n.env[asNobody] = "yes" }, OK, Open, "", someProgram},
	{"nothing listens", func(n *network) { n.https.Close(); n.env[listenAs] = serverAddr + ":4441" }, OriginDown, "MH1804", "systemctl status", "on other ports: "},
	{"a module proxy on another port", func(n *network) {
		n.program("server", "athens", serverAddr+":3000")
		n.env[listenAs] = serverAddr + ":4442"
	}, OriginDown, "MH1808", "port 4442", "athens, pid "},
	{"on loopback only", func(n *network) { n.https.Close(); n.listenAt("server", "127.0.0.1:443") }, OriginDown, "MH1805", "--listen :443", "127.0.0.1:443"},
	{"on another address only", func(n *network) { n.env[listenAs] = "203.0.113.1:443" }, OriginDown, "MH1806", "203.0.113.1", serverAddr + ":443"},
	{"for IPv6 alone", func(n *network) {
		n.https.Close()
		n.do("server", func() error { return sixOnly(n) })
	}, OriginDown, "MH1807", "0.0.0.0:443", "[::]:443"},
	{"inside a container only", func(n *network) { n.program("box", "inside", ":4443"); n.env[listenAs] = serverAddr + ":4443" }, PortMapping, "MH1506", "docker run -p 4443:4443", "[::]:4443 (inside, pid "},
	{"mapped to a container by a rule", func(n *network) { n.https.Close(); n.program("box", "inside", ":8441"); n.mapTo(boxAddr + ":8441") }, OK, Open, "", "inside, pid"},
	{"mapped to a container where nothing listens", func(n *network) { n.https.Close(); n.mapTo(boxAddr + ":8442") }, PortMapping, "MH1507", "-p 443:PORT", "DNAT --to-destination " + boxAddr + ":8442"},
	{"mapped to a container by docker-proxy, where nothing listens", func(n *network) {
		n.https.Close()
		n.program("server", "docker-proxy", ":443", "-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", "443", "-container-ip", boxAddr, "-container-port", "8443")
		n.env[asNobody] = "yes"
	}, PortMapping, "MH1507", "-p 443:PORT", "mapped by docker-proxy, pid "},
	{"mapped to a container that listens on loopback", func(n *network) {
		n.https.Close()
		n.mapTo(boxAddr + ":8444")
		n.program("box", "inside", "127.0.0.1:8444")
	}, PortMapping, "MH1508", ":8444", "127.0.0.1:8444"},
	{"mapped to a container, and a rule drops what is forwarded", func(n *network) {
		n.https.Close()
		n.program("box", "inside", ":8445")
		n.mapTo(boxAddr + ":8445")
		n.in("server", "iptables -A FORWARD -o to-box -p tcp --dport 8445 -j DROP")
	}, Firewall, "MH1317", "iptables -I FORWARD -p tcp -d " + boxAddr + " --dport 8445", "-A FORWARD -o to-box"},
	{"an address of another machine", func(n *network) { n.env[listenAs] = boxAddr + ":443" }, Degraded, "MH1509", "ip -br addr", boxAddr},
	{"a rule drops", commands("server: iptables -A INPUT " + toProxy + "-j DROP"), Firewall, "MH1317", "iptables -I INPUT", "-A INPUT"},
	{"a policy drops", commands("server: iptables -A INPUT -p tcp --dport 22 -j ACCEPT", "server: iptables -P INPUT DROP"), Firewall, "MH1317", "iptables -I INPUT", "ip filter INPUT: policy drop"},
	{"a rule rejects", commands("server: iptables -A INPUT " + toProxy + "-j REJECT"), Firewall, "MH1318", "iptables -I INPUT", "-A INPUT"},
	{"a rule rejects, for nobody", func(n *network) {
		n.in("server", "iptables -A INPUT "+toProxy+"-j REJECT")
		n.env[asNobody] = "yes"
	}, Firewall, "MH1318", "iptables -I INPUT", "ICMP port unreachable"},
	{"a rule drops, for nobody", func(n *network) {
		n.in("server", "iptables -A INPUT "+toProxy+"-j DROP")
		n.env[asNobody] = "yes"
	}, Firewall, "MH1317", "iptables -I INPUT", "silent"},
	{"a rule rejects with a reset", commands("server: iptables -A INPUT -i to-router -p tcp --dport 443 -j REJECT --reject-with tcp-reset"), Firewall, "MH1318", "iptables -I INPUT", "-i to-router"},
	{"a rule of IPv6 drops", func(n *network) {
		n.six()
		n.env[listenAs] = "[2001:db8:2::10]:443"
		n.in("server", "ip6tables -A INPUT -p tcp --dport 443 -j DROP")
	}, Firewall, "MH1317", "ip6tables -I INPUT -p tcp --dport 443", "ip6tables -t filter -A INPUT"},
	{"some clients only", commands("server: iptables -A INPUT -s 192.0.2.0/24 -p tcp --dport 443 -j ACCEPT", "server: iptables -A INPUT -i to-router -j DROP"), Degraded, "MH1319", "iptables-save", "-s 192.0.2.0/24"},
	{"the queue is full", func(n *network) { n.fullQueue(); n.env[listenAs] = serverAddr + ":444" }, OriginSick, "MH1913", "ss -ltnp", "wait in the queue"},
}

// TestListen injects each of them alone, with real sockets and rules.
func TestListen(t *testing.T) {
	needsRoot(t)
	atOnce(len(listenFaults), func(i int) {
		f := listenFaults[i]
		t.Run(f.name, func(t *testing.T) {
			n := newNetwork(t)
			f.inject(n)
			f.judge(t, n.examineListening())
		})
	})
}

func (f listenFault) judge(t *testing.T, r *Report) {
	t.Helper()
	judgeFault(t, fault{f.name, nil, f.class, f.code, f.fix}, r)
	lines := []string{r.Verdict.Summary.String()}
	for _, x := range r.Findings {
		for _, e := range append(x.Evidence, x.Summary) {
			lines = append(lines, e.String())
		}
	}
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, f.evidence) }) {
		t.Errorf("no line says %q: %q", f.evidence, lines)
	}
	if f.class == OK && r.Verdict.Code != f.code {
		t.Errorf("code %s, want %s", r.Verdict.Code, f.code)
	}
	if t.Failed() {
		show(t, r)
	}
}

// TestListenNFT does so with rules of nft, which iptables-save does not print.
func TestListenNFT(t *testing.T) {
	needsRoot(t)
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed (Debian: nftables)")
	}
	const begin = "add table inet f; add chain inet f in { type filter hook input priority 5; policy accept; }; "
	for _, f := range []listenFault{
		{"accepts", func(n *network) {
			n.nft(begin + "add rule inet f in ct state vmap { established : accept, invalid : drop }; add rule inet f in iifname lo accept; add rule inet f in tcp dport { 22, 400-500 } accept; add rule inet f in drop")
		}, OK, Open, "", ""},
		{"drops", func(n *network) {
			n.nft(begin + "add rule inet f in iifname lo accept; add rule inet f in ip daddr 198.51.100.0/24 tcp dport 443 counter drop")
		}, Firewall, "MH1317", "nft insert rule inet f in tcp dport 443 accept", "nft rule inet f in handle"},
		{"rejects in a chain of its own", func(n *network) {
			n.nft(begin + "add chain inet f web; add rule inet f web meta nfproto ipv4 reject with tcp reset; add rule inet f in iifname lo accept; add rule inet f in tcp dport 443 jump web")
		}, Firewall, "MH1318", "nft insert rule inet f in tcp dport 443 accept", "nft rule inet f web handle"},
		{"drops by policy, but for some", func(n *network) {
			n.nft("add table inet f; add set inet f good { type ipv4_addr; }; add chain inet f in { type filter hook input priority 5; policy drop; }; add rule inet f in iifname lo accept; add rule inet f in ip saddr @good accept")
		}, Degraded, "MH1319", "iptables-save", "policy drop"},
		{"is of no concern", func(n *network) {
			n.nft(begin + "add rule inet f in udp dport 443 drop; add rule inet f in tcp dport != 443 iifname != lo drop")
		}, OK, Open, "", ""},
		{"passes on", func(n *network) {
			n.https.Close()
			n.nft("add table ip n; add chain ip n pre { type nat hook prerouting priority -100; }; add rule ip n pre tcp dport 443 dnat to " + boxAddr + ":8443")
		}, PortMapping, "MH1507", "docker run", boxAddr + ":8443"},
	} {
		t.Run(f.name, func(t *testing.T) {
			n := newNetwork(t)
			f.inject(n)
			f.judge(t, n.examineListening())
		})
	}
}

func (n *network) nft(text string) {
	n.Helper()
	n.run("ip", "netns", "exec", n.where["server"], "nft", text)
}

// mapTo has the server's machine pass the proxy's port on.
func (n *network) mapTo(to string) {
	n.in("server", "iptables -t nat -A PREROUTING "+toProxy+"-j DNAT --to-destination "+to)
}

// sixOnly listens on the wildcard of IPv6 and not of IPv4.
func sixOnly(n *network) error {
	c := net.ListenConfig{}
	l, err := c.Listen(n.Context(), "tcp6", "[::]:443")
	if err == nil {
		n.Cleanup(func() { l.Close() })
	}
	return err
}

// program runs one in a namespace that has a name of its own and listens.
func (n *network) program(part, name, addr string, args ...string) {
	n.Helper()
	exe := n.helper()
	as := exe + "-" + part + "/" + name
	if err := os.MkdirAll(exe+"-"+part, 0o755); err != nil {
		n.Fatal(err)
	}
	if err := os.Link(exe, as); err != nil {
		n.Fatal(err)
	}
	cmd := exec.CommandContext(n.Context(), "ip", append([]string{"netns", "exec", n.where[part], as}, args...)...)
	cmd.Env = append(os.Environ(), "MODHAVEN_DOCTOR_HOLD="+addr)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		n.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	if line := make([]byte, 16); readLine(out, line) != "ready" {
		n.Fatalf("%s does not listen: %s", name, line)
	}
}

func readLine(r io.Reader, b []byte) string {
	k, _ := r.Read(b)
	return strings.TrimSpace(string(b[:k]))
}

// examineListening runs the doctor on the server's machine.
func (n *network) examineListening() *Report {
	n.Helper()
	addr := n.env[listenAs]
	if addr == "" {
		addr = serverAddr + ":443"
	}
	args := []string{"netns", "exec", n.where["server"]}
	if n.env[asNobody] != "" {
		args = append(args, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
	}
	cmd := exec.CommandContext(n.Context(), "ip", append(args, n.helper())...)
	cmd.Env = append(os.Environ(), "MODHAVEN_DOCTOR_LISTEN="+addr)
	return n.reportOf(cmd)
}

// runListenHelper is the test's program in a namespace: it listens, or says who does.
func runListenHelper() bool {
	if addr := os.Getenv("MODHAVEN_DOCTOR_HOLD"); addr != "" {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		l.Close()
		return true
	}
	addr := os.Getenv("MODHAVEN_DOCTOR_LISTEN")
	if addr == "" {
		return false
	}
	a, err := netip.ParseAddrPort(addr)
	var r *Report
	if err == nil {
		r, err = ExamineListening(context.Background(), a.Addr().String(), a.Port())
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// TestListenLoopback needs no network and no privileges.
func TestListenLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	check := func(host string, code Code, says string) {
		t.Helper()
		r, err := ExamineListening(t.Context(), host, port)
		if err != nil {
			t.Fatal(err)
		}
		checkReport(t, r)
		if r.Verdict.Code != code || !strings.Contains(r.Verdict.Summary.String(), says) {
			t.Errorf("%s: %s (%s), want %s with %q", host, r.Verdict.Code, r.Verdict.Summary, code, says)
		}
	}
	check("127.0.0.1", Open, fmt.Sprintf("pid %d", os.Getpid()))
	check("localhost", Open, "127.0.0.1")
	l.Close()
	check("127.0.0.1", "MH1804", "nothing listens")
	if _, err := ExamineListening(t.Context(), "no such host.invalid", port); err == nil || !strings.HasPrefix(err.Error(), "no such host.invalid: its address cannot be looked up") {
		t.Errorf("a name without an address: %v", err)
	}
}

func TestParseSockets(t *testing.T) {
	const table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 1129 1 0 100 0 0 10 0\n" +
		"   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 1130 1 0 100 0 0 10 0\n" +
		"   2: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1131 1\n" +
		"   3: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1132 1\n" +
		"   4: 0000000000000000FFFF00000100007F:01BC 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1133 1\n" +
		"   5: short 0A\n   6: zz:zz 0:0 0A 0:0 0 0 0 0 1\n"
	var got []string
	for _, l := range parseSockets(table) {
		got = append(got, fmt.Sprintf("%s %d %s", l.at, l.queue, l.inode))
	}
	want := []string{"127.0.0.1:8080 5 1129", "[::]:443 0 1131", "[2001:db8::1]:443 0 1132", "127.0.0.1:444 0 1133"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParseDockerProxy(t *testing.T) {
	p, ok := parseDockerProxy(strings.Fields("/usr/bin/docker-proxy -proto tcp -host-ip :: -host-port 8080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd"))
	if want := (dockerProxy{from: netip.MustParseAddrPort("[::]:8080"), to: netip.MustParseAddrPort("172.17.0.2:80")}); !ok || p != want {
		t.Errorf("%v, %t, want %v", p, ok, want)
	}
	for _, s := range []string{"docker-proxy", "docker-proxy -proto udp -host-ip :: -host-port 8080 -container-ip 172.17.0.2 -container-port 80", "docker-proxy -proto tcp -host-ip x -host-port 1 -container-ip 1.2.3.4 -container-port 2"} {
		if _, ok := parseDockerProxy(strings.Fields(s)); ok {
			t.Errorf("%s is a map", s)
		}
	}
}
