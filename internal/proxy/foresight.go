package proxy

import (
	"sync"
	"time"
)

const (
	// maxInVain is how many questions to a checksum database may be asked ahead, in a row, for files that are not there; then
	// one each inVainEvery. Whoever asks for names that nobody has is no reason to ask it.
	maxInVain   = 64
	inVainEvery = time.Second
)

// foresight says whether to ask ahead for what a file must be.
type foresight struct {
	mu    sync.Mutex // guards all below
	used  int        // of maxInVain
	since time.Time  // when used was right
}

// take reports whether to ask ahead; if so, and the file is there, give it back.
func (f *foresight) take(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := int(now.Sub(f.since) / inVainEvery); n > 0 {
		f.used, f.since = max(f.used-n, 0), now
	}
	if f.used == maxInVain {
		return false
	}
	f.used++
	return true
}

func (f *foresight) give() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used = max(f.used-1, 0)
}
