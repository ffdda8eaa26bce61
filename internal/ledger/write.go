package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// maxGroup is the most changes that share a commit, so that the first does not wait for too many.
const maxGroup = 256

// An op is a change that somebody waits for. An error of do, of the database alone, undoes all that share its
// transaction; what is to be said to one caller leaves do by another way.
type op struct {
	do     func(*writer) error
	proven bool       // a loss of power may undo it: a checksum database says the same again
	done   chan error // of one
}

// A writer is the connection for changes, and belongs to one goroutine.
type writer struct {
	conn                       *sql.Conn
	rows, insert, prove, wrong *sql.Stmt
	addName, nameID, addServed *sql.Stmt
	open                       []*sql.Stmt      // all of these
	names                      map[string]int64 // of the history: committed ones, which never change
	lax                        bool             // commits do not wait for the disk
	loose                      bool             // the last commits did not
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	w := &writer{names: map[string]int64{}}
	var err error
	if w.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	for stmt, text := range map[**sql.Stmt]string{
		&w.rows:      selectFile,
		&w.insert:    "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
		&w.prove:     "UPDATE files SET verified_by = ?, tree_size = ?, verified = ? WHERE path = ? AND version = ? AND kind = ? AND h1 = ?",
		&w.wrong:     "UPDATE files SET wrong = ? WHERE path = ? AND version = ? AND kind = ? AND wrong = ''",
		&w.addName:   "INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING",
		&w.nameID:    "SELECT id FROM names WHERE name = ?",
		&w.addServed: "INSERT INTO served (at, client, path, version, what, status, bytes, cache) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	} {
		if *stmt, err = w.conn.PrepareContext(ctx, text); err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.open = append(w.open, *stmt)
	}
	return w, nil
}

// close gives the connection back. Nobody else would close its statements, and with one open SQLite does not tidy up.
func (w *writer) close() error {
	var errs []error
	for _, stmt := range w.open {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// exec is without a context: a change belongs to nobody's request once it has begun.
func (*writer) exec(stmt *sql.Stmt, args ...any) error {
	_, err := stmt.ExecContext(context.Background(), args...)
	return err
}

// change has the writer do something and returns when it is committed. That is durable, or where it is proven survives the end
// of the process and is durable within a second. Where ctx ends first it may come to be all the same.
func (l *Ledger) change(ctx context.Context, proven bool, do func(*writer) error) error {
	o := op{do, proven, make(chan error, 1)}
	select {
	case l.ops <- o:
	case <-l.done:
		return fmt.Errorf("ledger %s: %w", l.name, os.ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("ledger %s: %w", l.name, ctx.Err())
	}
	select {
	case err := <-o.done:
		if err != nil {
			return l.explain(err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ledger %s: %w", l.name, ctx.Err())
	}
}

// write is the writer's goroutine. It waits for nobody: while one group is committed the next one gathers.
func (l *Ledger) write(w *writer) {
	defer close(l.done)
	defer func() { l.failed = errors.Join(l.failed, w.close()) }()
	var batch []Served // not yet written; kept where writing fails, as far as there is room
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		in := l.served
		if len(batch) >= maxBatch {
			in = nil
		}
		select {
		case o := <-l.ops:
			quiet := len(batch) == 0 && !w.loose
			if l.commit(w, o); quiet && w.loose {
				timer.Reset(flushEvery)
			}
		case s := <-in:
			if batch = append(batch, s); len(batch) == 1 && !w.loose {
				timer.Reset(flushEvery)
			}
			if len(batch) == maxBatch && w.flush(batch) == nil {
				batch = batch[:0]
				timer.Stop()
			}
		case <-timer.C:
			if w.flush(batch) == nil {
				batch = batch[:0]
			} else {
				timer.Reset(flushEvery)
			}
		case <-l.stop:
			l.finish(w, batch)
			return
		}
	}
}

// commit does first and all changes that wait for their turn in one transaction.
func (l *Ledger) commit(w *writer, first op) {
	group, proven := []op{first}, first.proven
	for more := true; more && len(group) < maxGroup; {
		select {
		case o := <-l.ops:
			group, proven = append(group, o), proven && o.proven
		default:
			more = false
		}
	}
	err := w.transaction(!proven, func() error {
		for _, o := range group {
			if err := o.do(w); err != nil {
				return err
			}
		}
		return nil
	})
	for _, o := range group {
		o.done <- err
	}
}

// transaction commits all that do does, or nothing; what is to be durable is on the disk then, and all that was committed before.
func (w *writer) transaction(durable bool, do func() error) error {
	ctx := context.Background()
	if w.lax == durable {
		mode := "NORMAL"
		if durable {
			mode = "FULL"
		}
		if _, err := w.conn.ExecContext(ctx, "PRAGMA synchronous = "+mode); err != nil {
			return err
		}
		w.lax = !durable
	}
	err := transaction(ctx, w.conn, do)
	if err == nil {
		w.loose = !durable
	}
	return err
}

// finish does what is left at the end.
func (l *Ledger) finish(w *writer, batch []Served) {
	for more := true; more; {
		select {
		case o := <-l.ops:
			l.commit(w, o)
		default:
			more = false
		}
	}
	for len(l.served) > 0 || len(batch) > 0 || w.loose {
		for len(l.served) > 0 && len(batch) < maxBatch {
			batch = append(batch, <-l.served)
		}
		if l.failed = w.flush(batch); l.failed != nil {
			l.dropped.Add(int64(len(batch) + len(l.served)))
			return
		}
		batch = batch[:0]
	}
}
