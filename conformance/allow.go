package main

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

// allowedText lists the scripts whose failure is by design.
//
//go:embed allowed.txt
var allowedText string

// An allowance is one line of allowed.txt.
type allowance struct {
	script string
	tls    bool // only for passes over TLS
	reason string
}

// holds reports whether the allowance is meant for such a pass.
func (a allowance) holds(tls bool) bool { return tls || !a.tls }

var allowedLine = regexp.MustCompile(`^(\w+)(/tls)?:\s+(\S.*)$`)

// parseAllowed reads lines "SCRIPT: reason" and "SCRIPT/tls: reason"; empty
// lines and those that begin with # are comments. Each script may occur once.
func parseAllowed(text string) (map[string]allowance, error) {
	allowed := map[string]allowance{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := allowedLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("allowed.txt:%d: %q: want SCRIPT: reason", i+1, line)
		}
		if _, ok := allowed[m[1]]; ok {
			return nil, fmt.Errorf("allowed.txt:%d: %s is listed twice", i+1, m[1])
		}
		allowed[m[1]] = allowance{script: m[1], tls: m[2] != "", reason: m[3]}
	}
	return allowed, nil
}
