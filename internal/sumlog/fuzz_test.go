package sumlog

import (
	"bytes"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// FuzzBatch: what is read of .pending is what would be written of it.
func FuzzBatch(f *testing.F) {
	f.Add((&batchOf{7, [][]byte{rec(1).Text, rec(2).Text}}).marshal())
	f.Add([]byte("modhaven sumlog pending 1 0 1 00\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := unmarshalBatch(b)
		if err != nil {
			return
		}
		if again, err := unmarshalBatch(p.marshal()); err != nil || again.base != p.base || len(again.texts) != len(p.texts) {
			t.Errorf("%q: %v", b, err)
		}
	})
}

// FuzzIndex: a file that is no index is none, and one that is says the same when it is written again.
func FuzzIndex(f *testing.F) {
	f.Add(index2.marshal(tlog.Hash{1}))
	f.Add([]byte(indexMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, root, ok := unmarshalIndex(b); ok && !bytes.Equal(x.marshal(root), b) {
			t.Errorf("%q", b)
		}
	})
}

// FuzzRecords: the records of a tile are all of its bytes, whatever their texts are.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("a\n\nb\nc\n\n"), 2)
	f.Add([]byte("\n\n\n\n"), 2)
	f.Fuzz(func(t *testing.T, b []byte, w int) {
		if w < 1 || w > width {
			return
		}
		r, err := splitRecords(b, w)
		if err != nil {
			return
		}
		var again []byte
		for i := range w {
			again = append(append(again, r.text(i)...), '\n')
		}
		if !bytes.Equal(again, r.data) || !bytes.HasPrefix(b, again) {
			t.Errorf("%q in %d: %q", b, w, again)
		}
	})
}

// FuzzText: lines that are read are those of the version that they name, so that no two texts that are good differ in
// what a person does not see.
func FuzzText(f *testing.F) {
	f.Add(rec(1).Text)
	f.Add(bytes.ReplaceAll(rec(1).Text, []byte("\n"), []byte("\r\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseText(b)
		if err != nil {
			return
		}
		if (Record{module.Version{Path: v.Path, Version: v.Version}, b}).check() != nil {
			return
		}
		if _, err := tlog.FormatRecord(0, b); err != nil {
			t.Errorf("%q: %v", b, err)
		}
	})
}
