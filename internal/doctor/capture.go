package doctor

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/doctor/trace"
	"github.com/modhaven/modhaven/internal/pcap"
)

const (
	roleCapture    = "capture"    // a file
	roleConnection = "connection" // what connections in it lead to

	maxShown  = 200 // connections that are listed of one target
	maxGroups = 500 // targets in a report

	filterPatience = 5 * time.Second // for the name in a filter
)

// CaptureOptions say what of captures is judged.
type CaptureOptions struct {
	Filter string // HOST:PORT, or HOST or :PORT; HOST may be a name that the capture has an address of. "" for everything
}

// JudgeCaptures says of captures what is wrong with the connections in them. Two are the sides of the client and of the
// server, in any order, recorded at the same time. The error says which file is no capture, or cannot be read.
func JudgeCaptures(files []string, o CaptureOptions) (*Report, error) {
	start := time.Now()
	var all []*trace.Trace
	for _, name := range files {
		t, err := readTrace(name, o)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	r := judgeTraces(files, all)
	r.Started, r.TookMS = start.UTC(), time.Since(start).Milliseconds()
	return r, nil
}

func readTrace(name string, o CaptureOptions) (*trace.Trace, error) {
	only, err := o.only()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, reasonOf(err))
	}
	defer f.Close()
	return traceOf(name, f, only)
}

func traceOf(name string, f io.Reader, only func(a, b netip.AddrPort) bool) (*trace.Trace, error) {
	r, err := pcap.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %v", name, err)
	}
	t := trace.Read(r, only)
	if t.Wrong != nil && t.Packets == 0 {
		return nil, fmt.Errorf("%s: %v", name, t.Wrong)
	}
	return t, nil
}

// only returns what tells whether a connection is to be judged; nil for all of them.
func (o CaptureOptions) only() (func(a, b netip.AddrPort) bool, error) {
	addrs, port, err := filterOf(o.Filter)
	if err != nil || len(addrs) == 0 && port == 0 {
		return nil, err
	}
	is := func(a netip.AddrPort) bool {
		return (port == 0 || a.Port() == port) && (len(addrs) == 0 || slices.Contains(addrs, a.Addr().Unmap()))
	}
	return func(a, b netip.AddrPort) bool { return is(a) || is(b) }, nil
}

// filterOf reads HOST:PORT, HOST or :PORT.
func filterOf(s string) (addrs []netip.Addr, port uint16, err error) {
	if s == "" {
		return nil, 0, nil
	}
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		host, p = strings.Trim(s, "[]"), ""
	}
	if p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return nil, 0, fmt.Errorf("%q is not HOST:PORT, such as proxy.example.com:443", s)
		}
		port = uint16(n)
	}
	if host == "" {
		return nil, port, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, port, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), filterPatience)
	defer cancel()
	all, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: its address cannot be looked up (%v); write the address itself", host, err)
	}
	for _, s := range all {
		if a, err := netip.ParseAddr(s); err == nil {
			addrs = append(addrs, a.Unmap())
		}
	}
	return addrs, port, nil
}

// A group is the connections of a capture that lead to the same place.
type group struct {
	name     string // HOST:PORT
	host     string
	gone     netip.Addr // an address of this network whose hardware was asked for, and nothing else
	conns    []*connFacts
	lookups  []*trace.Lookup
	findings []Finding
	steps    []Step
}

// judgeTraces judges one capture, or the two sides of what went on.
func judgeTraces(files []string, all []*trace.Trace) *Report {
	r := &Report{Schema: Schema}
	var found []Finding
	for i, t := range all {
		found = append(found, fileTarget(r, files[i], t)...)
	}
	groups := groupsOf(all)
	for _, g := range groups {
		g.judge(all[0])
		found = append(found, g.findings...)
	}
	if len(groups) == 0 {
		found = append(found, warnOf(codeNothing, Vars{}))
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(a.gravity(), b.gravity()) })
	for _, g := range groups[:min(len(groups), maxGroups)] {
		r.Targets = append(r.Targets, Target{Name: g.name, Role: roleConnection, Stages: g.steps})
	}
	r.conclude(found, "")
	return r
}

func warnOf(code Code, v Vars) Finding {
	f := newFinding(code, StageCapture, Certain, v)
	f.Severity = Warn
	return f
}

// fileTarget says what a capture is, and what is wrong with it.
func fileTarget(r *Report, name string, t *trace.Trace) (found []Finding) {
	s := Step{Stage: StageCapture, Status: Passed, TookMS: float64(t.Last-t.First) / 1e6}
	v := Vars{"file": name, "packets": strconv.FormatInt(t.Packets, 10), "size": bytesText(t.Bytes), "count": strconv.Itoa(len(t.Conns) + t.Well)}
	s.Said = Text{"{packets} packets, {size}, {count} connections", v}
	s.Facts = map[string]string{"format": t.Format, "packets": v["packets"], "connections": v["count"]}
	for name, n := range map[string]int64{"dropped": t.Dropped, "cut_packets": t.Cut, "fragments": t.Parts, "undecoded": t.Strange, "not_followed": int64(t.Missed)} {
		if n > 0 {
			s.Facts[name] = strconv.FormatInt(n, 10)
			s.Trace = append(s.Trace, name+": "+s.Facts[name])
		}
	}
	slices.Sort(s.Trace)
	if t.Wrong != nil {
		f := warnOf(codeUnread, v.with(Vars{"why": oneLine(t.Wrong.Error())}))
		s.Status, s.Code = Warned, f.Code
		found = append(found, f)
	}
	r.Targets = append(r.Targets, Target{Name: name, Role: roleCapture, Stages: []Step{s}})
	return found
}

// groupsOf sorts connections and look-ups by where they lead. With two captures those of the client's side are judged, with
// what the server's has of them.
func groupsOf(all []*trace.Trace) (groups []*group) {
	by := map[string]*group{}
	of := func(host, name string) *group {
		if by[name] == nil {
			by[name] = &group{name: name, host: host}
			groups = append(groups, by[name])
		}
		return by[name]
	}
	names := namesIn(all)
	client, server := sides(all)
	other, index := pairsOf(client, server), indexOf(client)
	hosts := map[string][]*group{}
	for _, c := range client.Conns {
		if !c.Whole && (c.S.Data == 0 || c.C.Data == 0) {
			continue // it was there before, and nothing of it can be said
		}
		if c.Server.Port() == 53 {
			continue // the DNS over TCP
		}
		f := newConnFacts(client, index, c, names)
		if server != nil {
			f.paired, f.peer, f.far = true, other[c], server
		}
		g := of(f.host, net.JoinHostPort(f.host, f.port))
		g.conns = append(g.conns, f)
		if len(g.conns) == 1 {
			hosts[f.host] = append(hosts[f.host], g)
		}
	}
	asked := map[string]bool{}
	for _, l := range client.Lookups {
		for _, g := range hosts[l.Name] {
			g.lookups = append(g.lookups, l)
		}
		asked[l.Name] = true
		if len(hosts[l.Name]) == 0 && asksAddress(l) {
			g := of(l.Name, l.Name)
			g.lookups = append(g.lookups, l)
		}
	}
	for a, h := range client.Hosts {
		if h.Sought > 1 && !h.Answered && !h.Sent && index.hosts[a] == nil {
			g := of(a.String(), a.String())
			g.gone = a
		}
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(a.gone.String(), b.gone.String()) })
	return slices.DeleteFunc(groups, func(g *group) bool {
		return len(g.conns) == 0 && !g.gone.IsValid() && (g.resolved() || g.elsewhere(asked))
	})
}

// namesIn returns the names that the look-ups in captures gave addresses.
func namesIn(all []*trace.Trace) map[netip.Addr]string {
	names := map[netip.Addr]string{}
	for _, t := range all {
		for _, l := range t.Lookups {
			for _, a := range l.Addrs {
				names[a] = l.Name
			}
		}
	}
	return names
}

func (g *group) gravity() int {
	best := 1 << 20
	for _, f := range g.findings {
		best = min(best, grade(f))
	}
	return best
}

// judge judges each connection of a group. Failures that later connections do not have any more, or few of many, are warnings.
func (g *group) judge(t *trace.Trace) {
	if g.gone.IsValid() {
		g.judgeGone()
		return
	}
	dns := g.judgeLookups(t)
	var bad []Finding
	last, failed := false, 0
	worst := (*connFacts)(nil)
	for i, f := range g.conns {
		f.judge()
		last = f.found != nil
		if last {
			failed++
			code := f.found.Code
			bad = append(slices.DeleteFunc(bad, func(o Finding) bool { return o.Code == code }), *f.found)
			if worst != nil {
				worst.steps = nil
			}
			worst = f
		} else if i < len(g.conns)-1 {
			f.steps = nil // there may be very many
		}
		f.found = nil
	}
	grave := last || failed*2 > len(g.conns)
	for i := range bad {
		if !grave && bad[i].Severity == Fail {
			bad[i].Severity = Warn
		}
		bad[i].Targets = []string{g.name}
		if len(g.conns) > 1 && len(bad[i].Evidence) < maxEvidence {
			bad[i].Evidence = append(bad[i].Evidence, Text{"it is so with {count} of {of} connections in the capture", Vars{"count": strconv.Itoa(failed), "of": strconv.Itoa(len(g.conns))}})
		}
	}
	g.findings = append(dns, bad...)
	if worst == nil && len(g.conns) > 0 {
		worst = g.conns[len(g.conns)-1]
		g.findings = append(g.findings, g.loss()...)
	}
	if worst == nil {
		return
	}
	g.steps = append(g.steps, worst.steps...)
	if i := len(g.steps) - 1; i >= 0 {
		for n, f := range g.conns[:min(len(g.conns), maxShown)] {
			g.steps[i].Trace = append(g.steps[i].Trace, f.line(n+1)...)
		}
	}
}

// judgeGone says that nobody has an address, so that not even a first packet could be sent.
func (g *group) judgeGone() {
	fd := newFinding("MH1401", StageTCP, Certain, Vars{"gateway": g.name, "ip": g.name, "host": g.name})
	fd.Targets = []string{g.name}
	g.findings = []Finding{fd}
	g.steps = []Step{{Stage: StageTCP, Status: Failed, Code: fd.Code, Said: fd.Summary}}
}

// loss finds that many packets had to be sent again. One that was lost before it came here is seen once, and late.
func (g *group) loss() []Finding {
	const least, part = 50, 0.03
	data, again, filled, count := 0, 0, 0, 0
	for _, f := range g.conns {
		late := f.c.C.Filled + f.c.S.Filled
		n := f.c.C.Again + f.c.S.Again + late + max(0, len(f.c.SYNs)-1)
		filled += late
		data, again = data+f.c.C.Data+f.c.S.Data, again+n
		if n > 0 {
			count++
		}
	}
	if data < least || float64(again) < part*float64(data) {
		return nil
	}
	f := g.conns[0]
	fd := newFinding("MH1405", StageTCP, sure(filled == 0), f.vars().with(Vars{"count": strconv.Itoa(count), "of": strconv.Itoa(len(g.conns))}))
	fd.Severity, fd.Targets = Warn, []string{g.name}
	fd.Evidence = []Text{{"{again} packets of {of} were sent again", Vars{"again": strconv.Itoa(again), "of": strconv.Itoa(data)}}}
	return []Finding{fd}
}
