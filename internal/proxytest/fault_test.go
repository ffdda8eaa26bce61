package proxytest

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

const plainZip = "example.com/plain/@v/v1.0.0.zip"

// get reads a name to its end, or as far as it comes.
func get(t *testing.T, c *http.Client, url string, header ...string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// kinds of server that every fault must work on.
var servers = map[string][]Option{"http": nil, "https1": {TLS1()}, "https2": {TLS()}}

func TestFaults(t *testing.T) {
	whole := string(Fixture(t, "example.com/plain", "v1.0.0").Zip)
	size := int64(len(whole))
	flipped := []byte(whole)
	flipped[7] ^= 1
	tests := []struct {
		name   string
		fault  Fault
		status int // 0: no answer
		body   string
		length int64 // announced; -1: none
		broken bool  // the body ends in an error
	}{
		{"none", Fault{}, 200, whole, size, false},
		{"status", Status(503, "busy").And(Header("Retry-After", "7")), 503, "busy", 4, false},
		{"not modified by status", Status(403, "no"), 403, "no", 2, false},
		{"reset before header", Reset(-1), 0, "", 0, true},
		{"close before header", Close(-1), 0, "", 0, true},
		{"close at 0", Close(0), 200, "", size, true},
		{"close at 10", Close(10), 200, whole[:10], size, true},
		{"close at the last byte", Close(size - 1), 200, whole[:size-1], size, true},
		{"close past the end", Close(size + 1), 200, whole, size, false},
		{"close without length", NoLength().And(Close(10)), 200, whole[:10], -1, true},
		{"no length", NoLength(), 200, whole, -1, false},
		{"truncate", Truncate(10), 200, whole[:10], 10, false},
		{"truncate to nothing", Truncate(0), 200, "", 0, false},
		{"truncate without length", NoLength().And(Truncate(10)), 200, whole[:10], -1, false},
		{"length too large", Length(size + 5), 200, whole, size + 5, true},
		{"length too small", Length(10), 200, whole[:10], 10, false},
		{"flip", Flip(7), 200, string(flipped), size, false},
		{"slow", Slow(1 << 30), 200, whole, size, false},
		{"trickle", Trickle(time.Nanosecond), 200, whole, size, false},
		{"delay", Delay(time.Millisecond), 200, whole, size, false},
		{"two", Flip(7).And(Close(10)), 200, string(flipped[:10]), size, true},
	}
	for name, opts := range servers {
		u := New(t, opts...)
		c := u.Client()
		for _, test := range tests {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				defer u.Heal()
				u.Fail(plainZip, test.fault)
				resp, body, err := get(t, c, u.URL+"/"+plainZip)
				if (err != nil) != test.broken {
					t.Errorf("error %v, want one: %v", err, test.broken)
				}
				if resp == nil {
					if test.status != 0 {
						t.Errorf("no answer: %v", err)
					}
					return
				}
				if resp.StatusCode != test.status || body != test.body || resp.ContentLength != test.length {
					t.Errorf("got %d, length %d, %d bytes %.20q…; want %d, length %d, %d bytes %.20q…", resp.StatusCode,
						resp.ContentLength, len(body), body, test.status, test.length, len(test.body), test.body)
				}
			})
		}
	}
}

func TestReset(t *testing.T) {
	for name, opts := range servers {
		t.Run(name, func(t *testing.T) {
			u := New(t, opts...)
			whole := string(Fixture(t, "example.com/plain", "v1.0.0").Zip)
			u.Fail(plainZip, Reset(10))
			_, body, err := get(t, u.Client(), u.URL+"/"+plainZip)
			if err == nil || name != "https2" && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %v, want a reset by peer", err)
			}
			if len(body) > 10 || !strings.HasPrefix(whole, body) {
				t.Errorf("got %q, want at most 10 bytes", body)
			}
		})
	}
}

func TestHTML(t *testing.T) {
	u := New(t)
	u.Fail("*", HTML())
	resp, body, err := get(t, u.Client(), u.URL+"/example.com/plain/@v/list")
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.HasPrefix(body, "<!DOCTYPE") {
		t.Errorf("got %v, %v, %q", resp, err, body)
	}
}

func TestRedirectLoop(t *testing.T) {
	u := New(t)
	u.Fail(plainZip, RedirectLoop())
	_, _, err := get(t, u.Client(), u.URL+"/"+plainZip)
	if err == nil || !strings.Contains(err.Error(), "stopped after 10 redirects") {
		t.Errorf("got %v", err)
	}
}

func TestHeader(t *testing.T) {
	u := New(t)
	u.Fail("*", Header("ETag", "").And(Header("X-Cache", "HIT")))
	resp, _, err := get(t, u.Client(), u.URL+"/"+plainZip)
	if err != nil {
		t.Fatal(err)
	}
	if h := resp.Header; h.Get("ETag") != "" || h.Get("X-Cache") != "HIT" {
		t.Errorf("got %v", h)
	}
}

// TestHang leaves by the client's context first and by closing the server then.
func TestHang(t *testing.T) {
	for name, opts := range servers {
		for at, started := range map[int64]bool{-1: false, 0: true, 10: true} {
			u := New(t, opts...)
			u.Fail(plainZip, Hang(at))
			ctx, leave := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "GET", u.URL+"/"+plainZip, nil)
			if err != nil {
				t.Fatal(err)
			}
			answer := make(chan *http.Response)
			go func() {
				resp, err := u.Client().Do(req)
				if err != nil {
					resp = nil
				}
				answer <- resp
			}()
			u.Await(plainZip, 1)
			if !started {
				leave()
			}
			resp := <-answer
			if (resp != nil) != started {
				t.Fatalf("%s: Hang(%d): answer %v", name, at, resp)
			}
			if resp != nil {
				b := make([]byte, at)
				if _, err := io.ReadFull(resp.Body, b); err != nil {
					t.Errorf("%s: Hang(%d): %v", name, at, err)
				}
				u.close()
				if n, err := io.Copy(io.Discard, resp.Body); n > 0 || err == nil {
					t.Errorf("%s: Hang(%d): %d bytes more, %v", name, at, n, err)
				}
				resp.Body.Close()
			}
			leave()
		}
	}
}

func TestFailChoosesRequests(t *testing.T) {
	u := New(t)
	u.Fail("*/list", Status(500, ""), 1, 3)
	u.Fail("*/list", Status(429, ""), 3) // the later one wins
	u.FailFunc(func(r *http.Request) Fault {
		if r.Header.Get("X-Bad") != "" {
			return Status(400, "")
		}
		return Fault{}
	})
	c := u.Client()
	var got []int
	for _, header := range []string{"", "", "", "", "yes"} {
		resp, _, err := get(t, c, u.URL+"/example.com/plain/@v/list", "X-Bad", header)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, resp.StatusCode)
	}
	u.Heal()
	resp, _, err := get(t, c, u.URL+"/example.com/plain/@v/list", "X-Bad", "yes")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, resp.StatusCode)
	want := []int{500, 200, 429, 200, 400, 200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// A wrapped connection is cut below what wraps it.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func TestFaultyOverWrappedConns(t *testing.T) {
	for name, f := range map[string]Fault{"reset": Reset(5), "close": Close(5), "none": {}} {
		s := httptest.NewUnstartedServer(Faulty(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "0123456789")
		}), func(*http.Request) Fault { return f }))
		s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			return ConnContext(ctx, wrapped{c})
		}
		s.Config.ErrorLog = log.New(panicsOnly{}, "", 0)
		s.Start()
		Register(s.Listener.Addr().String())
		_, b, err := get(t, s.Client(), s.URL)
		if whole := err == nil && b == "0123456789"; whole != (name == "none") {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		s.Close()
	}
}
