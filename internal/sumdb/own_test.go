package sumdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
	"github.com/modhaven/modhaven/internal/sumdb"
)

// A journal is Records in memory.
type journal struct {
	mu    sync.Mutex
	lines map[string]string
	err   error
}

func (*journal) Name() string { return "sum.corp.example" }

func (j *journal) Answer(_ context.Context, name string) (*goproxy.Content, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text, ok := j.lines[strings.TrimPrefix(name, "lookup/")]
	if !ok {
		return nil, goproxy.Absent("not found")
	}
	return goproxy.InMemory(goproxy.Meta{Size: int64(len(text))}, []byte(text)), nil
}

func (j *journal) Record(_ context.Context, m module.Version, lines []byte) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return 0, j.err
	}
	if j.lines == nil {
		j.lines = map[string]string{}
	}
	j.lines[m.String()] = string(lines)
	return int64(len(j.lines) - 1), nil
}

// A depot is Files that it counts questions for.
type depot struct {
	asked chan module.Version
	wait  chan struct{} // closed when they may be answered; nil for at once
	err   error
}

func (d *depot) Hashes(ctx context.Context, m module.Version) (zip, mod string, err error) {
	d.asked <- m
	if d.wait != nil {
		select {
		case <-d.wait:
		case <-ctx.Done():
			return "", "", ctx.Err()
		}
	}
	return "h1:zip", "h1:mod", d.err
}

// TestOwn: a private version is recorded as it is served, any other one as it is proven, and nothing else is.
func TestOwn(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	honest, away := overHTTP(t, place{db.URL, ""}), always("", down)
	sums, err := proxytest.Fixture(t, plain.Path, plain.Version).GoSum()
	if err != nil {
		t.Fatal(err)
	}
	private, public := module.Version{Path: "corp.example/Lib", Version: "v1.0.0"}, module.Version{Path: plain.Path, Version: plain.Version}
	bypass := []goproxy.Bypass{{Pattern: plain.Path, Until: time.Now().AddDate(0, 0, 1), Reason: "moved"}}
	fork := &goproxy.Wrong{Reason: "other hashes"}
	for _, test := range []struct {
		what   string
		m      module.Version
		remote sumdb.Remote // nil: there is no public database
		bypass []goproxy.Bypass
		files  error
		record error
		want   string // what is recorded, or the kind of the error
		says   string
	}{
		{"private", private, away, nil, nil, nil, "corp.example/Lib v1.0.0 h1:zip\ncorp.example/Lib v1.0.0/go.mod h1:mod\n", ""},
		{"private, without a public database", private, nil, nil, nil, nil, "corp.example/Lib v1.0.0 h1:zip\ncorp.example/Lib v1.0.0/go.mod h1:mod\n", ""},
		{"private and absent", private, away, nil, absent, nil, "404", "no such thing"},
		{"private and changed", private, away, nil, &goproxy.Wrong{Reason: "not as first served"}, nil, "502", "first served"},
		{"public", public, honest, nil, nil, nil, string(sums), ""},
		{"public and not known", module.Version{Path: "example.com/unknown", Version: "v1.0.0"}, honest, nil, nil, nil, "403", "GOPRIVATE"},
		{"public, the database away", public, away, nil, nil, nil, "503", "cannot be recorded"},
		{"public and excepted", public, honest, bypass, nil, nil, "404", "moved"},
		{"public, without a database", public, nil, nil, nil, nil, "404", "sumdb: off"},
		{"recorded otherwise", private, nil, nil, nil, fork, "502", "other hashes"},
		{"a full disk", private, nil, nil, nil, errors.New("no space left"), "503", "takes no record now"},
	} {
		t.Run(test.what, func(t *testing.T) {
			j := &journal{err: test.record}
			o := sumdb.OwnOptions{Records: j, Files: &depot{asked: make(chan module.Version, 9), err: test.files}, Private: goproxy.NewRules("corp.example", nil), Log: slog.New(slog.DiscardHandler)}
			if test.remote != nil {
				o.Verifier = sumdb.NewVerifier(lookups(t, db, &shelf{}, test.remote), sumdb.VerifierOptions{Private: goproxy.NewRules("corp.example", nil), Bypass: test.bypass})
			}
			name := strings.Replace("lookup/"+test.m.String(), "Lib", "!lib", 1)
			_, err := sumdb.Databases{Own: sumdb.NewOwn(o)}.Answer(t.Context(), "sum.corp.example/"+name)
			got, ok := j.lines[test.m.String()]
			if !ok {
				got = ownStatus(err)
			}
			if got != test.want || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %q (%v), want %q and %q", got, err, test.want, test.says)
			}
		})
	}
}

func ownStatus(err error) string {
	if errors.As(err, new(*goproxy.Wrong)) {
		return "502"
	}
	return fmt.Sprint(status(err))
}

// TestOwnOnce: who asks at once for a version waits for one record of it, which goes on when one of them leaves.
func TestOwnOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, d := &journal{}, &depot{asked: make(chan module.Version, 9), wait: make(chan struct{})}
		own := sumdb.NewOwn(sumdb.OwnOptions{Records: j, Files: d, Private: goproxy.NewRules("corp.example", nil), Log: slog.New(slog.DiscardHandler)})
		ctx, leave := context.WithCancel(t.Context())
		var left error
		go func() { _, left = own.Answer(ctx, "lookup/corp.example/m@v1.0.0") }()
		synctest.Wait()
		answers := make(chan string, 3)
		for range cap(answers) {
			go func() {
				c, err := own.Answer(t.Context(), "lookup/corp.example/m@v1.0.0")
				if err != nil {
					answers <- err.Error()
					return
				}
				b, _ := io.ReadAll(c.Body)
				answers <- string(b)
			}()
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		if !errors.Is(left, context.Canceled) {
			t.Errorf("who left was told %v", left)
		}
		close(d.wait)
		for range cap(answers) {
			if got := <-answers; !strings.HasPrefix(got, "corp.example/m v1.0.0 h1:zip\n") {
				t.Errorf("got %q", got)
			}
		}
		if n := len(d.asked); n != 1 {
			t.Errorf("its files were asked for %d times, want 1", n)
		}
	})
}

// TestOwnIsBounded: versions that are being recorded, whether or not anybody waits for them, are so many and no more.
func TestOwnIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &depot{asked: make(chan module.Version, 999), wait: make(chan struct{})}
		own := sumdb.NewOwn(sumdb.OwnOptions{Records: &journal{}, Files: d, Private: goproxy.NewRules("corp.example", nil), Log: slog.New(slog.DiscardHandler)})
		ask := func(ctx context.Context, i int) error {
			_, err := own.Answer(ctx, fmt.Sprintf("lookup/corp.example/m%d@v1.0.0", i))
			return err
		}
		impatient, leave := context.WithCancel(t.Context())
		for i := range 256 {
			go ask(impatient, i)
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		if err := ask(t.Context(), 999); status(err) != 503 {
			t.Errorf("one more: %v, want 503", err)
		}
		close(d.wait)
		synctest.Wait()
		if err := ask(t.Context(), 999); err != nil {
			t.Errorf("when they are done: %v", err)
		}
	})
}
