package goproxy

import (
	"testing"

	"golang.org/x/mod/modfile"
)

func TestPrunes(t *testing.T) {
	if Prunes(nil) {
		t.Error("a module without a go line prunes")
	}
	for version, want := range map[string]bool{
		"1.1": false, "1.16": false, "1.16.3": false, "1.17": true, "1.17rc1": true, "1.21.0": true, "1.21rc2": true, "1.9": false, "1.100": true, "2.0": true, "1": false, "1.": false,
	} {
		if got := Prunes(&modfile.Go{Version: version}); got != want {
			t.Errorf("go %s: %v, want %v", version, got, want)
		}
	}
}
