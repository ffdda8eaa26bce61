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

// TestGuesses: wrong credentials are slowed down by address; right tokens from there are not.
func TestGuesses(t *testing.T) {
	s := newSetup(t, nil)
	for range guessBurst {
		if _, err := s.Check(bearer(s.after)); code(err) != 401 {
			t.Fatal(err)
		}
	}
	for _, r := range []*http.Request{bearer(s.after), basic("alice", "wonder:land")} {
		if _, err := s.Check(r); code(err) != 429 {
			t.Errorf("%v, want 429", err)
		}
	}
	if _, err := s.Check(bearer(s.good)); err != nil {
		t.Error(err)
	}
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
