package proxy

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// TestListsStayYoung: a list that is in use is asked again in the background, so that clients find a fresh one, and after an
// outage it is back soon; one that nobody asks for any more is left alone.
func TestListsStayYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := newLister(t, theList)
		s := newService(t, Options{Fetcher: up, Refresh: 30 * time.Second})
		wantAnswer(t, s, theList, false, 0)
		wantAsked(t, up, 1)
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		wantAsked(t, up, 4)
		wantAnswer(t, s, theList, false, 0)
		wantAsked(t, up, 0)
		up.says("", &goproxy.Unavailable{Reason: "down"}, nil)
		time.Sleep(2 * time.Minute)
		wantAnswer(t, s, theList, true, 0)
		up.says("v1.0.0\nv1.1.0\n", nil, nil)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		up.requests()
		wantAnswer(t, s, "v1.0.0\nv1.1.0\n", false, 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := up.requests(); n > 30 {
			t.Errorf("asked %d times in an hour without clients", n)
		}
		s.answers.mu.Lock()
		defer s.answers.mu.Unlock()
		if s.answers.ticking || len(s.answers.used) > 0 {
			t.Error("it still goes on")
		}
	})
}

// TestAside: a fill that waits for its upstream to come back keeps nobody from a turn.
func TestAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		var away atomic.Int64
		files := filler(100)
		up := serving(t, files)
		held := up.fetch
		up.fetch = func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
			if f.Path == "example.com/held" {
				away.Add(1)
				if err := goproxy.Aside(ctx, func() error { <-back; return nil }); err != nil {
					return goproxy.Meta{}, err
				}
			}
			return held(ctx, f, dst)
		}
		s := newService(t, Options{Fetcher: up, Fills: 1})
		waiting := ask(t, s, mkFile("example.com/held", "v1.0.0", goproxy.Mod))
		synctest.Wait()
		if away.Load() != 1 {
			t.Fatal("it was not asked")
		}
		wantFile(t, s, theMod, files(theMod))
		close(back)
		<-waiting.done
		if waiting.err != nil {
			t.Error(waiting.err)
		}
	})
}

// TestHeldForNobody: what waits for an upstream and has nothing yet is dropped when nobody waits for it any more, so that an
// upstream that comes back is not asked for what nobody wants; what has begun goes on.
func TestHeldForNobody(t *testing.T) {
	for _, begun := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			back, done := make(chan struct{}), make(chan error, 1)
			up := &fake{t: t}
			up.fetch = func(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
				if begun {
					if _, err := dst.WriteAt([]byte("module "), 0); err != nil {
						return goproxy.Meta{}, err
					}
				}
				err := goproxy.Aside(ctx, func() error { <-back; return nil })
				done <- err
				return goproxy.Meta{}, err
			}
			s := newService(t, Options{Fetcher: up})
			client := ask(t, s, theMod)
			synctest.Wait()
			client.cancel()
			<-client.done
			close(back)
			if err := <-done; (err == nil) != begun {
				t.Errorf("begun %t: it goes on: %v", begun, err)
			}
		})
	}
}
