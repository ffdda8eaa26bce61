//go:build !linux

package storetest

import "testing"

// Tmpfs skips the test: only Linux has a tmpfs that can be mounted anywhere.
func Tmpfs(t testing.TB, size int64) string {
	t.Skip("a tmpfs of its own needs Linux")
	return ""
}
