package doctor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Add puts another examination of the same machine beside r, of another list of upstreams.
func (r *Report) Add(o *Report) {
	for _, t := range o.Targets {
		if !slices.ContainsFunc(r.Targets, func(have Target) bool { return have.Name == t.Name && have.Role == t.Role }) {
			r.Targets = append(r.Targets, t)
		}
	}
	r.judgeWith(o, merge(append(r.Findings, o.Findings...)))
}

// Join puts what a server sees beside what was seen on the way to it. What from here is only a consequence of the server's
// trouble is no trouble of its own.
func (r *Report) Join(o *Report, server string) {
	r.Server = server
	o.Verdict.SeenFrom = server
	for i := range o.Findings {
		o.Findings[i].SeenFrom = server
	}
	for _, t := range o.Targets {
		t.From = server
		r.Targets = append(r.Targets, t)
	}
	if slices.ContainsFunc(o.Findings, func(f Finding) bool { return f.Severity == Fail }) {
		for i, f := range r.Findings {
			if slices.Contains([]Class{OriginSick, Content, NotFound}, f.Class) {
				r.Findings[i].Severity = Info
			}
		}
	}
	all := append(r.Findings, o.Findings...)
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(grade(a)/100, grade(b)/100) })
	r.judgeWith(o, all)
}

// judgeWith makes the findings of both those of r, with the verdict that they come to.
func (r *Report) judgeWith(o *Report, all []Finding) {
	r.Findings = all
	r.collectFixes()
	switch {
	case len(all) > 0 && all[0].Severity == Fail:
		r.Verdict = verdict(all, "")
		r.Verdict.SeenFrom = all[0].SeenFrom
	case r.Verdict.Class == OK && o.Verdict.Class != OK:
		r.Verdict = o.Verdict
	}
	r.Exit, r.TookMS = r.Verdict.Class.Exit(), max(r.TookMS, o.TookMS)
}

// Note adds a finding of the doctor's own doing, about a server at a stage of the way to it.
func (r *Report) Note(code Code, s Severity, v Vars, evidence ...string) {
	f := newFinding(code, StageProtocol, Certain, v)
	f.Severity, f.Targets = s, []string{v["url"]}
	for _, e := range evidence {
		if complete(e, v) {
			f.Evidence = append(f.Evidence, Text{e, v})
		}
	}
	o := &Report{Findings: []Finding{f}, Verdict: verdict([]Finding{f}, ""), TookMS: r.TookMS}
	r.judgeWith(o, merge(append(r.Findings, f)))
}

// The bounds of a report that another machine sent.
const (
	maxItems = 200
	maxText  = 600
)

// ReadReport reads a report that another machine made. It believes nothing of it: all is bounded and printable, and a class or a
// stage that it does not know is an error.
func ReadReport(b []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil || r.Schema != Schema {
		return nil, errors.New("the answer is not a report of the schema " + Schema)
	}
	if len(r.Findings) > maxItems || len(r.Targets) > maxItems {
		return nil, errors.New("the report is too long")
	}
	if r.Verdict.Class.Exit() == 1 {
		return nil, fmt.Errorf("the report has the class %q, which this doctor does not know; update it", tame(string(r.Verdict.Class)))
	}
	e, _ := Lookup(r.Verdict.Code)
	tameText(&r.Verdict.Summary, e.Summary)
	tameOthers(r.Verdict.Alternatives, e)
	for i := range r.Findings {
		f := &r.Findings[i]
		if _, known := Lookup(f.Code); !known {
			return nil, fmt.Errorf("the report has the code %q, which this doctor does not know; update it", tame(string(f.Code)))
		}
		if f.Class.Exit() == 1 || !slices.Contains([]Confidence{Certain, Likely, Possible}, f.Confidence) || !slices.Contains([]Severity{Fail, Warn, Info}, f.Severity) || !slices.Contains(Stages(), f.Stage) || len(f.Evidence) > maxEvidence || len(f.Fixes) > maxItems {
			return nil, errors.New("the report has a finding that cannot be read")
		}
		f.tame()
	}
	for i := range r.Targets {
		if err := r.Targets[i].tame(); err != nil {
			return nil, err
		}
	}
	r.collectFixes()
	return r, nil
}

func (f *Finding) tame() {
	e, _ := Lookup(f.Code)
	tameText(&f.Summary, e.Summary)
	for i := range f.Evidence {
		tameText(&f.Evidence[i], "")
	}
	for i := range f.Targets {
		f.Targets[i] = tame(f.Targets[i])
	}
	for i := range f.Fixes {
		tameText(&f.Fixes[i].Title, "")
		for _, r := range e.Fixes {
			tameText(&f.Fixes[i].Title, r.Title)
		}
		f.Fixes[i].Command = tame(f.Fixes[i].Command)
		f.Fixes[i].Who = Who(tame(string(f.Fixes[i].Who)))
	}
	tameOthers(f.Alternatives, e)
}

func tameOthers(all []Alternative, e Entry) {
	for i := range all {
		tameText(&all[i].Tell, "")
		for _, o := range e.Or {
			tameText(&all[i].Tell, o.Tell)
		}
		all[i].Class = Class(tame(string(all[i].Class)))
	}
}

func (t *Target) tame() error {
	if len(t.Stages) > maxItems {
		return errors.New("the report is too long")
	}
	t.Name, t.Role = tame(t.Name), tame(t.Role)
	for i := range t.Stages {
		s := &t.Stages[i]
		if !slices.Contains(Stages(), s.Stage) || len(s.Trace) > maxItems {
			return errors.New("the report has a stage that cannot be read")
		}
		e, _ := Lookup(s.Code)
		tameText(&s.Said, e.Summary)
		s.Facts = nil
		for j := range s.Trace {
			s.Trace[j] = tame(s.Trace[j])
		}
	}
	return nil
}

// tameText makes the sentence a tame one. Where it is template with its {names} filled in, it is made that again, so that it can be
// translated.
func tameText(t *Text, template string) {
	if t.Vars != nil { // it has been made one
		return
	}
	t.Template = tame(t.Template)
	if v, ok := unfill(template, t.Template); ok {
		t.Template, t.Vars = template, v
	}
}

// unfill returns what fills the {names} of a template so that it is the sentence.
func unfill(template, sentence string) (Vars, bool) {
	if template == "" {
		return nil, false
	}
	var pattern strings.Builder
	rest := template
	for _, name := range names(template) {
		before, after, _ := strings.Cut(rest, "{"+name+"}")
		pattern.WriteString(regexp.QuoteMeta(before) + "(.+?)")
		rest = after
	}
	re, err := regexp.Compile("^" + pattern.String() + regexp.QuoteMeta(rest) + "$")
	if err != nil {
		return nil, false
	}
	found := re.FindStringSubmatch(sentence)
	if found == nil {
		return nil, false
	}
	v := Vars{}
	for i, name := range names(template) {
		v[name] = found[i+1]
	}
	return v, fill(template, v) == sentence
}

// tame makes a text one that does nothing to a terminal: short, on one line, printable.
func tame(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, s)
}

// Clean returns what another machine said, so that it can be shown: on one short line, printable, without passwords.
func Clean(s string) string {
	return oneLine(scrub(tame(strings.TrimSpace(s))))
}
