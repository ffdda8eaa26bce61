package doctor

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The exit statuses are a contract.
func TestClasses(t *testing.T) {
	var got []string
	for _, c := range Classes() {
		got = append(got, string(c))
	}
	const want = "ok degraded config local dns firewall path port-mapping http-proxy tls origin-down origin-sick content checksum not-found auth"
	if strings.Join(got, " ") != want {
		t.Errorf("classes are %q, want %q", strings.Join(got, " "), want)
	}
	for i, c := range Classes() {
		exit := i + 8
		if i < 2 {
			exit = i * 3
		}
		if c.Exit() != exit {
			t.Errorf("%s ends with %d, want %d", c, c.Exit(), exit)
		}
	}
	if got := Class("other").Exit(); got != 1 {
		t.Errorf("what is no class ends with %d, want 1", got)
	}
}

func TestCatalogue(t *testing.T) {
	seen := map[Code]bool{}
	for _, e := range Catalogue() {
		if !regexp.MustCompile(`^MH\d{4}$`).MatchString(string(e.Code)) || seen[e.Code] {
			t.Fatalf("%s: not a code of its own", e.Code)
		}
		seen[e.Code] = true
		if e.Code != Well && e.Code != Open && (e.Class() == "" || e.Class() == OK) {
			t.Errorf("%s has no class", e.Code)
		}
		if e.Summary == "" || strings.HasSuffix(e.Summary, ".") || !strings.HasSuffix(e.Meaning, ".") {
			t.Errorf("%s: a summary has no full stop at its end, and a meaning has", e.Code)
		}
		if len(names(e.Meaning)) > 0 {
			t.Errorf("%s: the meaning is of no one case, and has no {names}", e.Code)
		}
		if e.Code != Well && e.Code != Open && len(e.Fixes) == 0 {
			t.Errorf("%s says not what to do", e.Code)
		}
		for _, r := range e.Fixes {
			if r.Title == "" || !slices.Contains([]Who{You, Network, Owner}, r.Who) {
				t.Errorf("%s: a fix without a title or without who does it: %+v", e.Code, r)
			}
		}
		for _, o := range e.Or {
			if o.Class.Exit() == 1 || o.Tell == "" {
				t.Errorf("%s: an alternative without a class, or that nothing tells apart: %+v", e.Code, o)
			}
		}
		if strings.Contains(e.Summary+e.Meaning, "%") {
			t.Errorf("%s: a text with %% is not translated", e.Code)
		}
	}
}

func TestFill(t *testing.T) {
	for _, tt := range []struct {
		template string
		vars     Vars
		want     string
		whole    bool
	}{
		{"nothing", nil, "nothing", true},
		{"{host} port {port}", Vars{"host": "h", "port": "1"}, "h port 1", true},
		{"{host} port {port}", Vars{"host": "h", "port": ""}, "h port ", false},
		{"{host}", nil, "{host}", false},
		{"{a}{a}", Vars{"a": "{b}", "b": "x"}, "{b}{b}", true}, // what is filled in is not filled in again
		{"a { b", Vars{"b": "x"}, "a { b", true},
		{"{A b}", nil, "{A b}", true},
		{"{{host}}", Vars{"host": "h"}, "{h}", true},
	} {
		if got := (Text{tt.template, tt.vars}).String(); got != tt.want {
			t.Errorf("%q with %q: %q, want %q", tt.template, tt.vars, got, tt.want)
		}
		if got := complete(tt.template, tt.vars); got != tt.whole {
			t.Errorf("%q with %q: complete is %t", tt.template, tt.vars, got)
		}
	}
}

func TestTextInJSON(t *testing.T) {
	b, err := json.Marshal(Text{"no {what}", Vars{"what": "answer"}})
	if err != nil || string(b) != `"no answer"` {
		t.Fatalf("%s, %v", b, err)
	}
	var back Text
	if err := json.Unmarshal(b, &back); err != nil || back.String() != "no answer" {
		t.Fatalf("%+v, %v", back, err)
	}
}
