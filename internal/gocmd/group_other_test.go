//go:build !linux

package gocmd

import "testing"

// wantNoProcess is for where /proc tells what runs.
func wantNoProcess(*testing.T, *Fetcher) {}
