package doctor

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A visit is one who asks a desk.
type visit struct {
	b   []byte
	err error
}

// visitor asks in the background.
func visitor(ctx context.Context, d *Desk, question string) <-chan visit {
	c := make(chan visit, 1)
	go func() {
		b, err := d.Ask(ctx, question)
		c <- visit{b, err}
	}()
	return c
}

// TestDesk: one examination at a time, whose report is for all who ask the same meanwhile and a little later.
func TestDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		running := 0
		d := NewDesk(func(ctx context.Context, path, version string) *Report {
			if running++; running > 1 {
				t.Error("two examinations at once")
			}
			asked = append(asked, path+"@"+version)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			running--
			return &Report{Schema: Schema, Module: path, Verdict: Verdict{Class: OK}}
		})
		all := []<-chan visit{visitor(t.Context(), d, "example.com/m@v1.0.0"), visitor(t.Context(), d, "example.com/m@v1.0.0"), visitor(t.Context(), d, "example.com/m@v1.0.0")}
		for _, c := range all {
			if v := <-c; v.err != nil || !strings.Contains(string(v.b), `"module":"example.com/m"`) {
				t.Errorf("got %s, %v", v.b, v.err)
			}
		}
		if len(asked) != 1 || asked[0] != "example.com/m@v1.0.0" {
			t.Errorf("examined %q, want once for all", asked)
		}
		time.Sleep(deskFresh)
		if v := <-visitor(t.Context(), d, "example.com/m@v1.0.0"); v.err != nil || len(asked) != 2 {
			t.Errorf("later: %v, %d examinations", v.err, len(asked))
		}
		// Who leaves ends the examination, and the next one gets a report of his own.
		ctx, cancel := context.WithCancel(t.Context())
		first := visitor(ctx, d, "")
		synctest.Wait()
		second := visitor(t.Context(), d, "")
		synctest.Wait()
		cancel()
		if v := <-first; !errors.Is(v.err, context.Canceled) {
			t.Errorf("who left got %s, %v", v.b, v.err)
		}
		if v := <-second; v.err != nil || len(asked) != 4 {
			t.Errorf("who stayed got %v after %d examinations", v.err, len(asked))
		}
	})
}

// TestDeskBounds: too many questions, or too many who wait, are refused with 429.
func TestDeskBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := NewDesk(func(context.Context, string, string) *Report { <-release; return &Report{} })
		var all []<-chan visit
		for range deskQueue + 2 {
			all = append(all, visitor(t.Context(), d, ""))
			synctest.Wait()
		}
		turnedAway(t, <-all[deskQueue+1], http.StatusTooManyRequests)
		close(release)
		for _, c := range all[:deskQueue+1] {
			if v := <-c; v.err != nil {
				t.Error(v.err)
			}
		}
		for _, m := range []string{"a.test/a", "a.test/b", "a.test/c"} {
			if v := <-visitor(t.Context(), d, m); v.err != nil {
				t.Errorf("%s: %v", m, v.err)
			}
		}
		turnedAway(t, <-visitor(t.Context(), d, "a.test/d"), http.StatusTooManyRequests)
		time.Sleep(deskPause)
		if v := <-visitor(t.Context(), d, "a.test/d"); v.err != nil {
			t.Errorf("after the pause: %v", v.err)
		}
	})
	d := NewDesk(func(context.Context, string, string) *Report { t.Error("examined"); return nil })
	for _, q := range []string{"http://10.0.0.1/", "example.com/m@", "example.com/m@../x", "-", strings.Repeat("a", 300) + ".test/m", "example.com/m@v1\nx"} {
		turnedAway(t, <-visitor(t.Context(), d, q), http.StatusBadRequest)
	}
}

func turnedAway(t *testing.T, v visit, status int) {
	t.Helper()
	var r *goproxy.Refused
	if !errors.As(v.err, &r) || r.Status != status {
		t.Errorf("got %s, %v, want %d", v.b, v.err, status)
	}
}
