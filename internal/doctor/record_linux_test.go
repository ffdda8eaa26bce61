package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/modhaven/modhaven/internal/proxytest"
)

var (
	record = flag.String("record", "", "record testdata/captures: all, or the names of some, in namespaces of the network; needs root, tcpdump, iptables and ethtool")
	actor  = flag.String("actor", "", "server, client or examine: a part of -record that runs in a namespace")
)

// The addresses of the laboratory: a client and a server with a router between them.
const (
	clientIP = "192.0.2.2"
	routerIP = "192.0.2.1"
	serverIP = "198.51.100.10"
	proxyIP  = "198.51.100.20"
	dnsIP    = "198.51.100.53"
	goneIP   = "198.51.100.99"
	mappedIP = "192.0.2.80" // of the router, which passes on to the server
	serverV6 = "2001:db8:2::10"
)

// A scene is a fault that is recorded.
type scene struct {
	name   string
	url    string   // that the client asks for; "" for https://proxy.test
	router []string // rules of iptables on the router; whole commands where they begin with ip
	server []string // and on the server
	both   bool     // the server's side is recorded too
	first  bool     // the client asks http://proxy.test before, which answers
	proxy  bool     // the client uses an HTTP proxy
	roots  bool     // the client trusts the server's certificate
	read   string   // "no": the client does not read what comes
	six    bool     // IPv6 is on, and the server listens there
	whole  bool     // the server is a whole module proxy
}

// natRules have the router change the addresses of both ends.
func natRules(more ...string) []string {
	return append([]string{
		"iptables -t nat -A PREROUTING -p tcp -d " + mappedIP + " -j DNAT --to-destination " + serverIP,
		"iptables -t nat -A POSTROUTING -p tcp -d " + serverIP + " -j MASQUERADE",
	}, more...)
}

const toServer = "FORWARD -p tcp -d " + serverIP + " --dport 443 "

func scenes() []scene {
	return []scene{
		{name: "ok", roots: true, both: true},
		{name: "ok-12", roots: true},
		{name: "ok-http", url: "http://proxy.test"},
		{name: "ok-proxy", proxy: true, roots: true},
		{name: "refused", first: true, both: true},
		{name: "refused-alone", url: "https://proxy.test:444"},
		{name: "reject", router: []string{toServer + "-j REJECT --reject-with icmp-admin-prohibited"}},
		{name: "reject-port", router: []string{toServer + "-j REJECT"}},
		{name: "reset", router: []string{toServer + "-j REJECT --reject-with tcp-reset"}, first: true, both: true},
		{name: "drop", router: []string{toServer + "-j DROP"}, first: true, both: true},
		{name: "drop-all", router: []string{"FORWARD -p tcp -d " + serverIP + " -j DROP"}},
		{name: "drop-back", router: []string{"FORWARD -p tcp -s " + serverIP + " --sport 443 -j DROP"}, both: true},
		{name: "drop-server", server: []string{"INPUT -p tcp --dport 443 -j DROP"}, both: true},
		{name: "gone", url: "https://gone.test"},
		{name: "gone-near", url: "https://192.0.2.77"},
		{name: "accept-close"},
		{name: "proxy-407", proxy: true},
		{name: "proxy-403", proxy: true},
		{name: "proxy-502", proxy: true},
		{name: "unknown-ca"},
		{name: "unknown-ca-12"},
		{name: "expired-12", roots: true},
		{name: "tls-version", roots: true},
		{name: "tls-stuck"},
		{name: "tls-plain"},
		{name: "sni-reset", router: []string{toServer + "-m string --algo bm --string proxy.test -j REJECT --reject-with tcp-reset"}, both: true},
		{name: "sni-drop", router: []string{toServer + "-m string --algo bm --string proxy.test -j DROP"}, both: true},
		{name: "nxdomain", url: "https://nowhere.test"},
		{name: "servfail", url: "https://servfail.test"},
		{name: "dns-drop", router: []string{"FORWARD -d " + dnsIP + " -j DROP"}},
		{name: "dns-closed"},
		{name: "mtu-up", router: []string{toServer + "-m length --length 1400: -j DROP"}, roots: true, both: true},
		{name: "mtu-down", router: []string{"FORWARD -p tcp -s " + serverIP + " -m length --length 1200: -j DROP"}, roots: true, both: true},
		{name: "stall", url: "http://proxy.test"},
		{name: "zero-window", url: "http://proxy.test", read: "no"},
		{name: "cut", url: "http://proxy.test"},
		{name: "503", url: "http://proxy.test"},
		{name: "401", url: "http://user:plantedsecret@proxy.test"},
		{name: "hang", url: "http://proxy.test"},
		{name: "v6-ok", url: "https://v6.test", six: true, roots: true, both: true, whole: true},
		{name: "v6-refused", url: "https://v6.test", six: true, first: true, both: true},
		{name: "v6-reject", url: "https://v6.test", six: true, router: []string{"ip6tables -A FORWARD -p tcp -d " + serverV6 + " --dport 443 -j REJECT --reject-with icmp6-adm-prohibited"}},
		{name: "v6-drop", url: "https://v6.test", six: true, router: []string{"ip6tables -A FORWARD -p tcp -d " + serverV6 + " --dport 443 -j DROP"}, first: true, both: true},
		{name: "nat-ok", url: "https://nat.test", router: natRules(), roots: true, both: true, whole: true},
		{name: "nat-refused", url: "https://nat.test", router: natRules(), first: true, both: true},
		{name: "nat-drop", url: "https://nat.test", router: natRules(toServer + "-j DROP"), first: true, both: true},
		{name: "lossy", url: "http://proxy.test", router: []string{ // each second SYN, and of what the server sends each twelfth packet
			"FORWARD -p tcp -d " + serverIP + " --syn -m statistic --mode nth --every 2 --packet 0 -j DROP",
			"FORWARD -p tcp -s " + serverIP + " -m statistic --mode nth --every 12 --packet 5 -j DROP",
		}, whole: true},
	}
}

// TestRecord records testdata/captures with tcpdump, and what the doctor says of each fault live.
func TestRecord(t *testing.T) {
	switch {
	case *actor != "":
		act(t)
		return
	case *record == "":
		t.Skip("it makes the test data: make pcap-fixtures")
	}
	dir := t.TempDir()
	recordNetwork(t)
	certificates(t, dir)
	for _, s := range scenes() {
		if *record == "all" || strings.Contains(","+*record+",", ","+s.name+",") {
			t.Run(s.name, func(t *testing.T) { s.record(t, dir) })
		}
	}
}

func run(t *testing.T, line string) {
	t.Helper()
	f := strings.Fields(line)
	if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// recordNetwork makes the namespaces mhc, mhr and mhs.
func recordNetwork(t *testing.T) {
	for _, n := range []string{"mhc", "mhr", "mhs"} {
		_ = exec.Command("ip", "netns", "del", n).Run() // of a run that was cut off
		run(t, "ip netns add "+n)
		t.Cleanup(func() { run(t, "ip netns del "+n) })
		run(t, "ip -n "+n+" link set lo up")
		run(t, "ip netns exec "+n+" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
	}
	run(t, "ip link add mhc0 netns mhc type veth peer name mhr0 netns mhr")
	run(t, "ip link add mhs0 netns mhs type veth peer name mhr1 netns mhr")
	for _, line := range []string{
		"mhc addr add " + clientIP + "/24 dev mhc0", "mhr addr add " + routerIP + "/24 dev mhr0", "mhr addr add " + mappedIP + "/24 dev mhr0", "mhr addr add 198.51.100.1/24 dev mhr1",
		"mhs addr add " + serverIP + "/24 dev mhs0", "mhs addr add " + proxyIP + "/24 dev mhs0", "mhs addr add " + dnsIP + "/24 dev mhs0",
		"mhc link set mhc0 up", "mhr link set mhr0 up", "mhr link set mhr1 up", "mhs link set mhs0 up",
		"mhc route add default via " + routerIP, "mhs route add default via 198.51.100.1",
	} {
		run(t, "ip -n "+line)
	}
	run(t, "ip netns exec mhr sysctl -qw net.ipv4.ip_forward=1")
	for _, d := range []string{"mhc mhc0", "mhr mhr0", "mhr mhr1", "mhs mhs0"} {
		ns, dev, _ := strings.Cut(d, " ")
		run(t, "ip netns exec "+ns+" ethtool -K "+dev+" gro off gso off tso off tx off")
	}
	conf := "/etc/netns/mhc"
	if err := os.MkdirAll(conf, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(conf) })
	if err := os.WriteFile(conf+"/resolv.conf", []byte("nameserver "+dnsIP+"\noptions timeout:1 attempts:2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sixOn switches IPv6 on, until off is called: other captures shall not have its noise.
func sixOn(t *testing.T) (off func()) {
	set := func(value string) {
		for _, line := range []string{"mhc all", "mhc mhc0", "mhr all", "mhr mhr0", "mhr mhr1", "mhs all", "mhs mhs0"} {
			ns, dev, _ := strings.Cut(line, " ")
			run(t, "ip netns exec "+ns+" sysctl -qw net.ipv6.conf."+dev+".disable_ipv6="+value)
		}
	}
	for _, line := range []string{"mhc mhc0", "mhr mhr0", "mhr mhr1", "mhs mhs0"} {
		ns, dev, _ := strings.Cut(line, " ")
		run(t, "ip netns exec "+ns+" sysctl -qw net.ipv6.conf."+dev+".accept_dad=0 net.ipv6.conf."+dev+".router_solicitations=0")
	}
	set("0")
	run(t, "ip netns exec mhr sysctl -qw net.ipv6.conf.all.forwarding=1")
	for _, line := range []string{
		"mhc addr add 2001:db8:1::2/64 dev mhc0 nodad", "mhr addr add 2001:db8:1::1/64 dev mhr0 nodad", "mhr addr add 2001:db8:2::1/64 dev mhr1 nodad",
		"mhs addr add " + serverV6 + "/64 dev mhs0 nodad", "mhc route add default via 2001:db8:1::1", "mhs route add default via 2001:db8:2::1",
	} {
		run(t, "ip -n "+line)
	}
	return func() { set("1") }
}

func certificates(t *testing.T, dir string) {
	ca := newAuthority(t, "Laboratory CA")
	write := func(name string, c tls.Certificate) {
		key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		var b []byte
		for _, der := range c.Certificate {
			b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	write("good.pem", ca.leaf(t, leafOptions{names: []string{"proxy.test", "v6.test", "nat.test"}}))
	write("expired.pem", ca.leaf(t, leafOptions{names: []string{"proxy.test"}, from: now.AddDate(0, 0, -9), until: now.AddDate(0, 0, -2)}))
	for name, a := range map[string]*authority{"ca.pem": ca, "other.pem": newAuthority(t, "Another CA")} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// in starts an actor in a namespace.
func (s scene) in(t *testing.T, ns, role, dir string) *exec.Cmd {
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0], "-test.run=^TestRecord$", "-actor="+role)
	cmd.Env = append(os.Environ(), "SCENE="+s.name, "LAB="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// start starts a command that is stopped at the end, and waits for a line of it that has a word in it.
func start(t *testing.T, cmd *exec.Cmd, word string) (stop func()) {
	t.Helper()
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool, 1)
	go func() {
		b, seen := make([]byte, 4096), ""
		for {
			n, err := r.Read(b)
			seen += string(b[:n])
			if strings.Contains(seen, word) {
				select {
				case ready <- true:
				default:
				}
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-ready:
	case <-time.After(10 * time.Second):
		t.Fatalf("%v does not start", cmd.Args)
	}
	return func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		w.Close()
	}
}

func (s scene) record(t *testing.T, dir string) {
	for _, ns := range []string{"mhr", "mhs"} {
		for _, flush := range []string{"iptables -F", "iptables -t nat -F", "ip6tables -F"} {
			run(t, "ip netns exec "+ns+" "+flush)
		}
	}
	for _, r := range s.router {
		if !strings.HasPrefix(r, "ip") {
			r = "iptables -A " + r
		}
		run(t, "ip netns exec mhr "+r)
	}
	if s.six {
		defer sixOn(t)()
	}
	for _, r := range s.server {
		run(t, "ip netns exec mhs iptables -A "+r)
	}
	defer start(t, s.in(t, "mhs", "server", dir), "ready")()
	sniff := func(ns, dev, side string) func() {
		file := filepath.Join("testdata", "captures", s.name+"."+side+".pcap")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		return start(t, exec.Command("ip", "netns", "exec", ns, "tcpdump", "-Z", "root", "-i", dev, "--immediate-mode", "-U", "-n", "-w", file), "listening on")
	}
	run(t, "ip -n mhc neigh flush all")
	stops := []func(){sniff("mhc", "mhc0", "client")}
	if s.both {
		stops = append(stops, sniff("mhs", "any", "server"))
	}
	out, err := s.in(t, "mhc", "client", dir).Output()
	if err != nil {
		t.Errorf("the client: %v", err)
	}
	t.Logf("the client: %s", strings.SplitN(string(out), "\n", 2)[0])
	time.Sleep(300 * time.Millisecond) // tcpdump hands on what it has
	for _, stop := range stops {
		stop()
	}
	b, err := s.in(t, "mhc", "examine", dir).Output()
	if err != nil {
		t.Errorf("the doctor: %v", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if err := os.WriteFile(filepath.Join("testdata", "captures", s.name+".live"), []byte(line+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("live: %s", line)
}

// act is what runs in a namespace.
func act(t *testing.T) {
	dir := os.Getenv("LAB")
	for _, s := range scenes() {
		if s.name != os.Getenv("SCENE") {
			continue
		}
		switch *actor {
		case "server":
			s.serve(t, dir)
			fmt.Println("ready")
			<-t.Context().Done()
		case "client":
			fmt.Println(s.visit(dir))
			os.Exit(0) // without the search for goroutines that are left
		case "examine":
			s.examine(dir)
			os.Exit(0)
		}
	}
}

func (s scene) address() string {
	if s.url == "" {
		return "https://proxy.test"
	}
	return s.url
}

func (s scene) trusted(dir string) *x509.CertPool {
	name := "other.pem"
	if s.roots {
		name = "ca.pem"
	}
	pool := x509.NewCertPool()
	if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
		pool.AppendCertsFromPEM(b)
	}
	return pool
}

func (s scene) examine(dir string) {
	env := append(os.Environ(), "GOPROXY="+s.address(), "GOSUMDB=off", "GOFLAGS=-mod=mod", "HTTPS_PROXY=", "HTTP_PROXY=")
	if s.proxy {
		env = append(env, "HTTPS_PROXY=http://"+proxyIP+":3128")
	}
	o := Options{Environ: env, Dir: dir, Roots: s.trusted(dir)}
	if s.whole {
		o.Module, o.Version = "example.com/plain", "v1.2.0"
	}
	r := Examine(context.Background(), o)
	b, _ := json.Marshal(r.Verdict.Class)
	fmt.Printf("%s %s %s\n", strings.Trim(string(b), `"`), r.Verdict.Code, r.Verdict.Confidence)
}

// visit is a client that is told nothing: it asks for a list as the go command does.
func (s scene) visit(dir string) string {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.trusted(dir), ClientSessionCache: nil}, ForceAttemptHTTP2: true}
	dialer := &net.Dialer{}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, addr)
		if err == nil && s.read == "no" {
			_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return c, err
	}
	if s.proxy {
		tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxyIP + ":3128", User: url.UserPassword("user", "plantedsecret")})
	}
	c := &http.Client{Transport: tr, Timeout: 7 * time.Second}
	if s.first {
		if resp, err := c.Get(strings.Replace(s.address(), "https:", "http:", 1)); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	resp, err := c.Get(s.address() + "/golang.org/x/text/@v/list?token=plantedsecret")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if s.read == "no" {
		time.Sleep(5 * time.Second)
		return "did not read"
	}
	n, err := io.Copy(io.Discard, resp.Body)
	tr.CloseIdleConnections()
	return fmt.Sprint(resp.Status, n, err)
}

// serve starts what the server's machine runs.
func (s scene) serve(t *testing.T, dir string) {
	if s.name != "dns-closed" {
		answerNames(t)
	}
	var files http.Handler
	if s.whole {
		files = (&world{T: t}).passOn(proxytest.New(t).URL)
	}
	list := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if files != nil && r.URL.RawQuery == "" { // the client of the recording sends a query
			files.ServeHTTP(w, r)
			return
		}
		s.answer(w, r)
	})
	host := serverIP
	if s.six {
		host = serverV6
	}
	listen := func(addr string) net.Listener {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if s.name != "drop-all" {
		go func() { _ = http.Serve(listen(net.JoinHostPort(host, "80")), list) }()
	}
	if strings.Contains(s.name, "proxy") {
		go func() { _ = http.Serve(listen(proxyIP+":3128"), http.HandlerFunc(s.tunnel)) }()
	}
	if strings.Contains(s.name, "refused") {
		return
	}
	l := listen(net.JoinHostPort(host, "443"))
	switch s.name {
	case "accept-close":
		go acceptAll(l, func(c net.Conn) { c.Close() })
	case "tls-stuck":
		go acceptAll(l, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	case "tls-plain":
		go func() { _ = http.Serve(l, list) }()
	default:
		file := "good.pem"
		if s.name == "expired-12" {
			file = "expired.pem"
		}
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, file), filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		c := &tls.Config{Certificates: []tls.Certificate{cert}}
		switch {
		case strings.HasSuffix(s.name, "-12"):
			c.MaxVersion = tls.VersionTLS12
		case s.name == "tls-version":
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}
		srv := &http.Server{Handler: list, TLSConfig: c}
		go func() { _ = srv.ServeTLS(l, "", "") }()
	}
}

func acceptAll(l net.Listener, f func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go f(c)
	}
}

func (s scene) answer(w http.ResponseWriter, r *http.Request) {
	switch body := bytes.Repeat([]byte("v0.1.0\n"), 2000); s.name {
	case "503":
		w.Header().Set("Server", "nginx")
		http.Error(w, "no", http.StatusServiceUnavailable)
	case "401":
		w.Header().Set("WWW-Authenticate", "Basic realm=x")
		http.Error(w, "no", http.StatusUnauthorized)
	case "hang":
		<-r.Context().Done()
	case "cut", "stall":
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body[:6000])
		_ = http.NewResponseController(w).Flush()
		if s.name == "stall" {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case "lossy":
		_, _ = w.Write(bytes.Repeat(body, 8))
	case "zero-window":
		for range 20 {
			_, _ = w.Write(body)
		}
	default:
		_, _ = io.WriteString(w, "v0.1.0\nv0.2.0\n")
	}
}

// tunnel is an HTTP proxy.
func (s scene) tunnel(w http.ResponseWriter, r *http.Request) {
	switch s.name {
	case "proxy-407":
		w.Header().Set("Proxy-Authenticate", "Basic realm=x")
		http.Error(w, "no", http.StatusProxyAuthRequired)
	case "proxy-403":
		http.Error(w, "no", http.StatusForbidden)
	case "proxy-502":
		http.Error(w, "no", http.StatusBadGateway)
	default:
		to, err := net.Dial("tcp", serverIP+":443") // there is no DNS on this machine
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		c, rest, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(to, rest); to.Close() }()
		_, _ = io.Copy(c, to)
		c.Close()
	}
}

// answerNames answers for proxy.test and gone.test.
func answerNames(t *testing.T) {
	pc, err := net.ListenPacket("udp", dnsIP+":53")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"proxy.test.": serverIP, "gone.test.": goneIP, "nat.test.": mappedIP, "v6.test.": serverV6}
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			ip, err := netip.ParseAddr(names[strings.ToLower(q.Name.String())])
			head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}
			switch {
			case strings.HasPrefix(q.Name.String(), "servfail"):
				m.RCode = dnsmessage.RCodeServerFailure
			case err != nil:
				m.RCode = dnsmessage.RCodeNameError
			case q.Type == dnsmessage.TypeA && ip.Is4():
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: ip.As4()}}}
			case q.Type == dnsmessage.TypeAAAA && ip.Is6():
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = pc.WriteTo(out, from)
			}
		}
	}()
}
