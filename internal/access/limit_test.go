package access

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

func TestLimit(t *testing.T) {
	s := newSetup(t, func(o *Options) { o.Limit = Limit{PerSecond: 0.5, Burst: 2}; o.Auth.Anonymous = true })
	from := func(addr string, r *http.Request) error {
		r.RemoteAddr = addr
		_, err := s.Check(r)
		return err
	}
	for _, addr := range []string{"192.0.2.1:1", "[2001:db8::1]:1"} {
		for i, want := range []int{200, 200, 429} {
			if err := from(addr, request()); code(err) != want {
				t.Errorf("%s, request %d: %v, want %d", addr, i, err, want)
			}
		}
	}
	err := from("[2001:db8::ffff]:2", request())
	var limited interface {
		error
		RetryAfter() time.Duration
	}
	if !errors.As(err, &limited) || limited.RetryAfter() != 2*time.Second || !strings.HasPrefix(err.Error(), "2001:db8::/64: too many requests") {
		t.Errorf("the same /64: %v", err)
	}
	var refused *goproxy.Refused
	if !errors.As(err, &refused) || refused.Status != 429 {
		t.Errorf("a limit is no refusal: %v", err)
	}
	if err := from("[2001:db8:0:1::1]:2", request()); err != nil {
		t.Errorf("another /64: %v", err)
	}
	if err := from("192.0.2.1:9", bearer(s.good)); err != nil {
		t.Errorf("an identity counts for itself: %v", err)
	}
	s.clock.after(2 * time.Second)
	if err := from("[::ffff:192.0.2.1]:5", request()); err != nil {
		t.Errorf("after the time that was named: %v", err)
	}
	if err := from("192.0.2.1:5", request()); code(err) != 429 {
		t.Errorf("an IPv4 address in IPv6 is another: %v", err)
	}
}

// TestGuesses: who guesses passwords is slowed down by address; right credentials that are known, and tokens, are not, nor is who
// sends the same wrong one again.
func TestGuesses(t *testing.T) {
	s := newSetup(t, nil)
	write(t, s.htpasswd, "alice:"+hashed(t, "a")+"\nbob:"+hashed(t, "b")+"\n")
	s.clock.after(lookEvery)
	check := func(r *http.Request, want int) {
		t.Helper()
		if _, err := s.Check(r); code(err) != want {
			t.Errorf("%v, want %d", err, want)
		}
	}
	check(basic("alice", "a"), 200)
	for i := range guessBurst {
		check(basic("alice", fmt.Sprint(i)), 401)
		check(basic("alice", "0"), 401)
		check(bearer(s.after), 401)
	}
	check(basic("alice", "guess"), 429)
	check(basic("nobody", "guess"), 429)
	check(basic("bob", "b"), 429) // nobody knows yet that it is right
	check(basic("alice", "a"), 200)
	check(basic("alice", "0"), 401)
	check(bearer(s.good), 200)
	other := basic("bob", "b")
	other.RemoteAddr = "198.51.100.1:1"
	check(other, 200)
	_, err := s.Check(basic("alice", "guess"))
	var limited *Limited
	if !errors.As(err, &limited) || limited.RetryAfter() != 2*time.Second {
		t.Errorf("%v, want to be told to wait 2 s", err)
	}
	s.clock.after(limited.RetryAfter())
	check(basic("alice", "guess"), 401)
	check(basic("alice", "another"), 429)
}

func TestBucketsAreBounded(t *testing.T) {
	l := newLimiter(Limit{PerSecond: 1, Burst: 1})
	for i := range 50000 {
		if err := l.take(fmt.Sprintf("user-%d", i), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.buckets.Size(); n > bucketMemory {
		t.Errorf("%d bytes of buckets, want at most %d", n, bucketMemory)
	}
}
