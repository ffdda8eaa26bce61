package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// TestStoreWithoutServer: what is stored has the layout of the go command's own cache, and serves as a proxy by itself.
func TestStoreWithoutServer(t *testing.T) {
	t.Parallel()
	hv, u, _, env := verified(t)
	checkDownloads(t, goOK(t, env, downloads(t)...))
	hv.stop()
	u.Refuse()
	store := "file://" + filepath.ToSlash(filepath.Join(hv.state, "modules"))
	checkDownloads(t, goOK(t, proxytest.GoEnv(t, store, "off"), downloads(t)...))
}

// TestRestart: a server that starts again over the same state knows all of it, and needs the upstream for none of it:
// files, lists, queries and what the checksum database said.
func TestRestart(t *testing.T) {
	t.Parallel()
	hv, u, db, env := verified(t)
	checkDownloads(t, goOK(t, env, downloads(t)...))
	lists := []string{"list", "-m", "-versions", "example.com/plain", "example.com/Upper", "example.com/incompat"}
	latest := []string{"list", "-m", "example.com/untagged@latest", "example.com/plain@main"}
	wantLists, wantLatest := goOK(t, env, lists...), goOK(t, env, latest...)
	before := hv.files("modules")
	hv.stop()
	u.Refuse()

	again := serveOver(t, hv.state, u.URL, "--sumdb", db.Key, "--fresh", "0s")
	cold := proxytest.GoEnv(t, again.URL, db.Key)
	checkDownloads(t, goOK(t, cold, downloads(t)...))
	if got := goOK(t, cold, lists...); got != wantLists {
		t.Errorf("lists: got %q, want %q", got, wantLists)
	}
	if got := goOK(t, cold, latest...); got != wantLatest {
		t.Errorf("queries: got %q, want %q", got, wantLatest)
	}
	if a := again.get("example.com/plain/@v/list"); !strings.Contains(a.Header.Get("Cache-Status"), "stale") || a.Header.Get("Age") == "" {
		t.Errorf("the old list is not marked: %q", a.Header)
	}
	if after := again.files("modules"); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the store changed from %q to %q", before, after)
	}
}

// TestTermination: after SIGTERM new connections are refused, what runs is finished, and nothing is left behind.
func TestTermination(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		u := proxytest.New(t)
		list, zip := u.Pause("example.com/plain/@v/list", 3), u.Pause("*.zip", -1)
		hv := serve(t, u.URL)
		answers := make(chan answer, 2)
		for _, path := range []string{"example.com/plain/@v/list", "example.com/plain/@v/v1.0.0.zip"} {
			go func() {
				a, err := hv.try("GET", path)
				if err != nil {
					t.Errorf("%v: %s: %v", sig, path, err)
				}
				answers <- a
			}()
		}
		<-list.Reached()
		<-zip.Reached()
		hv.signal(sig)
		refused(hv)
		select {
		case <-hv.done:
			t.Errorf("%v: it ended before the answers did", sig)
		default:
		}
		list.Resume()
		zip.Resume()
		for range 2 {
			if a := <-answers; a.Response == nil || a.StatusCode != 200 || a.body == "" {
				t.Errorf("%v: got %v", sig, a)
			}
		}
		hv.wait()
		hv.stop()
		if got := hv.files("spool"); len(got) != 0 {
			t.Errorf("%v: left in the spool: %q", sig, got)
		}
		if got := strings.Join(hv.files("modules"), " "); !strings.Contains(got, "example.com/plain/@v/v1.0.0.zip") {
			t.Errorf("%v: stored: %q", sig, got)
		}
	}
}

// refused waits until the server takes no connection any more.
func refused(hv *haven) {
	for {
		c, err := net.Dial("tcp", hv.URL[strings.LastIndex(hv.URL, "/")+1:])
		if err != nil {
			return
		}
		c.Close()
	}
}

// TestPeer19BoundedEnd: another proxy takes a minute to shut down. Here what does not finish within --drain is cut, and a
// second signal ends it at once.
func TestPeer19BoundedEnd(t *testing.T) {
	t.Parallel()
	u := proxytest.New(t)
	for _, end := range []string{"drain", "second signal"} {
		gate := u.Pause("example.com/plain/@v/list", -1)
		args := map[string][]string{"drain": {"--drain", "10ms"}}[end]
		hv := serve(t, u.URL, args...)
		failed := make(chan error, 1)
		go func() { _, err := hv.try("GET", "example.com/plain/@v/list"); failed <- err }()
		<-gate.Reached()
		hv.signal(syscall.SIGTERM)
		if end == "second signal" {
			refused(hv)
			for hv.cmd.Process.Signal(syscall.SIGTERM) == nil { // one that comes with the first counts as the same
				runtime.Gosched()
			}
		}
		if err := <-failed; err == nil {
			t.Errorf("%s: the client got an answer that nobody had", end)
		}
		hv.wait()
		if end == "second signal" {
			if ws, ok := hv.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() {
				t.Errorf("%s: %v", end, hv.cmd.ProcessState)
			}
			hv.err = nil // as meant; its spool is swept by the next one
			swept := serveOver(t, hv.state, u.URL)
			if got := swept.files("spool"); strings.Contains(strings.Join(got, " "), hv.pid()+"-") {
				t.Errorf("the spool of the killed one is still there: %q", got)
			}
		}
		gate.Resume()
	}
}

// TestTwoServers run over one state directory and fetch the same things at once: both answer, the store is whole, and
// the end of one does not disturb the other.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	u := proxytest.New(t, proxytest.WithSumDB(db))
	one := serve(t, u.URL, "--sumdb", db.Key)
	two := serveOver(t, one.state, u.URL, "--sumdb", db.Key)
	var wg sync.WaitGroup
	outs := make([]string, 2)
	for i, hv := range []*haven{one, two} {
		env := proxytest.GoEnv(t, hv.URL, db.Key)
		dir := proxytest.GoModule(t, "go.mod", "module example.test/main\n")
		wg.Go(func() {
			out, errs, err := proxytest.Go(t, dir, env, downloads(t)...)
			if err != nil {
				t.Errorf("%v\n%s%s", err, out, errs)
			}
			outs[i] = out
		})
	}
	wg.Wait()
	for _, out := range outs {
		checkDownloads(t, out)
	}
	one.stop()
	u.Refuse()
	checkDownloads(t, goOK(t, proxytest.GoEnv(t, two.URL, db.Key), downloads(t)...))
	two.stop()
	if got := two.files("spool"); len(got) != 0 {
		t.Errorf("left in the spool: %q", got)
	}
	for _, name := range two.files("modules") {
		if strings.HasSuffix(name, ".zip") || strings.HasSuffix(name, ".mod") || strings.HasSuffix(name, ".info") {
			continue
		}
		if !strings.HasSuffix(name, ".ziphash") && !strings.HasSuffix(name, ".etag") {
			t.Errorf("the store has %s", name)
		}
	}
}

// TestPeer10TroubleOnTheWay: another proxy answers a truncated body with 500 and a dead upstream with a stale list only
// after seconds, each time. Here trouble on the way is none of the client's; and a stale list comes at once from the
// second question on.
func TestPeer10TroubleOnTheWay(t *testing.T) {
	t.Parallel()
	u := proxytest.New(t)
	u.Fail("*.zip", proxytest.Close(100), 1)
	u.Fail("*.mod", proxytest.Status(503, "later\n").And(proxytest.Header("Retry-After", "1")), 1)
	hv := serve(t, u.URL, "--fresh", "0s")
	for _, path := range []string{"example.com/plain/@v/v1.0.0.zip", "example.com/plain/@v/v1.0.0.mod"} {
		if a := hv.get(path); a.StatusCode != 200 || u.Requests(path) != 2 {
			t.Errorf("%s: got %s after %d requests", path, a.Status, u.Requests(path))
		}
	}
	const list = "example.com/plain/@v/list"
	fresh := hv.get(list)
	gate := u.Pause(list, -1) // it hangs from now on
	defer gate.Resume()
	u.Forget()
	first := hv.get(list) // waits for the budget
	for range 5 {
		a := hv.get(list)
		if a.body != fresh.body || !strings.Contains(a.Header.Get("Cache-Status"), "stale") {
			t.Errorf("got %s %q, %q", a.Status, a.body, a.Header)
		}
	}
	if first.body != fresh.body || first.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s %q, %q", first.Status, first.body, first.Header)
	}
	if n := u.Requests(list); n != 1 {
		t.Errorf("the hanging upstream was asked %d times", n)
	}
}

// TestPeer25AllVersions: another proxy loses some of what it has where its listing goes over several pages. Here a list of
// many versions comes as the upstream gave it.
func TestPeer25AllVersions(t *testing.T) {
	t.Parallel()
	u := proxytest.New(t)
	var list strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&list, "v1.%d.%d\n", i%100, i/100)
	}
	u.Fail("example.com/many/@v/list", proxytest.Status(200, list.String()))
	hv := serve(t, u.URL)
	if a := hv.get("example.com/many/@v/list"); a.body != list.String() {
		t.Errorf("got %d bytes, want %d", len(a.body), list.Len())
	}
	hv.stop()
	u.Refuse()
	again := serveOver(t, hv.state, u.URL)
	if a := again.get("example.com/many/@v/list"); a.body != list.String() {
		t.Errorf("after a restart: got %s %.300q, want %d bytes", a.Status, a.body, list.Len())
	}
}
