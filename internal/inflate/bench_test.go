package inflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"io"
	"testing"
)

// BenchmarkInflate decodes Go sources one after the other, as a module zip has them.
func BenchmarkInflate(b *testing.B) {
	var in []byte
	var size int64
	files := sources(b, "../*/*.go")
	for _, f := range files {
		in = append(in, deflate(b, f, flate.DefaultCompression)...)
		size += int64(len(f))
	}
	src := bytes.NewReader(in)
	r := bufio.NewReaderSize(src, 64<<10)
	run := func(name string, decode func() (int64, error)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				src.Reset(in)
				r.Reset(src)
				for range files {
					if _, err := decode(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	d := NewDecoder()
	run("inflate", func() (int64, error) { return d.Decode(io.Discard, r, 1<<40) })
	std, buf := flate.NewReader(r), make([]byte, 32<<10)
	run("compress/flate", func() (int64, error) {
		if err := std.(flate.Resetter).Reset(r, nil); err != nil {
			return 0, err
		}
		return io.CopyBuffer(struct{ io.Writer }{io.Discard}, std, buf)
	})
}
