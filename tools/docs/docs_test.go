// Package docs checks what people read: that links lead somewhere, and that flags exist.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// pages returns the text of each Markdown page that is ours, by its name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "deploy/*.md"} {
		more, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, more...)
	}
	if len(names) < 5 {
		t.Fatalf("only %q was found", names)
	}
	texts := map[string]string{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(b)
	}
	return texts
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinks(t *testing.T) {
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: the link %s leads nowhere", name, m[1])
			}
		}
	}
}

var (
	command = regexp.MustCompile(`\bmodhaven (serve|exec|config|wait|status|healthcheck|version)\b[^` + "`\n|" + `]*`)
	flag    = regexp.MustCompile(`(?:^| )--([a-z-]+)`)
)

// TestFlags: flags of settings stand in docs/configuration.md, which is made from the code.
func TestFlags(t *testing.T) {
	all, err := os.ReadFile(filepath.Join(root, "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	others := []string{"config", "timeout", "quiet", "verbose", "json", "help"}
	seen := 0
	for name, text := range pages(t) {
		for _, line := range command.FindAllString(text, -1) {
			line, _, _ = strings.Cut(line, " -- ")
			for _, m := range flag.FindAllStringSubmatch(line, -1) {
				seen++
				if !slices.Contains(others, m[1]) && !strings.Contains(string(all), "`--"+m[1]+" ") {
					t.Errorf("%s: %q: there is no flag --%s", name, line, m[1])
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d flags were seen", seen)
	}
}
