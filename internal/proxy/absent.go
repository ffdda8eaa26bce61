package proxy

import (
	"sync"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/lru"
)

const (
	// absentModule is how long the absence of a module is remembered, which is mostly asked as a prefix of some
	// package's path; absentVersion that of a version, which may be tagged any moment.
	absentModule  = 10 * time.Minute
	absentVersion = time.Minute

	maxAbsences  = 8 << 20 // bytes
	maxPerModule = 64      // names of one module
)

// absences remember what all upstreams said is not there. A timeout or a refusal is never remembered.
type absences struct {
	mu      sync.Mutex // held to change one module's absences
	modules *lru.Cache[*absence]
}

// absence is what is not there of one module. It is replaced, never changed.
type absence struct{ names map[string]absentName }

type absentName struct {
	err   *goproxy.NotFound
	until time.Time
}

func newAbsences() *absences {
	return &absences{modules: lru.New(maxAbsences, func(a *absence) (n int64) {
		for name, e := range a.names {
			n += int64(len(name)+len(e.err.Body)) + 128
		}
		return n
	})}
}

// get returns the absence of a name of a module, nil where none is remembered.
func (a *absences) get(path, name string) *goproxy.NotFound {
	m, ok := a.modules.Get(path)
	if !ok {
		return nil
	}
	if e, ok := m.names[name]; ok && time.Now().Before(e.until) {
		return e.err
	}
	return nil
}

// put remembers an absence.
func (a *absences) put(path, name string, err *goproxy.NotFound) {
	ttl := absentVersion
	if name == goproxy.ListName(path) {
		ttl = absentModule
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	names := map[string]absentName{name: {err, now.Add(ttl)}}
	if old, ok := a.modules.Get(path); ok {
		for n, e := range old.names {
			if len(names) < maxPerModule && n != name && now.Before(e.until) {
				names[n] = e
			}
		}
	}
	a.modules.Put(path, &absence{names})
}

// forget drops what is remembered of a module.
func (a *absences) forget(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.modules.Remove(path)
}
