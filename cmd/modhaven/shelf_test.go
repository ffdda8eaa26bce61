package main

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

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

// TestShelfWaits: answers are stored once none came for a while, or one has waited long, and are there meanwhile.
func TestShelfWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := &store.Mem{}
		k := newShelf(mem, "", slog.New(slog.DiscardHandler))
		stored := func(name string) bool {
			synctest.Wait()
			c, err := mem.Open(t.Context(), name)
			if err == nil {
				c.Body.Close()
			}
			return err == nil
		}
		k.Save(t.Context(), "one", []byte("a"))
		time.Sleep(saveQuiet - 1)
		if b, ok := k.Load(t.Context(), "one"); stored("one") || !ok || string(b) != "a" {
			t.Errorf("before a quiet second: %q, %v", b, ok)
		}
		time.Sleep(1 * time.Nanosecond)
		if !stored("one") {
			t.Error("after a quiet second it is not stored")
		}
		k.Save(t.Context(), "two", []byte("a"))
		for i := range int(saveLate/saveQuiet)*2 - 1 {
			time.Sleep(saveQuiet / 2)
			if stored("two") {
				t.Fatalf("stored after %d half seconds of which none was quiet", i)
			}
			k.Save(t.Context(), fmt.Sprint(i), []byte("a"))
		}
		time.Sleep(saveQuiet / 2)
		if !stored("two") {
			t.Errorf("after %v it is not stored", saveLate)
		}
		time.Sleep(saveQuiet)
		for i := range maxSaves / 2 {
			if stored("many/0") {
				t.Fatalf("stored after %d", i)
			}
			k.Save(t.Context(), fmt.Sprint("many/", i), []byte("a"))
		}
		if !stored("many/0") {
			t.Errorf("%d wait", maxSaves/2)
		}
		k.close()
	})
}
