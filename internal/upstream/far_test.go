package upstream_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// A far upstream serves one zip at so many bytes a second for each stream and for all together, by the fake clock. Its
// fields are set before it serves.
type far struct {
	zip  []byte
	tag  string
	rtt  time.Duration // until the header
	each int           // bytes a second of a stream
	all  int           // of all streams; 0: no limit
	mute bool          // about Accept-Ranges

	// odd answers the nth request for a range, the first being 1, where it returns true.
	odd func(n int, w http.ResponseWriter, r *http.Request) bool
	// cut returns after how many bytes an answer breaks off; 0: never. n counts all requests.
	cut func(n int, size int) int
	// hang returns after how many bytes an answer stands still; 0: never.
	hang func(n int) int
	// dead, where set, says that all streams break off and no more begin.
	dead func() bool

	mu     sync.Mutex
	ranges []string // of each request, "" for the whole
	sent   int
	now    int // streams
	most   int
	next   time.Time // when all may send again
}

const (
	mb      = 1_000_000
	farSize = 12 * mb
	farEach = 3 * mb // bytes a second
)

// farZip is a zip without repetitions: bytes at the wrong place are other bytes.
func farZip() []byte {
	b := make([]byte, farSize)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	copy(b, "PK")
	return b
}

var theFarZip = sync.OnceValue(farZip)

// newFar is an upstream 150 ms away that gives ten streams ten times what it gives one.
func newFar() *far {
	return &far{zip: theFarZip(), tag: `"v1"`, rtt: 150 * time.Millisecond, each: farEach, all: 10 * farEach}
}

func (f *far) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rg := r.Header.Get("Range")
	f.mu.Lock()
	f.ranges = append(f.ranges, rg)
	n, parts := len(f.ranges), 0
	for _, s := range f.ranges {
		if s != "" {
			parts++
		}
	}
	f.now++
	f.most = max(f.most, f.now)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.now--
		f.mu.Unlock()
	}()
	time.Sleep(f.rtt)
	if f.gone() {
		panic(http.ErrAbortHandler)
	}
	if rg != "" && f.odd != nil && f.odd(parts, w, r) {
		return
	}
	f.send(n, w, r, rg)
}

// send answers as it should.
func (f *far) send(n int, w http.ResponseWriter, r *http.Request, rg string) {
	b := f.zip
	code := http.StatusOK
	if !f.mute {
		w.Header().Set("Accept-Ranges", "bytes")
	}
	if f.tag != "" {
		w.Header().Set("Etag", f.tag)
	}
	if cond := r.Header.Get("If-Range"); rg != "" && (cond == "" || cond == f.tag) {
		from, to := rangeOf(rg, len(b))
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(b)))
		b, code = b[from:to], http.StatusPartialContent
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	if f.cut != nil {
		if at := f.cut(n, len(b)); at > 0 && at < len(b) {
			f.pace(w, b[:at])
			panic(http.ErrAbortHandler)
		}
	}
	if f.hang != nil {
		if at := f.hang(n); at > 0 && at < len(b) {
			f.pace(w, b[:at])
			<-r.Context().Done()
			return
		}
	}
	f.pace(w, b)
}

// rangeOf reads "bytes=FROM-" and "bytes=FROM-TO".
func rangeOf(rg string, size int) (from, to int) {
	first, last, _ := strings.Cut(strings.TrimPrefix(rg, "bytes="), "-")
	from, _ = strconv.Atoi(first)
	if to, _ = strconv.Atoi(last); last == "" {
		return from, size
	}
	return from, to + 1
}

// pace sends b no faster than it may.
func (f *far) pace(w http.ResponseWriter, b []byte) {
	const chunk = 64 << 10
	for len(b) > 0 {
		n := min(len(b), chunk)
		time.Sleep(time.Duration(n) * time.Second / time.Duration(f.each))
		time.Sleep(f.turn(n))
		n, err := w.Write(b[:n])
		f.mu.Lock()
		f.sent += n
		f.mu.Unlock()
		if err != nil {
			return
		}
		if w.(http.Flusher).Flush(); f.gone() {
			panic(http.ErrAbortHandler)
		}
		b = b[n:]
	}
}

func (f *far) gone() bool { return f.dead != nil && f.dead() }

// turn returns how long n bytes wait for those of other streams.
func (f *far) turn(n int) time.Duration {
	if f.all == 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.next.Before(now) {
		f.next = now
	}
	wait := time.Until(f.next)
	f.next = f.next.Add(time.Duration(n) * time.Second / time.Duration(f.all))
	return wait
}

// seen are the requests for the whole, those for parts, the most at once, and the bytes that were sent.
func (f *far) seen() (whole, parts, most, sent int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.ranges {
		if s == "" {
			whole++
		} else {
			parts++
		}
	}
	return whole, parts, f.most, f.sent
}

// stage puts the upstreams, which stand in for each other, on a stage.
func farStage(t *testing.T, o goproxy.UpstreamOptions, ups ...*far) *stage {
	var scripts []*script
	for _, u := range ups {
		scripts = append(scripts, plays(u.ServeHTTP))
	}
	return play(t, 0, "|", o, scripts...)
}

// zip fetches the zip, wants it to be right, with so many resets of the sink, and returns how long that took.
func (st *stage) zip(t *testing.T, resets int) time.Duration {
	t.Helper()
	begin := time.Now()
	want := theFarZip()
	s := &sink{check: func(_ string, b []byte) error {
		if !bytes.Equal(b, want) {
			return &goproxy.Wrong{Reason: "its hash differs"}
		}
		return nil
	}}
	_, err := st.chain.Fetch(t.Context(), plainFile(goproxy.Zip), s)
	if err != nil || !bytes.Equal(s.b, want) || s.resets != resets {
		t.Errorf("%v, the bytes are right: %t, %d resets, want %d (%s)", err, bytes.Equal(s.b, want), s.resets, resets, st.log.causes())
	}
	took := time.Since(begin)
	time.Sleep(time.Second) // for the upstream to see that streams have ended
	return took
}

// count returns how many attempts had a cause, by what they failed of.
func (a *attempts) count(cause string) map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := map[string]int{}
	for _, x := range a.all {
		if x.Cause == cause {
			n[cmp.Or(x.Failure, "well")]++
		}
	}
	return n
}

var _ upstream.Observer = (*attempts)(nil)
