package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A machine is what the settings of this machine say about downloads.
type machine struct {
	dir       string
	given     string // Options.Given
	token     string
	environ   map[string]string
	env       map[string]string // of "go env"
	written   map[string]bool   // names that "go env -w" has set
	goErr     string            // why the go command could not be asked
	resolvers []netip.AddrPort
	hostsFile string
	hosts     map[string][]netip.Addr
	netrc     []netrcEntry
	netrcName string
	proxies   httpproxy.Config
	fixed     bool // the resolvers were named
}

// goPatience is how long the go command may take to print its settings.
const goPatience = 5 * time.Second

// readMachine finds the settings. It opens no connection.
func readMachine(ctx context.Context, o *Options) *machine {
	m := &machine{dir: o.Dir, given: o.Given, token: o.Token, environ: map[string]string{}, env: map[string]string{}, written: map[string]bool{}}
	for _, kv := range o.Environ {
		if name, v, ok := strings.Cut(kv, "="); ok {
			m.environ[name] = v
		}
	}
	if m.given == "" {
		m.goEnv(ctx, o.Environ)
	}
	for name, v := range o.Override {
		m.env[name] = v
	}
	if m.fixed = o.Resolvers != nil; m.fixed {
		m.resolvers = o.Resolvers
	} else if b, err := os.ReadFile("/etc/resolv.conf"); err == nil && runtime.GOOS == "linux" {
		m.resolvers = parseResolvConf(string(b))
	}
	if runtime.GOOS != "windows" && !m.fixed {
		m.hostsFile = "/etc/hosts"
		if b, err := os.ReadFile(m.hostsFile); err == nil {
			m.hosts = parseHosts(string(b))
		}
	}
	m.netrcName = m.environ["NETRC"]
	if home := m.environ["HOME"]; m.netrcName == "" && home != "" {
		m.netrcName = filepath.Join(home, ".netrc")
	}
	if b, err := os.ReadFile(m.netrcName); err == nil && len(b) < 1<<20 {
		m.netrc = parseNetrc(string(b))
	}
	get := func(name string) string {
		if v := m.environ[name]; v != "" {
			return v
		}
		return m.environ[strings.ToLower(name)]
	}
	m.proxies = httpproxy.Config{HTTPProxy: get("HTTP_PROXY"), HTTPSProxy: get("HTTPS_PROXY"), NoProxy: get("NO_PROXY"), CGI: m.environ["REQUEST_METHOD"] != ""}
	return m
}

// goVariables are the settings that downloads depend on. Without names the go command runs a C compiler to print them all.
var goVariables = []string{
	"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOAUTH", "GOFLAGS", "GOTOOLCHAIN", "GOVCS",
	"GOMODCACHE", "GOTMPDIR", "GOENV", "GOMOD", "GOVERSION", "GOROOT",
}

// goEnv asks the go command, where there is one.
func (m *machine) goEnv(ctx context.Context, environ []string) {
	ctx, cancel := context.WithTimeout(ctx, goPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append([]string{"env", "-json"}, goVariables...)...)
	cmd.Dir, cmd.WaitDelay = m.dir, 200*time.Millisecond
	cmd.Env = append(append([]string{}, environ...), "GOTOOLCHAIN=local", "GOWORK=off") // so that none is downloaded, or missed, only to be asked
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &m.env)
	} else if stderr.Len() > 0 {
		err = errors.New(oneLine(scrub(stderr.String())))
	}
	if err != nil {
		m.goErr = errText(err)
		m.defaults()
		return
	}
	if b, err := os.ReadFile(m.env["GOENV"]); err == nil && len(b) < 1<<20 {
		for line := range strings.Lines(string(b)) {
			name, _, _ := strings.Cut(line, "=")
			m.written[name] = true
		}
	}
	m.env["GOTOOLCHAIN"] = m.environ["GOTOOLCHAIN"]
}

// defaults stand in for a go command that cannot be asked.
func (m *machine) defaults() {
	m.env["GOPROXY"], m.env["GOSUMDB"] = goproxy.DefaultUpstreams, goproxy.DefaultSumDB
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOFLAGS", "GOMODCACHE"} {
		if v := m.environ[name]; v != "" {
			m.env[name] = v
		}
	}
}

// Where a setting comes from, beside a file.
const (
	fromEnvironment = "the environment"
	fromDefaults    = "Go's defaults"
)

// from says where a setting comes from.
func (m *machine) from(name string) string {
	switch {
	case m.given != "":
		return m.given
	case m.environ[name] != "":
		return fromEnvironment
	case m.written[name]:
		return m.env["GOENV"]
	}
	return fromDefaults
}

// resolver asks as Go does, at the servers of the machine.
func (m *machine) resolver() *net.Resolver {
	if !m.fixed {
		return &net.Resolver{PreferGo: true}
	}
	var dials atomic.Uint32 // A and AAAA are asked for at once, of the first server first
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		if len(m.resolvers) == 0 {
			return nil, errors.New("no DNS server is set")
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, m.resolvers[int(dials.Add(1)-1)/2%len(m.resolvers)].String())
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}}
}

// proxyFor returns the HTTP proxy for an address, nil for none.
func (m *machine) proxyFor(u *url.URL) (*url.URL, error) {
	p, err := m.proxies.ProxyFunc()(u)
	if err != nil || p == nil {
		return nil, err
	}
	return p, checkProxy(m.environ[m.proxyName(u.Scheme)])
}

// checkProxy says what is wrong with the address of an HTTP proxy. What net/http makes of a wrong one is a host that was not meant.
func checkProxy(addr string) error {
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	u, err := url.Parse(addr)
	switch {
	case err != nil:
		return errors.New("it cannot be read")
	case u.Hostname() == "":
		return errors.New("it has no host")
	}
	return nil
}

// proxyName is the variable that names the proxy for a scheme.
func (m *machine) proxyName(scheme string) string {
	name := strings.ToUpper(scheme) + "_PROXY"
	if m.environ[name] == "" && m.environ[strings.ToLower(name)] != "" {
		return strings.ToLower(name)
	}
	return name
}

// private reports whether the go command keeps a module from the proxies.
func (m *machine) private(path string) bool {
	return path != "" && goproxy.MatchesAny(m.env["GONOPROXY"], path)
}

// unverified reports whether the go command asks no checksum database about a module.
func (m *machine) unverified(path string) bool {
	return path != "" && goproxy.MatchesAny(m.env["GONOSUMDB"], path)
}

// parseResolvConf returns the DNS servers of a resolv.conf(5).
func parseResolvConf(conf string) (list []netip.AddrPort) {
	const most = 3
	for line := range strings.Lines(conf) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(list) == most {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53))
		}
	}
	if len(list) == 0 {
		list = append(list, netip.MustParseAddrPort("127.0.0.1:53")) // resolv.conf(5)
	}
	return list
}

// parseHosts reads a hosts(5) file.
func parseHosts(s string) map[string][]netip.Addr {
	all := map[string][]netip.Addr{}
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		a, err := netip.ParseAddr(f[0])
		if err != nil {
			continue
		}
		for _, name := range f[1:] {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			all[name] = append(all[name], a)
		}
	}
	return all
}

// A netrcEntry is a machine of netrc that has a login and a password.
type netrcEntry struct{ machine, login, password string }

// parseNetrc reads a netrc as the go command does: macros and what follows default say nothing.
func parseNetrc(s string) (list []netrcEntry) {
	var e netrcEntry
	macro := false
	for line := range strings.SplitSeq(s, "\n") {
		if macro {
			macro = strings.TrimSpace(line) != ""
			continue
		}
		f := strings.Fields(line)
		for ; len(f) > 1; f = f[2:] {
			switch f[0] {
			case "machine":
				e = netrcEntry{machine: f[1]}
			case "login":
				e.login = f[1]
			case "password":
				e.password = f[1]
			case "macdef":
				macro = true
			}
			if e.machine != "" && e.login != "" && e.password != "" {
				list = append(list, e)
				e = netrcEntry{}
			}
		}
		if len(f) > 0 && f[0] == "default" {
			return list
		}
	}
	return list
}

// scrub takes users and passwords out of the addresses in a text.
func scrub(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		at := strings.Index(w, "://")
		if at < 0 {
			continue
		}
		rest := w[at+3:]
		if user := strings.LastIndexByte(rest, '@'); user >= 0 {
			words[i] = w[:at+3] + "…@" + rest[user+1:]
		}
		if q := strings.IndexByte(words[i], '?'); q >= 0 && !strings.HasSuffix(words[i][q:], "?go-get=1") {
			words[i] = words[i][:q] + "?…"
		}
	}
	return strings.Join(words, " ")
}

// redactList returns a list of addresses without their users and passwords.
func redactList(list string) string {
	var b strings.Builder
	for list != "" {
		i := strings.IndexAny(list, ",|")
		if i < 0 {
			i = len(list)
		}
		b.WriteString(goproxy.Redact(list[:i]))
		if i < len(list) {
			b.WriteByte(list[i])
			i++
		}
		list = list[i:]
	}
	return b.String()
}

// oneLine returns a text on one line, cut where it is long.
func oneLine(s string) string {
	const most = 300
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return oneLine(scrub(fmt.Sprint(err)))
}

// bytesText returns a number of bytes for people.
func bytesText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
