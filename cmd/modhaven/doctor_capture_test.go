package main

import (
	"archive/zip"
	"io"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// unzip FILE unpacks a zip into the current directory.
func unzip(ts *testscript.TestScript, _ bool, args []string) {
	z, err := zip.OpenReader(ts.MkAbs(args[0]))
	ts.Check(err)
	defer z.Close()
	for _, f := range z.File {
		r, err := f.Open()
		ts.Check(err)
		b, err := io.ReadAll(r)
		ts.Check(err)
		ts.Check(r.Close())
		ts.Check(os.WriteFile(ts.MkAbs(f.Name), b, 0o600))
	}
}
