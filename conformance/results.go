package main

import (
	"bufio"
	"io"
	"regexp"
	"strings"
)

// An outcome is how one script ended.
type outcome string

const (
	passed  outcome = "PASS"
	failed  outcome = "FAIL"
	skipped outcome = "SKIP"
	missing outcome = "NONE" // it has no result: the test process ended before it
)

// results are the outcomes of one run of the test binary, and what each script logged.
type results struct {
	outcome map[string]outcome
	log     map[string][]string
}

// logLines bounds what is kept of one script's log: its end tells why it failed.
const logLines = 400

var (
	turnLine    = regexp.MustCompile(`^=== (?:RUN|PAUSE|CONT|NAME)\s+(\S*)`)
	outcomeLine = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): TestScript/(\S+) \(`)
)

// parseResults reads the output of the test binary run with -test.v. Other
// lines belong to the script that last had its turn.
func parseResults(r io.Reader) (results, error) {
	res := results{outcome: map[string]outcome{}, log: map[string][]string{}}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	current := ""
	for s.Scan() {
		line := s.Text()
		if m := outcomeLine.FindStringSubmatch(line); m != nil {
			current = m[2]
			res.outcome[current] = outcome(m[1])
			continue
		}
		if m := turnLine.FindStringSubmatch(line); m != nil {
			current = strings.TrimPrefix(m[1], "TestScript/")
			continue
		}
		res.log[current] = append(res.log[current], line)
		if n := len(res.log[current]); n > 2*logLines {
			res.log[current] = append([]string(nil), res.log[current][n-logLines:]...)
		}
	}
	return res, s.Err()
}

// count is how many scripts ended as o.
func (r results) count(o outcome) int {
	n := 0
	for _, got := range r.outcome {
		if got == o {
			n++
		}
	}
	return n
}

var failLine = regexp.MustCompile(`FAIL: .*\.txt:\d+: |panic: |DATA RACE`)

// excerpt is the part of a script's log that tells why it failed: the failed
// line of the script with some lines before it, or else the end of the log.
func excerpt(log []string) string {
	const before, after = 14, 2
	end := len(log)
	for i, line := range log {
		if failLine.MatchString(line) {
			end = min(len(log), i+1+after)
			log = log[max(0, i-before):end]
			return strings.Join(log, "\n")
		}
	}
	return strings.Join(log[max(0, end-before-after):], "\n")
}
