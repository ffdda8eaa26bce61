package sumdb

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// checkRecord wants the record of that version and a tree head. Whether they are signed and true is for clients.
func checkRecord(path, version string) func([]byte) error {
	return func(b []byte) error {
		_, text, rest, err := tlog.ParseRecord(b)
		if err != nil {
			return fmt.Errorf("no record came: %w", err)
		}
		if !strings.Contains("\n"+string(text), "\n"+path+" "+version+" ") {
			return fmt.Errorf("the record that came is not that of %s@%s", path, version)
		}
		return checkLatest(rest)
	}
}

func checkLatest(b []byte) error {
	if _, err := tlog.ParseTree(b); err != nil {
		return fmt.Errorf("no tree head came: %w", err)
	}
	return nil
}

func checkTile(t tlog.Tile) func([]byte) error {
	return func(b []byte) error {
		if t.L >= 0 && len(b) != t.W*tlog.HashSize {
			return fmt.Errorf("a tile of %d bytes came, want %d", len(b), t.W*tlog.HashSize)
		}
		if len(b) == 0 || t.L < 0 && goproxy.IsHTML(b) {
			return errors.New("no tile came")
		}
		return nil
	}
}
