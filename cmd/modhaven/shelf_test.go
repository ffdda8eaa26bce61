package main

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/modhaven/modhaven/internal/store"
)

// TestShelf: what is saved is there after a swap and after the close, and what comes later is too.
func TestShelf(t *testing.T) {
	ctx := t.Context()
	mem := &store.Mem{}
	k := newShelf(mem, "sumdb/db/", slog.New(slog.DiscardHandler))
	const n = 3 * maxSaves
	for i := range n {
		k.Save(ctx, fmt.Sprint("lookup/", i), []byte("a"))
	}
	if ok, err := k.Swap(ctx, "latest", nil, []byte("head")); !ok || err != nil {
		t.Fatalf("swap: %v, %v", ok, err)
	}
	for i := range n {
		if b, ok := k.Load(ctx, fmt.Sprint("lookup/", i)); !ok || string(b) != "a" {
			t.Fatalf("answer %d is not stored before the head: %q, %v", i, b, ok)
		}
	}
	if ok, err := k.Swap(ctx, "latest", []byte("another"), []byte("x")); ok || err != nil {
		t.Errorf("a swap of what is not there: %v, %v", ok, err)
	}
	k.Save(ctx, "lookup/0", []byte("b"))
	k.close()
	k.Save(ctx, "late", []byte("c"))
	for name, want := range map[string]string{"lookup/0": "b", "late": "c", "latest": "head"} {
		if b, ok := k.Load(ctx, name); !ok || string(b) != want {
			t.Errorf("%s: %q, %v, want %q", name, b, ok, want)
		}
	}
}
