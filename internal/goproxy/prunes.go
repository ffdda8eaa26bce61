package goproxy

import (
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// Prunes reports whether a module's go.mod lists all that its packages need, so that those of its requirements need not be read:
// from go 1.17 on, https://go.dev/ref/mod#graph-pruning. g is nil where it has no go line.
func Prunes(g *modfile.Go) bool {
	if g == nil {
		return false
	}
	major, rest, _ := strings.Cut(g.Version, ".")
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	minor, err := strconv.Atoi(rest[:digits])
	return major != "1" || err == nil && minor >= 17
}
