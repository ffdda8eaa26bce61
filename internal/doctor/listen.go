package doctor

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const roleListener = "listener" // an address of this machine that clients connect to

// someProgram stands for one whose name only root may see.
const someProgram = "a program whose name only root may see"

// asRoot is why the rules of the firewall are not known to others.
const asRoot = "run it as root"

// A listener is a socket that waits for connections.
type listener struct {
	at    netip.AddrPort
	queue int    // connections that its program has not taken yet
	inode string // of the socket
	apart bool   // it is in another network namespace
	pid   int    // 0 where it is not known
	name  string // of the program
}

func (l listener) String() string {
	if l.pid == 0 {
		return l.at.String()
	}
	return l.at.String() + " (" + l.program() + ")"
}

func (l listener) program() string {
	if l.pid == 0 {
		return someProgram
	}
	return l.name + ", pid " + strconv.Itoa(l.pid)
}

// A portMap is where this machine passes a port on to.
type portMap struct {
	to   netip.AddrPort
	by   string // a process or a rule
	dial dial   // from here
}

// listenFacts are what this machine shows of one of the addresses that clients connect to.
type listenFacts struct {
	target *target
	addr   netip.AddrPort
	root   bool
	local  bool // this machine has the address

	here   []listener // on the port, in this network namespace
	others []listener // on other ports
	inside []listener // on the port, or where it is mapped to, in other namespaces
	maps   []portMap
	dial   dial // from here; none where local does not hold

	overflows int64 // since the machine was started, before the dial
	more      int64 // while it was tried

	firewall passage
	letIn    string // the command that has the packet pass
	unread   string // why the firewall could not be read
}

func (f *listenFacts) about() *target { return f.target }

// vars are what the templates of these findings may name.
func (f *listenFacts) vars() Vars {
	port := strconv.Itoa(int(f.addr.Port()))
	v := Vars{"addr": f.addr.String(), "ip": f.addr.Addr().String(), "port": port, "rule": f.firewall.rule, "letin": cmp.Or(f.letIn, f.openByDefault()), "others": listed(f.others), "overflows": strconv.FormatInt(f.overflows, 10)}
	if len(f.firewall.excepts) > 0 {
		v["except"] = f.firewall.excepts[0]
	}
	if len(f.firewall.some) > 0 {
		v["some"] = f.firewall.some[0]
	}
	if l, ok := f.serving(); ok {
		v["program"], v["bound"], v["queue"] = l.program(), l.at.String(), strconv.Itoa(l.queue)
	}
	if f.dial.outcome != "" {
		v["said"], v["took"] = string(f.dial.outcome), round(f.dial.took)
	}
	if f.dial.icmp != nil {
		v["icmp"] = f.dial.icmp.String()
	}
	if m, ok := f.mapped(); ok {
		v["to"], v["by"], v["toport"], v["tosaid"] = m.to.String(), m.by, strconv.Itoa(int(m.to.Port())), string(m.dial.outcome)
	}
	if len(f.inside) > 0 {
		v["inside"] = f.inside[0].at.String()
		if len(f.here) == 0 || f.broken() {
			v["program"] = f.inside[0].program()
		}
	}
	return v
}

// openByDefault lets the port in where it is not known what keeps it out.
func (f *listenFacts) openByDefault() string {
	if f.addr.Addr().Is6() {
		return "ip6tables -I INPUT -p tcp --dport " + strconv.Itoa(int(f.addr.Port())) + " -j ACCEPT"
	}
	return "iptables -I INPUT -p tcp --dport " + strconv.Itoa(int(f.addr.Port())) + " -j ACCEPT"
}

// listed lists the first four of them.
func listed(all []listener) string {
	var text []string
	for _, l := range all[:min(len(all), 4)] {
		text = append(text, l.String())
	}
	if len(all) > 4 {
		text = append(text, "…")
	}
	return strings.Join(text, ", ")
}

// covers reports whether a connection to the address comes to a listener.
func (f *listenFacts) covers(l listener) bool {
	at, ip := l.at.Addr(), f.addr.Addr()
	switch {
	case at == ip, at.IsUnspecified() && (at.Is6() || ip.Is4()):
		return true
	}
	return !f.local && !at.IsLoopback() && !ip.IsLoopback()
}

// serving is the listener that a finding is about: the one that clients come to, else one that they do not, or a known server
// on another port.
func (f *listenFacts) serving() (listener, bool) {
	if i := slices.IndexFunc(f.here, f.covers); i >= 0 {
		return f.here[i], true
	}
	if len(f.here) > 0 {
		return f.here[0], true
	}
	if m, ok := f.mapped(); ok {
		for _, l := range f.inside {
			if l.at.Port() == m.to.Port() {
				l.at = m.to
				return l, true
			}
		}
		return listener{at: m.to}, true
	}
	i := slices.IndexFunc(f.others, listener.isServer)
	if i < 0 {
		return listener{}, false
	}
	return f.others[i], true
}

// isServer reports whether a program is one of those that module proxies are, or that stand before them.
func (l listener) isServer() bool {
	names := []string{"modhaven", "athens", "goproxy", "athens-proxy", "nginx", "caddy", "haproxy", "envoy", "traefik", "apache2", "httpd"}
	return slices.Contains(names, l.name) && !l.at.Addr().IsLoopback()
}

// reached reports whether some program listens where clients come.
func (f *listenFacts) reached() bool { return slices.ContainsFunc(f.here, f.covers) }

// mapped is the map that does not work, else the first.
func (f *listenFacts) mapped() (portMap, bool) {
	for _, m := range f.maps {
		if m.dial.outcome != connected {
			return m, true
		}
	}
	if len(f.maps) == 0 {
		return portMap{}, false
	}
	return f.maps[0], true
}

func (f *listenFacts) broken() bool {
	m, ok := f.mapped()
	return ok && m.dial.outcome != connected
}

// only reports whether all that listens on the port is such.
func (f *listenFacts) only(is func(l listener) bool) bool {
	return len(f.here) > 0 && !slices.ContainsFunc(f.here, func(l listener) bool { return !is(l) })
}

var listenEvidence = []string{
	"on this port: {bound} ({program})",
	"in another network namespace: {inside} ({program})",
	"on other ports: {others}",
	"connecting to {addr} from this machine: {said} after {took}",
}

// listenerRules say that no program waits where clients come.
var listenerRules = []rule[*listenFacts]{
	{"MH1506", "", func(f *listenFacts) Confidence {
		return ifTrue(len(f.here) == 0 && len(f.maps) == 0 && len(f.inside) > 0, Certain)
	}, listenEvidence[1:]},
	{"MH1808", "", func(f *listenFacts) Confidence {
		return ifTrue(len(f.here) == 0 && len(f.maps) == 0 && slices.ContainsFunc(f.others, listener.isServer), Likely)
	}, listenEvidence[2:]},
	{"MH1804", "", func(f *listenFacts) Confidence {
		return ifTrue(len(f.here) == 0 && len(f.maps) == 0, sure(f.root))
	}, listenEvidence[2:]},
	{"MH1805", "", func(f *listenFacts) Confidence {
		return ifTrue(!f.reached() && len(f.maps) == 0 && f.only(func(l listener) bool { return l.at.Addr().IsLoopback() }), Certain)
	}, listenEvidence},
	{"MH1806", "", func(f *listenFacts) Confidence { return ifTrue(!f.reached() && len(f.maps) == 0, Certain) }, listenEvidence},
	{"MH1807", "", func(f *listenFacts) Confidence {
		six := f.only(func(l listener) bool { return l.at.Addr().Is6() })
		return ifTrue(six && f.addr.Addr().Is4() && f.dial.outcome == refused && f.dial.icmp == nil && f.firewall.verdict != rejects, sure(f.unread == ""))
	}, listenEvidence},
}

// portMapRules say that the port leads to a place where nobody is.
var portMapRules = []rule[*listenFacts]{
	{"MH1508", "", func(f *listenFacts) Confidence {
		return ifTrue(f.broken() && len(f.inside) > 0 && f.inside[0].at.Addr().IsLoopback(), Likely)
	}, []string{"mapped by {by}", "connecting to {to} from this machine: {tosaid}", "in another network namespace: {inside} ({program})"}},
	{"MH1507", "", func(f *listenFacts) Confidence {
		m, _ := f.mapped()
		return ifTrue(f.broken(), sure(m.dial.outcome == refused))
	}, []string{"mapped by {by}", "connecting to {to} from this machine: {tosaid}"}},
}

var ruleEvidence = []string{"it is this rule: {rule}", "and this one lets some clients pass: {except}", "this one is for some clients: {some}", "connecting to {addr} from this machine: {said} after {took}", "{icmp}, which only a rule sends"}

// firewallRules say that this machine itself keeps clients out.
var firewallRules = []rule[*listenFacts]{
	{"MH1319", Warn, func(f *listenFacts) Confidence {
		return ifTrue(f.firewall.verdict != accepts && len(f.firewall.excepts) > 0, Certain)
	}, ruleEvidence},
	{"MH1317", "", func(f *listenFacts) Confidence { return ifTrue(f.firewall.verdict == drops, Certain) }, ruleEvidence},
	{"MH1318", "", func(f *listenFacts) Confidence { return ifTrue(f.firewall.verdict == rejects, Certain) }, ruleEvidence},
	{"MH1318", "", func(f *listenFacts) Confidence { return ifTrue(f.reached() && f.dial.icmp != nil, Certain) }, ruleEvidence},
	{"MH1318", "", func(f *listenFacts) Confidence { return ifTrue(f.reached() && f.dial.outcome == refused, Likely) }, ruleEvidence},
	{"MH1317", "", func(f *listenFacts) Confidence {
		return ifTrue(f.reached() && f.dial.outcome == silent && f.more == 0 && f.unread != "", Likely)
	}, ruleEvidence},
	{"MH1319", Info, func(f *listenFacts) Confidence { return ifTrue(len(f.firewall.some) > 0, Certain) }, ruleEvidence},
}

// queueRules say that the program does not take what comes.
var queueRules = []rule[*listenFacts]{
	{"MH1913", "", func(f *listenFacts) Confidence {
		return ifTrue(f.reached() && f.dial.outcome == silent && f.more > 0, Certain)
	}, []string{"connecting to {addr} from this machine: {said} after {took}", "{queue} connections wait in the queue of {bound}", "the kernel counted overflows meanwhile, {overflows} before"}},
	{"MH1914", Info, func(f *listenFacts) Confidence { return ifTrue(f.overflows > 0, Certain) }, nil},
}

// judge holds the facts of each stage against its table.
func (f *listenFacts) judge() {
	t := f.target
	v := f.vars()
	said := func(ok bool, template, otherwise string) Text {
		if ok {
			return Text{template, v}
		}
		return Text{otherwise, v}
	}
	well := t.step(Step{Stage: StageListener, Said: said(len(f.here) > 0, "{bound}: {program}", "nothing in this network namespace listens on port {port}"), Trace: f.trace()}, findingsOf(StageListener, listenerRules, f))
	if !f.local {
		fd := newFinding("MH1509", StageListener, Certain, v)
		fd.Severity, fd.Targets = Warn, []string{t.name}
		t.findings = append(t.findings, fd)
	}
	if well && len(f.maps) > 0 {
		well = t.step(Step{Stage: StagePortMap, Said: Text{"{to}, by {by}", v}}, findingsOf(StagePortMap, portMapRules, f))
	}
	s := Step{Stage: StageFirewall, Said: said(f.unread == "", "lets TCP port {port} in", "not readable: {why}")}
	s.Said.Vars = s.Said.Vars.with(Vars{"why": f.unread})
	found := findingsOf(StageFirewall, firewallRules, f)
	if well || f.firewall.verdict != accepts {
		t.step(s, found)
		if f.unread != "" && len(found) == 0 {
			t.steps[len(t.steps)-1].Status = Skipped
		}
	}
	if well && f.dial.outcome != "" {
		t.step(Step{Stage: StageTCP, TookMS: ms(f.dial.took), Said: Text{"{addr}: {said}", v}}, findingsOf(StageTCP, queueRules, f))
	}
}

// trace lists all that listens, for --verbose.
func (f *listenFacts) trace() (all []string) {
	for _, l := range f.here {
		all = append(all, l.String()+", "+strconv.Itoa(l.queue)+" waiting")
	}
	for _, l := range f.inside {
		all = append(all, "in another namespace: "+l.String())
	}
	for _, l := range f.others[:min(len(f.others), maxShown)] {
		all = append(all, "other port: "+l.String())
	}
	return all
}

func findingsOf(stage Stage, table []rule[*listenFacts], f *listenFacts) []Finding {
	if fd, ok := first(stage, table, f); ok {
		return []Finding{fd}
	}
	return nil
}

// reportListening judges the addresses that clients connect to.
func reportListening(start time.Time, all []*listenFacts) *Report {
	r := &Report{Schema: Schema, Started: start.UTC()}
	var found []Finding
	for _, f := range all {
		f.judge()
		found = append(found, f.target.findings...)
		r.Targets = append(r.Targets, Target{Name: f.target.name, Role: roleListener, Stages: f.target.steps})
	}
	r.conclude(found, "")
	if f := all[0]; r.Verdict.Code == Well {
		c := sure(f.unread == "")
		open := newFinding(Open, StageListener, c, f.vars())
		r.Verdict = Verdict{Class: OK, Code: Open, Confidence: c, Summary: open.Summary, Alternatives: append([]Alternative{}, open.Alternatives...)}
	}
	r.TookMS = time.Since(start).Milliseconds()
	return r
}

// nearest puts what clients may have meant first: known servers, then what other machines reach.
func nearest(all []listener) {
	rank := func(l listener) int {
		switch {
		case l.isServer():
			return 0
		case !l.at.Addr().IsLoopback():
			return 1
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b listener) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.at.Port(), b.at.Port()))
	})
}
