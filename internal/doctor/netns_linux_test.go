package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// The addresses of the laboratory. The client reaches the server through one router; behind the
// server is a container.
const (
	clientAddr  = "192.0.2.2"
	gatewayAddr = "192.0.2.1"
	serverAddr  = "198.51.100.10"
	nobodyAddr  = "198.51.100.99" // in the server's network
	boxAddr     = "203.0.113.2"   // the container
	dnsAddr     = "198.51.100.53"
)

var labs atomic.Int64

// A network is a laboratory of namespaces: client, router, server and container, with links between them.
type network struct {
	*world
	id    string
	where map[string]string // namespaces by their part
	dir   string            // that nobody may read and write
	https net.Listener      // of the proxy
}

// needsRoot skips a test where namespaces cannot be made, and says why.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, name := range []string{"ip", "iptables", "ip6tables", "setpriv"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed (Debian: iproute2, iptables, util-linux)", name)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "--net", "true").CombinedOutput(); err != nil {
		t.Skipf("network namespaces cannot be made here: %s", out)
	}
}

// newNetwork makes one in which all is well.
func newNetwork(t *testing.T) *network {
	n := &network{world: &world{T: t, env: map[string]string{}}, id: fmt.Sprintf("mh%d-%d", os.Getpid(), labs.Add(1)), where: map[string]string{}}
	for _, part := range []string{"client", "router", "server", "box"} {
		name := n.id + "-" + part
		n.where[part] = name
		n.run("ip", "netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		n.in(part, "ip link set lo up")
	}
	n.link("client", clientAddr, "router", gatewayAddr)
	n.link("router", "198.51.100.1", "server", serverAddr)
	n.link("server", "203.0.113.1", "box", boxAddr)
	n.in("server", "ip addr add "+dnsAddr+"/24 dev to-router")
	n.in("client", "ip route add default via "+gatewayAddr)
	n.in("server", "ip route add default via 198.51.100.1")
	n.in("box", "ip route add default via 203.0.113.1")
	for _, part := range []string{"router", "server"} {
		n.in(part, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
	}
	n.serveAll()
	return n
}

// link joins two namespaces.
func (n *network) link(a, addrA, b, addrB string) {
	n.run("ip", "link", "add", "to-"+b, "netns", n.where[a], "type", "veth", "peer", "name", "to-"+a, "netns", n.where[b])
	for _, end := range [][3]string{{a, "to-" + b, addrA}, {b, "to-" + a, addrB}} {
		n.in(end[0], "ip addr add "+end[2]+"/24 dev "+end[1])
		n.in(end[0], "ip link set "+end[1]+" up")
		_ = exec.CommandContext(n.Context(), "ip", "netns", "exec", n.where[end[0]], "ethtool", "-K", end[1], "gso", "off", "tso", "off", "gro", "off").Run() // so that packets have the size they have on a wire
	}
}

func (n *network) run(args ...string) {
	n.Helper()
	if out, err := exec.CommandContext(n.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		n.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// in runs a command in a namespace.
func (n *network) in(part, command string) {
	n.Helper()
	n.run(append([]string{"ip", "netns", "exec", n.where[part]}, strings.Fields(command)...)...)
}

// do calls f with sockets of a namespace.
func (n *network) do(part string, f func() error) {
	n.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
		fd, err := os.Open("/var/run/netns/" + n.where[part])
		if err == nil {
			err = unix.Setns(int(fd.Fd()), unix.CLONE_NEWNET)
			fd.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		n.Fatalf("namespace %s: %v", part, err)
	}
}

// listenAt listens in a namespace.
func (n *network) listenAt(part, addr string) (l net.Listener) {
	n.Helper()
	n.do(part, func() (err error) { l, err = net.Listen("tcp", addr); return err })
	n.Cleanup(func() { l.Close() })
	return l
}

// serveAll starts DNS, the proxy with TLS on port 443, and a web server on port 80.
func (n *network) serveAll() {
	t := n.T
	n.ca = newAuthority(t, "the test's authority")
	n.sum = proxytest.NewSumDB(t, "sum.test")
	n.up = proxytest.New(t, proxytest.WithSumDB(n.sum))
	var udp net.PacketConn
	n.do("server", func() (err error) { udp, err = net.ListenPacket("udp", dnsAddr+":53"); return err })
	n.dns = serveNames(t, udp, n.listenAt("server", dnsAddr+":53"))
	n.dns.all(netip.MustParseAddr(serverAddr), "proxy.test", "sum.test", "http.test")
	leaf := n.ca.leaf(t, leafOptions{names: []string{"proxy.test", "sum.test"}})
	n.tls = &tls.Config{Certificates: []tls.Certificate{leaf}, MinVersion: tls.VersionTLS12}
	n.https = n.listenAt("server", serverAddr+":443")
	n.serveAt(n.https, n.tls, n.passOn(n.up.URL))
	n.serveAt(n.listenAt("server", serverAddr+":80"), nil, http.NotFoundHandler())

	dir, err := os.MkdirTemp("", "modhaven-lab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n.dir = dir
	proxytest.NoTelemetry(t, filepath.Join(dir, ".config"))
	write(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: n.ca.cert.Raw})))
	write(t, filepath.Join(dir, ".netrc"), "machine proxy.test login user password "+secret+"\n")
	n.env = map[string]string{
		"HOME": dir, "PATH": os.Getenv("PATH"), "GOPROXY": "https://proxy.test", "GOSUMDB": n.sum.Key, "GOENV": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local",
		"GOMODCACHE": filepath.Join(dir, "mod"), "GOCACHE": filepath.Join(dir, "cache"),
	}
	n.o = Options{Dir: dir, Module: "example.com/plain", Version: "v1.2.0", Resolvers: []netip.AddrPort{netip.MustParseAddrPort(dnsAddr + ":53")}}
}

func (n *network) serveAt(l net.Listener, c *tls.Config, h http.Handler) {
	if c != nil {
		c = c.Clone() // a server changes it
	}
	s := &http.Server{Handler: h, TLSConfig: c, ErrorLog: quiet(), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c != nil {
			_ = s.ServeTLS(l, "", "")
		} else {
			_ = s.Serve(l)
		}
	}()
	n.Cleanup(func() { s.Close(); <-done })
}

// moveTo has the names of the proxy lead elsewhere.
func (n *network) moveTo(addr string) {
	n.dns.all(netip.MustParseAddr(addr), "proxy.test", "sum.test")
}

// examine runs the doctor in the client's namespace, as nobody.
func (n *network) examine() *Report {
	n.Helper()
	o := n.o
	for name, v := range n.env {
		o.Environ = append(o.Environ, name+"="+v)
	}
	options, err := json.Marshal(o)
	if err != nil {
		n.Fatal(err)
	}
	exe := n.helper()
	n.run("chown", "-R", "65534:65534", n.dir)
	ctx, cancel := context.WithTimeout(n.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", n.where["client"], "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", exe)
	cmd.Env = []string{"MODHAVEN_DOCTOR_LAB=" + filepath.Join(n.dir, "ca.pem"), "PATH=" + os.Getenv("PATH"), "HOME=" + n.dir, "GORACE=" + os.Getenv("GORACE")}
	cmd.Stdin = bytes.NewReader(options)
	r := n.reportOf(cmd)
	if limit := int64(15000); r.TookMS > limit {
		n.Errorf("it took %d ms, more than %d", r.TookMS, limit)
	}
	return r
}

// reportOf runs the doctor in a process of its own, which prints its report.
func (n *network) reportOf(cmd *exec.Cmd) *Report {
	n.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		n.Fatalf("the doctor: %v", err)
	}
	r := new(Report)
	if err := json.Unmarshal(out, r); err != nil {
		n.Fatalf("%v: %s", err, out)
	}
	checkReport(n.T, r)
	checkSecrets(n.T, r)
	return r
}

// helper is a copy of the test's program that nobody may run.
func (n *network) helper() string {
	n.Helper()
	exe := filepath.Join(n.dir, "doctor")
	if _, err := os.Stat(exe); err == nil {
		return exe
	}
	syscall.ForkLock.RLock() // a program that is started meanwhile would have the file open for writing, and this one could not be
	defer syscall.ForkLock.RUnlock()
	self, err := os.Executable()
	if err := errors.Join(err, copyFile(exe, self), os.Chmod(exe, 0o755), os.Chmod(n.dir, 0o755)); err != nil {
		n.Fatal(err)
	}
	return exe
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// runHelper is the test's program in a namespace: it reads Options and prints the report.
func runHelper() bool {
	if runListenHelper() {
		return true
	}
	file := os.Getenv("MODHAVEN_DOCTOR_LAB")
	if file == "" {
		return false
	}
	var o Options
	err := json.NewDecoder(os.Stdin).Decode(&o)
	if err == nil {
		var b []byte
		b, err = os.ReadFile(file)
		o.Roots = x509.NewCertPool()
		o.Roots.AppendCertsFromPEM(b)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(Examine(context.Background(), o))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}
