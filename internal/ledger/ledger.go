// Package ledger remembers the hash of every file that was ever served, so that bytes which differ later are found out
// though no checksum database can be reached, and who was served what.
//
// It is one SQLite file that several processes may use at once. It fetches nothing, hashes nothing and judges no file:
// it says what was first seen, and that something else came.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// FileName is the name of the database in the directory of a ledger. Beside it lie, while it is in use, the same name
// with -wal and -shm behind it, which belong to it.
const FileName = "ledger.db"

// An Entry is what is recorded of a .mod or a .zip. Times have a resolution of milliseconds.
type Entry struct {
	goproxy.File
	H1       string    // "h1:" and the base64 of a SHA-256: golang.org/x/mod/sumdb/dirhash.Hash1, for a .mod that of its go.mod line
	First    time.Time // when it was first seen
	From     string    // the upstream it came from then, without credentials; "" when not known
	By       string    // the checksum database that proves it; "" while nothing does
	TreeSize int64     // of the signed tree that proves it
	Verified time.Time // when it was proven
	Wrong    string    // why nothing may be served that has this hash; "" where it is good
}

// Differs is the error of a file whose hash is not the one that was seen first. Nothing of it may be served.
type Differs struct {
	Recorded Entry
	Got      string // the hash that came now
}

func (e *Differs) Error() string {
	r := e.Recorded
	proof := "unverified"
	switch {
	case r.Wrong != "":
		proof = "found wrong since: " + r.Wrong
	case r.By != "":
		proof = "verified by " + r.By
	}
	return fmt.Sprintf("%s: its hash is %s, and the ledger has %s, first seen %s from %q, %s; compare with: modhaven ledger show %s@%s",
		r.File, e.Got, r.H1, r.First.Format(time.RFC3339), r.From, proof, r.Path, r.Version.Version)
}

// A Ledger is an open one. Its methods may be called at once, but for none after Close.
type Ledger struct {
	name   string  // of the database
	reads  *sql.DB // a few connections, each with a snapshot of its own: no read waits for a write
	writes *sql.DB // the one of the writer
	get    *sql.Stmt

	ops     chan op     // to the writer; not buffered, so that who gives up has asked for nothing
	served  chan Served // to the writer
	dropped atomic.Int64
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed by the writer when it has ended
	close   func() error
	failed  error // of the writer's end; read after done
}

// Open opens the ledger in dir, and makes both where they are missing. It fails on one that is damaged or was made by a newer
// version of Modhaven; the error says what to do.
func Open(ctx context.Context, dir string) (*Ledger, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = makeDir(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l := &Ledger{
		name:   filepath.Join(dir, FileName),
		ops:    make(chan op),
		served: make(chan Served, maxQueue),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	l.close = sync.OnceValue(l.end)
	w, err := l.open(ctx)
	if err != nil {
		return nil, l.explain(errors.Join(err, l.closeDB()))
	}
	go l.write(w)
	return l, nil
}

// Close writes what Serve was given before and closes the file. Calls that wait are answered first.
func (l *Ledger) Close() error { return l.close() }

func (l *Ledger) end() error {
	close(l.stop)
	<-l.done
	if err := errors.Join(l.failed, l.closeDB()); err != nil {
		return l.explain(err)
	}
	return nil
}

// closeDB closes what open has opened. The last process to do so has SQLite move everything into the one file.
func (l *Ledger) closeDB() error {
	var errs []error
	for _, db := range []*sql.DB{l.reads, l.writes} { // the writer last: a connection that only reads cannot tidy up
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
