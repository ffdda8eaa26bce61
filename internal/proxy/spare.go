package proxy

import "sync/atomic"

// maxSpare is how large a file may be to do without the spool's disk.
const maxSpare = 8 << 20

// A spare makes files that need no disk, within a budget of bytes: for when the disk is full.
type spare struct{ left atomic.Int64 }

func newSpare(budget int64) *spare {
	s := &spare{}
	s.left.Store(budget)
	return s
}

func (s *spare) take(n int64) bool {
	if s.left.Add(-n) >= 0 {
		return true
	}
	s.left.Add(n)
	return false
}

func (s *spare) give(n int64) { s.left.Add(n) }
