package main

import (
	"fmt"
	"strings"

	"github.com/modhaven/modhaven/internal/doctor"
)

// A consultation prints reports for a person.
type consultation struct {
	*process
	verbose bool
	colour  bool
	plain   bool // the locale has no marks but ASCII
	own     bool // the settings are Modhaven's, and not the go command's
}

// text returns a sentence of the doctor in the reader's language.
func (c *consultation) text(t doctor.Text) string { return t.In(c.msg.Text) }

// report is all of it: the verdict first, then each finding, then the table of stages.
func (c *consultation) report(r *doctor.Report) string {
	var b strings.Builder
	b.WriteString(c.verdict(r))
	for i, f := range r.Findings {
		if i > 0 || f.Code != r.Verdict.Code {
			fmt.Fprintf(&b, "\n%s\n", c.headline(f))
		}
		b.WriteString(c.details(f))
	}
	b.WriteByte('\n')
	for _, t := range r.Targets {
		b.WriteString(c.target(t))
	}
	b.WriteByte('\n')
	b.WriteString(c.closing(r))
	return b.String()
}

// verdict is the first line.
func (c *consultation) verdict(r *doctor.Report) string {
	v := r.Verdict
	name := string(v.Class)
	switch v.Class {
	case doctor.OK:
		name = c.paint(green, name)
	case doctor.Degraded:
		name = c.paint(yellow, name)
	default:
		name = c.paint(red, name)
	}
	return fmt.Sprintf("%s %s (%s): %s%s\n", name, v.Code, c.confidence(v.Confidence), c.text(v.Summary), c.seen(v.SeenFrom))
}

// seen says from which server something was seen, "" for from here.
func (c *consultation) seen(from string) string {
	if from == "" {
		return ""
	}
	return " " + c.msg.Sprintf("(seen from the server %s)", from)
}

func (c *consultation) confidence(v doctor.Confidence) string {
	switch v {
	case doctor.Certain:
		return c.msg.Text("certain")
	case doctor.Likely:
		return c.msg.Text("likely")
	}
	return c.msg.Text("possible")
}

// headline says what is wrong.
func (c *consultation) headline(f doctor.Finding) string {
	mark := map[doctor.Severity]doctor.Status{doctor.Fail: doctor.Failed, doctor.Warn: doctor.Warned}[f.Severity]
	return fmt.Sprintf("%s %s: %s", c.mark(mark), f.Code, c.text(f.Summary)+c.seen(f.SeenFrom))
}

// details say how it is known, and what to do.
func (c *consultation) details(f doctor.Finding) string {
	var b strings.Builder
	for _, e := range f.Evidence {
		fmt.Fprintf(&b, "      %s\n", c.text(e))
	}
	for _, a := range f.Alternatives {
		fmt.Fprintf(&b, "    %s\n", c.msg.Sprintf("or %s: %s", string(a.Class), c.text(a.Tell)))
	}
	for _, x := range f.Fixes {
		title, command := c.text(x.Title), x.Command
		if c.own || f.SeenFrom != "" {
			title = ownNames.Replace(title)
			if strings.HasPrefix(command, "go env ") {
				command = ""
			}
		}
		fmt.Fprintf(&b, "    %s: %s\n", c.paint(bold, c.who(x.Who)), title)
		if command != "" {
			fmt.Fprintf(&b, "        %s\n", command)
		}
	}
	return b.String()
}

// target is a line for each stage.
func (c *consultation) target(t doctor.Target) string {
	var b strings.Builder
	switch {
	case t.Role != "settings":
		fmt.Fprintf(&b, "%s%s\n", t.Name, c.seen(t.From))
	case t.From != "":
		fmt.Fprintln(&b, strings.TrimSpace(c.seen(t.From)))
	}
	for _, s := range t.Stages {
		took := ""
		if s.TookMS > 0 {
			took = milliseconds(s.TookMS)
		}
		fmt.Fprintf(&b, "  %s %-10s %8s  %s\n", c.mark(s.Status), s.Stage, took, oneLine(c.text(s.Said)))
		if c.verbose {
			for _, line := range s.Trace {
				fmt.Fprintf(&b, "                          %s\n", line)
			}
		}
	}
	return b.String()
}

func milliseconds(ms float64) string {
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// closing says where there is more.
func (c *consultation) closing(r *doctor.Report) string {
	took := fmt.Sprintf("%.1f s", float64(r.TookMS)/1000)
	if len(r.Findings) == 0 {
		return c.msg.Sprintf("took %s", took) + "\n"
	}
	return c.msg.Sprintf("took %s; more: %s", took, "modhaven doctor explain "+string(r.Findings[0].Code)) + "\n"
}

// brief is the verdict, its evidence and what to do, in at most n lines.
func (c *consultation) brief(r *doctor.Report, n int) []string {
	lines := []string{strings.TrimSuffix(c.verdict(r), "\n")}
	if len(r.Findings) > 0 {
		f := r.Findings[0]
		fixes := strings.Split(strings.TrimSuffix(c.details(doctor.Finding{Fixes: f.Fixes}), "\n"), "\n")
		for _, e := range f.Evidence[:min(len(f.Evidence), max(0, n-len(lines)-len(fixes)))] {
			lines = append(lines, "      "+c.text(e))
		}
		lines = append(lines, fixes...)
	}
	return lines[:min(len(lines), n)]
}

func (c *consultation) mark(s doctor.Status) string {
	type mark struct{ plain, symbol, colour string }
	m := map[doctor.Status]mark{
		doctor.Passed: {"+", "✓", green}, doctor.Warned: {"!", "!", yellow}, doctor.Failed: {"x", "✗", red}, doctor.Skipped: {"-", "-", ""},
	}[s]
	switch {
	case m.plain == "":
		return "i" // of interest only
	case c.plain:
		return m.plain
	}
	return c.paint(m.colour, m.symbol)
}

// Colours of a terminal (ECMA-48, SGR).
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (c *consultation) paint(colour, text string) string {
	if !c.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
