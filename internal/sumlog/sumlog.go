// Package sumlog keeps a checksum database: a transparency log of go.sum lines with signed tree heads, in a directory of
// plain files that any web server can serve by the protocol of https://sum.golang.org.
//
// What it is told it appends: whether the lines are true is for its caller to find out. It knows nothing of HTTP.
//
// The directory:
//
//	tile/8/L/NNN, NNN.p/W      hashes, golang.org/x/mod/sumdb/tlog; never changed. Where a tile is full its partial forms go.
//	tile/8/data/NNN, NNN.p/W   the records
//	latest                     the signed tree head, replaced whole
//	lookup/ESCAPED@VERSION     a whole answer with the head under which the record became public; never changed
//	supported                  empty
//	.lock                      held to append
//	.pending                   the records of an append under way, which is redone where it was cut off
//	.index                     where versions are, so that Open need not read all records; made anew where it does not fit
//	.tmp/                      files on their way to their names
//
// An append writes .pending, then the tiles, then latest, then the lookups, and removes .pending last, each durable before
// the next. So a head is signed only once it is certain which records come under it: whatever is killed, the next to
// append makes the same tiles and the same head of them.
package sumlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/lru"
)

const (
	height = 8 // of tiles, as the go command wants them
	width  = 1 << height

	// MaxAnswer is how many bytes an answer has at most.
	MaxAnswer = 1 << 20
	maxRecord = MaxAnswer/width - 1 // a record's text; a tile has an empty line after each
	maxSize   = 1<<31 - 1           // records

	// maxBatch is how many records one commit takes, and so what it needs of memory: 16 MiB at most.
	maxBatch = 4096
	// maxWait is how long another process may hold the lock.
	maxWait  = 30 * time.Second
	lockPoll = 2 * time.Millisecond

	// maxRecords is how many bytes of records are kept in memory.
	maxRecords = 16 << 20
)

// A head is a signed tree head and what of the tree is needed to go on from it. It is not changed.
type head struct {
	tree   tlog.Tree
	signed []byte
	edge   *frontier
}

// A Log is a checksum database in a directory. Its methods may be called at once, and several processes may have one
// directory open.
type Log struct {
	dir      string
	signer   note.Signer
	verifier note.Verifier
	key      string
	disk     *disk
	records  *lru.Cache[*records]
	now      sync.RWMutex // guards the next two, and is held for no I/O
	head     *head
	index    *index

	reading sync.Mutex // held, before now, to change head: a change comes from who appends here or from the file latest

	waiting sync.Mutex // guards queue
	queue   []*request
	turn    chan struct{} // holds one while somebody commits; before reading
	saved   int64         // how many versions .index has; guarded by turn
	closed  chan struct{}
	end     sync.Once
}

// Open opens the log in dir, which it makes where it is absent or empty. signer is a key of [GenerateKey]; a log stays
// with one key. An append that was cut off is completed. Open checks the signed head and the tree's edge under it, and
// the tiles that it reads; [Audit] checks all.
func Open(dir, signer string) (*Log, error) { return open(dir, signer, osDisk) }

func open(dir, signer string, ops operations) (*Log, error) {
	s, err := note.NewSigner(signer)
	if err != nil {
		return nil, fmt.Errorf("signer key: %w; modhaven sumdb key makes one", err)
	}
	key, err := VerifierOf(signer)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("signer key: %w", err)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	l := &Log{
		dir: dir, signer: s, verifier: v, key: key, disk: newDisk(dir, ops),
		records: lru.New(maxRecords, (*records).cost), index: newIndex(),
		turn: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	if err := l.start(); err != nil {
		return nil, fmt.Errorf("checksum database %s: %w", dir, err)
	}
	return l, nil
}

// start brings memory up to what is there, and what is there up to what was begun.
func (l *Log) start() error {
	if err := os.MkdirAll(filepath.Join(l.dir, tmpDir), 0o755); err != nil {
		return err
	}
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.disk.sweep(); err != nil {
		return err
	}
	if err := l.begin(); err != nil {
		return err
	}
	if err := l.refresh(); err != nil {
		return err
	}
	return l.recover()
}

// begin signs the head of an empty log where there is none.
func (l *Log) begin() error {
	_, err := os.Lstat(l.disk.file(latest))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch e.Name() {
		case lockFile, tmpDir, supported, "lost+found": // also what a first start leaves that is killed
		default:
			return fmt.Errorf("it holds %s and no signed head (%s); restore that, or name an empty or a new directory", e.Name(), latest)
		}
	}
	signed, err := l.sign(&frontier{})
	if err != nil {
		return err
	}
	if err := l.disk.create([]file{{supported, nil}}); err != nil {
		return err
	}
	return l.disk.replace(latest, signed)
}

// lock holds off all who append, of other processes too.
func (l *Log) lock() (unlock func(), err error) {
	f := flock.New(l.disk.file(lockFile))
	ctx, cancel := context.WithTimeout(context.Background(), maxWait)
	defer cancel()
	if _, err := f.TryLockContext(ctx, lockPoll); errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s: another process has held it for %v; end the one that hangs", l.disk.file(lockFile), maxWait)
	} else if err != nil {
		return nil, err
	}
	return func() { f.Close() }, nil
}

// Close waits for a commit under way. Append fails afterwards.
func (l *Log) Close() error {
	var err error
	l.end.Do(func() {
		close(l.closed)
		l.turn <- struct{}{}
		defer func() { <-l.turn }()
		var unlock func()
		if unlock, err = l.lock(); err == nil {
			err = l.saveIndex()
			unlock()
		}
	})
	return err
}

// Name returns the name of the database.
func (l *Log) Name() string { return l.verifier.Name() }

// Verifier returns the key that clients check the log with: the value of GOSUMDB where proxies carry the database.
func (l *Log) Verifier() string { return l.key }

// Size returns how many records the log has as far as this process knows.
func (l *Log) Size() int64 { return l.current().tree.N }

func (l *Log) current() *head {
	l.now.RLock()
	defer l.now.RUnlock()
	return l.head
}

// sign returns the signed head of a tree.
func (l *Log) sign(f *frontier) ([]byte, error) {
	return note.Sign(&note.Note{Text: string(tlog.FormatTree(tlog.Tree{N: f.size, Hash: f.root()}))}, l.signer)
}

// refresh brings memory up to the signed head that is there, which others may have moved on. A head that does not
// continue the one known before is an error.
func (l *Log) refresh() error {
	l.reading.Lock()
	defer l.reading.Unlock()
	signed, err := readAtMost(l.disk.file(latest), MaxAnswer)
	if err != nil {
		return err
	}
	old := l.current()
	if old != nil && bytes.Equal(signed, old.signed) {
		return nil
	}
	tree, err := openHead(signed, l.verifier)
	if err != nil {
		return err
	}
	if old != nil {
		if err := l.continues(old.tree, tree); err != nil {
			return err
		}
	}
	edge, err := l.readEdge(tree)
	if err != nil {
		return err
	}
	if old == nil {
		l.loadIndex(tree)
	}
	versions, err := l.readVersions(tree)
	if err != nil {
		return err
	}
	l.publish(&head{tree, signed, edge}, versions)
	return nil
}

// publish makes a head the current one. versions are those that the index lacks.
func (l *Log) publish(h *head, versions []uint64) {
	l.now.Lock()
	defer l.now.Unlock()
	l.head = h
	for _, v := range versions {
		l.index.add(v)
	}
}

// continues wants a tree to have another one as its begin.
func (l *Log) continues(old, tree tlog.Tree) error {
	if tree.N < old.N {
		return fmt.Errorf("%s: its tree has %d records, and had %d before: an older copy was put in its place; restore the newest", latest, tree.N, old.N)
	}
	h, err := tlog.TreeHash(old.N, tlog.TileHashReader(tree, tiles{l}))
	if err != nil {
		return fmt.Errorf("%s: the tree of %d records: %w", latest, tree.N, err)
	}
	if h != old.Hash {
		return fmt.Errorf("%s: the log has forked: its tree of %d records does not continue the one of %d that was signed before; stop whatever else writes there, and keep both", latest, tree.N, old.N)
	}
	return nil
}

// openHead returns the tree of a signed head.
func openHead(signed []byte, v note.Verifier) (tlog.Tree, error) {
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return tlog.Tree{}, broken(latest, "not signed with the key %s+%08x: %v", v.Name(), v.KeyHash(), err)
	}
	tree, err := tlog.ParseTree([]byte(n.Text))
	if err != nil {
		return tlog.Tree{}, broken(latest, "%v", err)
	}
	if tree.N == 0 && tree.Hash != (&frontier{}).root() {
		return tlog.Tree{}, broken(latest, "the hash of an empty tree is wrong")
	}
	return tree, nil
}
