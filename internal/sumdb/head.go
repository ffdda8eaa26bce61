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

// load reads the head that was kept, once.
func (c *Client) load(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forked != nil {
		return c.forked
	}
	if c.loaded {
		return nil
	}
	if b, ok := c.o.Keep.Load(ctx, forkName); ok {
		c.forked = &ForkError{c.o.DB.Name, "It was seen by an earlier run; both signed trees:\n" + string(b)}
		return c.forked
	}
	if msg, ok := c.o.Keep.Load(ctx, latestName); ok {
		tree, err := c.open(msg)
		if err != nil {
			return fmt.Errorf("checksum database %s: the tree head that was kept: %w; remove it where the key has changed, and what is kept beside it", c.o.DB.Name, err)
		}
		c.now = head{tree, msg}
	}
	c.loaded = true
	return nil
}

// open reads a signed tree head.
func (c *Client) open(msg []byte) (tlog.Tree, error) {
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
func (c *Client) advance(ctx context.Context, from Remote, msg []byte, want int64) (head, error) {
	tree, err := c.open(msg)
	if err != nil {
		return head{}, err
	}
	for {
		now := c.current()
		if tree.N <= now.N {
			return now, c.compare(ctx, from, head{tree, msg}, now)
		}
		if want < now.N {
			return now, nil
		}
		next := head{tree, msg}
		if err := c.compare(ctx, from, now, next); err != nil {
			return head{}, err
		}
		if err := c.widen(ctx, from, now, next); err != nil {
			return head{}, err
		}
		ok, err := c.install(ctx, now, next)
		if err != nil || ok {
			return next, err
		}
	}
}

// compare proves that newer continues older.
func (c *Client) compare(ctx context.Context, from Remote, older, newer head) error {
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
func (c *Client) widen(ctx context.Context, from Remote, now, next head) error {
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

// install keeps the next head in place of now. It reports false where another process has kept one meanwhile, which then
// is current.
func (c *Client) install(ctx context.Context, now, next head) (bool, error) {
	ok, err := c.o.Keep.Swap(ctx, latestName, now.msg, next.msg)
	if err != nil { // it is believed without: a restart begins with the one before
		c.o.Log.Error("the store takes no tree head", "database", c.o.DB.Name, "err", err)
		ok = true
	}
	if !ok {
		_, err := c.reload(ctx)
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.Equal(c.now.msg, now.msg) {
		c.now = next
	}
	return true, nil
}

// reload takes over the head that is kept: another process has proven that it continues ours.
func (c *Client) reload(ctx context.Context) (head, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	msg, there := c.o.Keep.Load(ctx, latestName)
	if !there { // removed under our hands
		c.now = head{}
		return c.now, nil
	}
	tree, err := c.open(msg)
	if err == nil && tree.N >= c.now.N {
		c.now = head{tree, msg}
	}
	return c.now, err
}
