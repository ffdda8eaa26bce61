package doctor

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// Schema is the contract of a Report in JSON: schema.json. Within one number things are only added.
const Schema = "modhaven.doctor/1"

// Vars are what a template's {names} stand for. They have no secrets.
type Vars map[string]string

// with returns v and others; the others win.
func (v Vars) with(o Vars) Vars {
	all := maps.Clone(v)
	if all == nil {
		all = Vars{}
	}
	maps.Copy(all, o)
	return all
}

// A Text is a sentence whose {names} are not filled in yet, so that it can be translated.
// In JSON it is the English sentence.
type Text struct {
	Template string
	Vars     Vars
}

// String returns the sentence in English.
func (t Text) String() string { return t.In(func(s string) string { return s }) }

// In returns the sentence as translate has it, and of what is filled in the Words.
func (t Text) In(translate func(template string) string) string {
	v := maps.Clone(t.Vars)
	for name, value := range v {
		if slices.Contains(Words(), value) {
			v[name] = translate(value)
		}
	}
	return fill(translate(t.Template), v)
}

// Words returns what is filled into sentences and is words itself, rather than a name or a number.
func Words() []string {
	return []string{
		fromEnvironment, fromDefaults, GivenByArguments, GivenByModhaven, systemResolver, WhyDirect, WhyOptions, WhyLooks,
		string(connected), string(refused), string(resetByPeer), string(unreachable), string(forbidden), string(silent),
		string(noData), string(noReply), string(portClosed), string(rejectedBy), string(noRoute), string(notDNS), string(cutOff),
		saidAnswer, saidAlert, idleClosed, idleQuiet, idleBanner, someProgram, asRoot, unneeded,
	}
}

// MarshalJSON implements json.Marshaler.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalJSON implements json.Unmarshaler: what comes back is the English sentence.
func (t *Text) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &t.Template) }

// complete reports whether all {names} of a template have a value.
func complete(template string, v Vars) bool {
	for _, name := range names(template) {
		if v[name] == "" {
			return false
		}
	}
	return true
}

// names returns the {names} in a template, in their order.
func names(template string) (all []string) {
	for rest := template; ; {
		_, after, ok := strings.Cut(rest, "{")
		if !ok {
			return all
		}
		name, behind, ok := strings.Cut(after, "}")
		if !ok {
			return all
		}
		if isName(name) {
			all = append(all, name)
			rest = behind
		} else {
			rest = after
		}
	}
}

func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_0123456789") == ""
}

// fill replaces the {names} of a template. What has no value stays as it is.
func fill(template string, v Vars) string {
	var pairs []string
	for name, value := range v {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

// A Fix is something that somebody can do.
type Fix struct {
	Title   Text   `json:"title"`
	Command string `json:"command,omitempty"` // ready to be copied
	Who     Who    `json:"who"`
}

// An Alternative is what looks the same from here, and what would tell it from the finding.
type Alternative struct {
	Code  Code  `json:"code,omitempty"`
	Class Class `json:"class"`
	Tell  Text  `json:"tell_apart"`
}

// A Finding is one thing that is wrong.
type Finding struct {
	Code         Code          `json:"code"`
	Class        Class         `json:"class"`
	Severity     Severity      `json:"severity"`
	Confidence   Confidence    `json:"confidence"`
	Stage        Stage         `json:"stage"`
	SeenFrom     string        `json:"seen_from,omitempty"` // the server that saw it; "" for this machine
	Targets      []string      `json:"targets,omitempty"`   // the names of the targets it was seen at
	Summary      Text          `json:"summary"`
	Evidence     []Text        `json:"evidence,omitempty"` // at most 6
	Alternatives []Alternative `json:"alternatives,omitempty"`
	Fixes        []Fix         `json:"fixes,omitempty"`
}

// maxEvidence is how many lines say why a finding is one.
const maxEvidence = 6

// A Verdict is what it comes to: the finding to begin with, or that all is well.
type Verdict struct {
	Class        Class         `json:"class"`
	Code         Code          `json:"code"`
	Confidence   Confidence    `json:"confidence"`
	SeenFrom     string        `json:"seen_from,omitempty"` // the server that saw it; "" for this machine
	Summary      Text          `json:"summary"`
	Alternatives []Alternative `json:"alternatives"`
}

// A Status is how a stage went. What was not run is no failure.
type Status string

// The statuses of a stage.
const (
	Passed  Status = "ok"
	Warned  Status = "warn"
	Failed  Status = "fail"
	Skipped Status = "skip"
)

// A Step is one stage of one target.
type Step struct {
	Stage   Stage             `json:"stage"`
	Status  Status            `json:"status"`
	Code    Code              `json:"code,omitempty"`
	TookMS  float64           `json:"took_ms"`
	Said    Text              `json:"said"`              // what was found, in a few words
	Because Stage             `json:"because,omitempty"` // where Status is Skipped: the stage that failed, "" where nothing needs this one
	Facts   map[string]string `json:"facts,omitempty"`
	Trace   []string          `json:"trace,omitempty"` // raw, for --verbose
}

// A Target is something that a download depends on.
type Target struct {
	Name   string `json:"name"`                // without credentials
	Role   string `json:"role"`                // settings, proxy, http-proxy, sumdb or vcs
	From   string `json:"seen_from,omitempty"` // the server that saw it; "" for this machine
	Stages []Step `json:"stages"`
}

// A Report is all that the doctor says.
type Report struct {
	Schema   string            `json:"schema"`
	Started  time.Time         `json:"started"`
	TookMS   int64             `json:"took_ms"`
	Go       string            `json:"go,omitempty"` // the version of the go command
	Env      map[string]string `json:"env,omitempty"`
	Module   string            `json:"module,omitempty"` // MODULE@VERSION that was asked about
	Server   string            `json:"server,omitempty"` // that was asked what it sees, HOST or HOST:PORT
	Verdict  Verdict           `json:"verdict"`
	Findings []Finding         `json:"findings"` // what to fix first is first
	Fixes    []Fix             `json:"fixes"`    // of all findings that are more than Info
	Targets  []Target          `json:"targets"`
	Exit     int               `json:"exit"`
}
