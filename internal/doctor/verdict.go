package doctor

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// report judges what was found and writes it down.
func (e *examination) report(start time.Time, settings []Finding) *Report {
	r := &Report{Schema: Schema, Started: start.UTC(), Go: e.m.env["GOVERSION"], Env: e.shown(), Module: e.Module}
	if e.Options.Version != "" {
		r.Module += "@" + e.Options.Version
	}
	e.all = settings
	r.Targets = append(r.Targets, e.settingsTarget(settings))
	for _, t := range e.targets {
		t.judge()
	}
	e.intercepted()
	e.shutIn()
	by := e.simulate()
	e.checksums()
	for _, t := range e.targets {
		e.all = append(e.all, t.findings...)
		r.Targets = append(r.Targets, Target{Name: t.name, Role: t.role, Stages: t.steps})
	}
	for _, n := range e.NotRun {
		r.Targets = append(r.Targets, notRun(n))
	}
	r.conclude(e.all, by)
	r.TookMS = time.Since(start).Milliseconds()
	return r
}

// conclude puts the findings in order, and says what they come to.
func (r *Report) conclude(all []Finding, by string) {
	r.Findings = merge(all)
	r.collectFixes()
	r.Verdict = verdict(r.Findings, by)
	r.Exit = r.Verdict.Class.Exit()
}

// collectFixes lists the fixes of all findings that are more than Info.
func (r *Report) collectFixes() {
	r.Fixes = []Fix{}
	for _, f := range r.Findings {
		if f.Severity != Info {
			r.Fixes = append(r.Fixes, f.Fixes...)
		}
	}
}

// notRun is a target with nothing but why that is so.
func notRun(n NotRun) Target {
	t := Target{Name: goproxy.Redact(n.Name), Role: roleEntry, Stages: []Step{{Stage: StageProtocol, Status: Skipped, Said: Text{"not run: {why}", Vars{"why": n.Why}}}}}
	if n.Name == goproxy.Direct {
		t.Role, t.Stages[0].Stage = roleVCS, StageVCS
	}
	return t
}

// shown are the settings that matter, without passwords.
func (e *examination) shown() map[string]string {
	all := map[string]string{}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOAUTH", "GOFLAGS", "GOTOOLCHAIN", "GOMODCACHE", "GOENV"} {
		if v := e.m.env[name]; v != "" {
			all[name] = scrub(redactList(v))
		}
	}
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE", "GODEBUG"} {
		if v := e.m.environ[name]; v != "" {
			all[name] = scrub(redactList(v))
		}
	}
	return all
}

func (e *examination) settingsTarget(found []Finding) Target {
	s := Step{Stage: StageSettings, Status: Passed, Said: Text{"GOPROXY={value}, from {from}", Vars{"value": redactList(e.m.env["GOPROXY"]), "from": e.m.from("GOPROXY")}}}
	t := &target{}
	t.step(s, found)
	return Target{Name: roleSettings, Role: roleSettings, Stages: t.steps}
}

// simulate walks GOPROXY as the go command does, and lowers what does not stop it. It returns the entry that stands in
// for failing ones before it, "" for none.
func (e *examination) simulate() (by string) {
	if e.m.private(e.Module) || len(e.entries) == 0 {
		return ""
	}
	var failing, lacking []*target
	served, stopped := false, -1
walk:
	for i, n := range e.entries {
		switch t := n.target; {
		case n.URL == goproxy.Direct:
			served = e.direct()
			by = goproxy.Direct
			break walk
		case n.URL == goproxy.Off:
			break walk
		case t == nil:
		case t.failed:
			failing = append(failing, t)
			if !n.AnyError && i < len(e.entries)-1 {
				stopped = i
				break walk
			}
		case t.lacks(e):
			lacking = append(lacking, t)
		default:
			served, by = true, t.name
			break walk
		}
	}
	switch {
	case stopped >= 0:
		e.comma(stopped)
		by = ""
	case served && len(failing) > 0:
		e.lower(failing)
	case served:
		by = ""
	default:
		by = ""
		if len(failing) == 0 && len(lacking) > 0 && len(e.NotRun) == 0 { // who is not probed may have it
			e.missing(lacking[0])
		}
	}
	e.lowerRest(failing)
	return by
}

// direct reports whether version control is thought to have the module: it was asked, or a module of the default proxy's kind was.
func (e *examination) direct() bool {
	for _, t := range e.targets {
		if t.role == roleVCS {
			return !t.failed
		}
	}
	return e.Module == ""
}

// lower makes warnings of what other entries make good.
func (e *examination) lower(all []*target) {
	for _, t := range all {
		for _, x := range []*target{t, t.proxy} {
			if x == nil {
				continue
			}
			for i := range x.findings {
				if x.findings[i].Severity == Fail {
					x.findings[i].Severity = Warn
				}
			}
		}
	}
}

// lowerRest does so for the entries behind the one that the go command gets to.
func (e *examination) lowerRest(failing []*target) {
	for _, n := range e.entries {
		if n.target != nil && !slices.Contains(failing, n.target) {
			for i, f := range n.target.findings {
				if f.Severity == Fail && f.Stage != StageSumDB {
					n.target.findings[i].Severity = Warn
				}
			}
		}
	}
}

// comma adds that the next entry would have worked.
func (e *examination) comma(stopped int) {
	for _, n := range e.entries[stopped+1:] {
		if n.URL == goproxy.Off || n.target != nil && (n.target.failed || n.target.lacks(e)) || n.target == nil && n.URL != goproxy.Direct {
			continue
		}
		t := e.entries[stopped].target
		f := newFinding("MH1003", StageSettings, Certain, t.vars().with(Vars{"better": orDirect(e.m.env["GOPROXY"])}))
		f.Severity, f.Targets = Warn, []string{t.name}
		e.all = append(e.all, f)
		return
	}
}

// missing says that there is no such module or version.
func (e *examination) missing(t *target) {
	code := Code("MH2201")
	if t.content.known {
		code = "MH2202"
	}
	v := t.content.vars()
	if e.Options.Version != "" {
		v["version"] = e.Options.Version
	}
	v["module"] = e.Module
	f := newFinding(code, StageProtocol, Certain, v)
	f.Targets = []string{t.name}
	for _, x := range []*exchange{t.web, t.content.info} {
		if x != nil {
			f.Evidence = append(f.Evidence, Text{"GET {url}: {status}", x.vars()})
			if x.words() != "" {
				f.Evidence = append(f.Evidence, Text{"it says: {words}", x.vars()})
			}
		}
	}
	e.all = append(e.all, f)
}

// shutIn finds that no host answers at all.
func (e *examination) shutIn() {
	var silentOnes []*target
	for _, t := range e.targets {
		for _, f := range t.tcp {
			switch {
			case f.loopback():
			case f.dial.outcome != silent || f.dropped || f.control.outcome != "":
				return
			case !slices.Contains(silentOnes, t):
				silentOnes = append(silentOnes, t)
			}
		}
	}
	if len(silentOnes) < 2 {
		return
	}
	for _, t := range silentOnes {
		for i, f := range t.findings {
			if f.Code == "MH1305" {
				n := newFinding("MH1311", StageTCP, Possible, t.vars())
				n.Targets, n.Evidence = f.Targets, f.Evidence
				t.findings[i] = n
			}
		}
	}
}

// intercepted finds that one unknown authority signs for several hosts.
func (e *examination) intercepted() {
	var seen []*target
	for _, t := range e.targets {
		if t.tls != nil && t.tls.unknownAuthority() && !t.roots.empty() && !selfSigned(t.tls.leaf()) {
			seen = append(seen, t)
		}
	}
	if len(seen) < 2 {
		return
	}
	issuer := seen[0].tls.leaf().Issuer.String()
	var hosts []string
	for _, t := range seen {
		if t.tls.leaf().Issuer.String() != issuer {
			return
		}
		if !slices.Contains(hosts, t.host) && !slices.ContainsFunc(hosts, func(h string) bool { return domain(h) == domain(t.host) }) {
			hosts = append(hosts, t.host)
		}
	}
	if len(hosts) < 2 {
		return
	}
	for _, t := range seen {
		for i, f := range t.findings {
			if f.Stage == StageTLS && f.Severity == Fail {
				n := newFinding("MH1707", StageTLS, sure(inspects(issuer)), t.tls.vars().with(Vars{"hosts": strings.Join(hosts, ", "), "host": strings.Join(hosts, ", ")}))
				n.Evidence, n.Targets = f.Evidence, f.Targets
				t.findings[i] = n
			}
		}
	}
}

// domain is the part of a host's name that mostly has one owner.
func domain(host string) string {
	parts := strings.Split(host, ".")
	return strings.Join(parts[max(0, len(parts)-2):], ".")
}

// checksums walks GOPROXY for the checksum database, as the go command does, and compares hashes.
func (e *examination) checksums() {
	db, err := goproxy.ParseSumDB(e.m.env["GOSUMDB"])
	if err != nil || db.Name == "" || e.m.unverified(e.Module) || e.m.private(e.Module) {
		e.lowerSums(nil)
		return
	}
	var from *sumFacts
	var worst *target
	if db.URL == "" {
		from, worst = e.sumEntry()
	}
	var itself *target
	for _, t := range e.targets {
		if t.role == roleSum {
			itself = t
		}
	}
	switch {
	case from != nil:
		e.lowerSums(nil)
	case worst != nil:
		e.lowerSums(worst)
		e.noCopy(worst, db)
	case itself != nil:
		e.lowerSums(itself)
		e.unreachable(itself, db)
		if itself.sum.serves() {
			from = itself.sum
		}
	}
	if from != nil {
		e.record(from)
	}
}

// sumEntry returns the entry that the go command would ask for the database; else the one whose failure ends it, nil where
// it goes on to the database itself.
func (e *examination) sumEntry() (from *sumFacts, worst *target) {
	for _, n := range e.entries {
		t := n.target
		switch {
		case n.URL == goproxy.Direct:
			return nil, nil
		case n.URL == goproxy.Off:
			return nil, worst
		case t == nil, t.sum.absent():
		case t.sum.serves():
			return t.sum, nil
		default:
			worst = t
			if !n.AnyError {
				return nil, worst
			}
		}
	}
	return nil, worst
}

// lowerSums makes warnings of trouble with the database where it is not needed from there.
func (e *examination) lowerSums(needed *target) {
	for _, t := range e.targets {
		if t == needed {
			continue
		}
		for i, f := range t.findings {
			if f.Severity == Fail && (f.Stage == StageSumDB || t.role == roleSum) {
				t.findings[i].Severity = Warn
			}
		}
	}
}

// noCopy says that an entry which stands in does not do so for the database.
func (e *examination) noCopy(worst *target, db goproxy.SumDB) {
	if !worst.failed {
		return
	}
	for _, n := range e.entries {
		if t := n.target; t != nil && t != worst && t.sum.absent() && !t.failed {
			f := newFinding("MH1004", StageSumDB, Certain, t.vars().with(Vars{"db": db.Name, "better": orDirect(e.m.env["GOPROXY"])}))
			f.Targets = []string{t.name}
			f.Evidence = []Text{{"GET {url}: {status}", t.sum.vars()}}
			e.all = append(e.all, f)
			return
		}
	}
}

// unreachable says that the database itself cannot be asked, with what was found on the way to it.
func (e *examination) unreachable(t *target, db goproxy.SumDB) {
	if t.sum.serves() || !t.failed {
		return
	}
	for i, f := range t.findings {
		if f.Severity != Fail {
			continue
		}
		n := newFinding("MH2101", StageSumDB, Certain, t.vars().with(Vars{"db": db.Name}))
		n.Targets, n.Evidence = f.Targets, append([]Text{f.Summary}, f.Evidence...)
		n.Evidence = n.Evidence[:min(len(n.Evidence), maxEvidence)]
		t.findings[i].Severity = Warn
		e.all = append(e.all, n)
		return
	}
}

// record compares what the database has recorded with the files and with go.sum.
func (e *examination) record(s *sumFacts) {
	if x := s.lookup; x != nil && x.end == "" && absent(x.status) {
		for _, n := range e.entries {
			if t := n.target; t != nil && t.content != nil && t.content.info != nil && t.content.info.status == http.StatusOK {
				f := newFinding("MH1012", StageSumDB, Likely, s.vars().with(Vars{"entry": t.name, "module": e.Module}))
				f.Targets = []string{s.target.name}
				f.Evidence = []Text{{"GET {url}: {status}", x.vars()}}
				e.all = append(e.all, f)
				return
			}
		}
	}
	local := e.goSum()
	for _, n := range e.entries {
		if t := n.target; t != nil && t.content != nil {
			e.compare(t, s, "go.mod", t.content.modHash, "/go.mod", local)
			e.compare(t, s, "zip", t.content.zipHash, "", local)
		}
	}
}

func (e *examination) compare(t *target, s *sumFacts, what, got, suffix string, local map[string]string) {
	m := e.Module + " " + e.Options.Version + suffix
	want, mine := s.hashes[m], local[m]
	if want == "" || got == "" {
		return
	}
	v := t.content.vars().with(Vars{"what": what, "want": want, "got": got, "mine": mine, "module_line": m})
	code := Code("MH2104")
	if got == want {
		if code = "MH2105"; mine == "" || mine == want {
			return
		}
	}
	f := newFinding(code, StageSumDB, Certain, v)
	f.Targets = []string{t.name}
	for _, line := range []string{"the checksum database: {want}", "the download: {got}", "go.sum: {mine}"} {
		if complete(line, v) {
			f.Evidence = append(f.Evidence, Text{line, v})
		}
	}
	e.all = append(e.all, f)
}

// grade orders findings by what to fix first: what fails before what does not, what lies before on the way first.
func grade(f Finding) int {
	severity := slices.Index([]Severity{Fail, Warn, Info}, f.Severity)
	return severity*100 + f.Class.Exit()
}

// merge puts findings that are one together, and those to fix first at the top.
func merge(all []Finding) []Finding {
	out := []Finding{}
	for _, f := range all {
		i := slices.IndexFunc(out, func(o Finding) bool { return same(o, f) })
		if i < 0 {
			out = append(out, f)
			continue
		}
		for _, t := range f.Targets {
			if !slices.Contains(out[i].Targets, t) {
				out[i].Targets = append(out[i].Targets, t)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(grade(a), grade(b)) })
	return out
}

// verdict is what the findings come to.
func verdict(all []Finding, by string) Verdict {
	v := Verdict{Class: OK, Code: Well, Confidence: Certain, Alternatives: []Alternative{}}
	e, _ := Lookup(Well)
	v.Summary = Text{Template: e.Summary}
	if len(all) == 0 || all[0].Severity == Info {
		return v
	}
	f := all[0]
	v.Class, v.Code, v.Confidence, v.Summary = f.Class, f.Code, f.Confidence, f.Summary
	v.Alternatives = append(v.Alternatives, f.Alternatives...)
	if f.Severity == Warn {
		v.Class = Degraded
		if by != "" {
			e, _ := Lookup(standIn)
			v.Code, v.Summary = standIn, Text{e.Summary, Vars{"entry": by}}
		}
	}
	return v
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
