package doctor

import (
	"fmt"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// vendorDiffers says what of go.mod vendor/modules.txt lacks, "" for nothing. Replaced modules are left to the go command.
func vendorDiffers(gomod, listed []byte) string {
	f, err := modfile.ParseLax("go.mod", gomod, nil)
	if err != nil || len(f.Replace) > 0 || f.Go == nil || semver.Compare("v"+f.Go.Version, "v1.14") < 0 { // before that it is not used unless asked for
		return ""
	}
	have := map[string]string{}
	for line := range strings.Lines(string(listed)) {
		if w := strings.Fields(line); len(w) >= 3 && w[0] == "#" {
			have[w[1]] = w[2]
		}
	}
	for _, r := range f.Require {
		switch v := have[r.Mod.Path]; {
		case v == "":
			return fmt.Sprintf("go.mod requires %s, and vendor/modules.txt has it not", r.Mod)
		case v != r.Mod.Version:
			return fmt.Sprintf("go.mod requires %s, and vendor/modules.txt has %s", r.Mod, module.Version{Path: r.Mod.Path, Version: v})
		}
	}
	return ""
}
