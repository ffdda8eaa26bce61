package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/sync/errgroup"
)

// benchFlipped has other clients beside the go command that check nothing: none of them may
// get a whole file that is wrong.
func benchFlipped(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(100, 10, 10, 1)
	if err != nil {
		return nil, err
	}
	return c.flipped(ctx, mix{Rate: 0.05, Kinds: []string{faultFlip}, OnlyZips: true}, ".zip")
}

// benchFlippedProven does so where a checksum database, behind the same upstream, tells what a .mod must be.
func benchFlippedProven(ctx context.Context, l *lab) ([]row, error) {
	c, err := l.campaign(100, 10, 10, 1)
	if err != nil {
		return nil, err
	}
	if c.project, err = l.project("faults-proven", faultsRecipes); err != nil {
		return nil, err
	}
	key, err := addDatabase(ctx, c.project, c.project.database())
	if err != nil {
		return nil, err
	}
	c.flags = []string{"--sumdb", key, "--checksum-unreachable", "refuse"}
	return c.flipped(ctx, mix{Rate: 0.05, Kinds: []string{faultFlip}, Proven: true}, ".zip", ".mod")
}

// flipped does the runs with clients that read all files of some kinds.
func (c *campaign) flipped(ctx context.Context, m mix, kinds ...string) ([]row, error) {
	files, err := readFiles(c.project.upstream, kinds)
	if err != nil {
		return nil, err
	}
	c.atOnce = severalAtOnce
	var whole, wrong, plain atomic.Int64
	c.beside = func(ctx context.Context, h *haven) error { return readAll(ctx, h.url(), files, &whole, &wrong) }
	rows, err := c.single(ctx, func(s *faultySettings) { s.Faults = m })
	if err != nil {
		return rows, err
	}
	w, err := c.world(0, true)
	if err != nil {
		return rows, err
	}
	defer w.close()
	if err := readAll(ctx, w.list, files, new(atomic.Int64), &plain); err != nil {
		return rows, err
	}
	n := wrong.Load() + int64(c.through.sick.wrong)
	what := "whole " + strings.Join(kinds, " and ") + " files with a wrong h1"
	return append(rows,
		row{figure: what + ", through Modhaven", value: fmt.Sprintf("%d of %d", n, whole.Load()), target: "0", met: reached(n == 0 && whole.Load() > 0)},
		row{figure: "… straight from the upstream", value: fmt.Sprintf("%d of %d", plain.Load(), len(files))},
		row{figure: "clients of plain go that were given a wrong one, and refused it", value: fmt.Sprintf("%d of %d", c.plain.sick.wrong, c.plain.sick.n)}), nil
}

// readFiles returns all files of some kinds below dir by their paths.
func readFiles(dir string, kinds []string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	return files, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !slices.Contains(kinds, filepath.Ext(name)) {
			return err
		}
		b, err := os.ReadFile(name)
		files[filepath.ToSlash(strings.TrimPrefix(name, dir))] = b
		return err
	})
}

// readAll reads each file once, and counts those that came whole and those of them whose hash was wrong.
func readAll(ctx context.Context, base string, files map[string][]byte, whole, wrong *atomic.Int64) error {
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: time.Minute}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for name, want := range files {
		g.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+name, nil)
			if err != nil {
				return err
			}
			resp, err := c.Do(req)
			if err != nil {
				return nil // no file came, so none that is wrong
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK {
				return nil // likewise
			}
			whole.Add(1)
			if !bytes.Equal(got, want) && (filepath.Ext(name) != ".zip" || h1(got) != h1(want)) {
				wrong.Add(1)
			}
			return nil
		})
	}
	return g.Wait()
}

// h1 is the hash of a module zip as go.sum has it; "" for what is no zip that can be read.
// A flipped byte need not change it: the times of files are not in it.
func h1(data []byte) string {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return ""
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	sum, err := dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		i := slices.Index(names, name)
		return z.File[i].Open()
	})
	if err != nil {
		return ""
	}
	return sum
}
