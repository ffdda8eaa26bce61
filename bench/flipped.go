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
	zips, err := readZips(c.project.upstream)
	if err != nil {
		return nil, err
	}
	c.atOnce = severalAtOnce
	var whole, wrong, plain atomic.Int64
	c.beside = func(ctx context.Context, h *haven) error { return readAll(ctx, h.url(), zips, &whole, &wrong) }
	rows, err := c.single(ctx, func(s *faultySettings) {
		s.Faults = mix{Rate: 0.05, Kinds: []string{faultFlip}, OnlyZips: true}
	})
	if err != nil {
		return rows, err
	}
	w, err := c.world(0, true)
	if err != nil {
		return rows, err
	}
	defer w.close()
	if err := readAll(ctx, w.list, zips, new(atomic.Int64), &plain); err != nil {
		return rows, err
	}
	n := wrong.Load() + int64(c.through.sick.wrong)
	return append(rows,
		row{figure: "whole zips with a wrong h1, through Modhaven", value: fmt.Sprintf("%d of %d", n, whole.Load()), target: "0", met: reached(n == 0 && whole.Load() > 0)},
		row{figure: "… straight from the upstream", value: fmt.Sprintf("%d of %d", plain.Load(), len(zips))},
		row{figure: "clients of plain go that were given a wrong one, and refused it", value: fmt.Sprintf("%d of %d", c.plain.sick.wrong, c.plain.sick.n)}), nil
}

// readZips returns all zips below dir by their paths.
func readZips(dir string) (map[string][]byte, error) {
	zips := make(map[string][]byte)
	return zips, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".zip" {
			return err
		}
		b, err := os.ReadFile(name)
		zips[filepath.ToSlash(strings.TrimPrefix(name, dir))] = b
		return err
	})
}

// readAll reads each zip once, and counts those that came whole and those of them whose hash was wrong.
func readAll(ctx context.Context, base string, zips map[string][]byte, whole, wrong *atomic.Int64) error {
	tr := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: time.Minute}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for name, want := range zips {
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
			if !bytes.Equal(got, want) && h1(got) != h1(want) {
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
