package proxy

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A site is modules by "path@version", each with what its .mod says after the module line. All have the same content else.
type site map[string]string

func (st site) content() func(goproxy.File) []byte {
	other := filler(1000)
	return func(f goproxy.File) []byte {
		mod, ok := st[f.Version.String()]
		switch {
		case !ok:
			return nil
		case f.Kind == goproxy.Mod:
			return fmt.Appendf(nil, "module %s\n%s", f.Path, mod)
		}
		return other(f)
	}
}

// parse reads "path@v1.0.0.mod".
func parse(t *testing.T, name string) goproxy.File {
	t.Helper()
	i := strings.LastIndexByte(name, '.')
	path, version, _ := strings.Cut(name[:i], "@")
	kind := slices.Index([]string{goproxy.Info: "info", goproxy.Mod: "mod", goproxy.Zip: "zip"}, name[i+1:])
	if kind < 0 {
		t.Fatalf("%s is no file", name)
	}
	return goproxy.File{Version: module.Version{Path: path, Version: version}, Kind: goproxy.Kind(kind)}
}

// An aheadLab is a Service that fetches ahead from a fake, and a client of it.
type aheadLab struct {
	*Service
	t    *testing.T
	fake *fake
	ctx  context.Context
}

func newAheadLab(t *testing.T, f *fake, o Options) *aheadLab {
	o.Fetcher, o.Spool = f, t.TempDir()
	if o.Ahead == nil {
		o.Ahead = func(path string) bool { return !strings.HasPrefix(path, "private.example/") }
	}
	return &aheadLab{newService(t, o), t, f, goproxy.WithClient(t.Context(), "192.0.2.1")}
}

// asks asks for files, one after the other, or for "path/@v/list", and waits until all that follows is over.
func (l *aheadLab) asks(names ...string) {
	l.t.Helper()
	for _, name := range names {
		if path, ok := strings.CutSuffix(name, "/@v/list"); ok {
			if _, _, err := all(l.List(l.ctx, path)); err != nil {
				l.t.Error(err)
			}
			continue
		}
		if _, _, err := get(l.ctx, l, parse(l.t, name)); err != nil {
			l.t.Error(err)
		}
	}
	synctest.Wait()
}

// fetched returns what the upstream was asked for, sorted, without what is in but.
func (l *aheadLab) fetched(but ...string) (names []string) {
	l.fake.mu.Lock()
	defer l.fake.mu.Unlock()
	for _, what := range l.fake.asked {
		if name, ok := strings.CutPrefix(what, "fetch "); ok && !slices.Contains(but, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// small has modules that require each other in all ways that matter: "old" ones do not prune their graph.
var small = site{
	"a.example/new@v1.0.0":     "go 1.21\nrequire (\n a.example/new2 v1.0.0\n a.example/new3 v1.0.0 // indirect\n)\n",
	"a.example/new@v1.0.1":     "go 1.21\nrequire a.example/new2 v1.0.1\n",
	"a.example/new2@v1.0.1":    "go 1.17\n",
	"a.example/new2@v1.0.0":    "go 1.17\nrequire a.example/new3 v1.0.0\n",
	"a.example/new3@v1.0.0":    "go 1.21rc1\n",
	"a.example/old@v1.0.0":     "go 1.16\nrequire a.example/new v1.0.0\n",
	"a.example/older@v1.0.0":   "require a.example/old v1.0.0\n",
	"a.example/odd@v1.0.0":     "go 1.16\nrequire a.example/old master\nrequire a.example/none v0.0.1\n",
	"a.example/lost@v1.0.0":    "go 1.16\nrequire a.example/none v0.0.1\n",
	"a.example/broken@v1.0.0":  "go 1.16\nrequire (\n",
	"private.example/m@v1.0.0": "go 1.16\nrequire (\n a.example/new3 v1.0.0\n private.example/n v1.0.0\n)\n",
	"private.example/n@v1.0.0": "",
	"a.example/inside@v1.0.0":  "go 1.16\nrequire private.example/m v1.0.0\n",
}

func TestAhead(t *testing.T) {
	below := []string{"a.example/new2@v1.0.0.mod", "a.example/new3@v1.0.0.mod"}
	for _, test := range []struct {
		name string
		asks []string
		want []string // fetched beside
	}{
		{"a .mod that prunes: what it names itself", []string{"a.example/new@v1.0.0.mod"}, below[:1]},
		{"a .mod that prunes, and what it names", []string{"a.example/new@v1.0.0.mod", below[0]}, below[1:]},
		{"a .mod that prunes, below one that does not", []string{"a.example/old@v1.0.0.mod", "a.example/new@v1.0.0.mod"}, below},
		{"what is not newer than what was asked for", []string{"a.example/new2@v1.0.1.mod", "a.example/new@v1.0.0.mod"}, nil},
		{"what is not newer than what was fetched ahead", []string{"a.example/new@v1.0.1.mod", "a.example/new@v1.0.0.mod"}, []string{"a.example/new2@v1.0.1.mod"}},
		{"a .mod that does not", []string{"a.example/old@v1.0.0.mod"}, append([]string{"a.example/new@v1.0.0.mod"}, below...)},
		{"a .mod without a go line", []string{"a.example/older@v1.0.0.mod"}, append([]string{"a.example/new@v1.0.0.mod"}, append(below, "a.example/old@v1.0.0.mod")...)},
		{"an .info alone: go get", []string{"a.example/new@v1.0.0.info"}, append([]string{"a.example/new@v1.0.0.mod"}, below...)},
		{"a .zip alone: go build", []string{"a.example/new@v1.0.0.zip"}, []string{"a.example/new@v1.0.0.mod"}},
		{"a .mod, then a .zip", []string{"a.example/new@v1.0.0.mod", "a.example/new@v1.0.0.zip"}, below[:1]},
		{"what is no version", []string{"a.example/odd@v1.0.0.mod"}, nil},
		{"what does not exist", []string{"a.example/lost@v1.0.0.mod"}, []string{"a.example/none@v0.0.1.mod"}},
		{"a .mod that cannot be read", []string{"a.example/broken@v1.0.0.mod"}, nil},
		{"a private .mod", []string{"private.example/m@v1.0.0.mod"}, nil},
		{"nothing private is guessed", []string{"a.example/inside@v1.0.0.mod"}, nil},
		{"a private .info", []string{"private.example/m@v1.0.0.info"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newAheadLab(t, serving(t, small.content()), Options{})
				for _, name := range test.asks {
					l.asks(name) // and all that follows is over, before the next
				}
				slices.Sort(test.want)
				if got := l.fetched(test.asks...); !slices.Equal(got, test.want) {
					t.Errorf("fetched ahead:\n%q\nwant\n%q", got, test.want)
				}
			})
		})
	}
}

// wide is n modules that require nothing.
func wide(n int) (st site, versions []string) {
	st = site{}
	for i := range n {
		v := fmt.Sprintf("b.example/m%02d@v1.0.0", i)
		st[v] = "go 1.24\n"
		versions = append(versions, v)
	}
	return st, versions
}

func each(versions []string, suffix string) (names []string) {
	for _, v := range versions {
		names = append(names, v+suffix)
	}
	return names
}

// TestAheadDownload asks as "go mod download" does: all .mod files, all .info files, all zips.
func TestAheadDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, versions := wide(20)
		st["b.example/m03@v0.9.0"] = "go 1.24\n" // read in the graph, and not in the build list
		l := newAheadLab(t, serving(t, st.content()), Options{})
		mods := append(each(versions, ".mod"), "b.example/m03@v0.9.0.mod")
		l.asks(mods...)
		if got := l.fetched(mods...); got != nil {
			t.Errorf("after the .mod files, fetched: %q", got)
		}
		infos := each(versions, ".info")
		l.asks(infos[:2]...)
		if got := l.fetched(append(mods, infos[:2]...)...); got != nil {
			t.Errorf("after two .info files, fetched: %q", got)
		}
		l.asks(infos[2])
		if got, want := l.fetched(append(mods, infos[:3]...)...), infos[3:]; !slices.Equal(got, want) {
			t.Errorf("after three .info files, fetched:\n%q\nwant\n%q", got, want)
		}
		l.asks(infos[3:8]...)
		if got := l.fetched(append(mods, infos...)...); got != nil {
			t.Errorf("after eight .info files, fetched: %q", got)
		}
		l.asks(infos[8:]...)
		if got, want := l.fetched(append(mods, infos...)...), each(versions, ".zip"); !slices.Equal(got, want) {
			t.Errorf("after the .info files, fetched:\n%q\nwant\n%q", got, want)
		}
		before := len(l.fetched())
		l.asks(each(versions, ".zip")...)
		if n := len(l.fetched()); n != before {
			t.Errorf("%d files were fetched twice", n-before)
		}
		st2 := l.Load().Ahead
		if st2.Files != 17+20 || st2.AskedFiles != st2.Files || st2.AskedBytes != st2.Bytes || st2.Running+st2.Waiting != 0 {
			t.Errorf("%+v; want 37 files, all asked for but %v", st2, slices.Collect(maps.Keys(l.ahead.unasked)))
		}
	})
}

// TestAheadSmallDownload has too few .info files to tell: the first zip does.
func TestAheadSmallDownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, versions := wide(4)
		l := newAheadLab(t, serving(t, st.content()), Options{})
		asked := append(each(versions, ".mod"), each(versions, ".info")...)
		l.asks(asked...)
		l.asks(versions[0] + ".zip")
		if got, want := l.fetched(asked...), each(versions, ".zip"); !slices.Equal(got, want) {
			t.Errorf("fetched %q, want %q", got, want)
		}
	})
}

// TestAheadUpdates asks as "go list -m -u all" does, which needs no zip.
func TestAheadUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, versions := wide(30)
		f := serving(t, st.content())
		f.list = func(context.Context, string) (*goproxy.Content, error) { return text("v1.0.0\n"), nil }
		l := newAheadLab(t, f, Options{})
		l.asks(each(versions, ".mod")...)
		for _, v := range versions {
			path, _, _ := strings.Cut(v, "@")
			l.asks(v+".info", path+"/@v/list")
		}
		for _, name := range l.fetched() {
			if strings.HasSuffix(name, ".zip") {
				t.Errorf("fetched %s", name)
			}
		}
	})
}

// TestAheadJoined has a client ask for what is being fetched ahead: it is fetched once, and from then on urgent.
func TestAheadJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var urgent <-chan struct{}
		pass := make(chan struct{})
		f := serving(t, small.content())
		fetch := f.fetch
		f.fetch = func(ctx context.Context, file goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
			if file.Kind == goproxy.Mod {
				urgent = goproxy.Urgent(ctx)
				<-pass
			} else if goproxy.Urgent(ctx) != nil {
				t.Errorf("%s: a client waits for it, and it is not urgent", file)
			}
			return fetch(ctx, file, dst)
		}
		l := newAheadLab(t, f, Options{})
		l.asks("a.example/new3@v1.0.0.zip")
		if urgent == nil {
			t.Fatal("a file that nobody has asked for is urgent")
		}
		a := ask(t, l.Service, parse(t, "a.example/new3@v1.0.0.mod"))
		synctest.Wait()
		select {
		case <-urgent:
		default:
			t.Error("a client waits for it, and it is not urgent")
		}
		close(pass)
		<-a.done
		if st := l.Load().Ahead; a.err != nil || l.fake.requests() != 2 || st.AskedFiles != 1 || st.Files != 1 {
			t.Errorf("%v, %+v", a.err, st)
		}
	})
}

// TestAheadFails has an upstream fail what nobody has asked for, again and again: whoever asks meanwhile has it asked again, and nothing
// more is fetched ahead for a while.
func TestAheadFails(t *testing.T) {
	for _, joined := range []bool{true, false} {
		t.Run(fmt.Sprint("joined ", joined), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, versions := wide(100)
				pass, failed := make(chan struct{}), map[goproxy.File]bool{}
				f := serving(t, st.content())
				fetch := f.fetch
				f.fetch = func(ctx context.Context, file goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
					if goproxy.Urgent(ctx) != nil {
						<-pass
						failed[file] = true
						return goproxy.Meta{}, &goproxy.Unavailable{From: from, Reason: "out of order"}
					}
					return fetch(ctx, file, dst)
				}
				ev := &events{}
				l := newAheadLab(t, f, Options{Recorder: ev})
				l.asks(versions[0] + ".zip")
				mod := parse(t, versions[0]+".mod")
				var a *asking
				if joined {
					a = ask(t, l.Service, mod)
					synctest.Wait()
				}
				close(pass)
				synctest.Wait()
				if !failed[mod] || len(ev.of(Failed)) != 0 {
					t.Errorf("failed: %v, told: %v", failed, ev.of(Failed))
				}
				if joined {
					if <-a.done; a.err != nil || !bytes.Equal(a.b, st.content()(mod)) {
						t.Errorf("%q, %v", a.b, a.err)
					}
					return
				}
				wantFile(t, l.Service, mod, st.content()(mod))
				tried := func(i int) bool {
					l.asks(versions[i] + ".zip")
					return failed[parse(t, versions[i]+".mod")]
				}
				for i := 1; i < fewFailures; i++ {
					if !tried(i) {
						t.Errorf("after %d failures nothing is fetched ahead", i)
					}
				}
				if tried(fewFailures) {
					t.Errorf("after %d failures in a row a file was fetched ahead", fewFailures)
				}
				time.Sleep(afterTrouble)
				if !tried(fewFailures + 1) {
					t.Error("nothing is fetched ahead any more")
				}
			})
		})
	}
}

// TestAheadGone has a client leave: what waits for it is dropped, and all is forgotten one day.
func TestAheadGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3 * smallAhead
		var root strings.Builder
		root.WriteString("go 1.16\n")
		st, versions := wide(n)
		for _, v := range versions {
			path, version, _ := strings.Cut(v, "@")
			fmt.Fprintf(&root, "require %s %s\n", path, version)
		}
		st["b.example/root@v1.0.0"] = root.String()
		f := serving(t, st.content())
		fetch, pass := f.fetch, make(chan struct{})
		f.fetch = func(ctx context.Context, file goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
			if goproxy.Urgent(ctx) != nil {
				<-pass
			}
			return fetch(ctx, file, dst)
		}
		l := newAheadLab(t, f, Options{})
		l.asks("b.example/root@v1.0.0.mod")
		if st := l.Load().Ahead; st.Running != smallAhead || st.Waiting != n-smallAhead {
			t.Errorf("%+v; want %d running of %d", st, smallAhead, n)
		}
		time.Sleep(clientGone + time.Second)
		close(pass)
		synctest.Wait()
		if st := l.Load().Ahead; st.Files != smallAhead || st.Running+st.Waiting != 0 || st.AskedFiles+st.UnaskedFiles != 0 {
			t.Errorf("%+v; want %d files, and the others dropped", st, smallAhead)
		}
		time.Sleep(unaskedFor + 2*clientGone)
		synctest.Wait()
		if st := l.Load().Ahead; st.UnaskedFiles != smallAhead || l.ahead.awake.Load() != 0 || len(l.ahead.sessions)+len(l.ahead.unasked) != 0 {
			t.Errorf("%+v; want all forgotten", st)
		}
	})
}

// TestAheadNoFetch has a client ask for what is stored and nothing else: nothing is fetched because of that.
func TestAheadNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newAheadLab(t, serving(t, small.content()), Options{})
		l.asks("a.example/new3@v1.0.0.mod", "a.example/old@v1.0.0.zip")
		before := l.fetched()
		l.ctx = goproxy.WithoutFetch(l.ctx)
		l.asks("a.example/old@v1.0.0.zip", "a.example/old@v1.0.0.mod")
		if got := l.fetched(); !slices.Equal(got, before) {
			t.Errorf("fetched %q, before it %q", got, before)
		}
	})
}

// TestAheadLong has an address from which more comes than is remembered: what comes then is thought ahead too.
func TestAheadLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newAheadLab(t, serving(t, small.content()), Options{})
		l.asks("a.example/new3@v1.0.0.mod")
		l.ahead.mu.Lock()
		for i := range maxGuesses {
			l.ahead.sessions["192.0.2.1"].guessed[mkFile(fmt.Sprint("a.example/", i), "v1.0.0", goproxy.Mod)] = 1
		}
		l.ahead.mu.Unlock()
		l.asks("a.example/new@v1.0.0.zip")
		if got := l.fetched("a.example/new3@v1.0.0.mod", "a.example/new@v1.0.0.zip"); !slices.Equal(got, []string{"a.example/new@v1.0.0.mod"}) {
			t.Errorf("fetched ahead: %q", got)
		}
	})
}

// TestAheadShares has two clients share what is fetched ahead at once.
func TestAheadShares(t *testing.T) {
	l := lane{index: smallLane, most: 1}
	var a, b session
	for i, by := range []*session{&a, &b} {
		for range 3 {
			by.queues[smallLane] = append(by.queues[smallLane], guess{file: mkFile("example.com/m", fmt.Sprint("v", i), goproxy.Mod), by: by})
		}
		l.turns = append(l.turns, by)
	}
	var got []string
	for len(l.turns) > 0 {
		got = append(got, l.next().file.Version.Version)
	}
	if want := []string{"v0", "v1", "v0", "v1", "v0", "v1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestAheadClosed closes a Service with much to do.
func TestAheadClosed(t *testing.T) {
	st, versions := wide(50)
	l := newAheadLab(t, serving(t, st.content()), Options{})
	for _, v := range versions {
		if _, _, err := get(l.ctx, l, parse(t, v+".zip")); err != nil {
			t.Error(err)
		}
	}
	l.Close()
	if st := l.Load().Ahead; st.Running+st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

func TestHasRoom(t *testing.T) {
	for _, test := range []struct {
		free, all int64
		want      bool
	}{
		{10 << 30, 1 << 50, true}, {9 << 30, 1 << 40, false}, {9 << 30, 100 << 30, true}, {800 << 10, 12 << 20, false}, {11 << 20, 12 << 20, false}, {1 << 30, 2 << 30, true}, {0, 1 << 40, false},
	} {
		if got := hasRoom(test.free, test.all); got != test.want {
			t.Errorf("%d of %d bytes free: %v", test.free, test.all, got)
		}
	}
}

func FuzzRequirements(f *testing.F) {
	for _, mod := range small {
		f.Add([]byte("module a.example/m\n" + mod))
	}
	f.Fuzz(func(t *testing.T, mod []byte) {
		for _, g := range requirements(mod, oneLevel) {
			if err := module.Check(g.file.Path, g.file.Version.Version); err != nil || g.file.Kind != goproxy.Mod {
				t.Errorf("%v: %v", g.file, err)
			}
		}
	})
}

// TestAheadHits: who asks only for what is stored is not thought ahead for: these are most requests.
func TestAheadHits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, versions := wide(2)
		l := newAheadLab(t, serving(t, st.content()), Options{})
		l.asks(versions[0] + ".mod")
		for range 3 * int(clientGone/time.Second) {
			time.Sleep(time.Second)
			l.asks(versions[0] + ".mod")
		}
		if n := l.ahead.awake.Load(); n != 0 {
			t.Errorf("%d sessions or files are thought of after %v of hits", n, 3*clientGone)
		}
	})
}

// TestAheadGoesOn has one file of a graph fail ahead: the others come all the same, and once a client has asked for it, those below it too.
func TestAheadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := serving(t, small.content())
		fetch := f.fetch
		f.fetch = func(ctx context.Context, file goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
			if file.Path == "a.example/old" && goproxy.Urgent(ctx) != nil {
				return goproxy.Meta{}, &goproxy.Unavailable{From: from, Reason: "503"}
			}
			return fetch(ctx, file, dst)
		}
		l := newAheadLab(t, f, Options{})
		older, old := "a.example/older@v1.0.0.mod", "a.example/old@v1.0.0.mod"
		l.asks(older)
		if got := l.fetched(older, old); got != nil {
			t.Errorf("below a file that failed %q was fetched", got)
		}
		l.asks(old)
		if got, want := l.fetched(older, old), []string{"a.example/new2@v1.0.0.mod", "a.example/new3@v1.0.0.mod", "a.example/new@v1.0.0.mod"}; !slices.Equal(got, want) {
			t.Errorf("fetched\n%q\nwant\n%q", got, want)
		}
	})
}
