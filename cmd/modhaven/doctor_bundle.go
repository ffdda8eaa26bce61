package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/modhaven/modhaven/internal/doctor"
)

// writeBundle packs the report in both forms, the settings, and the captures without what was said in the clear. The file must not
// be there yet, and is there only when it is whole.
func (p *process) writeBundle(ctx context.Context, f *captureFlags, o doctor.Options, r *doctor.Report) (err error) {
	out, err := os.OpenFile(f.bundle.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	z := zip.NewWriter(out)
	defer func() {
		if err = errors.Join(err, z.Close(), out.Close()); err != nil {
			os.Remove(f.bundle.name)
		}
	}()
	var report bytes.Buffer
	if err := printJSON(&report, r); err != nil {
		return err
	}
	c := p.consultation(true)
	c.colour = false
	for _, part := range []struct{ name, text string }{
		{"report.txt", c.report(r)}, {"report.json", report.String()}, {"settings.txt", settingsText(doctor.Settings(ctx, o))},
	} {
		w, err := z.Create(part.name)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, part.text); err != nil {
			return err
		}
	}
	for i, name := range f.pcaps {
		w, err := z.Create(fmt.Sprintf("capture-%d-%s", i+1, filepath.Base(name)))
		if err != nil {
			return err
		}
		if err := scrubFile(w, name); err != nil {
			return err
		}
	}
	return nil
}

func scrubFile(w io.Writer, name string) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	return doctor.Scrub(w, in)
}

func settingsText(env map[string]string) string {
	text := fmt.Sprintf("modhaven %s, %s/%s\n", version, runtime.GOOS, runtime.GOARCH)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		text += name + "=" + env[name] + "\n"
	}
	return text
}
