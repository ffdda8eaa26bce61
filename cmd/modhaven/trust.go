package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/ledger"
	"github.com/modhaven/modhaven/internal/lru"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/sumdb"
	"github.com/modhaven/modhaven/internal/sumlog"
)

// newSumClient builds what knows the checksum database; nil where that is off.
func (hv *haven) newSumClient(cfg *config.Config, db goproxy.SumDB, dir store.Store) (*sumdb.Client, error) {
	if db.Name == "" {
		return nil, nil //nolint:nilnil // none
	}
	places, err := hv.sumPlaces(cfg, db)
	if err != nil {
		return nil, err
	}
	hv.shelf = newShelf(dir, "sumdb/"+db.Name+"/", hv.log)
	o := sumdb.ClientOptions{DB: db, Keep: hv.shelf, Log: hv.log}
	if len(places) > 0 {
		o.Remote = hv.pool.Sums(places)
	}
	for i := range places {
		o.Places = append(o.Places, hv.pool.Sums(places[i:i+1]))
	}
	return sumdb.NewClient(context.Background(), o)
}

// newVerifier builds what says which hashes public modules must have; nil where there is no checksum database.
func (hv *haven) newVerifier(cfg *config.Config, db goproxy.SumDB, client *sumdb.Client, x extras) (*sumdb.Verifier, error) {
	if client == nil {
		return nil, nil //nolint:nilnil // none
	}
	bypass, err := cfg.Bypasses()
	if err != nil {
		return nil, err
	}
	return sumdb.NewVerifier(client, sumdb.VerifierOptions{
		Private: hv.namesToKeep(x), Gate: hv.gate(db), Bypass: bypass, Refuse: cfg.Unreachable == "refuse",
	}), nil
}

// namesToKeep says which names no checksum database is asked for.
func (hv *haven) namesToKeep(x extras) *goproxy.Rules {
	if x.noSumDB != nil {
		return x.noSumDB
	}
	return hv.rules
}

// gate keeps names from a public database that look internal; nil where it need not.
func (hv *haven) gate(db goproxy.SumDB) sumdb.Gate {
	if known, err := goproxy.ParseSumDB(goproxy.DefaultSumDB); err != nil || db.Key != known.Key || hv.leaks == nil {
		return nil
	}
	return hv.leaks
}

// newSumDB builds what answers below /sumdb/; nil where there is no checksum database.
func (hv *haven) newSumDB(db goproxy.SumDB, client *sumdb.Client, v *sumdb.Verifier, x extras) server.SumDB {
	var all server.SumDB
	if client != nil {
		all = sumdb.New(sumdb.Options{DB: db, Client: client, Private: hv.namesToKeep(x), Gate: hv.gate(db)})
	}
	if hv.own != nil {
		all = sumdb.Databases{Other: all, Own: sumdb.NewOwn(sumdb.OwnOptions{
			Records: records{hv.own}, Files: hv.service, Private: hv.namesToKeep(x), Verifier: v, Log: hv.log,
		})}
	}
	if all != nil && x.sumDB != nil {
		return x.sumDB(all)
	}
	return all
}

// openOwn opens the checksum database of one's own, where the settings name one.
func (hv *haven) openOwn(cfg *config.Config) error {
	if cfg.SumDBOwn == "" {
		return nil
	}
	key, err := readKey(cfg.SumDBOwnKey)
	if err != nil {
		return fmt.Errorf("sumdb_own_key: %w", err)
	}
	verifier, err := sumlog.VerifierOf(key)
	if err != nil {
		return fmt.Errorf("sumdb_own_key: %s: %w; modhaven sumdb key makes one", cfg.SumDBOwnKey, err)
	}
	if name, _, _ := strings.Cut(verifier, "+"); name != cfg.SumDBOwn {
		return fmt.Errorf("sumdb_own_key: %s has the key of %s, and sumdb_own is %s; each key belongs to one database", cfg.SumDBOwnKey, name, cfg.SumDBOwn)
	}
	if isReadable(cfg.SumDBOwnKey) {
		hv.log.Warn("others than its owner can read the signer key; chmod 600 changes that", "file", cfg.SumDBOwnKey)
	}
	hv.own, err = sumlog.Open(filepath.Join(hv.state.Dir, "sumlog", url.PathEscape(cfg.SumDBOwn)), key)
	return err
}

// records is a log in the words of package sumdb.
type records struct{ *sumlog.Log }

// Record implements sumdb.Records.
func (r records) Record(ctx context.Context, m module.Version, lines []byte) (int64, error) {
	ids, err := r.Append(ctx, []sumlog.Record{{Version: m, Text: lines}})
	var differs *sumlog.Differs
	if errors.As(err, &differs) {
		return 0, &goproxy.Wrong{Reason: "SECURITY ERROR: " + differs.Error()}
	}
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// verifier is a sumdb.Verifier in the words of package proxy.
type verifier struct{ v *sumdb.Verifier }

// Expect implements proxy.Verifier.
func (v verifier) Expect(ctx context.Context, m module.Version) { v.v.Expect(ctx, m) }

// Want implements proxy.Verifier.
func (v verifier) Want(ctx context.Context, m module.Version) (proxy.Want, error) {
	w, err := v.v.Want(ctx, m)
	return proxy.Want(w), err
}

// book is the ledger in the words of package proxy.
type book struct{ l *ledger.Ledger }

// Get implements proxy.Ledger.
func (b book) Get(ctx context.Context, f goproxy.File) (proxy.Seen, error) {
	e, err := b.l.Get(ctx, f)
	return seen(e), err
}

// Record implements proxy.Ledger.
func (b book) Record(ctx context.Context, f goproxy.File, s proxy.Seen) (proxy.Seen, error) {
	e := ledger.Entry{File: f, H1: s.H1, From: goproxy.Redact(s.From), By: s.By, TreeSize: s.TreeSize}
	noted, err := b.l.Add(ctx, e)
	var differs *ledger.Differs
	if errors.As(err, &differs) && s.By != "" && differs.Recorded.By == "" { // what came first was not proven, this is
		if err := b.l.Quarantine(ctx, f, fmt.Sprintf("%s proves another hash: %s", s.By, s.H1)); err != nil {
			return proxy.Seen{}, err
		}
		noted, err = b.l.Add(ctx, e)
	}
	if errors.As(err, &differs) {
		return seen(differs.Recorded), nil
	}
	return seen(noted), err
}

func seen(e ledger.Entry) proxy.Seen {
	return proxy.Seen{H1: e.H1, From: e.From, First: e.First, By: e.By, TreeSize: e.TreeSize, Wrong: e.Wrong}
}

// Unverified implements proxy.Ledger.
func (b book) Unverified(ctx context.Context) iter.Seq2[proxy.Unverified, error] {
	return func(yield func(proxy.Unverified, error) bool) {
		for e, err := range b.l.Unverified(ctx) {
			if !yield(proxy.Unverified{File: e.File, Seen: seen(e)}, err) {
				return
			}
		}
	}
}

// Condemn implements proxy.Ledger.
func (b book) Condemn(ctx context.Context, f goproxy.File, why string) error {
	return b.l.Quarantine(ctx, f, why)
}

// sameService is for how long a client that is served the same file again is not noted again.
const sameService = time.Minute

// served has the ledger note who was served which module. What was not served is none of it: anybody can ask for any name.
func (hv *haven) served(next func(server.Access)) func(server.Access) {
	if hv.ledger == nil {
		return next
	}
	noted := lru.New(4<<20, func(time.Time) int64 { return 64 })
	return func(a server.Access) {
		hv.note(noted, &a)
		if next != nil {
			next(a)
		}
	}
}

func (hv *haven) note(noted *lru.Cache[time.Time], a *server.Access) {
	f := a.Request.File
	if a.Request.Op != goproxy.OpFile || f.Kind == goproxy.Info || a.Method != http.MethodGet || a.Status/100 != 2 || a.Err != nil {
		return
	}
	client, _, _ := net.SplitHostPort(a.Client)
	if a.Caller != nil && a.Caller.Name() != "" {
		client = a.Caller.Name()
	}
	now, key := time.Now(), client+" "+a.Path
	if last, ok := noted.Get(key); ok && now.Sub(last) < sameService {
		return
	}
	noted.Put(key, now)
	hv.ledger.Serve(ledger.Served{
		At: now, Client: client, Path: f.Path, Version: f.Version.Version, What: f.Kind.String(),
		Status: a.Status, Bytes: a.Bytes, Cache: a.Cache.String(),
	})
}
