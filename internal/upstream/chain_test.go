package upstream_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// says is the transport of an upstream that always says the same, and counts who asks.
type says struct {
	name, what string
	log        *[]string
}

// outcomes are what one upstream can say, as statuses; 0 is trouble with the network.
var outcomes = map[string]int{"ok": 200, "404": 404, "410": 410, "403": 403, "unavailable": 503, "refused": 0, "wrong": 200, "unknown": 418}

func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	*s.log = append(*s.log, s.name+" "+strings.TrimPrefix(r.URL.Path, "/"))
	resp := &http.Response{StatusCode: outcomes[s.what], Header: http.Header{"Content-Type": {"text/plain"}}, Request: r, ProtoMajor: 1, ProtoMinor: 1}
	body := s.what
	switch s.what {
	case "refused":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case "wrong":
		resp.Header.Set("Content-Type", "text/html")
	case "ok":
		body = plain(r.URL.Path)
	}
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return resp, nil
}

// plain is what an upstream has of the module example.com/plain.
func plain(name string) string {
	switch path.Ext(name) {
	case ".mod":
		return "module example.com/plain\n"
	case ".zip":
		return "PK a zip"
	case "":
		if strings.HasSuffix(name, "/list") {
			return "v1.0.0\n"
		}
	}
	return `{"Version":"v1.0.0"}`
}

// A list is a chain in words: "404,ok|403" and its end.
type list struct {
	says  []string
	pipes []bool // after each, but the last one's means nothing
	end   string
}

func (l list) String() string {
	var b strings.Builder
	for i, s := range l.says {
		b.WriteString(s)
		if l.end != "" || i < len(l.says)-1 {
			b.WriteString(map[bool]string{true: "|", false: ","}[l.pipes[i]])
		}
	}
	return b.String() + l.end
}

func (l list) chain(t *testing.T, log *[]string, o upstream.ChainOptions) *upstream.Chain {
	p := newPool(t, upstream.PoolOptions{Patience: -1})
	var entries []upstream.Entry
	for i, s := range l.says {
		name := fmt.Sprintf("u%d", i)
		entries = append(entries, upstream.Entry{Upstream: add(t, p, "http://"+name, says{name, s, log}, once), AnyError: l.pipes[i]})
	}
	o.End = l.end
	return p.Chain(entries, o)
}

// goCommand is what the go command does with such a list (cmd/go/internal/modfetch.TryProxies): who is asked, who
// answers, and, where nobody does, whether that is absence.
func (l list) goCommand() (asked int, ok, absent bool) {
	absent = true
	for i, s := range l.says {
		if s == "ok" {
			return i + 1, true, false
		}
		notExist := s == "404" || s == "410"
		absent = absent && notExist
		if !l.pipes[i] && !notExist {
			return i + 1, false, false
		}
	}
	return len(l.says), false, absent
}

// lists are all lists of one to three entries.
func lists(yield func(list) bool) {
	var grow func(l list, n int) bool
	grow = func(l list, n int) bool {
		if n == 0 {
			return yield(l)
		}
		for s := range outcomes {
			for _, pipe := range []bool{false, true} {
				next := list{append(slices.Clone(l.says), s), append(slices.Clone(l.pipes), pipe), l.end}
				if !grow(next, n-1) {
					return false
				}
			}
		}
		return true
	}
	for n := 1; n <= 3; n++ {
		for _, end := range []string{"", goproxy.Direct, goproxy.Off} {
			if !grow(list{end: end}, n) {
				return
			}
		}
	}
}

// TestChainIsAGOPROXYList compares every list of up to three upstreams with the rules of the go command. Two things
// are Modhaven's own: after off nobody may go on elsewhere, and direct repeats the absence that led there.
func TestChainIsAGOPROXYList(t *testing.T) {
	n := 0
	ops := operations()
	for l := range lists {
		asked, ok, absent := l.goCommand()
		if n++; n > 1000 { // the operations differ in nothing but the method called
			ops = ops[:1]
		}
		for _, op := range ops {
			var log []string
			err := op.do(t.Context(), l.chain(t, &log, upstream.ChainOptions{}))
			if n := upstreamsIn(log); n != asked {
				t.Fatalf("%s, %s: %d upstreams were asked, want %d", l, op.name, n, asked)
			}
			if (err == nil) != ok {
				t.Fatalf("%s, %s: got %v, want an answer: %t", l, op.name, err, ok)
			}
			want := absent && l.end != goproxy.Off
			if isAbsent := strings.HasPrefix(kind(err), "absent"); isAbsent != want {
				t.Fatalf("%s, %s: got %s, want absence: %t", l, op.name, kind(err), want)
			}
			if absent && l.end == goproxy.Off && kind(err) != "refused 403" {
				t.Fatalf("%s, %s: got %s, want refused 403", l, op.name, kind(err))
			}
		}
	}
	if each := 2 * len(outcomes); n != 3*(each+each*each+each*each*each) {
		t.Errorf("%d lists were tried", n)
	}
}

// upstreamsIn counts who was asked: for the latest version one may be asked for its list too.
func upstreamsIn(log []string) int {
	names := map[string]bool{}
	for _, l := range log {
		name, _, _ := strings.Cut(l, " ")
		names[name] = true
	}
	return len(names)
}

// TestAbsenceKeepsTheFirstWords: of several absences the first upstream's status and words are repeated.
func TestAbsenceKeepsTheFirstWords(t *testing.T) {
	for _, l := range []list{
		{[]string{"410", "404"}, []bool{false, false}, ""},
		{[]string{"410", "404"}, []bool{true, true}, goproxy.Direct},
		{[]string{"410"}, []bool{false}, goproxy.Direct},
	} {
		_, err := l.chain(t, new([]string), upstream.ChainOptions{}).List(t.Context(), "example.com/m")
		if kind(err) != "absent 410" || err.Error() != "410" {
			t.Errorf("%s: got %v, want the 410 itself", l, err)
		}
	}
}

// TestEmptyChain has lists that name nobody.
func TestEmptyChain(t *testing.T) {
	for end, want := range map[string]string{goproxy.Direct: "absent 404", goproxy.Off: "refused 403"} {
		for _, op := range operations() {
			err := op.do(t.Context(), newPool(t, upstream.PoolOptions{}).Chain(nil, upstream.ChainOptions{End: end}))
			if kind(err) != want || !strings.Contains(err.Error(), "example.com/plain") {
				t.Errorf("%s, %s: got %s (%v), want %s and the module's name", end, op.name, kind(err), err, want)
			}
		}
	}
}

func TestFailover(t *testing.T) {
	for failover, want := range map[bool][]string{false: {"u0"}, true: {"u0", "u1"}} {
		for _, path := range []string{"example.com/plain", "corp.example/secret"} {
			var log []string
			c := list{[]string{"unavailable", "ok"}, []bool{false, false}, ""}.chain(t, &log, upstream.ChainOptions{Failover: failover, Rules: goproxy.NewRules("corp.example", nil)})
			_, _ = c.List(t.Context(), path)
			asked := want
			if path == "corp.example/secret" { // a ',' guards it, whatever failover says
				asked = []string{"u0"}
			}
			for i := range asked {
				asked = slices.Replace(slices.Clone(asked), i, i+1, asked[i][:2]+" "+path+"/@v/list")
			}
			if !slices.Equal(log, asked) {
				t.Errorf("failover %t, %s: asked %q, want %q", failover, path, log, asked)
			}
		}
	}
}

// TestFetchStartsOver: what an upstream wrote before it failed is not part of what the next one writes.
func TestFetchStartsOver(t *testing.T) {
	s := &sink{}
	s.check = func(from string, _ []byte) error {
		if from == "http://u0" {
			return &goproxy.Wrong{Reason: "its hash differs"}
		}
		return nil
	}
	c := list{[]string{"ok", "404", "ok"}, []bool{true, true, true}, ""}.chain(t, new([]string), upstream.ChainOptions{})
	meta, err := c.Fetch(t.Context(), plainFile(goproxy.Zip), s)
	if err != nil || meta.From != "http://u2" || string(s.b) != plain(".zip") || s.resets != 1 {
		t.Errorf("got %+v, %v, %q after %d resets", meta, err, s.b, s.resets)
	}
}

// TestWrongFileIsTriedElsewhere: where the sink finds a file wrong, the next upstream may have the right one.
func TestWrongFileIsTriedElsewhere(t *testing.T) {
	for _, pipe := range []bool{false, true} {
		s := &sink{check: func(from string, b []byte) error {
			if from == "http://u0" {
				return &goproxy.Wrong{From: from, Reason: "its hash differs"}
			}
			return nil
		}}
		c := list{[]string{"ok", "ok"}, []bool{pipe, pipe}, ""}.chain(t, new([]string), upstream.ChainOptions{})
		_, err := c.Fetch(t.Context(), plainFile(goproxy.Zip), s)
		if want := map[bool]string{false: "wrong", true: "ok"}[pipe]; kind(err) != want {
			t.Errorf("with a pipe %t: got %s (%v), want %s", pipe, kind(err), err, want)
		}
	}
}

// TestEndedContextEndsTheChain: when the caller has gone, nobody else is asked.
func TestEndedContextEndsTheChain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, first := range []string{"unavailable", "404"} {
		var log []string
		c := list{[]string{first, "ok"}, []bool{true, true}, ""}.chain(t, &log, upstream.ChainOptions{})
		if _, err := c.List(ctx, "example.com/m"); err == nil || len(log) > 1 {
			t.Errorf("after %s: got %v, asked %q", first, err, log)
		}
	}
}

// A terminal is a Fetcher at the end of a list, which notes what it is asked.
type terminal struct{ log *[]string }

func (d terminal) note(path string) error {
	*d.log = append(*d.log, "direct "+path)
	return goproxy.Absent("not found, says direct")
}

func (d terminal) List(_ context.Context, path string) (*goproxy.Content, error) {
	return nil, d.note(path)
}

func (d terminal) Query(_ context.Context, path, _ string) (*goproxy.Content, error) {
	return nil, d.note(path)
}

func (d terminal) Stat(_ context.Context, f goproxy.File) (goproxy.Meta, error) {
	return goproxy.Meta{}, d.note(f.Path)
}

func (d terminal) Fetch(_ context.Context, f goproxy.File, _ goproxy.Sink) (goproxy.Meta, error) {
	return goproxy.Meta{}, d.note(f.Path)
}

// TestDirect: at the end of a list version control is asked for private modules, after the proxies that may have them, and for
// all where there is no proxy; not for what a public proxy does not have, nor after trouble, nor where the list has another end.
func TestDirect(t *testing.T) {
	const private, public = "corp.example/Secret", "example.com/plain"
	for _, test := range []struct {
		says   []string
		public bool // the entry
		end    string
		path   string
		want   []string
	}{
		{[]string{"404"}, false, goproxy.Direct, private, []string{"u0", "direct"}},
		{[]string{"404"}, true, goproxy.Direct, private, []string{"direct"}},
		{[]string{"404"}, true, goproxy.Direct, public, []string{"u0"}},
		{[]string{"ok"}, false, goproxy.Direct, private, []string{"u0"}},
		{[]string{"unavailable"}, false, goproxy.Direct, private, []string{"u0"}},
		{[]string{"404"}, false, goproxy.Off, private, []string{"u0"}},
		{[]string{"404"}, false, "", private, []string{"u0"}},
		{nil, false, goproxy.Direct, public, []string{"direct"}},
		{nil, false, goproxy.Direct, private, []string{"direct"}},
	} {
		for _, op := range []struct {
			name string
			do   func(*upstream.Chain) error
		}{
			{"list", func(c *upstream.Chain) error { _, err := c.List(t.Context(), test.path); return err }},
			{"query", func(c *upstream.Chain) error { _, err := c.Query(t.Context(), test.path, "main"); return err }},
			{"stat", func(c *upstream.Chain) error { _, err := c.Stat(t.Context(), fileOf(test.path)); return err }},
			{"fetch", func(c *upstream.Chain) error {
				_, err := c.Fetch(t.Context(), fileOf(test.path), &sink{})
				return err
			}},
		} {
			var log []string
			p := newPool(t, upstream.PoolOptions{Patience: -1})
			var entries []upstream.Entry
			for _, s := range test.says {
				entries = append(entries, upstream.Entry{Upstream: add(t, p, "http://u0", says{"u0", s, &log}, once), Public: test.public})
			}
			c := p.Chain(entries, upstream.ChainOptions{Rules: goproxy.NewRules("corp.example", nil), End: test.end, Direct: terminal{&log}})
			err := op.do(c)
			var asked []string
			for _, l := range log {
				who, _, _ := strings.Cut(l, " ")
				asked = append(asked, who)
			}
			if !slices.Equal(asked, test.want) {
				t.Errorf("%s of %s, list %v %s: asked %q (%v), want %q", op.name, test.path, test.says, test.end, log, err, test.want)
			}
		}
	}
}

func fileOf(path string) goproxy.File {
	return goproxy.File{Version: module.Version{Path: path, Version: "v1.0.0"}, Kind: goproxy.Mod}
}
