package doctor

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is looked at of this machine.
const (
	listenBudget = 10 * time.Second
	namePatience = 5 * time.Second
	ownPatience  = 1500 * time.Millisecond // for a connection of this machine to itself
	maxAddresses = 4                       // of a name
	maxSpaces    = 500                     // network namespaces
	maxTable     = 16 << 20                // bytes of a table of sockets, in which listening ones come first
	ownerBudget  = 3 * time.Second         // for finding programs
)

// ExamineListening says, on the server's own machine, who listens on an address that clients connect to, and why they may be
// refused. Host is a name or an address, and not a wildcard. Root sees more: the names of programs, and the firewall.
func ExamineListening(ctx context.Context, host string, port uint16) (*Report, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, listenBudget)
	defer cancel()
	addrs, err := addressesOf(ctx, host)
	if err != nil {
		return nil, err
	}
	own, err := readSockets("thread-self")
	if err != nil {
		return nil, fmt.Errorf("/proc/thread-self/net/tcp: it cannot be read (%s), and without it nothing is known of who listens", reasonOf(err))
	}
	m := &server{sockets: own, root: os.Geteuid() == 0}
	m.readInterfaces()
	m.readProcesses(ctx)
	var all []*listenFacts
	for _, a := range addrs {
		all = append(all, m.examine(ctx, host, netip.AddrPortFrom(a, port)))
	}
	return reportListening(start, all), nil
}

func addressesOf(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, namePatience)
	defer cancel()
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("%s: its address cannot be looked up (%v); write the address itself", host, err)
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	return all[:min(len(all), maxAddresses)], nil
}

// A server is what this machine shows before an address is looked at.
type server struct {
	root    bool
	sockets []listener // of this network namespace
	apart   []listener // of the others
	links   []link
	proxies []dockerProxy
}

// A link is an interface with its addresses.
type link struct {
	name string
	nets []netip.Prefix
}

// A dockerProxy is a process that passes a port on to a container.
type dockerProxy struct {
	pid      int
	from, to netip.AddrPort
}

func (m *server) readInterfaces() {
	all, err := net.Interfaces()
	if err != nil {
		return
	}
	for _, i := range all {
		l := link{name: i.Name}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok {
				ip, _ := netip.AddrFromSlice(n.IP)
				bits, _ := n.Mask.Size()
				l.nets = append(l.nets, netip.PrefixFrom(ip.Unmap(), bits))
			}
		}
		m.links = append(m.links, l)
	}
}

func (m *server) isLocal(a netip.Addr) bool {
	return a.IsLoopback() || m.linkOf(func(p netip.Prefix) bool { return p.Addr() == a }) != ""
}

// outOf is the interface that an address is reached by.
func (m *server) outOf(a netip.Addr) string {
	return m.linkOf(func(p netip.Prefix) bool { return p.Contains(a) })
}

func (m *server) linkOf(is func(p netip.Prefix) bool) string {
	for _, l := range m.links {
		if slices.ContainsFunc(l.nets, is) {
			return l.name
		}
	}
	return ""
}

// readProcesses finds the network namespaces, what listens in them, the programs of all listeners, and docker-proxy.
func (m *server) readProcesses(ctx context.Context) {
	pids := processes()
	own, _ := os.Readlink("/proc/thread-self/ns/net")
	seen := map[string]bool{own: true}
	for _, pid := range pids {
		dir := filepath.Join("/proc", pid)
		if space, err := os.Readlink(filepath.Join(dir, "ns/net")); err == nil && !seen[space] && len(seen) < maxSpaces {
			seen[space] = true
			sockets, _ := readSockets(pid)
			for _, l := range sockets {
				l.apart = true
				m.apart = append(m.apart, l)
			}
		}
		if commandOf(pid) == "docker-proxy" {
			if b, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil {
				if p, ok := parseDockerProxy(strings.Split(string(b), "\x00")); ok {
					p.pid, _ = strconv.Atoi(pid)
					m.proxies = append(m.proxies, p)
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, ownerBudget)
	defer cancel()
	m.findOwners(ctx, pids)
	nearest(m.sockets)
	nearest(m.apart)
}

func processes() (pids []string) {
	all, _ := os.ReadDir("/proc")
	for _, e := range all {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

func commandOf(pid string) string {
	b, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	return oneLine(strings.TrimSpace(string(b)))
}

// findOwners finds the processes that have the sockets open.
func (m *server) findOwners(ctx context.Context, pids []string) {
	wanted := map[string]*listener{}
	for _, all := range [][]listener{m.sockets, m.apart} {
		for i := range all {
			wanted["socket:["+all[i].inode+"]"] = &all[i]
		}
	}
	for _, pid := range pids {
		if len(wanted) == 0 || ctx.Err() != nil {
			return
		}
		dir := filepath.Join("/proc", pid, "fd")
		all, _ := os.ReadDir(dir)
		for _, e := range all {
			to, err := os.Readlink(filepath.Join(dir, e.Name()))
			if l := wanted[to]; err == nil && l != nil {
				l.pid, _ = strconv.Atoi(pid)
				l.name = commandOf(pid)
				delete(wanted, to)
			}
		}
	}
}

// parseDockerProxy reads the arguments of docker-proxy.
func parseDockerProxy(args []string) (p dockerProxy, ok bool) {
	v := map[string]string{}
	for i := 0; i+1 < len(args); i++ {
		if name, is := strings.CutPrefix(args[i], "-"); is {
			v[strings.TrimPrefix(name, "-")] = args[i+1]
		}
	}
	from, err1 := netip.ParseAddrPort(net.JoinHostPort(v["host-ip"], v["host-port"]))
	to, err2 := netip.ParseAddrPort(net.JoinHostPort(v["container-ip"], v["container-port"]))
	return dockerProxy{from: from, to: to}, err1 == nil && err2 == nil && v["proto"] == "tcp"
}

// examine looks at one address.
func (m *server) examine(ctx context.Context, name string, addr netip.AddrPort) *listenFacts {
	f := &listenFacts{target: &target{role: roleListener, name: addr.String(), host: name}, addr: addr, root: m.root, local: m.isLocal(addr.Addr()), firewall: passage{verdict: accepts}}
	for _, l := range m.sockets {
		if l.at.Port() == addr.Port() {
			f.here = append(f.here, l)
		} else {
			f.others = append(f.others, l)
		}
	}
	slices.SortStableFunc(f.here, func(a, b listener) int { return countOf(f.covers(b)) - countOf(f.covers(a)) })
	m.readFirewall(ctx, f)
	for _, p := range m.proxies {
		covered := p.from.Addr() == addr.Addr() || p.from.Addr().IsUnspecified() && (p.from.Addr().Is6() || addr.Addr().Is4())
		if covered && p.from.Port() == addr.Port() && !slices.ContainsFunc(f.maps, func(o portMap) bool { return o.to == p.to }) {
			f.maps = append(f.maps, portMap{to: p.to, by: "docker-proxy, pid " + strconv.Itoa(p.pid)})
		}
	}
	for i, p := range f.maps {
		f.maps[i].dial = connect(ctx, p.to, sockOptions{}, ownPatience)
	}
	for _, l := range m.apart {
		if l.at.Port() == addr.Port() && len(f.maps) == 0 || slices.ContainsFunc(f.maps, func(p portMap) bool { return p.to.Port() == l.at.Port() }) {
			f.inside = append(f.inside, l)
		}
	}
	f.overflows, _ = netstat("ListenOverflows")
	if f.local {
		f.dial = connect(ctx, addr, sockOptions{}, ownPatience)
		after, _ := netstat("ListenOverflows")
		f.more = after - f.overflows
	}
	return f
}

func countOf(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// readFirewall sends the first packet of a connection through the rules, where they may be read.
func (m *server) readFirewall(ctx context.Context, f *listenFacts) {
	if f.addr.Addr().IsLoopback() {
		return // such rules are for what comes from outside
	}
	w := firewall{}
	family, save, v6 := "ip", "iptables-save", f.addr.Addr().Is6()
	if v6 {
		family, save = "ip6", "ip6tables-save"
	}
	text, err1 := output(ctx, save)
	if err1 == nil {
		w.readIPTables(string(text), family)
	}
	text, err2 := output(ctx, "nft", "-j", "list", "ruleset")
	if err2 == nil {
		err2 = w.readNFTables(text, v6)
	}
	if err1 != nil && err2 != nil {
		f.unread = asRoot
		if m.root {
			f.unread = errText(errors.Join(err1, err2))
		}
		return
	}
	in := m.linkOf(func(p netip.Prefix) bool { return p.Addr() == f.addr.Addr() })
	way, end := w.pass(packet{to: f.addr, in: in, local: f.local}, m.isLocal, m.outOf)
	f.firewall, f.letIn = way, way.letIn(end)
	if len(way.mapped) > 0 {
		f.maps = append(f.maps, portMap{to: end.to, by: way.mapped[0].text})
	}
}

// output runs a program of the system's administration.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		for _, dir := range []string{"/usr/sbin", "/sbin"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				path = filepath.Join(dir, name)
			}
		}
	}
	if path == "" {
		return nil, fmt.Errorf("%s is not installed", name)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = 200 * time.Millisecond
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %v", name, err)
	}
	return out, nil
}

// readSockets reads what listens in the network namespace of a process.
func readSockets(pid string) (all []listener, err error) {
	for _, name := range []string{"tcp", "tcp6"} {
		b, e := readBegin(filepath.Join("/proc", pid, "net", name), maxTable)
		if e != nil && (name == "tcp" || !errors.Is(e, fs.ErrNotExist)) {
			err = e
		}
		all = append(all, parseSockets(string(b))...)
	}
	return all, err
}

// readBegin reads a file up to a size.
func readBegin(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// parseSockets reads the listening ones of a table of sockets, proc(5).
func parseSockets(table string) (all []listener) {
	const listening = "0A"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != listening {
			continue
		}
		at, ok := hexAddrPort(f[1])
		_, waiting, _ := strings.Cut(f[4], ":")
		n, err := strconv.ParseUint(waiting, 16, 32)
		if ok && err == nil {
			all = append(all, listener{at: at, queue: int(n), inode: f[9]})
		}
	}
	return all
}

// hexAddrPort reads an address and a port as the kernel prints them: words of four bytes in the machine's order.
func hexAddrPort(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

// listensHere reports whether a program of this machine listens on a port. It says so too where that is not known.
func listensHere(port uint16) bool {
	all, err := readSockets("thread-self")
	return err != nil || slices.ContainsFunc(all, func(l listener) bool { return l.at.Port() == port })
}
