package proxy

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
)

// TestSpoolInSeveralStreams has parts of a file written at once, as a fill in segments does, after a restart with readers of what
// came before: each reads all of it, in order.
func TestSpoolInSeveralStreams(t *testing.T) {
	const size, streams, chunk = 4 << 20, 8, 10_000
	s := testSpool(t, size, 0)
	want := content(size, 3)
	if err := s.SetSize(size); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, want, 0, size/3)
	s.release(size/3, 0)
	early := s.follow(t.Context(), size)
	if _, err := io.ReadFull(early, make([]byte, size/3)); err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSize(size); err != nil {
		t.Fatal(err)
	}
	late := s.follow(t.Context(), size)
	var writers, readers sync.WaitGroup
	failed := make(chan error, streams+2)
	for i := range streams {
		writers.Go(func() {
			end := (i + 1) * size / streams
			for off := i * size / streams; off < end; off += chunk {
				if _, err := s.WriteAt(want[off:min(off+chunk, end)], int64(off)); err != nil {
					failed <- err
				}
				s.mu.Lock()
				there := s.have.prefix()
				s.mu.Unlock()
				s.release(there, 1)
			}
		})
	}
	for f, rest := range map[*follower][]byte{early: want[size/3:], late: want} {
		readers.Go(func() {
			defer f.Close()
			got, err := io.ReadAll(f)
			if err != nil || !bytes.Equal(got, rest) {
				failed <- fmt.Errorf("a reader got %d of %d bytes, %v", len(got), len(rest), err)
			}
		})
	}
	writers.Wait()
	n, err := s.setComplete()
	if err != nil || n != size || len(s.have.list) != 1 {
		t.Errorf("complete with %d bytes in %v, %v", n, s.have.list, err)
	}
	s.finish(nil)
	readers.Wait()
	s.done()
	close(failed)
	for err := range failed {
		t.Error(err)
	}
}
