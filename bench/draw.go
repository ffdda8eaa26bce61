package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// The kinds of faults that an upstream draws from.
const (
	faultReset   = "reset" // before the header
	faultRST     = "cut by RST"
	faultFIN     = "cut by FIN"
	fault503     = "503"
	fault429     = "429" // with Retry-After: 1
	faultHang    = "hang"
	faultHTML    = "HTML" // with status 200
	faultFlip    = "flipped byte"
	faultLatency = "latency"   // 0.3–1.5 s more before the header
	faultSlow    = "slow body" // takes 0.3–1.5 s
)

// mixed are the kinds of the mixed cases, each as likely as the others.
func mixed() []string {
	return []string{faultReset, faultRST, faultFIN, fault503, fault429, faultHang, faultHTML, faultFlip, faultLatency, faultSlow}
}

// A mix is how an upstream fails: the share Rate of its answers, each in one of Kinds.
type mix struct {
	Rate     float64
	Kinds    []string
	OnlyZips bool
	Proven   bool // a checksum database tells what is wrong with a .mod, and its own answers carry their proof
}

// tellable reports whether a client can find out that a byte of a file is flipped: a zip's h1 and its entries' CRCs tell, and
// nothing does for an .info or a list.
func (m mix) tellable(name string) bool {
	return strings.HasSuffix(name, ".zip") || m.Proven && (strings.HasSuffix(name, ".mod") || strings.HasPrefix(name, "/sumdb/"))
}

// A key names one request of one run: with the same seed it meets the same fault.
type key struct {
	Seed uint64
	Run  int
	Name string // the path
	Nth  int    // request for it, from 1
}

// rng is a generator for this request alone, so that the order in which others come does not matter.
func (k key) rng() *rand.Rand {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %s", k.Seed, k.Run, k.Nth, k.Name))
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}

// A drawn is a fault that was drawn; the zero value is none.
type drawn struct {
	kind string
	at   int64         // byte of the body
	span time.Duration // of latency, or of a whole slow body
	size int64         // of the body
}

// draw draws the fault of a request for a body of that size. A flipped byte befalls only what can be told from the right one.
func (m mix) draw(r *rand.Rand, name string, size int64) drawn {
	if r.Float64() >= m.Rate || m.OnlyZips && !strings.HasSuffix(name, ".zip") {
		return drawn{}
	}
	kinds := m.Kinds
	if !m.tellable(name) {
		kinds = without(kinds, faultFlip)
	}
	if len(kinds) == 0 {
		return drawn{}
	}
	d := drawn{kind: kinds[r.IntN(len(kinds))], size: size}
	d.at = r.Int64N(max(size, 1))
	d.span = 300*time.Millisecond + time.Duration(r.Int64N(int64(1200*time.Millisecond)))
	return d
}

func without(all []string, one string) []string {
	var rest []string
	for _, s := range all {
		if s != one {
			rest = append(rest, s)
		}
	}
	return rest
}

// fault is how the upstream carries it out.
func (d drawn) fault() proxytest.Fault {
	switch d.kind {
	case faultReset:
		return proxytest.Reset(-1)
	case faultRST:
		return proxytest.Reset(d.at)
	case faultFIN:
		return proxytest.Close(d.at)
	case fault503:
		return proxytest.Status(http.StatusServiceUnavailable, "the backend is not there")
	case fault429:
		return proxytest.Status(http.StatusTooManyRequests, "slower, please").And(proxytest.Header("Retry-After", "1"))
	case faultHang:
		return proxytest.Hang(-1)
	case faultHTML:
		return proxytest.HTML()
	case faultFlip:
		return proxytest.Flip(d.at)
	case faultLatency:
		return proxytest.Delay(d.span)
	case faultSlow:
		return proxytest.Slow(max(1, int(float64(d.size)/d.span.Seconds())))
	}
	return proxytest.Fault{}
}

// A curve is a distribution: points of share and milliseconds, both rising, from 0 to 1.
// Between points the logarithm of the time rises evenly.
type curve [][2]float64

// at returns the time below which the share q lies.
func (c curve) at(q float64) time.Duration {
	for i := 1; i < len(c); i++ {
		a, b := c[i-1], c[i]
		if q <= b[0] {
			part := (q - a[0]) / (b[0] - a[0])
			ms := math.Exp(math.Log(a[1]) + part*(math.Log(b[1])-math.Log(a[1])))
			return time.Duration(ms * float64(time.Millisecond))
		}
	}
	return 0
}

// cutAfter draws how many bytes an answer has until it is cut: mean on average, whatever came before.
func cutAfter(r *rand.Rand, mean int64) int64 { return int64(r.ExpFloat64() * float64(mean)) }
