package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/config"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/store"
	"github.com/modhaven/modhaven/internal/sumdb"
	"github.com/modhaven/modhaven/internal/upstream"
)

// newSumClient builds what knows the checksum database; nil where that is off.
func (hv *haven) newSumClient(db goproxy.SumDB, places []upstream.SumPlace, dir store.Store, log *slog.Logger) (*sumdb.Client, error) {
	if db.Name == "" {
		return nil, nil
	}
	o := sumdb.ClientOptions{DB: db, Keep: shelf{dir, "sumdb/" + db.Name + "/", log}, Log: log}
	if len(places) > 0 {
		o.Remote = hv.pool.Sums(places)
	}
	for i := range places {
		o.Places = append(o.Places, hv.pool.Sums(places[i:i+1]))
	}
	return sumdb.NewClient(o)
}

// newVerifier builds what says which hashes public modules must have; nil where there is no checksum database.
func newVerifier(cfg *config.Config, client *sumdb.Client, log *slog.Logger, x extras) (proxy.Verifier, error) {
	if client == nil {
		return nil, nil
	}
	bypass, err := cfg.Bypasses()
	if err != nil {
		return nil, err
	}
	return verifier{sumdb.NewVerifier(client, sumdb.VerifierOptions{
		Private: x.noSumDBPatterns(cfg), Bypass: bypass, Refuse: cfg.Unreachable == "refuse", Log: log,
	})}, nil
}

// newSumDB builds what answers below /sumdb/; nil where there is no checksum database.
func newSumDB(cfg *config.Config, db goproxy.SumDB, client *sumdb.Client, x extras) server.SumDB {
	if client == nil {
		return nil
	}
	sums := sumdb.New(sumdb.Options{DB: db, Client: client, Private: x.noSumDBPatterns(cfg)})
	if x.sumDB != nil {
		return x.sumDB(sums)
	}
	return sums
}

// verifier is a sumdb.Verifier in the words of package proxy.
type verifier struct{ v *sumdb.Verifier }

// Want implements proxy.Verifier.
func (v verifier) Want(ctx context.Context, m module.Version) (proxy.Want, error) {
	w, err := v.v.Want(ctx, m)
	return proxy.Want(w), err
}

// shelf keeps what a checksum database has proven in the store, below prefix.
type shelf struct {
	store  store.Store
	prefix string
	log    *slog.Logger
}

// Load implements sumdb.Keeper.
func (k shelf) Load(ctx context.Context, name string) ([]byte, bool) {
	c, err := k.store.Open(ctx, k.prefix+name)
	if err != nil {
		return nil, false
	}
	defer c.Body.Close()
	b, err := io.ReadAll(c.Body)
	return b, err == nil
}

// Save implements sumdb.Keeper.
func (k shelf) Save(ctx context.Context, name string, b []byte) {
	if err := k.store.Put(ctx, k.prefix+name, bytesSection(b), store.PutOptions{If: "*"}); err != nil {
		k.log.Error("the store takes no checksum answer; clients were answered all the same", "name", name, "err", err)
	}
}

// Swap implements sumdb.Shelf.
func (k shelf) Swap(ctx context.Context, name string, old, b []byte) (bool, error) {
	o := store.PutOptions{}
	if old != nil {
		o.If = store.ETag(old)
	}
	err := k.store.Put(ctx, k.prefix+name, bytesSection(b), o)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, store.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}
