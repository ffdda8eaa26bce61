package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A wrkResult is what wrk prints at its end.
type wrkResult struct {
	Requests float64 // completed, a second; 0 where not even one large answer was
	Bytes    float64 // a second, headers included
}

// wrk loads url over 64 connections that are kept. Any status but 2xx and 3xx, and any
// socket error, is an error.
func wrk(ctx context.Context, threads int, d time.Duration, url string, header ...string) (wrkResult, error) {
	bin, err := exec.LookPath("wrk")
	if err != nil {
		return wrkResult{}, errors.New("wrk: not found; on Debian and Ubuntu: apt-get install wrk")
	}
	args := []string{"-t", strconv.Itoa(threads), "-c", "64", "-d", fmt.Sprintf("%.0fs", max(1, d.Seconds())), "--timeout", "60s"}
	for _, h := range header {
		args = append(args, "-H", h)
	}
	out, err := exec.CommandContext(ctx, bin, append(args, url)...).CombinedOutput()
	if err != nil {
		return wrkResult{}, fmt.Errorf("wrk %s: %w: %s", url, err, out)
	}
	r, err := parseWrk(out)
	if err != nil {
		return r, fmt.Errorf("wrk %s: %w", url, err)
	}
	return r, nil
}

// parseWrk reads the output of wrk. What wrk reports as failed is an error.
func parseWrk(out []byte) (wrkResult, error) {
	var r wrkResult
	var err error
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Requests/sec":
			r.Requests, err = strconv.ParseFloat(value, 64)
		case "Transfer/sec":
			r.Bytes, err = parseBytes(value)
		case "Socket errors", "Non-2xx or 3xx responses":
			err = errors.New(line)
		}
		if err != nil {
			return wrkResult{}, err
		}
	}
	if r.Bytes <= 0 {
		return wrkResult{}, fmt.Errorf("no result in %q", out)
	}
	return r, nil
}

// parseBytes reads wrk's numbers of bytes: "1.50GB" is 1.5 × 2^30.
func parseBytes(s string) (float64, error) {
	unit := strings.TrimLeft(s, "0123456789.")
	f, err := strconv.ParseFloat(strings.TrimSuffix(s, unit), 64)
	if err != nil {
		return 0, err
	}
	i := strings.Index("BKMGT", strings.TrimSuffix(unit, "B")) // "B" alone is the empty string: 0
	if i < 0 {
		return 0, fmt.Errorf("%q: unknown unit", s)
	}
	for range i {
		f *= 1024
	}
	return f, nil
}
