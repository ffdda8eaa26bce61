package doctor

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	matrixFile = flag.String("matrix", "", "write the confusion matrix of the faults that were injected to this file")
	healthy    = flag.Int("healthy", 1, "how often each healthy setup is examined")
)

// A result is what the doctor made of one fault.
type result struct {
	want, got Class
	code      bool // right
	took      int64
}

// results are gathered by all tests of faults; mu guards them.
var results struct {
	mu  sync.Mutex
	all []result
}

func gather(f fault, r *Report) {
	results.mu.Lock()
	defer results.mu.Unlock()
	code := r.Verdict.Code == f.code || f.class == Degraded && slices.ContainsFunc(r.Findings, func(o Finding) bool { return o.Code == f.code })
	results.all = append(results.all, result{f.class, r.Verdict.Class, code, r.TookMS})
}

// TestZMatrix writes the matrix of the tests before it: it is the last of the files.
func TestZMatrix(t *testing.T) {
	if *matrixFile == "" {
		return
	}
	if err := os.WriteFile(*matrixFile, []byte(matrix(results.all)), 0o666); err != nil {
		t.Fatal(err)
	}
}

// matrix is a table: what was injected, and what the verdicts were.
func matrix(all []result) string {
	var b strings.Builder
	b.WriteString("| injected | faults | verdicts | code right | median | longest |\n|---|---|---|---|---|---|\n")
	for _, c := range Classes() {
		var took []int64
		got := map[Class]int{}
		codes := 0
		for _, r := range all {
			if r.want == c {
				took = append(took, r.took)
				got[r.got]++
				if r.code {
					codes++
				}
			}
		}
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		var verdicts []string
		for _, g := range slices.SortedFunc(maps.Keys(got), func(x, y Class) int { return x.Exit() - y.Exit() }) {
			verdicts = append(verdicts, fmt.Sprintf("%s %d", g, got[g]))
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %s | %s |\n", c, len(took), strings.Join(verdicts, ", "), codes, seconds(took[len(took)/2]), seconds(took[len(took)-1]))
	}
	return b.String()
}

func seconds(ms int64) string { return fmt.Sprintf("%.1f s", float64(ms)/1000) }
