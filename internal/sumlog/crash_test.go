package sumlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A faulty disk ends at some operation: that one and all after it fail, as for a process that is no more.
type faulty struct {
	mu   sync.Mutex
	left int      // operations until the end; negative: no end
	log  []string // what was done
}

var errEnd = errors.New("the end")

func (f *faulty) do(op, name string, run func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		return errEnd
	}
	f.left--
	f.log = append(f.log, op+" "+name)
	return run()
}

func (f *faulty) operations(dir string) operations {
	rel := func(name string) string {
		r, _ := filepath.Rel(dir, name)
		if strings.HasPrefix(r, tmpDir) {
			r = tmpDir
		}
		return filepath.ToSlash(r)
	}
	return operations{
		sync:    func(file *os.File) error { return f.do("sync", rel(file.Name()), file.Sync) },
		syncDir: func(dir string) error { return f.do("syncdir", rel(dir), func() error { return syncDir(dir) }) },
		link:    func(a, b string) error { return f.do("link", rel(b), func() error { return os.Link(a, b) }) },
		rename:  func(a, b string) error { return f.do("rename", rel(b), func() error { return os.Rename(a, b) }) },
		remove:  func(name string) error { return f.do("remove", rel(name), func() error { return os.RemoveAll(name) }) },
	}
}

// TestBrokenOffAnywhere breaks an append off at each of its operations, and the recovery from that at one of its own. The
// next process continues the log: no head is taken back, no number changes, and what was under a head stays.
func TestBrokenOffAnywhere(t *testing.T) {
	key := newKey(t)
	good := memoryDir(t)
	l := mustOpen(t, good, key)
	mustAppend(t, l, recs(0, 250))
	l.Close()
	for end := 0; ; end++ {
		dir := filepath.Join(memoryDir(t), "log")
		if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
			t.Fatal(err)
		}
		f := newFollower(t, key, fromDir(dir))
		f.see()
		broken := &faulty{left: -1}
		l, err := open(dir, key, broken.operations(dir))
		if err != nil {
			t.Fatal(err)
		}
		broken.left = end
		ids, err := l.Append(t.Context(), recs(250, 260))
		if err == nil && len(ids) == 10 && broken.left != 0 {
			if end < 30 {
				t.Errorf("an append has but %d operations", end)
			}
			return // it is past them all
		}
		if err != nil && !errors.Is(err, errEnd) {
			t.Fatalf("end %d: %v", end, err)
		}
		f.see()
		again := &faulty{left: end % 17}
		if _, err := open(dir, key, again.operations(dir)); err != nil && !errors.Is(err, errEnd) {
			t.Fatalf("end %d: the recovery: %v", end, err)
		}
		f.see()
		continues(t, dir, key, f, end)
	}
}

// TestFailsAndGoesOn: a disk that fails at some operation and works again, as one that was full, costs an error and no
// more. The same Log goes on, and the same call succeeds.
func TestFailsAndGoesOn(t *testing.T) {
	dir := memoryDir(t)
	f := &faulty{left: -1}
	key := newKey(t)
	l, err := open(dir, key, f.operations(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := newFollower(t, key, fromLog(l))
	failed := 0
	for i := range 100 {
		f.left = i % 40
		rs := recs(7*i, 7*i+7)
		if _, err := l.Append(t.Context(), rs); err != nil && !errors.Is(err, errEnd) {
			t.Fatal(err)
		} else if err != nil {
			failed++
		}
		seen.see()
		f.left = -1
		if ids := mustAppend(t, l, rs); ids[0] != int64(7*i) || ids[6] != int64(7*i+6) {
			t.Fatalf("got %v, want 7 from %d", ids, 7*i)
		}
		seen.see()
	}
	if failed < 50 {
		t.Errorf("%d of 100 appends failed", failed)
	}
	seen.proveAll()
	mustAppend(t, l, recs(700, 701)) // completes what failed behind the head
	if _, err := Audit(t.Context(), fromDir(dir), l.Verifier(), AuditOptions{}); err != nil {
		t.Error(err)
	}
	for i := range 701 {
		name, _ := lookupName(rec(i).Version)
		if b, err := fromDir(dir)(t.Context(), name); err != nil || !strings.HasPrefix(string(b), fmt.Sprintf("%d\n", i)) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// continues opens what was broken off and wants it to go on well.
func continues(t *testing.T, dir, key string, f *follower, end int) {
	t.Helper()
	l := mustOpen(t, dir, key)
	f.see()
	if n := l.Size(); n != 250 && n != 260 {
		t.Fatalf("end %d: %d records", end, n)
	}
	mustAppend(t, l, recs(255, 300))
	f.see()
	mustAppend(t, l, recs(240, 300))
	f.proveAll()
	for i := range 250 {
		if id, err := l.idOf(rec(i)); err != nil || id != int64(i) {
			t.Fatalf("end %d: record %d is %d, %v", end, i, id, err)
		}
	}
	if _, err := Audit(t.Context(), fromDir(dir), l.Verifier(), AuditOptions{}); err != nil {
		t.Fatalf("end %d: %v", end, err)
	}
	for i := range 300 {
		name, _ := lookupName(rec(i).Version)
		want, err := answer(l, name)
		got, gerr := fromDir(dir)(context.Background(), name)
		if err != nil || gerr != nil || !bytes.Equal(before(got), before(want)) {
			t.Fatalf("end %d: %s: a static server answers %q, %v; want %q, %v", end, name, got, gerr, want, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, tmpDir)); err != nil || len(left) > 0 {
		t.Errorf("end %d: left: %v, %v", end, left, err)
	}
}

// before returns a lookup's record, without the head.
func before(b []byte) []byte {
	r, _, _ := bytes.Cut(b, []byte("\n\n"))
	return r
}

// TestOrder: a step begins when those it stands on last. A kill cannot show it.
func TestOrder(t *testing.T) {
	dir := memoryDir(t)
	f := &faulty{left: -1}
	l, err := open(dir, newKey(t), f.operations(dir))
	if err != nil {
		t.Fatal(err)
	}
	f.log = nil
	mustAppend(t, l, recs(0, 300))
	defer l.Close()
	stage := 0
	dirty := map[string]bool{} // directories with names that do not last yet
	for _, op := range f.log {
		verb, name, _ := strings.Cut(op, " ")
		want := 0
		switch {
		case name == pending && verb == "rename":
			want = 1
		case strings.HasPrefix(name, "tile/") && verb == "link":
			want = 2
		case name == latest:
			want = 3
		case strings.HasPrefix(name, lookupDir) && verb == "link":
			want = 4
		case verb == "remove":
			want = 5
		}
		if want < stage && want > 0 {
			t.Fatalf("%s after a later step:\n%s", op, strings.Join(f.log, "\n"))
		}
		if want > stage {
			if len(dirty) > 0 {
				t.Fatalf("%s while names in %v do not last:\n%s", op, dirty, strings.Join(f.log, "\n"))
			}
			stage = want
		}
		switch verb {
		case "link", "rename":
			dirty[filepath.ToSlash(filepath.Dir(name))] = true
		case "syncdir":
			delete(dirty, name)
		}
	}
	if stage != 5 || f.log[len(f.log)-1] != "remove "+pending {
		t.Errorf("stage %d, the last is %s", stage, f.log[len(f.log)-1])
	}
	for _, dir := range []string{"tile/8/0", "tile/8", "tile", "lookup/corp.example/!team", "lookup/corp.example", "lookup", "."} {
		if !strings.Contains(strings.Join(f.log, "\n")+"\n", "syncdir "+dir+"\n") {
			t.Errorf("%s was never synced", dir)
		}
	}
}

const (
	victimVar    = "MODHAVEN_TEST_SUMLOG"
	victimKeyVar = "MODHAVEN_TEST_SUMLOG_KEY"
)

// victim appends to a log until it is killed. It says what it does, and which records have been appended.
func victim(dir string) int {
	say := func(op string) { fmt.Println(op) }
	ops := operations{
		sync:    func(f *os.File) error { say("."); return f.Sync() },
		syncDir: func(dir string) error { say("."); return syncDir(dir) },
		link:    func(a, b string) error { say("."); return os.Link(a, b) },
		rename:  func(a, b string) error { say("."); return os.Rename(a, b) },
		remove:  func(name string) error { say("."); return os.RemoveAll(name) },
	}
	l, err := open(dir, os.Getenv(victimKeyVar), ops)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	for {
		from := int(l.Size())
		rs := recs(from, from+1+rand.IntN(40))
		ids, err := l.Append(context.Background(), rs)
		if err != nil || ids[0] != int64(from) {
			fmt.Println("error:", ids, err)
			return 1
		}
		fmt.Println("appended", from+len(rs))
	}
}

// TestKilled kills a process 200 times at random moments of appends. A follower keeps every head it saw; each one
// continues those before, and nothing that Append returned is lost.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir, key := memoryDir(t), newKey(t)
	f := newFollower(t, key, fromDir(dir))
	r := rand.New(rand.NewPCG(3, 4))
	appended, recovered := 0, 0
	for kill := range 200 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), victimVar+"="+dir, victimKeyVar+"="+key)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		said := func() {
			if s := lines.Text(); strings.HasPrefix(s, "error:") {
				t.Errorf("kill %d: %s", kill, s)
			}
			fmt.Sscanf(lines.Text(), "appended %d", &appended)
		}
		for range 1 + r.IntN(400) {
			if !lines.Scan() {
				t.Fatalf("kill %d: it ended by itself", kill)
			}
			said()
		}
		cmd.Process.Kill()
		for lines.Scan() {
			said() // what it said before it died
		}
		cmd.Wait()
		if _, err := os.Stat(filepath.Join(dir, pending)); err == nil {
			recovered++
		}
		if _, err := os.Stat(filepath.Join(dir, latest)); err != nil {
			continue // the first kill came early
		}
		f.see()
		if n := f.heads[len(f.heads)-1].N; n < int64(appended) {
			t.Fatalf("kill %d: %d records were appended, the head has %d", kill, appended, n)
		}
		if t.Failed() {
			return
		}
	}
	l := mustOpen(t, dir, key)
	f.see()
	f.proveAll()
	for i := range int(l.Size()) {
		name, _ := lookupName(rec(i).Version)
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if want := fmt.Sprintf("%d\n%s", i, rec(i).Text); err != nil || !strings.HasPrefix(string(b), want) {
			t.Fatalf("%s: %q, %v; want %q", name, b, err, want)
		}
	}
	if _, err := Audit(t.Context(), fromDir(dir), l.Verifier(), AuditOptions{}); err != nil {
		t.Fatal(err)
	}
	if recovered < 20 {
		t.Errorf("%d of 200 kills left an append to complete: the moments are not at random", recovered)
	}
	t.Logf("%d records, %d heads seen, %d of 200 kills left an append to complete", l.Size(), len(f.heads), recovered)
}
