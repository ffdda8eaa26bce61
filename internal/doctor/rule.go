package doctor

import (
	"cmp"
	"slices"
)

// A rule says of what was found at one stage when it is a certain code. The table of a stage is
// read from its top, and the first rule that holds is the finding.
type rule[F facts] struct {
	code     Code
	severity Severity // Fail where it is empty
	when     func(f F) Confidence
	evidence []string // templates; one is left out where something of it is not known
}

// facts are what a stage found.
type facts interface {
	vars() Vars
	about() *target
}

// The answers of a rule beside the confidences.
const no Confidence = ""

// ifTrue is c where ok holds, and no otherwise.
func ifTrue(ok bool, c Confidence) Confidence {
	if ok {
		return c
	}
	return no
}

// sure is Certain where ok holds, and Likely otherwise.
func sure(ok bool) Confidence {
	if ok {
		return Certain
	}
	return Likely
}

// first returns the finding of the first rule that holds.
func first[F facts](stage Stage, table []rule[F], f F) (Finding, bool) {
	for _, r := range table {
		if c := r.when(f); c != no {
			return r.finding(stage, f, c), true
		}
	}
	return Finding{}, false
}

// every returns the findings of all rules that hold.
func every[F facts](stage Stage, table []rule[F], f F) (all []Finding) {
	for _, r := range table {
		if c := r.when(f); c != no {
			all = append(all, r.finding(stage, f, c))
		}
	}
	return all
}

func (r rule[F]) finding(stage Stage, f F, c Confidence) Finding {
	fd := newFinding(r.code, stage, c, f.vars())
	fd.Severity = cmp.Or(r.severity, Fail)
	for _, e := range r.evidence {
		if complete(e, f.vars()) && len(fd.Evidence) < maxEvidence {
			fd.Evidence = append(fd.Evidence, Text{e, f.vars()})
		}
	}
	if t := f.about(); t != nil {
		fd.Targets = []string{t.name}
	}
	return fd
}

// newFinding fills the entry of a code. What of its fixes cannot be filled in is left out.
func newFinding(code Code, stage Stage, c Confidence, v Vars) Finding {
	e, ok := Lookup(code)
	if !ok {
		panic("doctor: no code " + string(code))
	}
	fd := Finding{Code: code, Class: e.Class(), Severity: Fail, Confidence: c, Stage: stage, Summary: Text{e.Summary, v}}
	for _, r := range e.Fixes {
		if !complete(r.Title, v) {
			continue
		}
		x := Fix{Title: Text{r.Title, v}, Who: r.Who}
		if complete(r.Command, v) {
			x.Command = fill(r.Command, v)
		}
		fd.Fixes = append(fd.Fixes, x)
	}
	if c != Certain {
		for _, o := range e.Or {
			if complete(o.Tell, v) {
				fd.Alternatives = append(fd.Alternatives, Alternative{Class: o.Class, Tell: Text{o.Tell, v}})
			}
		}
	}
	return fd
}

// same reports whether two findings are one, seen at two targets: what they say is the same but for
// the name of the target.
func same(a, b Finding) bool {
	if a.Code != b.Code || a.Severity != b.Severity {
		return false
	}
	for _, name := range names(a.Summary.Template) {
		if name != "host" && name != "url" && name != "entry" && a.Summary.Vars[name] != b.Summary.Vars[name] {
			return false
		}
	}
	return slices.Contains([]Code{"MH1205", "MH1206", "MH1207", "MH1215", "MH1216", "MH1217", "MH1104", "MH1105", "MH1401"}, a.Code) || a.Summary.String() == b.Summary.String()
}
