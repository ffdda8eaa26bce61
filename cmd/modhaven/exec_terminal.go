package main

import (
	"os"
	"slices"

	"golang.org/x/term"
)

// A terminal is where progress is shown, between what the command writes there.
type terminal struct{ file *os.File }

// isTerminal reports whether f is a terminal that understands control sequences.
func isTerminal(f *os.File, environ []string) bool {
	return term.IsTerminal(int(f.Fd())) && !slices.Contains(environ, "TERM=dumb")
}

// columns returns the width, 80 where it is not known.
func (t *terminal) columns() int {
	if w, _, err := term.GetSize(int(t.file.Fd())); err == nil && w > 0 {
		return w
	}
	return 80
}

// ours reports whether a line may be written: not while the command runs in the background,
// nor while it has the screen to itself, as editors do.
func (t *terminal) ours() bool { return holdsTerminal(t.file) && inLines(t.file) }
