package doctor

import (
	"encoding/json"
	"strings"
	"testing"
)

// found is a report with findings of codes, each with its severity behind it.
func found(codes ...string) *Report {
	r := &Report{Schema: Schema, Fixes: []Fix{}, Targets: []Target{{Name: "t", Role: roleEntry, Stages: []Step{}}}}
	for _, c := range codes {
		code, severity, _ := strings.Cut(c, " ")
		f := newFinding(Code(code), StageTCP, Certain, Vars{"host": "h", "addr": "a", "port": "1", "url": "u", "status": "s", "server": "x"})
		f.Severity = Severity(severity)
		r.Findings = append(r.Findings, f)
	}
	r.Findings = merge(r.Findings)
	r.Verdict = verdict(r.Findings, "")
	r.Exit = r.Verdict.Class.Exit()
	return r
}

// TestJoin: what is wrong here comes first, what is only a consequence of the server's trouble is none, and each says where it was seen.
func TestJoin(t *testing.T) {
	for _, tt := range []struct {
		name        string
		here, there *Report
		want        string // code, class and where of the verdict
		findings    string
	}{
		{"all is well", found(), found(), "MH0001 ok ", ""},
		{"the way to it", found("MH1801 fail"), found(), "MH1801 origin-down ", "MH1801 fail "},
		{"its upstream", found(), found("MH1801 fail"), "MH1801 origin-down go.test", "MH1801 fail go.test"},
		{"its answer is a consequence", found("MH1901 fail"), found("MH1801 fail"), "MH1801 origin-down go.test", "MH1801 fail go.test, MH1901 info "},
		{"an absence is one too", found("MH2201 fail"), found("MH1801 fail"), "MH1801 origin-down go.test", "MH1801 fail go.test, MH2201 info "},
		{"both", found("MH1703 fail"), found("MH1201 fail"), "MH1703 tls ", "MH1703 fail , MH1201 fail go.test"},
		{"it fails and the server sees nothing", found("MH1901 fail"), found(), "MH1901 origin-sick ", "MH1901 fail "},
		{"works there, not as it should", found(), found("MH1801 warn"), "MH1801 degraded go.test", "MH1801 warn go.test"},
		{"works here, not as it should", found("MH1909 warn"), found("MH1801 warn"), "MH1909 degraded ", "MH1909 warn , MH1801 warn go.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.here
			r.Join(tt.there, "go.test")
			v := r.Verdict
			if got := string(v.Code) + " " + string(v.Class) + " " + v.SeenFrom; got != tt.want || r.Exit != v.Class.Exit() || r.Server != "go.test" {
				t.Errorf("got %q, exit %d, want %q", got, r.Exit, tt.want)
			}
			var all []string
			for _, f := range r.Findings {
				all = append(all, string(f.Code)+" "+string(f.Severity)+" "+f.SeenFrom)
			}
			if got := strings.Join(all, ", "); got != tt.findings {
				t.Errorf("got  %s\nwant %s", got, tt.findings)
			}
			if len(r.Targets) != 2 || r.Targets[0].From != "" || r.Targets[1].From != "go.test" {
				t.Errorf("the targets are %+v", r.Targets)
			}
			checkReport(t, r)
		})
	}
}

// TestAdd: the report of another list has no target twice, and the worse verdict holds.
func TestAdd(t *testing.T) {
	r := found("MH1801 warn")
	r.Add(found("MH1703 fail", "MH1801 warn"))
	if r.Verdict.Code != "MH1703" || r.Exit != TLS.Exit() || len(r.Targets) != 1 || len(r.Findings) != 2 {
		t.Errorf("got %+v", r)
	}
}

// TestReadReport: nothing that another machine says reaches a terminal as it came.
func TestReadReport(t *testing.T) {
	marshal := func(change func(r *Report)) []byte {
		r := found("MH1801 fail")
		change(r)
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	r, err := ReadReport(marshal(func(r *Report) {
		r.Findings[0].Summary = Text{Template: "evil \x1b[2J\u202e" + strings.Repeat("x", 5000)}
		r.Findings[0].Fixes = []Fix{{Title: Text{Template: "a\rb"}, Command: "c\nd", Who: You}}
		r.Targets[0].Name = "t\x1b]0;x\a"
		r.Targets[0].Stages = []Step{{Stage: StageTCP, Status: Failed, Trace: []string{"\x1b[31m"}}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`\u001b`, `\u202e`, `\r`, `\n`, `\u0007`, "\u202e", strings.Repeat("x", maxText+1)} {
		if strings.Contains(string(b), bad) {
			t.Errorf("%q is in %s", bad, b)
		}
	}
	for name, b := range map[string][]byte{
		"no JSON": []byte("<html>"), "another schema": []byte(`{"schema":"modhaven.doctor/2"}`), "a status": []byte(`{"version":"v1"}`),
		"an unknown class":      marshal(func(r *Report) { r.Verdict.Class = "new" }),
		"an unknown code":       marshal(func(r *Report) { r.Findings[0].Code = "MH9999" }),
		"an unknown severity":   marshal(func(r *Report) { r.Findings[0].Severity = "dire" }),
		"an unknown confidence": marshal(func(r *Report) { r.Findings[0].Confidence = "so-so" }),
		"an unknown stage":      marshal(func(r *Report) { r.Targets[0].Stages = []Step{{Stage: "quic"}} }),
		"too much":              marshal(func(r *Report) { r.Targets = make([]Target, maxItems+1) }),
	} {
		if _, err := ReadReport(b); err == nil {
			t.Errorf("%s is a report", name)
		}
	}
}

// TestUnfill: a sentence that came over the network is its template again, and so translated; what is none stays.
func TestUnfill(t *testing.T) {
	for _, tt := range []struct {
		template, sentence string
		ok                 bool
	}{
		{"{host} answers {status}", "goproxy.test answers 503 Service Unavailable", true},
		{"nothing listens on {addr}: the host itself refuses", "nothing listens on [::1]:9: the host itself refuses", true},
		{"no names", "no names", true},
		{"(a) {b}.", "(a) x{c}y.", true},
		{"{a} and {a}", "x and y", false},
		{"{host} answers {status}", "goproxy.test says no", false},
		{"", "x", false},
	} {
		v, ok := unfill(tt.template, tt.sentence)
		if ok != tt.ok || ok && fill(tt.template, v) != tt.sentence {
			t.Errorf("%q of %q: %v, %t", tt.template, tt.sentence, v, ok)
		}
	}
	b, err := json.Marshal(found("MH1801 fail"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ReadReport(b)
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := Lookup("MH1801"); r.Verdict.Summary.Template != e.Summary || r.Findings[0].Summary.Template != e.Summary || r.Findings[0].Fixes[0].Title.Template != e.Fixes[0].Title {
		t.Errorf("got %+v, %+v", r.Verdict, r.Findings[0])
	}
}

// TestGiven: with settings that were given the go command is not asked, what is not probed says why, and a token is shown to the
// entries alone.
func TestGiven(t *testing.T) {
	w := newWorld(t)
	w.o.Module, w.o.Version = "", ""
	w.o.Given, w.o.Override = GivenByModhaven, map[string]string{"GOPROXY": strings.Replace(w.env["GOPROXY"], "//", "//u:"+secret+"@", 1), "GOSUMDB": "off"}
	w.o.NotRun = []NotRun{{"direct", WhyDirect}, {"https://u:" + secret + "@other.test", WhyOptions}}
	w.env["PATH"] = ""
	r := w.examine()
	if r.Exit != 0 && r.Verdict.Class != Degraded || r.Go != "" {
		t.Errorf("got %+v of %s", r.Verdict, r.Go)
	}
	n := len(r.Targets)
	if r.Targets[n-2].Role != roleVCS || r.Targets[n-1].Name != "https://…@other.test" || r.Targets[n-1].Stages[0].Said.String() != "not run: "+WhyOptions {
		t.Errorf("the targets are %+v", r.Targets)
	}
}
