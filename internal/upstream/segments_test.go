package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// oneBuffer is what may be on its way on a stream that is ended before its end.
const oneBuffer = 160 << 10

// TestSegments: a large zip comes in several streams where one is slow and more are faster. The first goes on from where it is,
// and nothing is asked for twice.
func TestSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		took := farStage(t, unchecked, f).zip(t, 0)
		if alone := farSize / farEach * time.Second; took > alone*35/100 {
			t.Errorf("it took %v, one stream takes %v", took, alone)
		}
		if whole, parts, most, sent := f.seen(); whole != 1 || parts < 6 || most != parts+1 || most > 8 || sent > farSize+oneBuffer {
			t.Errorf("%d requests for the whole and %d for parts, %d at once, %d bytes sent", whole, parts, most, sent)
		}
	})
}

// TestFewSegments: as many streams as may be bring parts to the end, also when the first has brought its own.
func TestFewSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		f.each = mb
		took := farStage(t, goproxy.UpstreamOptions{Check: -1, Segments: 2}, f).zip(t, 0)
		if _, parts, most, _ := f.seen(); took > 7500*time.Millisecond || most > 3 || parts < 5 { // one of three has ended
			t.Errorf("it took %v in %d parts, %d at once: %v", took, parts, most, f.ranges)
		}
	})
}

// TestOneStream: where a second stream would be of no use, or is not wanted, none is asked for.
func TestOneStream(t *testing.T) {
	tests := []struct {
		name string
		o    goproxy.UpstreamOptions
		set  func(*far)
	}{
		{"it is fast", unchecked, func(f *far) { f.each, f.all = 10*farEach, 0 }},
		{"switched off", goproxy.UpstreamOptions{Check: -1, Segments: 1}, func(*far) {}},
		{"the upstream does not say that it knows ranges", unchecked, func(f *far) { f.mute = true }},
		{"little is left", unchecked, func(f *far) { f.zip = f.zip[:2*mb] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar()
				test.set(f)
				st := farStage(t, test.o, f)
				s := &sink{}
				if _, err := st.chain.Fetch(t.Context(), plainFile(goproxy.Zip), s); err != nil || len(s.b) != len(f.zip) {
					t.Errorf("%v after %d bytes", err, len(s.b))
				}
				if whole, parts, _, _ := f.seen(); whole != 1 || parts != 0 {
					t.Errorf("%d requests for the whole, %d for parts", whole, parts)
				}
			})
		})
	}
}

// TestNoMoreWithoutGain: where all streams together are no faster than one, there are no more than the first few, with one
// that the upstream has not seen end, and for the next file there is one.
func TestNoMoreWithoutGain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		f.all = f.each
		st := farStage(t, unchecked, f)
		st.zip(t, 0)
		if _, _, most, sent := f.seen(); most > 5 || sent > farSize+oneBuffer {
			t.Errorf("%d streams at once, %d bytes", most, sent)
		}
		_, before, _, _ := f.seen()
		st.zip(t, 0)
		if _, parts, _, _ := f.seen(); parts != before {
			t.Errorf("%d parts of the second file", parts-before)
		}
		time.Sleep(2 * time.Minute)
		st.zip(t, 0)
		if _, parts, _, _ := f.seen(); parts == before {
			t.Error("it is never tried again")
		}
	})
}

// TestGainIsRemembered: the next file has all streams that were of use at once.
func TestGainIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		st := farStage(t, unchecked, f)
		first := st.zip(t, 0)
		if second := st.zip(t, 0); second >= first {
			t.Errorf("the second took %v, the first %v", second, first)
		}
	})
}

// TestRangesThatLie: where a part does not come as asked, the first stream goes on to the end as if nothing had been asked,
// and no part is asked for with the next file.
func TestRangesThatLie(t *testing.T) {
	claim := func(w http.ResponseWriter, f *far, r *http.Request, format string, shift int) {
		from, to := rangeOf(r.Header.Get("Range"), farSize)
		w.Header().Set("Content-Range", fmt.Sprintf(format, from+shift, to-1+shift, farSize))
		w.Header().Set("Content-Length", strconv.Itoa(to-from))
		w.WriteHeader(http.StatusPartialContent)
		f.pace(w, make([]byte, to-from))
	}
	tests := map[string]func(*far) func(int, http.ResponseWriter, *http.Request) bool{
		"the whole": func(f *far) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				f.send(1, w, r, "")
				return true
			}
		},
		"416": func(*far) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return true
			}
		},
		"another part": func(f *far) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				claim(w, f, r, "bytes %d-%d/%d", 1)
				return true
			}
		},
		"another length": func(f *far) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				claim(w, f, r, "bytes %d-%d/1%d", 0)
				return true
			}
		},
		"another ETag": func(f *far) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Etag", `"v2"`)
				claim(w, f, r, "bytes %d-%d/%d", 0)
				return true
			}
		},
		"no Content-Range": func(f *far) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				w.WriteHeader(http.StatusPartialContent)
				f.pace(w, make([]byte, mb/4))
				return true
			}
		},
		"absence": func(*far) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				w.WriteHeader(http.StatusNotFound)
				return true
			}
		},
		"too many requests": func(*far) func(int, http.ResponseWriter, *http.Request) bool {
			return func(_ int, w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
		},
	}
	for name, odd := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar()
				f.odd = odd(f)
				st := farStage(t, unchecked, f)
				st.zip(t, 0)
				whole, parts, most, sent := f.seen()
				if whole != 1 || parts > 3 || most > 4 || sent > farSize+3*oneBuffer {
					t.Errorf("%d requests for the whole and %d for parts, %d at once, %d bytes sent (%s)", whole, parts, most, sent, st.log.causes())
				}
				if s := upstream.NewRouter(nil, st.chain, nil, nil).Status(); s.Upstreams[0].Classes[upstream.Zip].Failures != 0 {
					t.Errorf("it counts against the upstream: %+v", s.Upstreams[0])
				}
			})
		})
	}
}

// TestPartsThatDoNotBelong: a part of another file that claims to be one of this never becomes part of a whole. The file is
// asked for again, in one stream.
func TestPartsThatDoNotBelong(t *testing.T) {
	for name, tag := range map[string]string{"with the same ETag": `"v1"`, "without ETags": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar()
				f.tag = tag
				f.odd = func(n int, w http.ResponseWriter, r *http.Request) bool {
					if n != 2 {
						return false
					}
					from, to := rangeOf(r.Header.Get("Range"), farSize)
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, farSize))
					w.Header().Set("Content-Length", strconv.Itoa(to-from))
					w.WriteHeader(http.StatusPartialContent)
					f.pace(w, make([]byte, to-from))
					return true
				}
				farStage(t, unchecked, f).zip(t, 1)
				if whole, parts, _, _ := f.seen(); whole != 2 || parts > 7 {
					t.Errorf("%d requests for the whole and %d for parts", whole, parts)
				}
			})
		})
	}
}

// TestCutSegments: each stream goes on by itself where it broke off, and nothing that is there comes again. The upstream is not
// to blame.
func TestCutSegments(t *testing.T) {
	for name, cut := range map[string]func(n, size int) int{
		"each once":            func(n, size int) int { return map[bool]int{true: size / 3}[n <= 8] },
		"each every 0.5 MB":    func(int, int) int { return mb / 2 },
		"the first stream":     func(n, _ int) int { return map[bool]int{true: mb / 2}[n == 1] },
		"before a single byte": func(n, _ int) int { return map[bool]int{true: 1}[n > 1 && n < 5] },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar()
				f.cut = cut
				st := farStage(t, unchecked, f)
				st.zip(t, 0)
				whole, _, most, sent := f.seen()
				if whole != 1 || most < 4 || sent > farSize+oneBuffer {
					t.Errorf("%d requests for the whole, %d at once, %d bytes sent (%s)", whole, most, sent, st.log.causes())
				}
				if s := upstream.NewRouter(nil, st.chain, nil, nil).Status(); s.Upstreams[0].Classes[upstream.Zip].Failures > 0 {
					t.Errorf("it counts against the upstream: %+v", s.Upstreams[0])
				}
			})
		})
	}
}

// TestHungSegment: what hangs is asked for again while the others go on.
func TestHungSegment(t *testing.T) {
	for name, after := range map[string]int{"without an answer": -1, "in the middle": mb / 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFar()
				f.odd = func(n int, w http.ResponseWriter, r *http.Request) bool {
					if n != 2 {
						return false
					}
					if after > 0 {
						from, to := rangeOf(r.Header.Get("Range"), farSize)
						w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, farSize))
						w.Header().Set("Content-Length", strconv.Itoa(to-from))
						w.WriteHeader(http.StatusPartialContent)
						f.pace(w, f.zip[from:from+after])
					}
					<-r.Context().Done()
					return true
				}
				st := farStage(t, unchecked, f)
				if took := st.zip(t, 0); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
				whole, _, _, sent := f.seen()
				if whole != 1 || sent > farSize+oneBuffer || st.log.count("segment")["timeout"] != 1 {
					t.Errorf("%d requests for the whole, %d bytes sent (%s)", whole, sent, st.log.causes())
				}
			})
		})
	}
}

// TestHungFront: when the first stream hangs it is taken up as soon as a segment, though alone it would be waited for longer.
func TestHungFront(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		f.hang = func(n int) int { return map[bool]int{true: 2 * mb}[n == 1] }
		st := farStage(t, unchecked, f)
		if took := st.zip(t, 0); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if whole, _, _, sent := f.seen(); whole != 1 || sent > farSize+oneBuffer || st.log.count("first")["timeout"] != 1 {
			t.Errorf("%d requests for the whole, %d bytes sent (%s)", whole, sent, st.log.causes())
		}
	})
}

// TestSegmentsFailOver: when an upstream dies with all its streams, what is there stays, and another one brings the rest, in
// several streams too.
func TestSegmentsFailOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newFar(), newFar()
		dead := func() bool { _, _, _, sent := a.seen(); return sent > 4*mb }
		a.dead, b.tag = dead, `"of b"`
		st := farStage(t, unchecked, a, b)
		st.zip(t, 0)
		_, _, _, first := a.seen()
		whole, parts, _, second := b.seen()
		if whole != 0 || parts < 2 || first+second > farSize+5*oneBuffer {
			t.Errorf("of the second one %d times the whole and %d parts; %d and %d bytes were sent (%s)", whole, parts, first, second, st.log.causes())
		}
	})
}

// TestSegmentsAndTheSink: where the sink takes no more, all streams end, and the sink's own error is the answer.
func TestSegmentsAndTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		st := farStage(t, unchecked, f)
		full := errors.New("the disk is full")
		s := &sink{write: func(off int64) error {
			if off > 6*mb { // far from where the first stream is
				return full
			}
			return nil
		}}
		if _, err := st.chain.Fetch(t.Context(), plainFile(goproxy.Zip), s); !errors.Is(err, full) || len(st.log.count("resume")) > 0 {
			t.Errorf("got %v (%s)", err, st.log.causes())
		}
		st.quiet(t)
	})
}

// TestSegmentsEnd: when nobody wants the file any more, no stream goes on and no connection is open but idle ones.
func TestSegmentsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		st := farStage(t, unchecked, f)
		ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
		defer cancel()
		if _, err := st.chain.Fetch(ctx, plainFile(goproxy.Zip), &sink{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, parts, _, _ := f.seen(); parts == 0 {
			t.Error("there were no segments")
		}
		st.quiet(t)
	})
}

// quiet wants nothing to be under way a second later.
func (st *stage) quiet(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
	if s := upstream.NewRouter(nil, st.chain, nil, nil).Status(); s.Upstreams[0].InFlight != 0 {
		t.Errorf("%d requests are under way", s.Upstreams[0].InFlight)
	}
	st.tr.CloseIdleConnections()
	synctest.Wait()
	if open, _ := st.open(); open != 0 {
		t.Errorf("%d connections are open", open)
	}
}

// TestSegmentsLeaveRoom: what clients wait for does not wait behind segments.
func TestSegmentsLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		st := farStage(t, goproxy.UpstreamOptions{Check: -1, Concurrency: 6}, f)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { st.zip(t, 0) })
		}
		time.Sleep(600 * time.Millisecond)
		for range 20 {
			if s := upstream.NewRouter(nil, st.chain, nil, nil).Status().Upstreams[0]; s.InFlight > 4 || s.Waiting != 0 {
				t.Errorf("%d requests under way, %d wait", s.InFlight, s.Waiting)
			}
			time.Sleep(100 * time.Millisecond)
		}
		wg.Wait()
		if n := st.log.count("segment"); n["well"] == 0 {
			t.Errorf("there were no segments (%s)", st.log.causes())
		}
	})
}

// TestSegmentsWaitForRoom: where an upstream has too much to do for segments they come once that is over.
func TestSegmentsWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		free := make(chan struct{})
		st := play(t, 0, "|", goproxy.UpstreamOptions{Check: -1, Concurrency: 8}, plays(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".zip") {
				f.ServeHTTP(w, r)
				return
			}
			<-free
			has(w, r)
		}))
		for range 3 {
			go func() { _ = st.list(t.Context()) }()
		}
		go func() {
			time.Sleep(time.Second)
			_, parts, _, _ := f.seen()
			if parts > 0 {
				t.Errorf("%d segments beside four requests of eight", parts)
			}
			close(free)
		}()
		st.zip(t, 0)
		if _, parts, _, _ := f.seen(); parts == 0 {
			t.Error("there were no segments")
		}
	})
}

// TestSegmentsGiveUp: what segments began no more is brought in one piece.
func TestSegmentsGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		f.odd = func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n < 4 || n > 6 { // the second wave
				return false
			}
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		st := farStage(t, unchecked, f)
		st.zip(t, 0)
		if n := st.log.count("resume"); n["well"] != 1 || len(n) != 1 {
			t.Errorf("the rest came in %v (%s)", n, st.log.causes())
		}
	})
}

// TestFrontFirst: the parts come in the order of the file, so that its readers go on.
func TestFrontFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		st := farStage(t, unchecked, f)
		st.zip(t, 0)
		f.mu.Lock()
		defer f.mu.Unlock()
		var from []int
		for _, rg := range f.ranges[1:] {
			at, _ := rangeOf(rg, farSize)
			from = append(from, at)
		}
		if first, later := slices.Max(from[:3]), slices.Min(from[3:]); first > later {
			t.Errorf("asked for parts at %v", from)
		}
	})
}

// TestSegmentsOverRedirects: each segment asks the upstream itself, which may send it elsewhere than the others.
func TestSegmentsOverRedirects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFar()
		var mu sync.Mutex
		signed := map[string]bool{}
		st := play(t, 0, "|", unchecked, plays(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			sig := strconv.Itoa(len(signed))
			signed[sig] = true
			mu.Unlock()
			http.Redirect(w, r, "http://storage.test/zip?sig="+sig, http.StatusFound)
		}))
		st.serve("storage.test", func(w http.ResponseWriter, r *http.Request) {
			sig := r.URL.Query().Get("sig")
			mu.Lock()
			good := signed[sig]
			signed[sig] = false // it is good for once
			mu.Unlock()
			if !good {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			f.ServeHTTP(w, r)
		})
		st.zip(t, 0)
		if whole, parts, _, sent := f.seen(); whole != 1 || parts < 6 || sent > farSize+oneBuffer {
			t.Errorf("%d requests for the whole and %d for parts, %d bytes sent", whole, parts, sent)
		}
	})
}

// TestSegmentsAndHTTP2: an upstream that speaks HTTP/2 gives each segment a connection of HTTP/1.1.
func TestSegmentsAndHTTP2(t *testing.T) {
	a := newAuthority(t)
	want := theFarZip()
	var mu sync.Mutex
	protos, remotes := map[string]int{}, map[string]bool{}
	asked := make(chan struct{}) // a segment
	once := sync.OnceFunc(func() { close(asked) })
	srv := serveTLS(t, a.server(t, false), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		protos[r.Proto]++
		if r.Header.Get("Range") != "" {
			remotes[r.RemoteAddr] = true
		}
		mu.Unlock()
		if r.Header.Get("Range") != "" {
			once()
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(want))
			return
		}
		w.Header().Set("Accept-Ranges", "bytes")
		w.Header().Set("Content-Length", strconv.Itoa(len(want)))
		slowUntil(w, want, asked)
	}))
	p := newPool(t, upstream.PoolOptions{})
	u := add(t, p, "https://"+upTest(srv.Listener.Addr()), transport(t, goproxy.UpstreamOptions{CA: a.file}), unchecked)
	s := &sink{}
	_, err := p.Chain([]upstream.Entry{{Upstream: u}}, upstream.ChainOptions{}).Fetch(t.Context(), plainFile(goproxy.Zip), s)
	if err != nil || !bytes.Equal(s.b, want) {
		t.Errorf("%v, the bytes are right: %t", err, bytes.Equal(s.b, want))
	}
	mu.Lock()
	defer mu.Unlock()
	if protos["HTTP/2.0"] != 1 || protos["HTTP/1.1"] < 3 || len(remotes) < 3 {
		t.Errorf("requests %v, segments on %d connections", protos, len(remotes))
	}
}

// slowUntil writes b slowly until fast is closed.
func slowUntil(w http.ResponseWriter, b []byte, fast <-chan struct{}) {
	for len(b) > 0 {
		n := min(len(b), 16<<10)
		if _, err := w.Write(b[:n]); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		b = b[n:]
		select {
		case <-fast:
		case <-time.After(5 * time.Millisecond):
		}
	}
}
