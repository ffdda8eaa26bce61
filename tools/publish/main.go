// Publish lays the last commit out as a module proxy, GOPROXY=file://DIR, as if it had been tagged:
//
//	go run -C tools ./publish -root .. -version v0.0.1 DIR
//
// So go install MODULE/cmd/modhaven@latest can be tried before anything is published.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("publish", flag.ContinueOnError)
	f.SetOutput(stderr)
	root := f.String("root", "..", "the root of the repository and of its module, `DIR`")
	version := f.String("version", "", "the `VERSION`, such as v0.0.1")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if f.NArg() != 1 {
		fmt.Fprintln(stderr, "publish: one argument is needed, the directory to write to")
		return 2
	}
	if err := publish(*root, *version, f.Arg(0)); err != nil {
		fmt.Fprintln(stderr, "publish:", err)
		return 1
	}
	return 0
}

func publish(root, version, dir string) error {
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	m := module.Version{Path: modfile.ModulePath(gomod), Version: version}
	if err := module.Check(m.Path, m.Version); err != nil {
		return err
	}
	var zip bytes.Buffer
	if err := modzip.CreateFromVCS(&zip, m, root, "HEAD", ""); err != nil {
		return err
	}
	path, err := module.EscapePath(m.Path)
	if err != nil {
		return err
	}
	at := filepath.Join(dir, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	write := func(name string, b []byte) error { return os.WriteFile(filepath.Join(at, name), b, 0o644) }
	return errors.Join(
		write(version+".zip", zip.Bytes()),
		write(version+".mod", gomod),
		write(version+".info", fmt.Appendf(nil, "{%q:%q}\n", "Version", version)),
		write("list", []byte(version+"\n")),
	)
}
