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

// allowedVCSText is that of -vcs.
//
//go:embed allowedvcs.txt
var allowedVCSText string

var allowedLine = regexp.MustCompile(`^(\w+):\s+(\S.*)$`)

// parseAllowed reads lines "SCRIPT: reason" into reasons by script; empty lines
// and those that begin with # are comments. Each script may occur once.
func parseAllowed(text string) (map[string]string, error) {
	allowed := map[string]string{}
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
		allowed[m[1]] = m[2]
	}
	return allowed, nil
}
