package proxy

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/store"
)

// checked is the Sink of a fill: a spool whose bytes are read while they arrive, and judged at the end.
type checked struct {
	ctx      context.Context
	file     goproxy.File
	spool    *spool
	verifier Verifier
	ledger   Ledger
	log      *slog.Logger
	recorder Recorder
	pending  *atomic.Bool
	scanners *scanners
	also     func(func()) // runs what goes on while bytes arrive

	mu   sync.Mutex  // guards want and scan
	want chan wanted // nil until asked
	scan chan scanResult

	headOnce sync.Once
	headed   chan struct{}
	streamed atomic.Int64 // the size announced to clients when the answer began early
	etag     string       // set by Check
}

type wanted struct {
	Want
	err error
}

type scanResult struct {
	*zipScan
	err error
}

func newChecked(ctx context.Context, fl *fill, s *Service) *checked {
	return &checked{ctx: ctx, file: fl.file, spool: fl.spool, verifier: s.o.Verifier, ledger: s.o.Ledger, log: s.o.Log, recorder: s.o.Recorder, pending: &s.pending,
		scanners: &s.scanners, also: s.work.also, headed: fl.headed}
}

// head lets clients be answered.
func (c *checked) head() { c.headOnce.Do(func() { close(c.headed) }) }

// SetSize implements goproxy.Sink.
func (c *checked) SetSize(n int64) error {
	c.begin()
	return c.spool.SetSize(n)
}

// WriteAt implements goproxy.Sink.
func (c *checked) WriteAt(b []byte, off int64) (int, error) {
	c.begin()
	return c.spool.WriteAt(b, off)
}

// Reset implements goproxy.Sink.
func (c *checked) Reset() error {
	c.mu.Lock()
	c.scan = nil
	c.mu.Unlock()
	return c.spool.Reset()
}

// begin starts what goes on while bytes arrive: the question what they must be, and the reading of a zip.
func (c *checked) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.want == nil && c.verifier != nil && c.file.Kind != goproxy.Info {
		want := make(chan wanted, 1)
		c.want = want
		c.also(func() {
			w, err := c.verifier.Want(c.ctx, c.file.Version)
			want <- wanted{w, err}
		})
	}
	if c.scan != nil || c.file.Kind != goproxy.Zip {
		return
	}
	scan := make(chan scanResult, 1)
	c.scan = scan
	restart := c.spool.restartCount()
	c.also(func() {
		s, err := c.scanners.scan(&arrivals{ctx: c.ctx, spool: c.spool, restart: restart}, maxUnpacked, func(n int64) { c.release(n, restart) })
		scan <- scanResult{s, err}
	})
}

// begun returns what begin started last.
func (c *checked) begun() (chan wanted, chan scanResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.want, c.scan
}

// release lets clients have a large zip up to n, but for its end.
func (c *checked) release(n int64, restart int) {
	size := c.spool.sizeNow()
	if size < streamFrom {
		return
	}
	if n = min(n, size-heldBack); n <= 0 {
		return
	}
	if c.spool.release(n, restart) {
		c.streamed.CompareAndSwap(0, size)
		c.head()
	}
}

// Check implements goproxy.Sink.
func (c *checked) Check(ctx context.Context, from string) error {
	c.begin() // an empty file was never written
	n, err := c.spool.setComplete()
	if err != nil {
		return err
	}
	switch c.file.Kind {
	case goproxy.Info:
		return c.checkInfo()
	case goproxy.Mod:
		return c.checkMod(ctx, from)
	}
	return c.checkZip(ctx, n, from)
}

func (c *checked) bytes() ([]byte, error) {
	src, _ := c.spool.content()
	b, err := io.ReadAll(src)
	if err != nil {
		return nil, &goproxy.Unavailable{Reason: "reading the spool: " + err.Error(), Err: err}
	}
	c.etag = store.ETag(b)
	return b, nil
}

func (c *checked) checkInfo() error {
	b, err := c.bytes()
	if err != nil {
		return err
	}
	return goproxy.CheckInfo(b, c.file.Path, c.file.Version.Version)
}

func (c *checked) checkMod(ctx context.Context, from string) error {
	b, err := c.bytes()
	if err != nil {
		return err
	}
	if c.verifier == nil && c.ledger == nil {
		return goproxy.CheckMod(b)
	}
	h1, err := modHash(b)
	if err != nil {
		return err
	}
	want, err := c.wanted(ctx)
	if err != nil {
		return err
	}
	return c.judge(ctx, h1, want.Mod, from, want)
}

// checkZip judges a zip of n bytes as the go command does, and by its hash.
func (c *checked) checkZip(ctx context.Context, n int64, from string) error {
	var scan scanResult
	_, result := c.begun()
	select {
	case scan = <-result:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if scan.err != nil {
		return &goproxy.Unavailable{Reason: "reading the spool: " + scan.err.Error(), Err: scan.err}
	}
	src, file := c.spool.content()
	z, err := zip.NewReader(scan.reader(src), n)
	if err != nil {
		return &goproxy.Wrong{Reason: fmt.Sprintf("no valid zip of %d bytes came: %v", n, err)}
	}
	if err := checkNames(c.file.Version, file); err != nil {
		return err
	}
	h1, err := scan.h1(z)
	if err != nil {
		return &goproxy.Wrong{Reason: fmt.Sprintf("the zip cannot be unpacked: %v", err)}
	}
	c.etag = store.ETag(fmt.Appendf(nil, "%s %d %08x", h1, n, scan.crc))
	want, err := c.wanted(ctx)
	if err != nil {
		return err
	}
	if want.Zip == "" { // a known hash decides
		if why := scan.contradicts(z); why != "" {
			return &goproxy.Wrong{Reason: "the zip contradicts itself: " + why}
		}
	}
	return c.judge(ctx, h1, want.Zip, from, want)
}

// checkNames applies the rules for names and sizes in a module's zip, https://go.dev/ref/mod#zip-files.
func checkNames(m module.Version, file *os.File) error {
	checked, err := modzip.CheckZip(m, file.Name())
	if err == nil {
		err = checked.Err()
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return &goproxy.Unavailable{Reason: "reading the spool: " + err.Error(), Err: err}
	}
	if err != nil {
		return &goproxy.Wrong{Reason: fmt.Sprintf("the zip breaks the rules for modules: %v", err)}
	}
	return nil
}

// wanted waits for what the verifier says.
func (c *checked) wanted(ctx context.Context) (Want, error) {
	want, _ := c.begun()
	if want == nil {
		return Want{}, nil
	}
	select {
	case w := <-want:
		want <- w // for the next attempt
		return w.Want, w.err
	case <-ctx.Done():
		return Want{}, context.Cause(ctx)
	}
}

// judge compares a file's hash with the one that it must have, "" where that is not known, and with what was served before.
func (c *checked) judge(ctx context.Context, h1, known, from string, want Want) error {
	if known != "" && known != h1 {
		return c.mismatch(from, h1, known, fmt.Sprintf("as %s says in a tree of %d records", want.By, want.TreeSize))
	}
	if c.ledger == nil {
		return nil
	}
	noted, err := c.ledger.Record(ctx, c.file, Seen{H1: h1, From: from, By: want.By, TreeSize: want.TreeSize})
	switch {
	case err != nil: // nobody's build fails of it
		c.log.ErrorContext(c.ctx, "the ledger takes no entry; clients were answered all the same", "file", c.file.String(), "err", err)
		c.recorder.Record(Event{What: StoreFailed, Path: c.file.Path, Name: c.file.Name(), Err: err})
	case noted.Wrong != "" && known == "":
		return c.mismatch(from, h1, "another hash", "since this was found wrong: "+noted.Wrong)
	case noted.H1 != h1:
		return c.mismatch(from, h1, noted.H1, fmt.Sprintf("as it was first served, on %s from %s", noted.First.UTC().Format(time.DateTime), noted.From))
	}
	if want.Unverified != "" && noted.By == "" {
		c.pending.Store(true)
		c.log.WarnContext(c.ctx, "a file goes out unverified", "file", c.file.String(), "from", from, "why", want.Unverified)
		c.recorder.Record(Event{What: Unproven, Path: c.file.Path, Name: c.file.Name(), From: from})
	}
	return nil
}

// mismatch reports a file that is not what it must be. It is no trouble of the network: somebody has changed something.
func (c *checked) mismatch(from, got, want, who string) error {
	err := &goproxy.Wrong{Reason: fmt.Sprintf("SECURITY ERROR: checksum mismatch; %s is not served\n\tgot:  %s\n\twant: %s\n\t%s", c.file, got, want, who)}
	c.log.ErrorContext(c.ctx, "SECURITY: checksum mismatch", "file", c.file.String(), "from", from, "got", got, "want", want, "who", who)
	c.recorder.Record(Event{What: Mismatch, Path: c.file.Path, Name: c.file.Name(), From: from, Err: err})
	return err
}
