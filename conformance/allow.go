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

// changedText lists the lines that scripts have in place of their own with -vcs.
//
//go:embed changedvcs.txt
var changedText string

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

// A change is a line of a script, and what the script has in its place, "" for nothing.
type change struct{ Old, New string }

// parseChanged reads the form of changedvcs.txt into changes by script.
func parseChanged(text string) (map[string][]change, error) {
	changed := map[string][]change{}
	script, last := "", -1 // last is the change that may get a new line
	for i, line := range strings.Split(text, "\n") {
		mark, rest, _ := strings.Cut(line, " ")
		m := allowedLine.FindStringSubmatch(line)
		switch {
		case line == "" || mark == "#":
			last = -1
		case mark == "-" && script != "" && rest != "":
			changed[script] = append(changed[script], change{Old: rest})
			last = len(changed[script]) - 1
		case mark == "+" && last >= 0 && rest != "":
			changed[script][last].New = rest
			last = -1
		case m != nil && changed[m[1]] == nil:
			script, last = m[1], -1
			changed[script] = []change{}
		default:
			return nil, fmt.Errorf("changedvcs.txt:%d: %q: want SCRIPT: reason, once, then - LINE and + LINE", i+1, line)
		}
	}
	return changed, nil
}
