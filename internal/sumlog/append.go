package sumlog

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"golang.org/x/mod/module"
)

// A request is an Append that waits for its commit.
type request struct {
	records []Record
	ids     []int64
	err     error
	done    chan struct{} // closed when ids and err stand
}

// Append adds the records that the log lacks, in order, and returns the number of each. On return they last and are
// under a signed head. A version that is there with the same text keeps its number; with another text the error is
// a *[Differs]. Calls at once share a commit. After an error, that of ctx too, none of the records or all may
// have been added; where more than 4096 are given, the first ones may. Append may be called again with them.
func (l *Log) Append(ctx context.Context, rs []Record) ([]int64, error) {
	rs = slices.Clone(rs)
	for i, r := range rs {
		if err := r.check(); err != nil {
			return nil, err
		}
		rs[i].Text = bytes.Clone(r.Text) // a commit may outlive this call
	}
	ids := make([]int64, 0, len(rs))
	for part := range slices.Chunk(rs, maxBatch) {
		some, err := l.appendSome(ctx, part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, some...)
	}
	return ids, nil
}

// appendSome is Append for what goes into one commit. Whoever has the turn commits for all who wait.
func (l *Log) appendSome(ctx context.Context, rs []Record) ([]int64, error) {
	if ids, all, err := l.known(rs); all || err != nil {
		return ids, err
	}
	r := &request{records: rs, done: make(chan struct{})}
	l.waiting.Lock()
	l.queue = append(l.queue, r)
	l.waiting.Unlock()
	select {
	case <-r.done:
		return r.ids, r.err
	case <-ctx.Done():
		l.withdraw(r)
		return nil, context.Cause(ctx)
	case <-l.closed:
		return nil, l.closedError()
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	}
	for {
		select {
		case <-r.done:
			return r.ids, r.err
		case <-l.closed:
			return nil, l.closedError()
		default:
			l.lead()
		}
	}
}

func (l *Log) closedError() error {
	return fmt.Errorf("checksum database %s: %w", l.dir, fs.ErrClosed)
}

func (l *Log) withdraw(r *request) {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	l.queue = slices.DeleteFunc(l.queue, func(q *request) bool { return q == r })
}

// known returns the records' numbers where all are there already.
func (l *Log) known(rs []Record) (ids []int64, all bool, err error) {
	ids = make([]int64, 0, len(rs))
	for _, r := range rs {
		id, err := l.idOf(r)
		if err != nil {
			return nil, false, err
		}
		if id < 0 {
			return nil, false, nil
		}
		ids = append(ids, id)
	}
	return ids, true, nil
}

// idOf returns the record's number, -1 where it is not there.
func (l *Log) idOf(r Record) (int64, error) {
	f, err := l.find(r.Version)
	if err == nil && f.id >= 0 && !bytes.Equal(f.text, r.Text) {
		err = &Differs{r.Version, f.id, bytes.Clone(f.text), r.Text}
	}
	return f.id, err
}

// lead commits what waits, as much as goes into one commit.
func (l *Log) lead() {
	l.waiting.Lock()
	n, sum := 0, 0
	for n < len(l.queue) && sum+len(l.queue[n].records) <= maxBatch {
		sum += len(l.queue[n].records)
		n++
	}
	batch := slices.Clone(l.queue[:n])
	l.queue = slices.Delete(l.queue, 0, n)
	l.waiting.Unlock()
	err := l.commit(batch)
	for _, r := range batch {
		if err != nil && r.err == nil {
			r.ids, r.err = nil, fmt.Errorf("checksum database %s: %w", l.dir, err)
		}
		close(r.done)
	}
}

// commit appends what is new of the requests. An error is that of all who have none of their own.
func (l *Log) commit(batch []*request) error {
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.refresh(); err != nil {
		return err
	}
	if err := l.recover(); err != nil {
		return err
	}
	texts := l.admit(batch)
	if len(texts) == 0 {
		return nil
	}
	p := &batchOf{base: l.current().tree.N, texts: texts}
	if p.base+int64(len(texts)) > maxSize {
		return fmt.Errorf("it is full: %d records, at most %d are possible", p.base, maxSize)
	}
	if err := l.disk.replace(pending, p.marshal()); err != nil {
		return err
	}
	return l.apply(p)
}

// admit gives every request its numbers, and returns the texts that the log lacks. A request with a version of which there
// are other lines, in the log or in this commit, fails and adds nothing.
func (l *Log) admit(batch []*request) [][]byte {
	var texts [][]byte
	base := l.current().tree.N
	fresh := map[module.Version]int64{} // number in texts
	for _, r := range batch {
		before := len(texts)
		for _, rec := range r.records {
			id, err := l.idOf(rec)
			n, again := fresh[rec.Version]
			switch {
			case err != nil:
				r.err = err
			case id >= 0:
			case !again:
				fresh[rec.Version], id = int64(len(texts)), base+int64(len(texts))
				texts = append(texts, rec.Text)
			case bytes.Equal(texts[n], rec.Text):
				id = base + n
			default:
				r.err = &Differs{rec.Version, base + n, texts[n], rec.Text}
			}
			if r.err != nil {
				break
			}
			r.ids = append(r.ids, id)
		}
		if r.err != nil {
			r.ids, texts = nil, texts[:before]
			maps.DeleteFunc(fresh, func(_ module.Version, n int64) bool { return n >= int64(before) })
		}
	}
	return texts
}
