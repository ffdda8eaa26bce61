package config

import (
	"os"
	"testing"
)

// BenchmarkLoad is the part of the start that reads all settings, the go command's too.
func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		c, err := Load(Sources{Environ: os.Environ()})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.UpstreamList(); err != nil {
			b.Fatal(err)
		}
	}
}
