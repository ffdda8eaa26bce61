package sumdb_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestPeer11TilesAreAskedOnce: another proxy fetches each tile anew for each client. Here a tile is asked for once, also by
// many at once, and not again after a restart.
func TestPeer11TilesAreAskedOnce(t *testing.T) {
	many := make([]proxytest.Module, 300)
	for i := range many {
		many[i] = proxytest.Module{Path: fmt.Sprintf("example.com/many%03d", i), Version: "v1.0.0", Files: map[string]string{"go.mod": "module x\n"}}
	}
	db := proxytest.NewSumDB(t, "sum.example.com", many...)
	keep := &shelf{}
	p := over(t, db, keep, overHTTP(t, place{db.URL, ""}))
	if _, err := p.Answer(t.Context(), db.Name+"/latest"); err != nil {
		t.Fatal(err)
	}
	before := len(db.Log())
	tiles := []string{"/tile/8/0/000", "/tile/8/0/000.p/7", "/tile/8/0/001.p/30", "/tile/8/1/000.p/1"}
	for _, tile := range tiles {
		var clients sync.WaitGroup
		for range 20 {
			clients.Go(func() {
				if _, err := p.Answer(t.Context(), db.Name+tile); err != nil {
					t.Errorf("%s: %v", tile, err)
				}
			})
		}
		clients.Wait()
	}
	asked := map[string]int{}
	for _, r := range db.Log()[before:] {
		if asked[r.Name]++; asked[r.Name] > 1 {
			t.Errorf("%s was asked for again", r.Name)
		}
	}
	if len(asked) == 0 || len(asked) > 4 {
		t.Errorf("asked for %v", asked)
	}
	offline := over(t, db, keep)
	for _, tile := range tiles {
		if _, err := offline.Answer(t.Context(), db.Name+tile); err != nil {
			t.Errorf("%s after a restart: %v", tile, err)
		}
	}
	for _, path := range []string{"/tile/8/0/002", "/tile/8/2/000.p/1", "/tile/8/data/000", "/tile/9/0/000"} {
		if _, err := p.Answer(t.Context(), db.Name+path); status(err) != 404 {
			t.Errorf("%s: %v, want 404", path, err)
		}
	}
}

// TestPeer11HangIsBounded: lookups of another proxy ignore their deadline. Here a client waits 3 s for the newest head where
// an older one is kept, and a minute for what nobody has.
func TestPeer11HangIsBounded(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	keep := &shelf{}
	if _, err := over(t, db, keep, overHTTP(t, place{db.URL, ""})).Answer(t.Context(), db.Name+"/latest"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		silent := &remote{answer: func(ctx context.Context, _ string) ([]byte, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}}
		p := over(t, db, keep, silent)
		begin := time.Now()
		if _, err := p.Answer(t.Context(), db.Name+"/latest"); err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("the head: %v after %v", err, time.Since(begin))
		}
		begin = time.Now()
		_, err := p.Answer(t.Context(), db.Name+"/lookup/"+"example.com/plain@v1.0.0")
		if status(err) != 503 || time.Since(begin) != time.Minute {
			t.Errorf("a lookup: %v after %v", err, time.Since(begin))
		}
	})
}

// TestManyQuestionsHang: however many hang, no more than 64 are under way, and who asks for what is known waits for none.
func TestManyQuestionsHang(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	keep := &shelf{}
	wantRecord(t, lookups(t, db, keep, overHTTP(t, place{db.URL, ""})), fixture(t, plain.Path, plain.Version))
	synctest.Test(t, func(t *testing.T) {
		silent := &remote{answer: func(ctx context.Context, _ string) ([]byte, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}}
		c := lookups(t, db, keep, silent)
		var clients sync.WaitGroup
		for i := range 200 {
			clients.Go(func() {
				if _, err := c.Lookup(t.Context(), module.Version{Path: fmt.Sprintf("example.com/m%d", i), Version: "v1.0.0"}); status(err) != 503 {
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		if n := len(silent.asked()); n != 64 {
			t.Errorf("%d questions are under way, want 64", n)
		}
		wantRecord(t, c, fixture(t, plain.Path, plain.Version))
		gone, leave := context.WithCancel(t.Context())
		leave()
		for i := range 4096 {
			c.Lookup(gone, module.Version{Path: fmt.Sprintf("example.com/left%d", i), Version: "v1.0.0"})
		}
		synctest.Wait()
		if _, err := c.Lookup(t.Context(), module.Version{Path: "example.com/last", Version: "v1.0.0"}); err == nil || !strings.Contains(err.Error(), "too many") {
			t.Errorf("behind 4096 others: %v", err)
		}
		clients.Wait()
	})
}

// TestForkIsNoServerError: what clients ask of a database that has forked is refused as wrong, with the reason.
func TestForkIsNoServerError(t *testing.T) {
	db := proxytest.NewSumDB(t, "sum.example.com")
	p := over(t, db, &shelf{m: map[string][]byte{"fork": []byte("two trees")}}, overHTTP(t, place{db.URL, ""}))
	for _, what := range []string{"/latest", "/lookup/example.com/plain@v1.0.0", "/tile/8/0/000.p/3"} {
		_, err := p.Answer(t.Context(), db.Name+what)
		if wrong, ok := err.(*goproxy.Wrong); !ok || !strings.Contains(wrong.Reason, "two histories") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
