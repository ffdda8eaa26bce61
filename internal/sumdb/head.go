package sumdb

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// What is kept beside tiles and records: the head, and the proof of a fork.
const (
	latestName = "latest"
	forkName   = "fork"
	tileHeight = 8
)

// load reads what is kept of the head, and of a fork.
func (c *Client) load(ctx context.Context) error {
	if b, ok := c.o.Keep.Load(ctx, forkName); ok {
		c.forked = &ForkError{c.o.DB.Name, "It was seen by an earlier run; both signed trees:\n" + string(b)}
		c.o.Log.Error("SECURITY: a checksum database is not believed", "database", c.o.DB.Name, "err", c.forked)
	}
	kept, err := c.kept(ctx)
	c.now = kept
	return err
}

// kept returns the head that is kept, which may be another process's.
func (c *Client) kept(ctx context.Context) (head, error) {
	msg, ok := c.o.Keep.Load(ctx, latestName)
	if !ok {
		return head{}, nil
	}
	tree, err := c.open(msg)
	if err != nil {
		return head{}, fmt.Errorf("checksum database %s: the tree head that is kept (%s): %w; where its key has changed remove what is kept of it", c.o.DB.Name, latestName, err)
	}
	return head{tree, msg}, nil
}

// open reads a signed tree head.
func (c *Client) open(msg []byte) (tlog.Tree, error) {
	if now := c.current(); len(msg) > 0 && bytes.Equal(msg, now.msg) {
		return now.Tree, nil
	}
	n, err := note.Open(msg, c.verifier)
	if err != nil {
		return tlog.Tree{}, unproven("the tree head is not signed by %s: %v", c.o.DB.Name, err)
	}
	tree, err := tlog.ParseTree([]byte(n.Text))
	if err != nil {
		return tlog.Tree{}, unproven("no tree head came: %v", err)
	}
	return tree, nil
}

func (c *Client) current() head {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// advance takes a signed head into account and returns the one to believe. That is a newer one only where record
// want is not in the tree yet: every step needs tiles that all later proofs must have.
func (c *Client) advance(ctx context.Context, from place, msg []byte, want int64) (head, error) {
	tree, err := c.open(msg)
	if err != nil {
		return head{}, err
	}
	for ctx.Err() == nil {
		now := c.current()
		if tree.N <= now.N {
			return now, c.compare(ctx, from, head{tree, msg}, now)
		}
		if want < now.N {
			return now, nil
		}
		next := head{tree, msg}
		if err := c.follow(ctx, from, now, next); err != nil {
			return head{}, err
		}
		if ok, err := c.install(ctx, from, now, next); ok || err != nil {
			return next, err
		}
	}
	return head{}, context.Cause(ctx)
}

// follow proves that next continues now, and gets what keeps proven all that is.
func (c *Client) follow(ctx context.Context, from place, now, next head) error {
	if err := c.compare(ctx, from, now, next); err != nil {
		return err
	}
	return c.widen(ctx, from, now, next)
}

// compare proves that newer continues older.
func (c *Client) compare(ctx context.Context, from place, older, newer head) error {
	switch {
	case older.N == 0 || older.N == newer.N && older.Hash == newer.Hash:
		return nil
	case older.N == newer.N:
		return c.fork(ctx, older, newer)
	}
	h, err := tlog.TreeHash(older.N, tlog.TileHashReader(newer.Tree, &tileReader{ctx, c, from}))
	if err != nil {
		return asUnproven(fmt.Errorf("the tree of %d records against that of %d: %w", older.N, newer.N, err))
	}
	if h != older.Hash {
		return c.fork(ctx, older, newer)
	}
	return nil
}

// fork remembers for ever that the database has forked.
func (c *Client) fork(ctx context.Context, a, b head) error {
	proof := fmt.Appendf(nil, "%s\n%s", a.msg, b.msg)
	e := &ForkError{c.o.DB.Name, fmt.Sprintf("One tree of %d records, one of %d. The signed trees are kept as %q beside its tiles: show them to its operator; remove them when you know which is true.", a.N, b.N, forkName)}
	c.mu.Lock()
	first := c.forked == nil
	c.forked = e
	c.mu.Unlock()
	if first {
		c.o.Keep.Save(ctx, forkName, proof)
		c.o.Log.Error("SECURITY: a checksum database has signed two histories; nothing is verified by it any more", "database", c.o.DB.Name,
			"one", base64.StdEncoding.EncodeToString(a.msg), "other", base64.StdEncoding.EncodeToString(b.msg))
	}
	return e
}

// widen gets, under the next head, each tile that is not full under the one before: so all that is proven by tiles that
// are kept stays so, with nobody to ask.
func (c *Client) widen(ctx context.Context, from place, now, next head) error {
	var indexes []int64
	for level := 0; ; level++ {
		n := now.N >> (tileHeight * level)
		if n == 0 {
			break
		}
		if n&(1<<tileHeight-1) != 0 {
			indexes = append(indexes, tlog.StoredHashIndex(tileHeight*level, n&^(1<<tileHeight-1)))
		}
	}
	if len(indexes) == 0 {
		return nil
	}
	_, err := tlog.TileHashReader(next.Tree, &tileReader{ctx, c, from}).ReadHashes(indexes)
	if err != nil {
		return asUnproven(fmt.Errorf("the edge of the tree of %d records in that of %d: %w", now.N, next.N, err))
	}
	return nil
}

// install keeps next, which follows now, in place of it. It reports false where something else is kept: then that is
// current if it follows now, and now is kept in its place if it is older.
func (c *Client) install(ctx context.Context, from place, now, next head) (bool, error) {
	ok, err := c.o.Keep.Swap(ctx, latestName, now.msg, next.msg)
	if err != nil { // it is believed without: a restart begins with the one before
		c.o.Log.Error("the store takes no tree head", "database", c.o.DB.Name, "err", err)
		ok = true
	}
	if ok {
		c.moveTo(now, next)
		return true, nil
	}
	return false, c.meet(ctx, from, now)
}

// meet brings now and the head that is kept together: the larger one is current and kept, once they are one history.
func (c *Client) meet(ctx context.Context, from place, now head) error {
	kept, err := c.kept(ctx)
	if err != nil {
		return err
	}
	if kept.N < now.N { // removed, or a backup that was restored: a head never goes back
		if err := c.compare(ctx, from, kept, now); err != nil {
			return err
		}
		_, err := c.o.Keep.Swap(ctx, latestName, kept.msg, now.msg)
		return err
	}
	if err := c.follow(ctx, from, now, kept); err != nil {
		return err
	}
	c.moveTo(now, kept)
	return nil
}

// moveTo makes next current, if now is still.
func (c *Client) moveTo(now, next head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Equal(c.now.msg, now.msg) {
		c.now = next
	}
}
