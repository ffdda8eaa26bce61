package ledger

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

const known = 100_000

func filled(b *testing.B) *Ledger {
	l := mustOpen(b, b.TempDir())
	err := l.change(context.Background(), false, func(w *writer) error {
		for i := range known {
			e := Entry{File: zip(fmt.Sprintf("github.com/some-company/project-%06d", i)), H1: hash("a"), From: "https://proxy.golang.org", By: "sum.golang.org", TreeSize: 70_000_000}
			if err := e.complete(day); err != nil {
				return err
			}
			if _, _, err := w.add(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkGet reads one of 100 000 entries.
func BenchmarkGet(b *testing.B) {
	l := filled(b)
	ctx := b.Context()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919) % known
		if _, err := l.Get(ctx, zip(fmt.Sprintf("github.com/some-company/project-%06d", i))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdd has 64 callers at once.
func BenchmarkAdd(b *testing.B) {
	l := mustOpen(b, b.TempDir())
	var n atomic.Int64
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			path := fmt.Sprintf("github.com/some-company/project-%06d", n.Add(1))
			mustAdd(b, l, Entry{File: zip(path), H1: hash(path), From: "https://proxy.golang.org", By: "sum.golang.org", TreeSize: 70_000_000})
		}
	})
	report(b, l, int(n.Load()))
}

// BenchmarkAddAlone has one caller, who waits for the disk each time.
func BenchmarkAddAlone(b *testing.B) {
	l := mustOpen(b, b.TempDir())
	i := 0
	for b.Loop() {
		i++
		path := fmt.Sprintf("github.com/some-company/project-%06d", i)
		mustAdd(b, l, Entry{File: zip(path), H1: hash(path)})
	}
}

// BenchmarkServed writes records of who was served what.
func BenchmarkServed(b *testing.B) {
	l := mustOpen(b, b.TempDir())
	batch := make([]Served, maxBatch)
	i := 0
	for b.Loop() {
		if i++; i%maxBatch == 0 {
			recordAll(b, l, batch)
		}
		batch[i%maxBatch] = Served{At: day, Client: fmt.Sprintf("192.0.2.%d", i%200), Path: fmt.Sprintf("github.com/some-company/project-%06d", i%2000),
			Version: fmt.Sprintf("v1.%d.0", i%10), What: "zip", Status: 200, Bytes: int64(i), Cache: "hit"}
	}
	report(b, l, i)
}

func recordAll(b *testing.B, l *Ledger, batch []Served) {
	err := l.change(context.Background(), false, func(w *writer) error {
		fresh := map[string]int64{}
		for _, s := range batch {
			if err := w.record(s, fresh); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// report says how many bytes an entry takes once everything is in the one file.
func report(b *testing.B, l *Ledger, n int) {
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	fi, err := os.Stat(l.name)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(fi.Size())/float64(n), "B/entry")
}
