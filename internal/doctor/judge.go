package doctor

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// judge says of each stage of a target how it went, and gathers what is wrong.
func (t *target) judge() {
	for _, stage := range []func() bool{t.judgeDNS, t.judgeTCP, t.judgeTunnel, t.judgeTLS, t.judgeWeb, t.judgeFiles, t.judgeVCS} {
		if !stage() {
			break
		}
	}
	t.skipRest()
	t.failed = t.lost || slices.ContainsFunc(t.findings, func(f Finding) bool { return f.Severity == Fail && f.Stage != StageSumDB }) || t.via != nil && !t.proxy.addr.IsValid()
}

// step adds a line to the table of stages. It reports whether the next stage was run.
func (t *target) step(s Step, found []Finding) bool {
	s.Status = Passed
	for _, f := range found {
		switch {
		case f.Severity == Fail:
			s.Status, s.Code = Failed, f.Code
			s.Said = f.Summary
		case f.Severity == Warn && s.Status == Passed:
			s.Status, s.Code = Warned, f.Code
		}
	}
	t.findings = append(t.findings, found...)
	t.steps = append(t.steps, s)
	return s.Status != Failed
}

// stages are those that a target of this role has.
func (t *target) stages() []Stage {
	all := []Stage{StageDNS, StageTCP}
	if t.via != nil {
		all = []Stage{}
		if t.url.Scheme == "https" {
			all = append(all, StageProxy)
		}
	}
	if t.role == roleProxy {
		return all
	}
	if t.url.Scheme == "https" {
		all = append(all, StageTLS)
	}
	switch t.role {
	case roleEntry:
		return append(all, StageHTTP, StageProtocol, StageSumDB)
	case roleSum:
		return append(all, StageHTTP, StageSumDB)
	}
	return append(all, StageVCS)
}

// unneeded is why a stage is not run where nothing failed.
const unneeded = "nothing needs it"

// skipRest lists the stages behind the one that failed, and what nothing asks for: a checksum database where there is none.
func (t *target) skipRest() {
	var because Stage
	switch {
	case t.lost:
		because = StageSettings
	case t.via != nil && !t.proxy.addr.IsValid():
		because = StageProxy
	}
	for _, s := range t.steps {
		if s.Status == Failed {
			because = s.Stage
		}
	}
	for _, st := range t.stages() {
		if !slices.ContainsFunc(t.steps, func(s Step) bool { return s.Stage == st }) {
			said := Text{"not run: {because} failed", Vars{"because": string(because)}}
			if because == "" {
				said = Text{"not run: {why}", Vars{"why": unneeded}}
			}
			t.steps = append(t.steps, Step{Stage: st, Status: Skipped, Because: because, Said: said})
		}
	}
}

func (t *target) judgeDNS() bool {
	f := t.dns
	if f == nil {
		return t.via != nil && t.proxy.addr.IsValid()
	}
	s := Step{Stage: StageDNS, TookMS: ms(f.took), Said: Text{"{value}", Vars{"value": join(f.addrs)}}}
	switch {
	case f.literal:
		s.Said = Text{"{value}, as written", s.Said.Vars}
	case len(f.hosts) > 0:
		s.Said = Text{"{value}, from {file}", s.Said.Vars.with(Vars{"file": f.hostFile})}
	}
	for _, v := range f.servers {
		s.Trace = append(s.Trace, v.addr.String()+": A "+string(v.a.reply)+" "+join(v.a.addrs)+" in "+round(v.a.took)+", AAAA "+string(v.aaaa.reply)+" "+join(v.aaaa.addrs)+" in "+round(v.aaaa.took))
		if v.tcp != nil {
			s.Trace = append(s.Trace, v.addr.String()+" over TCP: A "+string(v.tcp.reply)+" "+join(v.tcp.addrs)+" in "+round(v.tcp.took))
		}
	}
	if f.getent != nil {
		s.Trace = append(s.Trace, "getent: "+join(f.getent))
	}
	if f.err != nil {
		s.Trace = append(s.Trace, "Go: "+f.goErr())
	}
	if len(f.addrs) == 0 {
		fd, _ := first(StageDNS, dnsRules, f)
		if t.role == roleProxy {
			fd = t.ofProxy("MH1601", fd)
		}
		return t.step(s, []Finding{fd})
	}
	return t.step(s, every(StageDNS, dnsWarnings, f))
}

// ofProxy makes what is wrong with an HTTP proxy a finding about it.
func (t *target) ofProxy(code Code, fd Finding) Finding {
	v := t.vars().with(Vars{"proxy": t.name, "name": t.m.proxyName("https"), "why": fd.Summary.String()})
	if t.m.environ["HTTPS_PROXY"] == "" && t.m.environ["https_proxy"] == "" {
		v["name"] = t.m.proxyName("http")
	}
	p := newFinding(code, fd.Stage, Certain, v)
	p.Targets, p.Evidence = fd.Targets, append([]Text{fd.Summary}, fd.Evidence...)
	p.Evidence = p.Evidence[:min(len(p.Evidence), maxEvidence)]
	return p
}

func (t *target) judgeTCP() bool {
	if t.dns == nil || len(t.tcp) == 0 {
		return true
	}
	s := Step{Stage: StageTCP}
	var found, bad []Finding
	var said []string
	for _, f := range t.tcp {
		s.Trace = append(s.Trace, traceTCP(f)...)
		if f.dial.outcome == connected {
			found = append(found, every(StageTCP, tcpWarnings, f)...)
			said = append(said, f.dial.addr.Addr().String()+" "+round(f.dial.took))
			s.TookMS = max(s.TookMS, ms(f.dial.took))
			continue
		}
		if s.TookMS == 0 {
			s.TookMS = ms(f.dial.took)
		}
		fd, _ := first(StageTCP, tcpRules, f)
		fd = t.because(f, fd)
		if !slices.ContainsFunc(bad, func(o Finding) bool { return o.Code == fd.Code }) {
			bad = append(bad, fd)
		}
	}
	s.Said = Text{"connected: {value}", Vars{"value": strings.Join(said, ", ")}}
	if t.addr.IsValid() {
		bad = t.lessGrave(bad)
	} else if len(bad) > 1 {
		slices.SortStableFunc(bad, func(a, b Finding) int { return grade(a) - grade(b) })
	}
	return t.step(s, append(bad, found...))
}

// lessGrave is what failing addresses are where another one works.
func (t *target) lessGrave(bad []Finding) (all []Finding) {
	six, four := 0, 0
	for _, f := range t.tcp {
		if f.dial.outcome != connected && f.dial.addr.Addr().Is6() {
			six++
		} else if f.dial.outcome == connected && f.dial.addr.Addr().Is4() {
			four++
		}
	}
	if six > 0 && four > 0 {
		for _, f := range t.tcp {
			if f.dial.addr.Addr().Is6() && f.dial.outcome == silent { // what fails at once costs nothing
				fd := newFinding("MH1406", StageTCP, Certain, f.vars())
				fd.Severity, fd.Targets = Warn, []string{t.name}
				return []Finding{fd}
			}
		}
		return nil
	}
	for _, fd := range bad {
		if !slices.Contains([]Code{"MH1105", "MH1406"}, fd.Code) {
			fd.Severity = Warn
			all = append(all, fd)
		}
	}
	return all
}

// because replaces what was found of an address where the cause lies before it.
func (t *target) because(f *tcpFacts, fd Finding) Finding {
	replace := func(code Code, c Confidence, v Vars) Finding {
		n := newFinding(code, fd.Stage, c, f.vars().with(v))
		n.Targets, n.Evidence = fd.Targets, fd.Evidence
		return n
	}
	d := t.dns
	switch {
	case t.role == roleProxy && f.dial.outcome == silent && !f.dropped:
		return t.ofProxy("MH1603", fd)
	case t.role == roleProxy && !slices.Contains([]Code{"MH1301", "MH1302", "MH1303", "MH1309", "MH1105", "MH1401", "MH1306"}, fd.Code):
		return t.ofProxy("MH1602", fd)
	case d.sink():
		return replace("MH1209", Likely, d.vars())
	case len(d.hosts) > 0 && f.dial.outcome != forbidden && !f.rejected() && !slices.Contains([]Code{"MH1105", "MH1306"}, fd.Code):
		return replace("MH1214", Likely, Vars{"file": d.hostFile})
	case f.dial.outcome == silent && t.role != roleProxy && !f.dropped && f.control.outcome == "":
		all := t.m.proxies
		all.NoProxy = ""
		if p, err := all.ProxyFunc()(t.url); err == nil && p != nil {
			return replace("MH1010", Likely, Vars{"value": t.m.proxies.NoProxy})
		}
	}
	return fd
}

func traceTCP(f *tcpFacts) (all []string) {
	line := f.dial.addr.String() + ": " + string(f.dial.outcome) + " after " + round(f.dial.took)
	if f.dial.err != nil {
		line += ": " + errText(f.dial.err)
	}
	if f.dial.icmp != nil {
		line += "; " + f.dial.icmp.String() + " from " + f.dial.icmp.from.String()
	}
	all = append(all, line)
	for _, c := range f.controls {
		line := "  port " + strconv.Itoa(int(c.addr.Port())) + ": " + string(c.outcome) + " after " + round(c.took)
		if c.icmp != nil {
			line += "; " + c.icmp.String() + " from " + c.icmp.from.String()
		}
		all = append(all, line)
	}
	if f.ttl > 0 || f.hostTTL > 0 || f.distance > 0 {
		all = append(all, "  TTL of the refusal "+strconv.Itoa(f.ttl)+", of the host's other answers "+strconv.Itoa(f.hostTTL)+"; refused from TTL "+strconv.Itoa(f.distance)+" on")
	}
	for i, h := range f.hops {
		if h.IsValid() {
			all = append(all, "  hop "+strconv.Itoa(i+1)+": "+h.String())
		}
	}
	return all
}

func (t *target) judgeTunnel() bool {
	f := t.tunnel
	if f == nil {
		return t.via == nil || !t.tunnelled()
	}
	s := Step{Stage: StageProxy, TookMS: ms(f.took), Said: Text{"CONNECT through {proxy}: {status}", f.vars()}, Trace: []string{"CONNECT " + t.host + ":" + t.port + ": " + f.status + errText(f.err)}}
	if f.code == http.StatusOK {
		return t.step(s, nil)
	}
	fd, _ := first(StageProxy, tunnelRules, f)
	return t.step(s, []Finding{fd})
}

func (t *target) judgeTLS() bool {
	f := t.tls
	if f == nil {
		return t.url.Scheme == "http"
	}
	s := Step{Stage: StageTLS, TookMS: ms(f.took), Said: Text{"TLS {version}, signed by {issuer}, until {until}", f.vars().with(Vars{"version": versionName(f.state.Version)})}}
	s.Trace = append(s.Trace, "handshake: "+errText(f.err), "sent "+strconv.FormatInt(f.sent, 10)+", acknowledged "+strconv.FormatInt(max(0, f.flow.acked-1), 10)+", sent again "+strconv.Itoa(f.flow.again)+", gaps "+strconv.Itoa(f.flow.gaps))
	for _, c := range f.state.PeerCertificates {
		s.Trace = append(s.Trace, "certificate: "+oneLine(c.Subject.String())+"; issuer: "+oneLine(c.Issuer.String())+"; "+day(c.NotBefore)+" to "+day(c.NotAfter)+"; names: "+namesOf(c))
	}
	if f.small != nil {
		s.Trace = append(s.Trace, "short first message: "+f.small.said(), "other name: "+f.other.said(), "small packets: "+f.pieces.said(), "nothing sent: "+f.idle)
	}
	if fd, ok := first(StageTLS, tlsRules, f); ok {
		return t.step(s, []Finding{fd})
	}
	return t.step(s, nil)
}

func versionName(v uint16) string {
	return map[uint16]string{0x0303: "1.2", 0x0304: "1.3"}[v]
}

func traceWeb(x *exchange) []string {
	all := []string{"GET " + x.url, "  " + x.proto + " " + x.reason + " after " + round(x.first) + ", " + bytesText(x.got) + " after " + round(x.took)}
	if x.end != "" {
		all = append(all, "  "+string(x.end)+": "+errText(x.err))
	}
	for _, name := range []string{"Content-Type", "Content-Length", "Server", "Via", "Retry-After", "Www-Authenticate", "Cache-Status", "Age"} {
		if v := x.header.Get(name); v != "" {
			all = append(all, "  "+name+": "+oneLine(v))
		}
	}
	for _, m := range x.moved {
		all = append(all, "  moved to "+oneLine(m))
	}
	return all
}

func (t *target) judgeWeb() bool {
	x := t.web
	if x == nil {
		return t.role == roleVCS
	}
	if t.role == roleVCS {
		return true
	}
	s := Step{Stage: StageHTTP, TookMS: ms(x.took), Said: Text{"{status}, {proto}", x.vars()}, Trace: traceWeb(x)}
	if fd, ok := first(StageHTTP, webRules, x); ok {
		return t.step(s, []Finding{fd})
	}
	return t.step(s, nil)
}

// judgeFiles judges the protocol and what answers for the checksum database.
func (t *target) judgeFiles() bool {
	well := true
	if f := t.content; f != nil {
		s := Step{Stage: StageProtocol, Said: Text{"{module}: {versions}", f.vars()}}
		if f.speed > 0 {
			s.Said.Template += ", {speed}"
		}
		if !f.known {
			s.Said.Template = "{path} is not known here"
		}
		var found []Finding
		for _, x := range []*exchange{f.info, f.mod, f.zip, f.tail} {
			if x == nil {
				continue
			}
			s.TookMS += ms(x.took)
			s.Trace = append(s.Trace, traceWeb(x)...)
			if fd, ok := first(StageProtocol, webRules, x); ok && len(found) == 0 && f.kind == "" {
				found = append(found, fd)
			}
			found = append(found, every(StageProtocol, webWarnings, x)...)
		}
		if fd, ok := first(StageProtocol, contentRules, f); ok {
			found = append(found, fd)
		}
		well = t.step(s, found)
	}
	if f := t.sum; f != nil { // it was asked at the same time
		s := Step{Stage: StageSumDB, Said: Text{"answers for {db}", f.vars()}}
		for _, x := range []*exchange{f.supported, f.latest, f.lookup} {
			if x != nil {
				s.TookMS += ms(x.took)
				s.Trace = append(s.Trace, traceWeb(x)...)
			}
		}
		if f.absent() {
			s.Said.Template = "does not answer for {db}"
		}
		var found []Finding
		if fd, ok := first(StageSumDB, sumRules, f); ok {
			found = append(found, fd)
		}
		well = t.step(s, found) && well
	}
	return well
}

func (t *target) judgeVCS() bool {
	f := t.vcs
	if f == nil {
		return t.role != roleVCS
	}
	s := Step{Stage: StageVCS, TookMS: ms(f.took), Said: Text{"{repo}", f.vars()}}
	if f.page != nil {
		s.Trace = traceWeb(f.page)
	}
	if f.git != "" {
		s.Trace = append(s.Trace, "git ls-remote: "+f.git)
	}
	if fd, ok := first(StageVCS, vcsRules, f); ok {
		return t.step(s, []Finding{fd})
	}
	if f.page != nil && f.repo == "" {
		if fd, ok := first(StageVCS, webRules, f.page); ok {
			return t.step(s, []Finding{fd})
		}
	}
	return t.step(s, nil)
}

// lacks reports whether a proxy says that it has not what was asked for.
func (t *target) lacks(e *examination) bool {
	f := t.content
	if f == nil || e.Module == "" {
		return false
	}
	if f.info != nil {
		return f.info.end == "" && absent(f.info.status)
	}
	return !f.known || e.Options.Version != "" && !goproxy.Fits(e.Module, e.Options.Version)
}
