package main

import (
	"testing"
	"testing/fstest"

	"github.com/modhaven/modhaven/internal/gocmd"
)

func TestMemoryLimit(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	tests := []struct {
		what string
		fs   fstest.MapFS
		want int64 // 0: none
	}{
		{"no control groups", fstest.MapFS{}, 0},
		{"a container that sees itself as the root", fstest.MapFS{
			"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("268435456\n")}, 268435456},
		{"a container that sees the name on its host", fstest.MapFS{
			"proc/self/cgroup": file("0::/kubepods/pod1/c1\n"), "sys/fs/cgroup/memory.max": file("1000000\n")}, 1000000},
		{"a unit in a slice that has less", fstest.MapFS{
			"proc/self/cgroup":                           file("0::/a.slice/b.service\n"),
			"sys/fs/cgroup/a.slice/b.service/memory.max": file("3000000\n"),
			"sys/fs/cgroup/a.slice/memory.max":           file("2000000\n"),
		}, 2000000},
		{"no limit", fstest.MapFS{
			"proc/self/cgroup": file("0::/a.service\n"), "sys/fs/cgroup/a.service/memory.max": file("max\n")}, 0},
		{"version 1", fstest.MapFS{
			"proc/self/cgroup": file("5:memory:/a\n1:name=systemd:/a\n"), "sys/fs/cgroup/memory.max": file("1000\n")}, 0},
		{"not a number", fstest.MapFS{
			"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("-5\n")}, 0},
	}
	for _, test := range tests {
		if n, ok := memoryLimit(test.fs); n != test.want || ok != (test.want > 0) {
			t.Errorf("%s: %d, %v; want %d", test.what, n, ok, test.want)
		}
	}
}

func TestDirectMemory(t *testing.T) {
	for limit, want := range map[string]int64{"max\n": gocmd.DefaultMemory, "1073741824\n": 512 << 20, "68719476736\n": gocmd.DefaultMemory, "1000\n": 128 << 20} {
		root := fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/\n")}, "sys/fs/cgroup/memory.max": {Data: []byte(limit)}}
		if got := directMemory(root); got != want {
			t.Errorf("of %q: %d, want %d", limit, got, want)
		}
	}
}
