package proxytest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// BigModule returns a module whose zip has about size bytes, the same for the same
// arguments. Its files are of many sizes, from empty to an eighth of the whole; about
// a tenth is text that shrinks to nearly nothing, the rest cannot be compressed.
func BigModule(path, version string, size int64, seed uint64) Module {
	var key [32]byte
	copy(key[:], fmt.Sprintf("proxytest %d", seed))
	src := rand.NewChaCha8(key)
	rnd := rand.New(src)
	m := Module{Path: path, Version: version, Files: map[string]string{
		"go.mod":    "module " + path + "\n\ngo 1.21\n",
		"big.go":    "// Package big is large.\npackage big\n",
		"empty.txt": "",
	}}
	for n, left := 0, size; left > 0; n++ {
		want := min(left, fileSize(rnd, size))
		b := make([]byte, want)
		src.Read(b)
		m.Files[fmt.Sprintf("data/%02x/%04d.bin", n%16, n)] = string(b)
		left -= want
		if n%8 == 0 {
			line := fmt.Sprintf("line %d of the text of file %d\n", rnd.Int64(), n)
			m.Files[fmt.Sprintf("text/%04d.txt", n)] = strings.Repeat(line, int(want)/len(line))
		}
	}
	return m
}

// fileSize is drawn so that small files are many and large ones hold most bytes.
func fileSize(rnd *rand.Rand, size int64) int64 {
	most := max(1, size/8)
	for range rnd.IntN(6) {
		most = max(1, most/4)
	}
	return 1 + rnd.Int64N(most)
}
