package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// TestSilentUpstream says when an upstream that says nothing is given up: a header within First, within Zip for a
// zip, which the upstream may have to make.
func TestSilentUpstream(t *testing.T) {
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork(t)
				net.serve("up.test", hang)
				start := time.Now()
				err := op.do(t.Context(), net.source("http://up.test"))
				want := upstream.DefaultTimeouts.First
				if op.name == "zip" || op.name == "stat" {
					want = upstream.DefaultTimeouts.Zip
				}
				if took := time.Since(start); took != want {
					t.Errorf("given up after %v, want %v", took, want)
				}
				wantTimeout(t, err, "http://up.test: no answer within "+want.String())
			})
		})
	}
}

// wantTimeout wants trouble that may pass, which is a timeout to whoever asks, with that text.
func wantTimeout(t *testing.T, err error, text string) {
	t.Helper()
	var u *goproxy.Unavailable
	if !errors.As(err, &u) {
		t.Fatalf("got %v, want an Unavailable", err)
	}
	if u.Error() != text {
		t.Errorf("got %q, want %q", u, text)
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is no timeout to errors.As", err)
	}
}

// TestBodyStandsStill has a body that stops moving: it is given up after Idle, and the error says how far it came.
func TestBodyStandsStill(t *testing.T) {
	for _, op := range operations() {
		if op.name == "stat" {
			continue // it has no body
		}
		t.Run(op.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := newNetwork(t)
				net.serve("up.test", func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Length", "1000")
					io.WriteString(w, "PK\x03\x04")
					w.(http.Flusher).Flush()
					hang(w, r)
				})
				start := time.Now()
				err := op.do(t.Context(), net.source("http://up.test"))
				if took := time.Since(start); took != upstream.DefaultTimeouts.Idle {
					t.Errorf("given up after %v, want %v", took, upstream.DefaultTimeouts.Idle)
				}
				wantTimeout(t, err, "http://up.test: the answer broke off after 4 of 1000 bytes: no byte within 15s")
			})
		})
	}
}

// TestSlowExplanation has a refusal whose text never comes, or comes so slowly that it would take hours: the status
// stands, and soon.
func TestSlowExplanation(t *testing.T) {
	for name, every := range map[string]time.Duration{"never": 1000 * time.Hour, "slowly": 10 * time.Second} {
		for _, ctype := range []string{"text/plain", "text/html"} {
			t.Run(name+"/"+ctype, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					net := newNetwork(t)
					net.serve("up.test", func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Type", ctype)
						w.WriteHeader(http.StatusNotFound)
						drip(w, r, 5000, every)
					})
					start := time.Now()
					_, err := net.source("http://up.test").List(t.Context(), "example.com/m")
					if took := time.Since(start); kind(err) != "absent 404" || took > upstream.DefaultTimeouts.Idle {
						t.Errorf("got %s (%v) after %v, want absent 404", kind(err), err, took)
					}
				})
			})
		}
	}
}

// TestSlowBodyIsFine: what moves, however slowly, is never cut. Here it takes more than an hour.
func TestSlowBodyIsFine(t *testing.T) {
	for name, k := range map[string]goproxy.Kind{"zip": goproxy.Zip, "mod": goproxy.Mod} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 300
				net := newNetwork(t)
				net.serve("up.test", trickle(n, upstream.DefaultTimeouts.Idle-time.Second))
				start, s := time.Now(), &sink{}
				if _, err := net.source("http://up.test").Fetch(t.Context(), plainFile(k), s); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); len(s.b) != n || took < time.Hour {
					t.Errorf("got %d bytes in %v", len(s.b), took)
				}
			})
		})
	}
	t.Run("list", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			net := newNetwork(t)
			net.serve("up.test", func(w http.ResponseWriter, r *http.Request) {
				for i := range 300 {
					io.WriteString(w, "v1."+strconv.Itoa(i)+".0\n")
					w.(http.Flusher).Flush()
					time.Sleep(14 * time.Second)
				}
			})
			c, err := net.source("http://up.test").List(t.Context(), "example.com/m")
			if got := strings.Count(body(t, c, err), "\n"); got != 300 {
				t.Errorf("got %d lines, want 300", got)
			}
		})
	})
}

// trickle answers n bytes, one each time.
func trickle(n int, every time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(n))
		io.WriteString(w, "P")
		drip(w, r, n-1, every)
	}
}

// drip sends n bytes, each after such a time, until the client leaves.
func drip(w http.ResponseWriter, r *http.Request, n int, every time.Duration) {
	for range n {
		w.(http.Flusher).Flush()
		select {
		case <-time.After(every):
		case <-r.Context().Done():
			return
		}
		io.WriteString(w, "K")
	}
}

// TestSlowDiskIsNotASilentUpstream: time that the sink takes to write is not the upstream's.
func TestSlowDiskIsNotASilentUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newNetwork(t)
		net.serve("up.test", func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("PK" + strings.Repeat("x", 1<<20)))
		})
		s := &sink{write: func(int64) error { time.Sleep(time.Minute); return nil }}
		if _, err := net.source("http://up.test").Fetch(t.Context(), plainFile(goproxy.Zip), s); err != nil {
			t.Fatal(err)
		}
		if len(s.b) != 2+1<<20 {
			t.Errorf("got %d bytes", len(s.b))
		}
	})
}

// TestCallerLeaves: when the caller's context ends, the request ends with it, at any stage.
func TestCallerLeaves(t *testing.T) {
	stages := map[string]http.HandlerFunc{
		"before the header": hang,
		"in the body": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "PK")
			w.(http.Flusher).Flush()
			hang(w, r)
		},
	}
	for name, stage := range stages {
		for _, op := range operations() {
			t.Run(name+"/"+op.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					net := newNetwork(t)
					left := make(chan struct{})
					net.serve("up.test", func(w http.ResponseWriter, r *http.Request) {
						defer close(left)
						stage(w, r)
					})
					ctx, cancel := context.WithCancel(t.Context())
					if op.name == "stat" && name == "in the body" {
						cancel() // a HEAD has none: it would succeed
						t.Skip("a HEAD has no body")
					}
					done := make(chan error, 1)
					go func() { done <- op.do(ctx, net.source("http://up.test")) }()
					synctest.Wait()
					start := time.Now()
					cancel()
					err := <-done
					<-left
					if !errors.Is(err, context.Canceled) {
						t.Errorf("got %v, want one that is context.Canceled", err)
					}
					if took := time.Since(start); took != 0 {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}

// TestHungDial: whatever hangs, a name server or a dialler, First is the longest that a request waits for an answer.
func TestHungDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &http.Transport{}
		over := make(chan struct{})
		defer close(over)
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
			<-over
			return nil, net.ErrClosed
		}
		start := time.Now()
		_, err := sourceOver(t, "http://up.test", tr).List(t.Context(), "example.com/m")
		if took := time.Since(start); took != upstream.DefaultTimeouts.First {
			t.Errorf("given up after %v", took)
		}
		wantTimeout(t, err, "http://up.test: no answer within 10s")
	})
}
