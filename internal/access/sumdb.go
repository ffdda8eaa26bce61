package access

import (
	"strings"

	"golang.org/x/mod/module"
)

// Named returns what a request to a checksum database gives away, by what stands behind /sumdb/ in its path, percent-decoded:
// the module of a lookup, which [Guard.May] judges, and whether it is a tile of records, which name all modules: [Guard.MayAll].
// What is malformed names nothing; it has no answer either.
func Named(path string) (modulePath string, all bool) {
	if _, arg, ok := strings.Cut(path, "/lookup/"); ok {
		escaped, _, _ := strings.Cut(arg, "@")
		modulePath, _ = module.UnescapePath(escaped) // "" with an error
		return modulePath, false
	}
	_, tile, ok := strings.Cut(path, "/tile/")
	return "", ok && strings.Contains("/"+tile, "/data/")
}
