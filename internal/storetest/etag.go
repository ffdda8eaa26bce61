package storetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/modhaven/modhaven/internal/store"
)

// etag: a small object's comes from its content whatever the caller says; a large one's is what the caller said, or
// comes from the content; and no object has that of another.
func (s *suite) etag() {
	ctx := context.Background()
	for _, n := range sizes {
		name := fmt.Sprintf("etag/%d", n)
		for seed := range uint64(3) {
			b := Content(n, seed)
			s.mustPut(name, b, "*")
			meta, err := s.s.Stat(ctx, name)
			if err != nil || meta.ETag != store.ETag(b) {
				s.Errorf("%s: ETag %q, %v; want %q", name, meta.ETag, err, store.ETag(b))
			}
		}
		b := Content(n, 9)
		if err := s.s.Put(ctx, name, Section(b), store.PutOptions{If: "*"}); err != nil {
			s.Fatal(err)
		}
		meta, err := s.s.Stat(ctx, name)
		if err != nil || meta.ETag != store.ETag(b) && (n <= store.Small || meta.ETag != "") {
			s.Errorf("%s, replaced without saying an ETag, has %q, %v", name, meta.ETag, err)
		}
		// The same bytes once more, elsewhere.
		s.mustPut(name+"-again", Content(n, 2), "")
		meta, err = s.s.Stat(ctx, name+"-again")
		if err != nil || meta.ETag != store.ETag(Content(n, 2)) {
			s.Errorf("the same %d bytes have another ETag %q, %v", n, meta.ETag, err)
		}
	}
	// What is created where something else was removed has none of its.
	large := Content(store.Small+1, 1)
	s.mustPut("etag/removed", large, "")
	if err := s.s.Remove(ctx, "etag/removed"); err != nil {
		s.Fatal(err)
	}
	other := Content(store.Small+1, 2)
	if err := s.s.Put(ctx, "etag/removed", Section(other), store.PutOptions{}); err != nil {
		s.Fatal(err)
	}
	if meta, err := s.s.Stat(ctx, "etag/removed"); err != nil || meta.ETag == store.ETag(large) {
		s.Errorf("a new object has the ETag of the one removed: %v", err)
	}
}

// etagRace reads an object while others replace it: bytes and ETag always belong together.
func (s *suite) etagRace() {
	const name = "etag/race"
	s.mustPut(name, Content(store.Small+1, 0), "")
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range 20 {
				// The same size often: only the ETag can tell.
				if err := s.put(name, Content(store.Small+1-i%2, uint64(w*100+i)), "*"); err != nil {
					s.Errorf("Put: %v", err)
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for {
				b, meta, err := s.read(name)
				if err != nil {
					s.Errorf("Open while it is replaced: %v", err)
				} else if meta.Size != int64(len(b)) || meta.ETag != "" && meta.ETag != store.ETag(b) {
					s.Errorf("%d bytes came with size %d and the ETag of other bytes", len(b), meta.Size)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	b, meta, err := s.read(name)
	if err != nil || meta.ETag != store.ETag(b) {
		s.Errorf("at the end: ETag %q, %v; want %q", meta.ETag, err, store.ETag(b))
	}
}
