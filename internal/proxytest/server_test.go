package proxytest

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"a/@v/list", "a/@v/list", true},
		{"/a/@v/list", "a/@v/list", true},
		{"a/@v/list", "a/@v/lists", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"*.zip", "a/b/@v/v1.zip", true},
		{"*.zip", "a/b/@v/v1.zip.x", false},
		{"a/*/v1.*", "a/b/@v/v1.zip", true},
		{"a/*/v2.*", "a/b/@v/v1.zip", false},
		{"a*a", "a", false},
		{"*ab*b", "ab", false},
		{"*ab*b", "abb", true},
	}
	for _, test := range tests {
		if got := match(test.pattern, test.name); got != test.want {
			t.Errorf("match(%q, %q) = %v", test.pattern, test.name, got)
		}
	}
}

func TestLog(t *testing.T) {
	u := New(t)
	c := u.Client()
	if _, _, err := get(t, c, u.URL+"/example.com/%21upper/@v/v1.0.0.info?x=1", "X-Test", "a"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, c, u.URL+"/nowhere.test/@v/list"); err != nil {
		t.Fatal(err)
	}
	log := u.Log()
	if len(log) != 2 {
		t.Fatalf("%d requests, want 2", len(log))
	}
	if r := log[0]; r.Method != "GET" || r.Name != "example.com/!upper/@v/v1.0.0.info" || r.Query != "x=1" ||
		r.Header.Get("X-Test") != "a" || r.Proto != "HTTP/1.1" || r.Remote != log[1].Remote {
		t.Errorf("got %+v", r)
	}
	if n, m := u.Requests("nowhere.test/@v/list"), u.Requests("*"); n != 1 || m != 2 {
		t.Errorf("%d and %d requests, want 1 and 2", n, m)
	}
	u.Forget()
	if n := u.Requests("*"); n != 0 {
		t.Errorf("%d requests after Forget", n)
	}
}

func TestPause(t *testing.T) {
	for name, opts := range servers {
		t.Run(name, func(t *testing.T) {
			u := New(t, opts...)
			c := u.Client()
			g := u.Pause(plainZip, 10)
			resp, err := c.Get(u.URL + "/" + plainZip)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			first := make([]byte, 10)
			if _, err := io.ReadFull(resp.Body, first); err != nil {
				t.Fatal(err)
			}
			<-g.Reached()
			if _, _, err := get(t, c, u.URL+"/example.com/plain/@v/list"); err != nil {
				t.Errorf("another name while one is paused: %v", err)
			}
			g.Resume()
			g.Resume()
			rest, err := io.ReadAll(resp.Body)
			if want := string(Fixture(t, "example.com/plain", "v1.0.0").Zip); err != nil || string(first)+string(rest) != want {
				t.Errorf("got %d bytes, %v; want %d", 10+len(rest), err, len(want))
			}
			if _, _, err := get(t, c, u.URL+"/"+plainZip); err != nil {
				t.Errorf("after Resume: %v", err)
			}
		})
	}
}

func TestPauseBeforeHeader(t *testing.T) {
	u := New(t)
	g := u.Pause("*", -1)
	done := make(chan error, 1)
	go func() {
		resp, err := u.Client().Head(u.URL + "/" + plainZip)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	<-g.Reached()
	select {
	case err := <-done:
		t.Errorf("an answer came through the gate: %v", err)
	default:
	}
	g.Resume()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPauseEndsWithServer(t *testing.T) {
	u := New(t)
	g := u.Pause("*", 0)
	resp, err := u.Client().Get(u.URL + "/" + plainZip)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-g.Reached()
	u.close()
	if b, err := io.ReadAll(resp.Body); err == nil || len(b) > 0 {
		t.Errorf("got %d bytes and %v", len(b), err)
	}
}

func TestRefuse(t *testing.T) {
	for name, opts := range servers {
		t.Run(name, func(t *testing.T) {
			u := New(t, opts...)
			c := u.Client()
			for range 2 {
				if _, _, err := get(t, c, u.URL+"/"+plainZip); err != nil {
					t.Fatal(err)
				}
				u.Refuse()
				c.CloseIdleConnections()
				if _, _, err := get(t, c, u.URL+"/"+plainZip); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("got %v, want a refused connection", err)
				}
				u.Accept()
			}
			u.Refuse()
		})
	}
}

func TestNewServer(t *testing.T) {
	s := NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	}))
	s.Fail("broken", Close(2))
	if _, body, err := get(t, s.Client(), s.URL+"/fine"); body != "hello" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	if _, body, err := get(t, s.Client(), s.URL+"/broken"); body != "he" || err == nil {
		t.Errorf("got %q, %v", body, err)
	}
}
