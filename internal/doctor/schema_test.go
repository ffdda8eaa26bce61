package doctor

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A schema is what of JSON Schema docs/doctor.schema.json uses.
type schema struct {
	Ref        string             `json:"$ref"`
	Defs       map[string]*schema `json:"$defs"`
	Type       string
	Const      any
	Enum       []any
	Pattern    string
	Required   []string
	Properties map[string]*schema
	More       *schema `json:"additionalProperties"`
	Items      *schema
	MaxItems   *int
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	b, err := os.ReadFile("../../docs/doctor.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	s := new(schema)
	if err := json.Unmarshal(b, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// check returns what of v is not as s says. Names that s does not list are wrong here: the
// schema must say all that there is.
func (s *schema) check(root *schema, where string, v any) (wrong []string) {
	if s.Ref != "" {
		return root.def(s.Ref).check(root, where, v)
	}
	no := func(format string, args ...any) { wrong = append(wrong, where+": "+fmt.Sprintf(format, args...)) }
	if s.Const != nil && v != s.Const {
		no("%v is not %v", v, s.Const)
	}
	if s.Enum != nil && !hasValue(s.Enum, v) {
		no("%v is not one of %v", v, s.Enum)
	}
	switch v := v.(type) {
	case string:
		if s.Type != "" && s.Type != "string" || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
			no("%q is not a %s %s", v, s.Type, s.Pattern)
		}
	case float64:
		if s.Type != "number" && (s.Type != "integer" || v != float64(int64(v))) {
			no("%v is not a %s", v, s.Type)
		}
	case []any:
		if s.Type != "array" || s.MaxItems != nil && len(v) > *s.MaxItems {
			no("%d items are not a %s as it may be", len(v), s.Type)
			break
		}
		for i, e := range v {
			wrong = append(wrong, s.Items.check(root, fmt.Sprintf("%s[%d]", where, i), e)...)
		}
	case map[string]any:
		if s.Type != "object" {
			no("an object is not a %s", s.Type)
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				no("%s is missing", name)
			}
		}
		for name, e := range v {
			of := s.Properties[name]
			if of == nil {
				of = s.More
			}
			if of == nil {
				no("%s is not in the schema", name)
				continue
			}
			wrong = append(wrong, of.check(root, where+"."+name, e)...)
		}
	default:
		no("%v is nothing that the schema allows", v)
	}
	return wrong
}

func (s *schema) def(ref string) *schema { return s.Defs[strings.TrimPrefix(ref, "#/$defs/")] }

func hasValue(list []any, v any) bool {
	for _, e := range list {
		if reflect.DeepEqual(e, v) {
			return true
		}
	}
	return false
}

// checkReport fails the test where a report is not what the schema says.
func checkReport(t *testing.T, r *Report) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	s := readSchema(t)
	for _, w := range s.check(s, "report", v) {
		t.Error(w)
	}
	failed := false
	for _, target := range r.Targets {
		failed = failed || slices.ContainsFunc(target.Stages, func(s Step) bool { return s.Status == Failed })
	}
	for _, target := range r.Targets {
		for _, s := range target.Stages {
			if s.Because != "" && !failed && target.From == "" {
				t.Errorf("%s: %s was not run because %s failed, and nothing did", target.Name, s.Stage, s.Because)
			}
		}
	}
}

func TestSchema(t *testing.T) {
	fix := Fix{Title: Text{Template: "t"}, Command: "c", Who: You}
	or := Alternative{Code: "MH1301", Class: Firewall, Tell: Text{Template: "t"}}
	checkReport(t, &Report{
		Schema: Schema, Started: time.Now(), TookMS: 1, Go: "go1.26", Env: map[string]string{"A": "b"}, Module: "m@v1.0.0", Server: "h",
		Verdict: Verdict{Class: Firewall, Code: "MH1301", SeenFrom: "h", Confidence: Certain, Summary: Text{Template: "s"}, Alternatives: []Alternative{or}},
		Findings: []Finding{{
			Code: "MH1301", Class: Firewall, Severity: Fail, Confidence: Likely, Stage: StageTCP, SeenFrom: "h", Targets: []string{"x"},
			Evidence: []Text{{Template: "e"}}, Alternatives: []Alternative{or}, Fixes: []Fix{fix},
		}},
		Fixes: []Fix{fix},
		Targets: []Target{{Name: "n", Role: "proxy", From: "h", Stages: []Step{{
			Stage: StageTLS, Status: Skipped, Code: "MH1301", Because: StageTCP, TookMS: 0.5, Facts: map[string]string{"a": "b"}, Trace: []string{"x"},
		}}}},
		Exit: Firewall.Exit(),
	})
	s := readSchema(t)
	var classes []any
	for _, c := range Classes() {
		classes = append(classes, string(c))
	}
	if !reflect.DeepEqual(s.Defs["class"].Enum, classes) {
		t.Errorf("the schema has the classes %v, want %v", s.Defs["class"].Enum, classes)
	}
	var stages []any
	for _, st := range Stages() {
		stages = append(stages, string(st))
	}
	if !reflect.DeepEqual(s.Defs["stage"].Enum, stages) {
		t.Errorf("the schema has the stages %v, want %v", s.Defs["stage"].Enum, stages)
	}
	for _, bad := range []string{`{}`, `{"schema":"modhaven.doctor/2"}`, `[]`, `null`, `"x"`} {
		var v any
		if err := json.Unmarshal([]byte(bad), &v); err != nil {
			t.Fatal(err)
		}
		if len(s.check(s, "report", v)) == 0 {
			t.Errorf("%s is a report", bad)
		}
	}
}
