package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// fetch returns the body and header of a 200; any other status is an error.
func fetch(url string) ([]byte, http.Header, error) {
	c := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := c.Get(url)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, resp.Status, b)
	}
	return b, resp.Header, err
}

// sameBytes fetches path from base and returns an error unless it is the file below dir.
func sameBytes(base, dir, path string) error {
	want, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
	if err != nil {
		return err
	}
	got, _, err := fetch(base + path)
	if err != nil {
		return err
	}
	if sha256.Sum256(got) != sha256.Sum256(want) {
		return fmt.Errorf("%s%s: %d bytes that are not those of the fixture (%d bytes)", base, path, len(got), len(want))
	}
	return nil
}

// allSame is sameBytes for several paths and servers.
func allSame(dir string, paths []string, servers ...*server) error {
	for _, s := range servers {
		for _, p := range paths {
			if err := sameBytes(s.url(), dir, p); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return nil
}
