package gocmd

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// well fails where a forge's good module cannot be had, whatever came before.
func well(t *testing.T, f *Fetcher, good string) {
	t.Helper()
	if list, err := read(f.List(t.Context(), good)); err != nil || list != "v1.0.0\n" {
		t.Errorf("the next request: %q, %v", list, err)
	}
}

// inner is a service on loopback that nobody from outside may be led to. It counts the connections that come.
func inner(t *testing.T) (port string, came *atomic.Int64) {
	t.Helper()
	came = new(atomic.Int64)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, came
}

// TestLedInside has no page lead the go command to the inside, which it would ask past every proxy.
func TestLedInside(t *testing.T) {
	g := newForge(t)
	good := g.Module("good", "v1.0.0")
	f := g.fetcher(Options{})
	if f.ca == nil {
		t.Skip("the go command takes no certificates from a directory here: its requests are not seen")
	}
	port, came := inner(t)
	to := func(address string) string { return strings.ReplaceAll(address, "PORT", port) }
	for i, x := range []struct{ redirect, page, says string }{
		{redirect: "https://localhost:PORT/x?go-get=1", says: "its address 127.0.0.1 is one of the inside"},
		{redirect: "https://127.0.0.1:PORT/x?go-get=1", says: "its address 127.0.0.1 is one of the inside"},
		{redirect: "https://127.9.9.9:PORT/x", says: "its address 127.9.9.9 is one of the inside"},
		{redirect: "https://[::1]:PORT/x", says: "its address ::1 is one of the inside"},
		{redirect: "https://[::ffff:127.0.0.1]:PORT/x", says: "one of the inside"},
		{redirect: "https://" + innerHost + "/x", says: "its address 10.1.2.3 is one of the inside"},
		{redirect: "https://169.254.169.254/latest/meta-data", says: "no host may have the address 169.254.169.254"},
		{page: "mod https://localhost:PORT/p", says: "one of the inside"},
		{page: "mod http://localhost:PORT/p", says: "one of the inside"},
		{page: "mod http://LOCALHOST:PORT/p", says: "one of the inside"},
		{page: "mod http://127.0.0.1:PORT/p", says: "one of the inside"},
		{page: "mod http://[::1]:PORT/p", says: "one of the inside"},
		{page: "mod http://[::ffff:127.0.0.1]:PORT/p", says: "one of the inside"},
		{page: "mod http://169.254.169.254/latest", says: "one of the inside"},
		{page: "mod http://" + innerHost + "/p", says: "its address 10.1.2.3 is one of the inside"},
		{page: "mod file:///etc", says: "names no proxy"},
		{page: "mod gopher://localhost:PORT/p", says: "names no proxy"},
		{page: "git https://localhost:PORT/x.git", says: "its address 127.0.0.1 is one of the inside"},
	} {
		name := fmt.Sprintf("led%d", i)
		t.Run(x.redirect+x.page, func(t *testing.T) {
			if x.page != "" {
				g.Page(name, hostName+"/"+name+" "+to(x.page))
			} else {
				g.Answer(name, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to(x.redirect), http.StatusFound) })
			}
			_, err := read(f.List(t.Context(), hostName+"/"+name))
			wantError(t, f, "list", err, failing{path: hostName + "/" + name, want: "refused", says: []string{x.says}})
		})
	}
	if n := came.Load(); n != 0 {
		t.Errorf("%d connections came to a service of the inside", n)
	}
	well(t, f, good.Path)
}

// TestRedirects has a page be found behind redirects, and none that go on for ever or give up security.
func TestRedirects(t *testing.T) {
	g := newForge(t)
	good := g.Module("good", "v1.0.0")
	f := g.fetcher(Options{})
	old := g.Module("old", "v1.0.0")
	g.Page("moved", old.Path+" git https://"+old.Path+".git")
	answer := func(first, to string) {
		g.Answer(first, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusMovedPermanently) })
	}
	answer("old", "https://"+hostName+"/moved?go-get=1")
	answer("loop", "https://"+hostName+"/loop?go-get=1")
	answer("lax", "http://"+hostName+"/moved?go-get=1")
	well(t, f, old.Path)
	for first, says := range map[string]string{"loop": "stopped after 10 redirects", "lax": "insecure URL"} {
		_, err := read(f.List(t.Context(), hostName+"/"+first))
		if kind(err) == "ok" || kind(err) == "absent" || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("%s: got %v, want %q", first, err, says)
		}
	}
	well(t, f, good.Path)
}

// TestPageNamesProxy has a page name a proxy of modules, as the go command allows, whose answers come through the guard.
func TestPageNamesProxy(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{})
	m := hostName + "/served"
	var zipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	w, err := z.Create(m + "@v1.0.0/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "module "+m+"\n")
	z.Close()
	files := map[string]string{"list": "v1.0.0\n", "v1.0.0.info": `{"Version":"v1.0.0","Time":"2026-01-02T03:04:05Z"}`, "v1.0.0.mod": "module " + m + "\n", "elsewhere.zip": zipped.String()}
	g.Page("served", m+" mod https://"+hostName+"/proxy")
	g.Answer("proxy", func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Base(r.URL.Path)
		if name == "v1.0.0.zip" {
			http.Redirect(w, r, "elsewhere.zip", http.StatusFound)
			return
		}
		body, ok := files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, body)
	})
	if list, err := read(f.List(t.Context(), m)); err != nil || list != "v1.0.0\n" {
		t.Errorf("list: %q, %v", list, err)
	}
	if b, err := fetch(f, file(m, "v1.0.0", goproxy.Zip)); err != nil || !bytes.Equal(b, zipped.Bytes()) {
		t.Errorf("zip: %d bytes, %v", len(b), err)
	}
}

// TestRebinding has a name that had an address of the outside when its page was asked for not lead inside afterwards.
func TestRebinding(t *testing.T) {
	g := newForge(t)
	good := g.Module("good", "v1.0.0")
	f := g.fetcher(Options{})
	const host = "rebind." + hostName
	var dials atomic.Int64
	dial := f.dial
	f.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == host+":443" && dials.Add(1) > 1 {
			return f.dialChecked(ctx, network, "10.1.2.3:443")
		}
		if addr == host+":443" {
			addr = hostName + ":443"
		}
		return dial(ctx, network, addr)
	}
	g.Page("rebound", host+"/rebound git https://"+host+"/rebound.git")
	_, err := read(f.List(t.Context(), host+"/rebound"))
	wantError(t, f, "list", err, failing{path: host + "/rebound", want: "refused", says: []string{"its address 10.1.2.3 is one of the inside"}})
	if dials.Load() < 2 {
		t.Errorf("%d connections, want the page's and git's", dials.Load())
	}
	well(t, f, good.Path)
}

// TestMute has hosts that accept a connection and a request, and say nothing, be given up.
func TestMute(t *testing.T) {
	g := newForge(t)
	good := g.Module("good", "v1.0.0")
	f := g.fetcher(Options{})
	f.patience = time.Second
	mute := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	half := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<html><head>")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	g.Answer("mute", mute)
	g.Answer("half", half)
	g.Page("git", hostName+"/git git https://"+hostName+"/mute/git.git")
	for _, path := range []string{"mute", "half", "git"} {
		_, err := read(f.List(t.Context(), hostName+"/"+path))
		wantError(t, f, path, err, failing{path: hostName + "/" + path, want: "unavailable", says: []string{hostName + " has not answered for 1s"}})
	}
	f.patience = patience
	well(t, f, good.Path)
	f.wg.Wait()
	wantNoProcess(t, f)
}

// TestEndless has what never ends cost no more disk than there may be: a repository, its list of references, a page.
func TestEndless(t *testing.T) {
	g := newForge(t)
	good := g.Module("good", "v1.0.0")
	f := g.fetcher(Options{})
	const budget = 32 << 20
	f.o.Disk = budget
	g.Page("endless", hostName+"/endless git https://"+hostName+"/pack/endless.git")
	g.Page("refs", hostName+"/refs git https://"+hostName+"/manyrefs/refs.git")
	g.Answer("pack", endlessPack)
	g.Answer("manyrefs", endlessRefs)
	g.Answer("page", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat("<p>", 1<<10)); err != nil {
				return
			}
		}
	})
	for _, path := range []string{"endless", "refs"} {
		_, err := fetch(f, file(hostName+"/"+path, "v1.0.0", goproxy.Zip))
		wantError(t, f, path, err, failing{path: hostName + "/" + path, want: "refused", says: []string{"more than the 33554432 bytes"}})
	}
	_, err := read(f.List(t.Context(), hostName+"/page"))
	wantError(t, f, "page", err, failing{path: hostName + "/page", want: "absent"})
	f.wg.Wait()
	if n := diskUse(t.Context(), f.dir); n > budget+budget/4 {
		t.Errorf("%d bytes are on the disk, of %d", n, budget)
	}
	wantNoProcess(t, f)
	well(t, f, good.Path)
}

// packet is a pkt-line of the protocol of git.
func packet(w io.Writer, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintf(w, "%04x%s", len(text)+4, text)
}

const someHash = "1234567890123456789012345678901234567890"

// endlessPack serves a repository with a version whose pack has one object that never ends.
func endlessPack(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/info/refs"):
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		packet(w, "# service=git-upload-pack\n")
		io.WriteString(w, "0000")
		packet(w, "%s HEAD\x00shallow symref=HEAD:refs/heads/main\n", someHash)
		packet(w, "%s refs/heads/main\n", someHash)
		packet(w, "%s refs/tags/v1.0.0\n", someHash)
		io.WriteString(w, "0000")
	case strings.HasSuffix(r.URL.Path, "/git-upload-pack"):
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		if bytes.Contains(b, []byte("deepen")) {
			packet(w, "shallow %s\n", someHash)
			io.WriteString(w, "0000")
		}
		if !bytes.Contains(b, []byte("done")) {
			return
		}
		packet(w, "NAK\n")
		w.Write([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01" + "\xb0\x80\x80\x80\x80\x80\x04" + "\x78\x01")) // one blob of terabytes
		block := append([]byte{0, 0xff, 0xff, 0, 0}, make([]byte, 0xffff)...)                                 // stored, and not the last
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	default:
		http.NotFound(w, r)
	}
}

// endlessRefs serves a repository with endless tags.
func endlessRefs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	packet(w, "# service=git-upload-pack\n")
	io.WriteString(w, "0000")
	packet(w, "%s HEAD\x00symref=HEAD:refs/heads/main\n", someHash)
	for i := 0; r.Context().Err() == nil; i++ {
		packet(w, "%s refs/tags/v0.%d.%d%s\n", someHash, i, i, strings.Repeat("x", 60_000))
	}
}

// TestBomb has a small repository of a large tree be refused.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("git compresses half a gigabyte of zeros")
	}
	g := newForge(t)
	good := g.Module("good", "v1.0.0")
	f := g.fetcher(Options{})
	r := g.Repo("bomb")
	if err := os.WriteFile(filepath.Join(r.Tree, "zeros0"), make([]byte, 90<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := os.Link(filepath.Join(r.Tree, "zeros0"), filepath.Join(r.Tree, fmt.Sprintf("zeros%d", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	_, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip))
	wantError(t, f, "zip", err, failing{path: r.Path, want: "refused", says: []string{"larger than"}})
	big := g.Repo("bigmod")
	big.Commit([]string{"v1.0.0"}, "go.mod", "module "+big.Path+"\n"+strings.Repeat("// "+strings.Repeat("x", 1000)+"\n", 17<<10))
	_, err = fetch(f, file(big.Path, "v1.0.0", goproxy.Mod))
	wantError(t, f, "mod", err, failing{path: big.Path, want: "wrong", says: []string{"more than the 16777216"}})
	well(t, f, good.Path)
}

// TestTree has nothing come of a tree but its regular files, as they are: no link's target, no submodule, no filter's output.
func TestTree(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{})
	r := g.Repo("tree")
	for name, target := range map[string]string{"passwd": "/etc/passwd", "up": "../../..", "dir/self": "../dir", "lib2.go": "lib.go"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(r.Tree, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(r.Tree, name)); err != nil {
			t.Fatal(err)
		}
	}
	const lib = "package tree // $Format:%H$\n"
	r.Git("update-index", "--add", "--cacheinfo", "160000,"+someHash+",sub")
	r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n", "lib.go", lib,
		".gitattributes", "*.go export-subst filter=evil\n",
		".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = file:///etc\n", ".lfsconfig", "[lfs]\n\turl = https://127.0.0.1/\n")
	b, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range z.File {
		name := strings.TrimPrefix(e.Name, r.Path+"@v1.0.0/")
		names = append(names, name)
		if name == "lib.go" {
			in, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(in); err != nil || string(got) != lib {
				t.Errorf("lib.go: %q, %v", got, err)
			}
		}
	}
	slices.Sort(names)
	if want := []string{".gitattributes", ".gitmodules", ".lfsconfig", "go.mod", "lib.go"}; !slices.Equal(names, want) {
		t.Errorf("the zip has %q, want %q", names, want)
	}
}

// TestManyTags has a repository of very many tags be listed.
func TestManyTags(t *testing.T) {
	g := newForge(t)
	f := g.fetcher(Options{})
	r := g.Repo("tags")
	hash := r.Commit([]string{"v1.0.0"}, "go.mod", "module "+r.Path+"\n")
	const n = 20_000
	var packed strings.Builder
	packed.WriteString("# pack-refs with: peeled fully-peeled sorted \n")
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("refs/tags/v1.1.%d", i))
	}
	slices.Sort(names)
	for _, name := range names {
		packed.WriteString(hash + " " + name + "\n")
	}
	write(t, filepath.Join(r.Bare, "packed-refs"), packed.String())
	list, err := read(f.List(t.Context(), r.Path))
	if got := strings.Count(list, "\n"); err != nil || got != n+1 {
		t.Errorf("%d versions, want %d; %v", got, n+1, err)
	}
}
