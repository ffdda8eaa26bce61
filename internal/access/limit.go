package access

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/modhaven/modhaven/internal/lru"
)

// A Limit is how many requests an identity or an address may make. The zero value is no limit.
type Limit struct {
	PerSecond float64
	Burst     int // at once after a pause
}

const (
	defaultBurst = 60      // seconds of the rate: a build asks for all of its modules at once
	maxRate      = 1000000 // a second
)

// ParseLimit reads "RATE/s", "RATE/m" or "RATE/h", with or without " burst N" behind it, from 1 to a million each; without it the
// burst is what a minute brings, at least 1. "" is no limit. The go command repeats nothing after a 429 and asks a second time after
// every 4xx, so that a burst should be a few times the files of the largest build.
func ParseLimit(text string) (Limit, error) {
	if strings.TrimSpace(text) == "" {
		return Limit{}, nil
	}
	bad := fmt.Errorf("%q is no rate limit, such as `50/s` or `600/m burst 5000`", text)
	f := strings.Fields(text)
	number, unit, _ := strings.Cut(f[0], "/")
	n, err := strconv.Atoi(number)
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || n < 1 || n > maxRate || seconds == 0 {
		return Limit{}, bad
	}
	l := Limit{PerSecond: float64(n) / seconds}
	switch {
	case len(f) == 1:
		l.Burst = max(1, int(l.PerSecond*defaultBurst))
		return l, nil
	case len(f) != 3 || f[1] != "burst":
		return Limit{}, bad
	}
	if l.Burst, err = strconv.Atoi(f[2]); err != nil || l.Burst < 1 || l.Burst > maxRate {
		return Limit{}, bad
	}
	return l, nil
}

// Of different wrong passwords from one address. The same one again is no guess: a build that has a wrong one sends it twice for each
// module. Tokens are not counted, since nobody guesses them.
const (
	guessRate  = 0.5
	guessBurst = 100
)

// bucketMemory holds some ten thousand buckets. One that is forgotten is full again: whoever has so many addresses is not slowed by
// the limit of one.
const (
	bucketMemory = 4 << 20
	bucketCost   = 128
)

// A limiter has a bucket of tokens for each name. A nil one limits nothing.
type limiter struct {
	limit   Limit
	mu      sync.Mutex // held to make a bucket
	buckets *lru.Cache[*rate.Limiter]
}

func newLimiter(l Limit) *limiter {
	if l.PerSecond == 0 {
		return nil
	}
	return &limiter{limit: l, buckets: lru.New(bucketMemory, func(*rate.Limiter) int64 { return bucketCost })}
}

// take takes a token of who's bucket. Where there is none it takes none, and the error is a *Limited.
func (l *limiter) take(who string, now time.Time) error {
	if l == nil {
		return nil
	}
	r := l.bucket(who).ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return &Limited{Who: who, After: wait}
	}
	return nil
}

// ready returns the error that take would return.
func (l *limiter) ready(who string, now time.Time) error {
	if have := l.bucket(who).TokensAt(now); have < 1 {
		return &Limited{Who: who, After: time.Duration((1 - have) / l.limit.PerSecond * float64(time.Second))}
	}
	return nil
}

func (l *limiter) bucket(who string) *rate.Limiter {
	if len(who) > maxName {
		who = who[:maxName] // issuers choose names; shared by the few that begin alike
	}
	if b, ok := l.buckets.Get(who); ok {
		return b
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets.Get(who)
	if !ok {
		b = rate.NewLimiter(rate.Limit(l.limit.PerSecond), l.limit.Burst)
		l.buckets.Put(who, b)
	}
	return b
}

// address returns what a rate limit counts for a client without a name: its IPv4 address, or the /64 of its IPv6 address, since one
// machine has as many of these as it likes.
func address(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}
