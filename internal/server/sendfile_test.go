package server_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modhaven/modhaven/internal/server"
)

// A witness is a listener whose connections see what net/http gives them to send.
type witness struct {
	net.Listener
	files atomic.Int64 // bytes that came as a file, which the kernel sends by itself
	other atomic.Int64 // bytes that came as bytes
}

func (w *witness) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &seen{c, w}, nil
}

type seen struct {
	net.Conn
	by *witness
}

func (c *seen) Write(b []byte) (int, error) {
	c.by.other.Add(int64(len(b)))
	return c.Conn.Write(b)
}

// ReadFrom is asked by net/http. What the connection below makes of a file is TestConnSendsFiles.
func (c *seen) ReadFrom(src io.Reader) (int64, error) {
	n, err := c.Conn.(io.ReaderFrom).ReadFrom(src)
	limited, ok := src.(*io.LimitedReader)
	if ok {
		_, ok = limited.R.(*os.File)
	}
	if ok {
		c.by.files.Add(n)
	} else {
		c.by.other.Add(n)
	}
	return n, err
}

// observed serves h and returns a client of it and who sees what is sent.
func observed(t *testing.T, h http.Handler) (*haven, *witness) {
	t.Helper()
	ln, err := server.Listen("127.0.0.1:0", 100, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{Listener: ln}
	hv := &haven{t: t, URL: "http://" + ln.Addr().String()}
	hv.client = serve(t, server.NewHTTP(h, nil, quiet), w)
	return hv, w
}

// TestPeer22Sendfile: other proxies wrap the ResponseWriter, which hides ReadFrom, so that every byte of a zip is copied
// through the process. Here a stored zip reaches the connection as the file that it is, whole and in parts.
func TestPeer22Sendfile(t *testing.T) {
	u := withBig(t)
	inner := newHaven(t, u, nil)
	size := int64(len(inner.get(big().Name("zip")).body))
	inner.settle()
	hv, w := observed(t, inner.handler)
	for header, want := range map[string]int64{"": size, "bytes=1000-": size - 1000, "bytes=5000000-5999999": 1_000_000} {
		w.files.Store(0)
		w.other.Store(0)
		var a answer
		if header == "" {
			a = hv.get(big().Name("zip"))
		} else {
			a = hv.get(big().Name("zip"), "Range", header)
		}
		if int64(len(a.body)) != want {
			t.Fatalf("%q: got %d bytes", header, len(a.body))
		}
		hv.get("healthz")                                                                     // on the same connection, so that the answer before it has been counted
		if files, other := w.files.Load(), w.other.Load(); files < want-512 || other > 2000 { // net/http itself copies the first 512 bytes
			t.Errorf("%q: %d of %d bytes came as a file, %d as bytes", header, files, want, other)
		}
	}
}

// hides is a ResponseWriter as other servers have it.
type hides struct{ http.ResponseWriter }

// TestSendfileWitness is the control: it does see a ResponseWriter that hides ReadFrom.
func TestSendfileWitness(t *testing.T) {
	u := withBig(t)
	inner := newHaven(t, u, nil)
	size := int64(len(inner.get(middling().Name("zip")).body))
	inner.settle()
	hv, w := observed(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { inner.handler.ServeHTTP(hides{rw}, r) }))
	hv.get(middling().Name("zip"))
	hv.get("healthz")
	if files, other := w.files.Load(), w.other.Load(); files != 0 || other < size {
		t.Errorf("%d bytes came as a file, %d as bytes, of %d", files, other, size)
	}
}

// TestConnSendsFiles: a connection of Listen gives the kernel the file itself: where bytes pass through the process, some
// buffer must hold them. The control hides that it is a file.
func TestConnSendsFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what the system does with a file is known for Linux only")
	}
	const size = 8 << 20
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(strings.Repeat("x", size)), 0o644); err != nil {
		t.Fatal(err)
	}
	asFile := sent(t, name, size, func(f *os.File) io.Reader { return f })
	asBytes := sent(t, name, size, func(f *os.File) io.Reader { return struct{ io.Reader }{f} })
	const enough = 128 << 10 // a copy takes a buffer of 32 KiB for each 256 KiB
	if asFile > enough || asBytes < enough {
		t.Errorf("%d bytes were allocated to send a file, %d to copy it", asFile, asBytes)
	}
}

// sent sends a file over a connection of Listen and returns how many bytes were allocated meanwhile.
func sent(t *testing.T, name string, size int64, wrap func(*os.File) io.Reader) uint64 {
	t.Helper()
	ln, err := server.Listen("127.0.0.1:0", 1, server.Stall)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make(chan int64, 1)
	go func() {
		buf := make([]byte, 64<<10)
		n := int64(0)
		for {
			m, err := client.Read(buf)
			if n += int64(m); err != nil {
				break
			}
		}
		got <- n
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := c.(io.ReaderFrom).ReadFrom(&io.LimitedReader{R: wrap(f), N: size})
	runtime.ReadMemStats(&after)
	c.Close()
	if m := <-got; n != size || m != size || err != nil {
		t.Fatalf("sent %d, got %d, %v; want %d", n, m, err, size)
	}
	return after.TotalAlloc - before.TotalAlloc
}
