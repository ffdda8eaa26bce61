package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite" // also the driver
	sqlite3 "modernc.org/sqlite/lib"
)

// schemaVersion is what PRAGMA user_version says of the tables below. A change of them is a new version, with a
// migration from this one.
const schemaVersion = 1

// Times are in milliseconds of Unix time, 0 for none. A file has one row for each hash that was recorded of it, of which
// at most one is not wrong. The history keeps each text once, since paths and clients come again and again.
const schema = `
CREATE TABLE files (
	path TEXT NOT NULL,
	version TEXT NOT NULL,
	kind TEXT NOT NULL CHECK (kind IN ('mod', 'zip')),
	h1 TEXT NOT NULL,
	first_seen INTEGER NOT NULL,
	source TEXT NOT NULL,
	verified_by TEXT NOT NULL,
	tree_size INTEGER NOT NULL,
	verified INTEGER NOT NULL,
	wrong TEXT NOT NULL,
	PRIMARY KEY (path, version, kind, h1)
) STRICT, WITHOUT ROWID;
CREATE INDEX unverified ON files (first_seen, path, version, kind) WHERE verified_by = '' AND wrong = '';
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE served (
	id INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	client INTEGER NOT NULL,
	path INTEGER NOT NULL,
	version INTEGER NOT NULL,
	what INTEGER NOT NULL,
	status INTEGER NOT NULL,
	bytes INTEGER NOT NULL,
	cache INTEGER NOT NULL
) STRICT;
CREATE INDEX served_what ON served (path, version);
CREATE VIEW history AS SELECT s.id, s.at, c.name AS client, p.name AS path, v.name AS version, w.name AS what, s.status, s.bytes, k.name AS cache
	FROM served s JOIN names c ON c.id = s.client JOIN names p ON p.id = s.path JOIN names v ON v.id = s.version
	JOIN names w ON w.id = s.what JOIN names k ON k.id = s.cache;
`

const (
	maxReaders = 4                // connections, about 2 MiB of memory each
	busy       = 10 * time.Second // how long to wait for another process that writes
)

// makeDir makes dir, and its name durable. For the names in it SQLite does so.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil || runtime.GOOS == "windows" { // NTFS journals names
		return err
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// open connects, and makes the tables where there are none.
func (l *Ledger) open(ctx context.Context) (*writer, error) {
	var err error
	// FULL: what is committed is on the disk. A journal that a long read made large becomes small again.
	if l.writes, err = connect(l.name, 1, "synchronous(FULL)", "journal_size_limit(16777216)"); err != nil {
		return nil, err
	}
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	if l.reads, err = connect(l.name, maxReaders, "query_only(1)"); err != nil {
		return nil, err
	}
	if l.get, err = l.reads.PrepareContext(ctx, selectBest); err != nil {
		return nil, err
	}
	return newWriter(ctx, l.writes)
}

func connect(name string, n int, pragmas ...string) (*sql.DB, error) {
	path := filepath.ToSlash(name)
	if !strings.HasPrefix(path, "/") { // C:/…
		path = "/" + path
	}
	q := url.Values{"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds())}, pragmas...)}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return db, nil
}

// prepare tries again while other processes prepare the same file: SQLite does not wait for all of their locks.
func (l *Ledger) prepare(ctx context.Context) error {
	for start := time.Now(); ; {
		err := l.migrate(ctx)
		if code(err) != sqlite3.SQLITE_BUSY || time.Since(start) > busy {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// migrate makes the tables where there are none. A later schema is reached from here, step by step.
func (l *Ledger) migrate(ctx context.Context) error {
	conn, err := l.writes.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	v, err := version(ctx, conn)
	if err != nil {
		return err
	}
	// Readers and the writer do not wait for each other. The file keeps it, but not a copy that SQLite made.
	if _, err := conn.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if v == schemaVersion {
		return look(ctx, conn)
	}
	return transaction(ctx, conn, func() error {
		if v, err := version(ctx, conn); err != nil || v == schemaVersion { // another process was first
			return err
		}
		_, err := conn.ExecContext(ctx, schema+fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
		return err
	})
}

// version returns which schema the file has, 0 for none; a newer one than is known is an error.
func version(ctx context.Context, conn *sql.Conn) (int, error) {
	var v int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return 0, err
	}
	if v > schemaVersion {
		return 0, fmt.Errorf("its schema is %d, this version of Modhaven knows schemas up to %d: use the newer version, or another state directory", v, schemaVersion)
	}
	return v, nil
}

// look reads a little of each table, so that most damage is found when a server starts and not by its clients. To read
// everything would take seconds.
func look(ctx context.Context, conn *sql.Conn) error {
	for _, q := range []string{
		"SELECT count(*) FROM (SELECT * FROM files ORDER BY path, version, kind, h1 LIMIT 1)",
		"SELECT count(*) FROM (SELECT * FROM files ORDER BY path DESC, version DESC, kind DESC, h1 DESC LIMIT 1)",
		"SELECT count(*) FROM (SELECT * FROM served ORDER BY id DESC LIMIT 1)",
		"SELECT count(*) FROM (SELECT * FROM names ORDER BY id DESC LIMIT 1)",
	} {
		var n int
		if err := conn.QueryRowContext(ctx, q).Scan(&n); err != nil {
			return err
		}
	}
	return nil
}

// transaction commits all that do does, or nothing.
func transaction(ctx context.Context, conn *sql.Conn, do func() error) error {
	// IMMEDIATE: nobody else writes between what is read here and what is written.
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// SQLite may have done so by itself, which is an error here and no matter.
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}

// code returns the primary result code of SQLite (https://sqlite.org/rescode.html), 0 where err has none.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// ErrDisk says that the ledger's disk is full or fails: nothing is wrong with the ledger itself.
var ErrDisk = errors.New("its disk is full or fails; make room, or see the system's log")

// explain says of which file an error is and what to do about it. A full disk is ErrDisk to errors.Is, and syscall.ENOSPC
// where SQLite can tell.
func (l *Ledger) explain(err error) error {
	dir := filepath.Dir(l.name)
	switch code(err) {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("ledger %s: it is damaged (%w); end Modhaven, move the directory %s aside and start again: files are then trusted anew on first use", l.name, err, dir)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("ledger %s: %w (%w, %w)", l.name, ErrDisk, syscall.ENOSPC, err)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("ledger %s: %w (%w)", l.name, ErrDisk, err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("ledger %s: another process held it for more than %v (%w); find out which has it open", l.name, busy, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("ledger %s: %w; this user must be able to write to the directory %s and what is in it", l.name, err, dir)
	}
	return fmt.Errorf("ledger %s: %w", l.name, err)
}
