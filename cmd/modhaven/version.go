package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the release build: -ldflags "-X main.version=v1.2.3 -X main.commit=…". Where they
// are empty the build information of the binary counts. Nothing else writes to them.
var version, commit string

// A build says which program this is.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"` // of the commit
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return newBuild(version, commit, info)
}

// newBuild prefers what the release build has set. info may be nil.
func newBuild(version, commit string, info *debug.BuildInfo) build {
	b := build{Version: version, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		info = &debug.BuildInfo{}
	}
	b.Version = cmp.Or(b.Version, info.Main.Version, "(devel)")
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = cmp.Or(b.Commit, s.Value)
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is one line: "modhaven v1.2.3 (commit 0123abcd, go1.26.0, linux/amd64)".
func (b build) String() string {
	c := b.Commit
	switch {
	case c == "":
		c = "unknown"
	case b.Modified:
		c += "+changes"
	}
	return fmt.Sprintf("modhaven %s (commit %s, %s, %s)", b.Version, c, b.Go, b.Platform)
}

func versionCommand(p *process) *cobra.Command {
	cmd := &cobra.Command{Use: "version [--json]", Args: p.arguments()}
	asJSON := cmd.Flags().Bool("json", false, p.msg.Text("Print a JSON object"))
	p.document(cmd, manual{
		short: "print the version",
		about: `
			Prints the version, the commit it was built from, the version of Go and the platform.

			As JSON it is an object with the strings version, commit, time (of the commit), go and
			platform, and the boolean modified. What is not known is left out.`,
		exits:    commonExits(),
		examples: []example{{"For a script", "modhaven version --json"}},
	})
	cmd.RunE = func(*cobra.Command, []string) error { return p.printVersion(*asJSON) }
	return cmd
}

func (p *process) printVersion(asJSON bool) error {
	b := thisBuild()
	if !asJSON {
		_, err := fmt.Fprintln(p.out, b)
		return err
	}
	e := json.NewEncoder(p.out)
	e.SetIndent("", "  ")
	return e.Encode(b)
}
