package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/modhaven/modhaven/internal/store"
)

func TestSizeOf(t *testing.T) {
	dir := &store.Mem{}
	for name, n := range map[string]int{"modules/m/@v/v1.0.0.zip": 100, "queries/m/@v/list": 10, "sumdb/x/latest": 1, "format": 1000, "spool/1/x": 1000} {
		b := bytes.Repeat([]byte("x"), n)
		if err := dir.Put(t.Context(), name, io.NewSectionReader(bytes.NewReader(b), 0, int64(n)), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := sizeOf(t.Context(), dir); err != nil || got.Files != 3 || got.Bytes != 111 {
		t.Errorf("got %+v, %v", got, err)
	}
}
