//go:build !linux

package doctor

func runHelper() bool { return false }
