package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"

	"github.com/modhaven/modhaven/internal/store"
)

func (s *suite) createOnly() {
	for _, n := range sizes {
		name := fmt.Sprintf("once/%d", n)
		first := Content(n, 1)
		s.mustPut(name, first, "")
		for _, m := range sizes {
			if err := s.put(name, Content(m, 2), ""); !errors.Is(err, fs.ErrExist) {
				s.Errorf("a second Put: %v, want fs.ErrExist", err)
			}
		}
		s.wantObject(name, first)
	}
}

const racers = 16

// race lets racers put different contents at once, and returns them and how each Put ended.
func (s *suite) race(name string, cond string) (contents [][]byte, errs []error) {
	contents, errs = make([][]byte, racers), make([]error, racers)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range racers {
		contents[i] = Content(sizes[1+i%5]+i, uint64(i))
		all.Go(func() {
			<-start
			errs[i] = s.put(name, contents[i], cond)
		})
	}
	close(start)
	all.Wait()
	return contents, errs
}

// wantOneWinner checks that one Put of a race won, that the others say lost, and that the winner's bytes are there.
func (s *suite) wantOneWinner(name string, contents [][]byte, errs []error, lost error) {
	s.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			s.Errorf("%s: %d and %d both won", name, winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, lost):
			s.Errorf("%s: a loser was told %v, want %v", name, err, lost)
		}
	}
	if winner < 0 {
		s.Errorf("%s: nobody won", name)
		return
	}
	s.wantObject(name, contents[winner])
}

func (s *suite) createRace() {
	for i := range 10 {
		name := fmt.Sprintf("race/%d/new/directories/x", i)
		contents, errs := s.race(name, "")
		s.wantOneWinner(name, contents, errs, fs.ErrExist)
	}
}

func (s *suite) replace() {
	for _, n := range sizes {
		for _, m := range sizes {
			name := fmt.Sprintf("replace/%d/%d", n, m)
			s.mustPut(name, Content(n, 1), "*")
			s.wantObject(name, Content(n, 1))
			s.mustPut(name, Content(m, 2), "*")
			s.wantObject(name, Content(m, 2))
		}
	}
	contents, errs := s.race("replace/race", "*")
	for i, err := range errs {
		if err != nil {
			s.Errorf("replacing at once, %d: %v", i, err)
		}
	}
	got, _, err := s.read("replace/race")
	for _, want := range contents {
		if bytes.Equal(got, want) {
			return
		}
	}
	s.Errorf("after %d replaced at once it holds %d bytes that nobody put, %v", racers, len(got), err)
}

func (s *suite) swap() {
	for _, n := range sizes {
		name := fmt.Sprintf("swap/%d", n)
		first, second := Content(n, 1), Content(n+1, 2)
		if err := s.put(name, first, store.ETag(first)); !errors.Is(err, store.ErrConflict) {
			s.Errorf("swap of what is not there: %v, want store.ErrConflict", err)
		}
		s.wantAbsent(name)
		s.mustPut(name, first, "")
		if err := s.put(name, second, store.ETag(second)); !errors.Is(err, store.ErrConflict) {
			s.Errorf("swap with another's ETag: %v, want store.ErrConflict", err)
		}
		s.wantObject(name, first)
		s.mustPut(name, second, store.ETag(first))
		s.wantObject(name, second)
		if err := s.put(name, first, store.ETag(first)); !errors.Is(err, store.ErrConflict) {
			s.Errorf("swap with the ETag before the last: %v, want store.ErrConflict", err)
		}
		s.mustPut(name, first, store.ETag(second))
		s.wantObject(name, first)
	}
}

func (s *suite) swapRace() {
	for i := range 5 {
		name := fmt.Sprintf("swaprace/%d", i)
		first := Content(sizes[1+i], 99)
		s.mustPut(name, first, "")
		contents, errs := s.race(name, store.ETag(first))
		s.wantOneWinner(name, contents, errs, store.ErrConflict)
	}
}

// counter counts in an object: 8 at once, 10 times each, again after each conflict.
func (s *suite) counter() {
	const who, times = 8, 10
	s.mustPut("count", []byte("0"), "")
	var all sync.WaitGroup
	for range who {
		all.Go(func() {
			for done := 0; done < times; {
				b, meta, err := s.read("count")
				n, aerr := strconv.Atoi(string(b))
				if err != nil || aerr != nil {
					s.Errorf("reading the count: %q, %v, %v", b, err, aerr)
					return
				}
				err = s.put("count", []byte(strconv.Itoa(n+1)), meta.ETag)
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					s.Errorf("counting: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	s.wantObject("count", []byte(strconv.Itoa(who*times)))
}

func (s *suite) remove() {
	ctx := context.Background()
	for _, n := range sizes {
		name := fmt.Sprintf("remove/%d", n)
		s.mustPut(name, Content(n, 1), "")
		s.wantObject(name, Content(n, 1))
		for range 2 {
			if err := s.s.Remove(ctx, name); err != nil {
				s.Errorf("Remove %s: %v", name, err)
			}
			s.wantAbsent(name)
		}
		s.mustPut(name, Content(n, 2), "")
		s.wantObject(name, Content(n, 2))
	}
}
