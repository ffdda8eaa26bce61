package ledger

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

const (
	columns    = "SELECT path, version, kind, h1, first_seen, source, verified_by, tree_size, verified, wrong FROM files "
	selectFile = columns + "WHERE path = ? AND version = ? AND kind = ? ORDER BY wrong <> '', first_seen DESC"
	selectBest = selectFile + " LIMIT 1"
	selectPage = columns + "WHERE (path, version, kind, h1) > (?, ?, ?, ?) ORDER BY path, version, kind, h1 LIMIT 256"

	selectUnverified = columns + "WHERE verified_by = '' AND wrong = '' AND (first_seen, path, version, kind) > (?, ?, ?, ?) " +
		"ORDER BY first_seen, path, version, kind LIMIT 256"
)

// maxText bounds what is kept of a text that others wrote, in bytes.
const maxText = 1 << 10

// Get returns what is recorded of a file: what is good, else what was found wrong last. The error is fs.ErrNotExist where
// nothing is.
func (l *Ledger) Get(ctx context.Context, f goproxy.File) (Entry, error) {
	e, err := scan(l.get.QueryRowContext(ctx, f.Path, f.Version.Version, f.Kind.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return Entry{}, absent(f)
	}
	if err != nil {
		return Entry{}, l.explain(err)
	}
	return e, nil
}

// Add records a file that was not known and returns what is recorded, durably; where a checksum database proves it, durably but
// for a loss of power in the next second. What was seen first stays: where that has
// another hash the error is *Differs. A proof (By) of the recorded hash is taken over where there was none; one that is
// there stays. A First or a Verified that is missing is now; Wrong does not count.
//
// After a Quarantine the hash that was wrong stays so, whoever adds it, as the Entry's Wrong says; another one is recorded
// only with a proof, and only where the wrong one had none.
//
// Where ctx ends before, it may be recorded all the same.
func (l *Ledger) Add(ctx context.Context, e Entry) (Entry, error) {
	if err := e.complete(time.Now()); err != nil {
		return Entry{}, err
	}
	var recorded Entry
	var differs *Differs
	err := l.change(ctx, e.By != "", func(w *writer) (err error) {
		recorded, differs, err = w.add(e)
		return err
	})
	switch {
	case err != nil:
		return Entry{}, err
	case differs != nil:
		return differs.Recorded, differs
	}
	return recorded, nil
}

// complete checks an Entry that is to be added and makes it what is recorded.
func (e *Entry) complete(now time.Time) error {
	if e.Kind != goproxy.Mod && e.Kind != goproxy.Zip {
		return fmt.Errorf("ledger: %s: only a .mod and a .zip have a hash", e.File)
	}
	text, ok := strings.CutPrefix(e.H1, "h1:")
	if sum, err := base64.StdEncoding.Strict().DecodeString(text); !ok || err != nil || len(sum) != 32 || len(text) != 44 {
		return fmt.Errorf("ledger: %s: %q is no hash; it is h1: and the base64 of 32 bytes", e.File, e.H1)
	}
	if e.First.IsZero() {
		e.First = now
	}
	if e.Verified.IsZero() {
		e.Verified = now
	}
	if e.By == "" {
		e.TreeSize, e.Verified = 0, time.Time{}
	}
	e.First, e.Verified = moment(millis(e.First)), moment(millis(e.Verified))
	e.From, e.By, e.Wrong = clip(e.From), clip(e.By), ""
	return nil
}

func (w *writer) add(e Entry) (Entry, *Differs, error) {
	all, err := w.all(e.File)
	if err != nil {
		return Entry{}, nil, err
	}
	renew := e.By != "" // may it stand in for what was wrong?
	for _, r := range all {
		switch {
		case r.H1 == e.H1 && r.Wrong == "" && r.By == "" && e.By != "":
			r.By, r.TreeSize, r.Verified = e.By, e.TreeSize, e.Verified
			err := w.exec(w.prove, r.By, r.TreeSize, millis(r.Verified), r.Path, r.Version.Version, r.Kind.String(), r.H1)
			return r, nil, err
		case r.H1 == e.H1:
			return r, nil, nil
		}
		renew = renew && r.Wrong != "" && r.By == ""
		if r.Wrong == "" {
			break // the older ones say nothing that counts
		}
	}
	if len(all) > 0 && !renew {
		return Entry{}, &Differs{all[0], e.H1}, nil
	}
	err = w.exec(w.insert, e.Path, e.Version.Version, e.Kind.String(), e.H1, millis(e.First), e.From, e.By, e.TreeSize, millis(e.Verified))
	return e, nil, err
}

// all returns the rows of a file, the one that is good first.
func (w *writer) all(f goproxy.File) ([]Entry, error) {
	rows, err := w.rows.QueryContext(context.Background(), f.Path, f.Version.Version, f.Kind.String())
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

// Quarantine records, durably, why nothing may be served that has the file's recorded hash. The first reason stays. The
// error is fs.ErrNotExist where nothing is recorded.
func (l *Ledger) Quarantine(ctx context.Context, f goproxy.File, why string) error {
	if why == "" {
		return fmt.Errorf("ledger: %s: no reason was given for its quarantine", f)
	}
	known := false
	err := l.change(ctx, false, func(w *writer) error {
		all, err := w.all(f)
		if known = len(all) > 0; !known || err != nil {
			return err
		}
		return w.exec(w.wrong, clip(why), f.Path, f.Version.Version, f.Kind.String())
	})
	if err == nil && !known {
		return absent(f)
	}
	return err
}

// Unverified yields what nothing proves and nobody found wrong, the oldest first, and what is added meanwhile too. No read
// is open while the caller works with an Entry. It ends after an error.
func (l *Ledger) Unverified(ctx context.Context) iter.Seq2[Entry, error] {
	return l.pages(ctx, selectUnverified, []any{int64(-1), "", "", ""}, func(e Entry) []any {
		return []any{millis(e.First), e.Path, e.Version.Version, e.Kind.String()}
	})
}

// CountUnverified returns how many Entries Unverified yields. It takes about 10 ms for each 100 000 of them.
func (l *Ledger) CountUnverified(ctx context.Context) (n int64, err error) {
	err = l.reads.QueryRowContext(ctx, "SELECT count(*) FROM files WHERE verified_by = '' AND wrong = ''").Scan(&n)
	if err != nil {
		return 0, l.explain(err)
	}
	return n, nil
}

// Show yields all that is recorded of a module's version, of all its versions where version is "", or of everything where
// path is "" too, in the order of paths, versions (as texts), and .mod before .zip; what was found wrong too. It ends
// after an error.
func (l *Ledger) Show(ctx context.Context, path, version string) iter.Seq2[Entry, error] {
	all := l.pages(ctx, selectPage, []any{path, version, "", ""}, func(e Entry) []any {
		return []any{e.Path, e.Version.Version, e.Kind.String(), e.H1}
	})
	return func(yield func(Entry, error) bool) {
		for e, err := range all {
			beyond := path != "" && e.Path != path || version != "" && e.Version.Version != version
			if err == nil && beyond || !yield(e, err) {
				return
			}
		}
	}
}

// pages asks for what comes after a key, and again after the key of the last Entry, until there is no more.
func (l *Ledger) pages(ctx context.Context, query string, key []any, keyOf func(Entry) []any) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for {
			rows, err := l.reads.QueryContext(ctx, query, key...)
			var page []Entry
			if err == nil {
				page, err = collect(rows)
			}
			if err != nil {
				yield(Entry{}, l.explain(err))
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			key = keyOf(page[len(page)-1])
		}
	}
}

func collect(rows *sql.Rows) (all []Entry, err error) {
	defer rows.Close()
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

func scan(row interface{ Scan(...any) error }) (Entry, error) {
	var e Entry
	var v module.Version
	var kind string
	var first, verified int64
	err := row.Scan(&v.Path, &v.Version, &kind, &e.H1, &first, &e.From, &e.By, &e.TreeSize, &verified, &e.Wrong)
	if err != nil {
		return Entry{}, err
	}
	e.File = goproxy.File{Version: v, Kind: goproxy.Mod}
	if kind == goproxy.Zip.String() {
		e.Kind = goproxy.Zip
	}
	e.First, e.Verified = moment(first), moment(verified)
	return e, nil
}

func absent(f goproxy.File) error {
	return fmt.Errorf("ledger: nothing is recorded of %s: %w", f, fs.ErrNotExist)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// clip bounds a text.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "?")
}
