package main

import (
	"fmt"
	"regexp"
)

var smallName = regexp.MustCompile(`^/example\.com/tail/m(\d+)/@v/v1\.0\.0\.(info|mod)$`)

// smallFile is a file of a tree without end: modules example.com/tail/mN with one version.
func smallFile(name string) ([]byte, bool) {
	m := smallName.FindStringSubmatch(name)
	if m == nil {
		return nil, false
	}
	if m[2] == "mod" {
		return fmt.Appendf(nil, "module example.com/tail/m%s\n\ngo 1.24\n", m[1]), true
	}
	return []byte(`{"Version":"v1.0.0","Time":"2024-03-01T12:00:00Z"}`), true
}

// tailPath is the i-th path of that tree.
func tailPath(i int) string {
	return fmt.Sprintf("/example.com/tail/m%d/@v/v1.0.0.%s", i/2, []string{"info", "mod"}[i%2])
}
