package ledger

import (
	"context"
	"fmt"
	"time"
)

const (
	maxQueue   = 8192 // records that wait to be written
	maxBatch   = 512  // records that are written at once
	flushEvery = time.Second
	maxNames   = 1 << 16 // ids of texts that are remembered
)

// A Served is one answer to a client. At has a resolution of milliseconds; texts are cut at a KiB.
type Served struct {
	At      time.Time
	Client  string // who asked: a name, else an address
	Path    string // of the module
	Version string // of a file; else the query, such as "latest"; "" for a list
	What    string // "info", "mod", "zip", "list" or "query"
	Status  int    // of HTTP
	Bytes   int64  // of the body, as sent
	Cache   string // how it was had: "hit", "miss", "stale" and such
}

// Serve records an answer. It never waits: the record is written within a second, or with the next 511; where 8192 wait
// to be written it is dropped, and counted. A crash loses what was not written.
func (l *Ledger) Serve(s Served) {
	select {
	case l.served <- s:
	default:
		l.dropped.Add(1)
	}
}

// Dropped returns how many records of Serve were not written.
func (l *Ledger) Dropped() int64 { return l.dropped.Load() }

// History returns the last answers, at most limit, the newest first: of a module's version, of the whole module where version
// is "", or of everything where path is "" too.
func (l *Ledger) History(ctx context.Context, path, version string, limit int) ([]Served, error) {
	query, args := "SELECT at, client, path, version, what, status, bytes, cache FROM history ", []any{}
	if path != "" {
		query += "WHERE id IN (SELECT id FROM served WHERE path = (SELECT id FROM names WHERE name = ?) "
		args = append(args, path)
		if version != "" {
			query += "AND version = (SELECT id FROM names WHERE name = ?) "
			args = append(args, version)
		}
		query += "ORDER BY id DESC LIMIT ?) "
		args = append(args, limit)
	}
	rows, err := l.reads.QueryContext(ctx, query+"ORDER BY id DESC LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, l.explain(err)
	}
	defer rows.Close()
	var all []Served
	for rows.Next() {
		var s Served
		var at int64
		if err := rows.Scan(&at, &s.Client, &s.Path, &s.Version, &s.What, &s.Status, &s.Bytes, &s.Cache); err != nil {
			return nil, l.explain(err)
		}
		s.At = moment(at)
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		return nil, l.explain(err)
	}
	return all, nil
}

// flush writes records in one transaction, which makes durable all that was committed before.
func (w *writer) flush(batch []Served) error {
	fresh := map[string]int64{}
	err := w.transaction(true, func() error {
		if len(batch) == 0 { // SQLite waits for the disk where something is written
			_, err := w.conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
			return err
		}
		for _, s := range batch {
			if err := w.record(s, fresh); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(w.names)+len(fresh) > maxNames {
		clear(w.names)
	}
	for name, id := range fresh {
		w.names[name] = id
	}
	return nil
}

func (w *writer) record(s Served, fresh map[string]int64) error {
	var ids [5]int64
	for i, name := range []string{s.Client, s.Path, s.Version, s.What, s.Cache} {
		var err error
		if ids[i], err = w.name(clip(name), fresh); err != nil {
			return err
		}
	}
	return w.exec(w.addServed, millis(s.At), ids[0], ids[1], ids[2], ids[3], s.Status, s.Bytes, ids[4])
}

// name returns the id of a text. One that is not committed yet is kept in fresh.
func (w *writer) name(text string, fresh map[string]int64) (int64, error) {
	if id, ok := w.names[text]; ok {
		return id, nil
	}
	if id, ok := fresh[text]; ok {
		return id, nil
	}
	if err := w.exec(w.addName, text); err != nil {
		return 0, err
	}
	var id int64
	if err := w.nameID.QueryRowContext(context.Background(), text).Scan(&id); err != nil {
		return 0, err
	}
	fresh[text] = id
	return id, nil
}
