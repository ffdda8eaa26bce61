package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/upstream"
)

// says is a Fetcher that always says the same, and counts who asks.
type says struct {
	name string
	err  error
	log  *[]string
}

func (s says) asked(what string) error {
	*s.log = append(*s.log, s.name+" "+what)
	return s.err
}

func (s says) List(_ context.Context, path string) (*goproxy.Content, error) {
	return s.content(s.asked(path))
}

func (s says) Query(_ context.Context, path, query string) (*goproxy.Content, error) {
	return s.content(s.asked(path + "@" + query))
}

func (s says) content(err error) (*goproxy.Content, error) {
	if err != nil {
		return nil, err
	}
	return &goproxy.Content{Meta: goproxy.Meta{Size: 0, From: s.name}, Body: goproxy.NewBytes(nil)}, nil
}

func (s says) Stat(_ context.Context, f goproxy.File) (goproxy.Meta, error) {
	return goproxy.Meta{From: s.name}, s.asked(f.String())
}

func (s says) Fetch(ctx context.Context, f goproxy.File, dst goproxy.Sink) (goproxy.Meta, error) {
	if _, err := dst.WriteAt([]byte(s.name), 0); err != nil {
		return goproxy.Meta{}, err
	}
	if err := s.asked(f.String()); err != nil {
		return goproxy.Meta{}, err
	}
	return goproxy.Meta{From: s.name}, dst.Check(ctx, s.name)
}

// outcomes are what one upstream can say.
var outcomes = map[string]error{
	"ok":          nil,
	"404":         &goproxy.NotFound{Status: 404, Body: "no"},
	"410":         &goproxy.NotFound{Status: 410, Body: "gone"},
	"403":         &goproxy.Refused{Status: 403, Reason: "forbidden"},
	"unavailable": &goproxy.Unavailable{Reason: "down"},
	"wrong":       &goproxy.Wrong{Reason: "a page"},
	"unknown":     errors.New("something else"),
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

func (l list) chain(log *[]string) *upstream.Chain {
	c := &upstream.Chain{End: l.end}
	for i, s := range l.says {
		name := fmt.Sprintf("u%d", i)
		c.Entries = append(c.Entries, upstream.Entry{Name: name, Fetcher: says{name, outcomes[s], log}, AnyError: l.pipes[i]})
	}
	return c
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
			err := op.do(t.Context(), l.chain(&log))
			if len(log) != asked {
				t.Fatalf("%s, %s: %d upstreams were asked, want %d", l, op.name, len(log), asked)
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

// TestAbsenceKeepsTheFirstWords: of several absences the first upstream's status and words are repeated.
func TestAbsenceKeepsTheFirstWords(t *testing.T) {
	for _, l := range []list{
		{[]string{"410", "404"}, []bool{false, false}, ""},
		{[]string{"410", "404"}, []bool{true, true}, goproxy.Direct},
		{[]string{"410"}, []bool{false}, goproxy.Direct},
	} {
		_, err := l.chain(new([]string)).List(t.Context(), "example.com/m")
		if err != outcomes["410"] {
			t.Errorf("%s: got %v, want the 410 itself", l, err)
		}
	}
}

// TestEmptyChain has lists that name nobody.
func TestEmptyChain(t *testing.T) {
	for end, want := range map[string]string{goproxy.Direct: "absent 404", goproxy.Off: "refused 403"} {
		for _, op := range operations() {
			err := op.do(t.Context(), &upstream.Chain{End: end})
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
			c := list{[]string{"unavailable", "ok"}, []bool{false, false}, ""}.chain(&log)
			c.Failover, c.Private = failover, "corp.example"
			_, _ = c.List(t.Context(), path)
			asked := want
			if path == "corp.example/secret" { // a ',' guards it, whatever failover says
				asked = []string{"u0"}
			}
			for i := range asked {
				asked = slices.Replace(slices.Clone(asked), i, i+1, asked[i][:2]+" "+path)
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
	c := list{[]string{"wrong", "404", "ok"}, []bool{true, true, true}, ""}.chain(new([]string))
	meta, err := c.Fetch(t.Context(), plainFile(goproxy.Zip), s)
	if err != nil || meta.From != "u2" || string(s.b) != "u2" || s.resets != 2 {
		t.Errorf("got %+v, %v, %q after %d resets", meta, err, s.b, s.resets)
	}
}

// TestWrongFileIsTriedElsewhere: where the sink finds a file wrong, the next upstream may have the right one.
func TestWrongFileIsTriedElsewhere(t *testing.T) {
	for _, pipe := range []bool{false, true} {
		s := &sink{check: func(from string, b []byte) error {
			if from == "u0" {
				return &goproxy.Wrong{From: from, Reason: "its hash differs"}
			}
			return nil
		}}
		c := list{[]string{"ok", "ok"}, []bool{pipe, pipe}, ""}.chain(new([]string))
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
		c := list{[]string{first, "ok"}, []bool{true, true}, ""}.chain(&log)
		if _, err := c.List(ctx, "example.com/m"); err == nil || len(log) != 1 {
			t.Errorf("after %s: got %v, asked %q", first, err, log)
		}
	}
}

// TestJoinedFailures says which kind of several failures counts, and that each upstream has one line.
func TestJoinedFailures(t *testing.T) {
	down := &goproxy.Unavailable{From: "http://a", Reason: "no answer", RetryAfter: time.Second}
	busy := &goproxy.Unavailable{From: "http://b", Reason: "429 Too Many Requests", RetryAfter: time.Minute}
	wrong := &goproxy.Wrong{From: "http://c", Reason: "an HTML page came"}
	no := &goproxy.Refused{Status: 403, From: "http://d", Reason: "blocked:\n\n  licence\n"}
	unauthorized := &goproxy.Refused{Status: 403, From: "http://e", Reason: "http://e: 401 Unauthorized"}
	absent := &goproxy.NotFound{Status: 404, Body: "no such module", From: "http://f"}
	const (
		downLine, busyLine, wrongLine = "http://a: no answer", "http://b: 429 Too Many Requests", "http://c: an HTML page came"
		noLine, unauthorizedLine      = "http://d: blocked: licence", "http://e: 401 Unauthorized"
	)
	tests := []struct {
		errs  []error
		kind  string
		lines []string
		retry time.Duration
	}{
		{[]error{down}, "unavailable", []string{downLine}, time.Second},
		{[]error{no}, "refused 403", []string{"blocked:", "", "  licence", ""}, 0}, // alone its words are untouched
		{[]error{down, busy}, "unavailable", []string{downLine, busyLine}, time.Minute},
		{[]error{busy, absent, down}, "unavailable", []string{busyLine, downLine}, time.Minute},
		{[]error{wrong, down}, "unavailable", []string{wrongLine, downLine}, time.Second},
		{[]error{no, down}, "unavailable", []string{noLine, downLine}, time.Second},
		{[]error{no, wrong}, "wrong", []string{noLine, wrongLine}, 0},
		{[]error{wrong, unauthorized, absent}, "wrong", []string{wrongLine, unauthorizedLine}, 0},
		{[]error{no, unauthorized}, "refused 403", []string{noLine, unauthorizedLine}, 0},
		{[]error{absent, no}, "refused 403", []string{"blocked:", "", "  licence", ""}, 0},
	}
	for _, test := range tests {
		c := &upstream.Chain{}
		for i, err := range test.errs {
			c.Entries = append(c.Entries, upstream.Entry{Fetcher: says{fmt.Sprint(i), err, new([]string)}, AnyError: true})
		}
		_, err := c.List(t.Context(), "example.com/m")
		if kind(err) != test.kind || err.Error() != strings.Join(test.lines, "\n") {
			t.Errorf("%v: got %s %q, want %s %q", test.errs, kind(err), err, test.kind, test.lines)
		}
		var u *goproxy.Unavailable
		if errors.As(err, &u) && u.RetryAfter != test.retry {
			t.Errorf("%v: Retry-After %v, want %v", test.errs, u.RetryAfter, test.retry)
		}
	}
}
