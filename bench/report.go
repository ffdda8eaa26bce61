package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

type verdict string

const (
	unjudged verdict = "" // context: there is no target
	yes      verdict = "yes"
	no       verdict = "no"
)

func reached(ok bool) verdict {
	if ok {
		return yes
	}
	return no
}

// A row is one line of the table. All but met is text as shown.
type row struct {
	figure string  // what was measured
	value  string  // the median, with its unit
	spread string  // lowest–highest (rounds)
	target string  // "" for a figure that is context only
	met    verdict // unjudged when there is no target
	nginx  string  // the ratio to nginx where nginx can do the same
}

// A report is the table of one run, and what has to be known to read it.
type report struct {
	about  []string // machine, versions, command
	rows   [][]string
	below  []string
	failed []string
	misses int
}

func (r *report) remark(bench string, remarks []string) {
	for _, s := range remarks {
		r.below = append(r.below, bench+": "+s)
	}
}

func (r *report) add(bench string, rows []row) {
	for _, w := range rows {
		if w.met == no {
			r.misses++
		}
		r.rows = append(r.rows, []string{bench, w.figure, w.value, w.spread, w.target, string(w.met), w.nginx})
	}
}

func (r *report) missed() bool { return r.misses > 0 }

// write prints the report as Markdown with its columns aligned, so that it reads well
// in a terminal too. A last column that is empty is left out.
func (r *report) write(w io.Writer) {
	for _, line := range r.about {
		fmt.Fprintf(w, "- %s\n", line)
	}
	rows := r.rows
	head := []string{"benchmark", "figure", "measured", "spread (rounds)", "target", "reached", "× nginx"}
	if last := len(head) - 1; !slices.ContainsFunc(rows, func(cells []string) bool { return cells[last] != "" }) {
		head, rows = head[:last], nil
		for _, cells := range r.rows {
			rows = append(rows, cells[:last])
		}
	}
	width := make([]int, len(head))
	for _, cells := range append([][]string{head}, rows...) {
		for i, c := range cells {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	rule := make([]string, len(head))
	for i, n := range width {
		rule[i] = strings.Repeat("-", n)
	}
	fmt.Fprintln(w)
	for _, cells := range append([][]string{head, rule}, rows...) {
		fmt.Fprintln(w, tableLine(cells, width))
	}
	if len(r.below) > 0 {
		fmt.Fprintln(w)
	}
	for _, line := range r.below {
		fmt.Fprintf(w, "- %s\n", line)
	}
	for _, f := range r.failed {
		fmt.Fprintf(w, "\n**%s**\n", f)
	}
}

func tableLine(cells []string, width []int) string {
	var b strings.Builder
	for i, c := range cells {
		fmt.Fprintf(&b, "| %s%s ", c, strings.Repeat(" ", width[i]-len([]rune(c))))
	}
	return b.String() + "|"
}

func (r *report) writeFile(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	r.write(f)
	return f.Close()
}

// mib formats a number of bytes as MiB.
func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// ratioRow is the line for a ratio that must be at least (least true) or at most target.
func ratioRow(figure string, ratios sample, target float64, least bool) row {
	m := ratios.median()
	w := row{figure: figure, value: fmt.Sprintf("%.3f", m), spread: ratios.spread("%.3f")}
	switch {
	case target == 0:
	case least:
		w.target, w.met = fmt.Sprintf("≥ %.2f", target), reached(m >= target)
	default:
		w.target, w.met = fmt.Sprintf("≤ %.2f", target), reached(m <= target)
	}
	return w
}
