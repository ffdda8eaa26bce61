package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write makes a file with text and returns its name.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "modhaven.yaml")
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// problems returns the sentences in a joined error, with the file's directory left out.
func problems(err error) []string {
	if err == nil {
		return nil
	}
	var all []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			all = append(all, problems(e)...)
		}
		return all
	}
	text := err.Error()
	if i := strings.LastIndex(text, "modhaven.yaml"); i >= 0 {
		text = text[i:]
	}
	return []string{text}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "listen: 127.0.0.1:1\nfills: 1\nfresh: 1s\nmemory: 1KiB\n")
	c, err := Load(Sources{
		File:    file,
		Environ: []string{"MODHAVEN_LISTEN=127.0.0.1:2", "MODHAVEN_FILLS=2", "MODHAVEN_FRESH=", "HOME=/nowhere"},
		Flags:   map[string]string{"listen": "127.0.0.1:3"},
		GoEnv:   DefaultGoEnv(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		key, want string
		origin    Origin
	}{
		{"listen", "127.0.0.1:3", Origin{FromFlag, "--listen", 0}},
		{"fills", "2", Origin{FromEnv, "MODHAVEN_FILLS", 0}},
		{"fresh", "1s", Origin{FromFile, file, 3}},
		{"memory", "1KiB", Origin{FromFile, file, 4}},
		{"drain", "30s", Origin{}},
	} {
		if got := keyNamed(t, tt.key).text(c); got != tt.want {
			t.Errorf("%s = %s, want %s", tt.key, got, tt.want)
		}
		if got := c.Origin(tt.key); got != tt.origin {
			t.Errorf("%s comes from %+v, want %+v", tt.key, got, tt.origin)
		}
	}
	if c.Fresh != time.Second || c.Memory != 1024 || c.Fills != 2 {
		t.Errorf("fields: Fresh %v, Memory %d, Fills %d; want 1s, 1024, 2", c.Fresh, c.Memory, c.Fills)
	}
}

func keyNamed(t *testing.T, name string) Key {
	t.Helper()
	for _, k := range Keys() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("no key %s", name)
	return Key{}
}

func TestFileNamedByEnvironment(t *testing.T) {
	file := write(t, "fills: 7\n")
	other := write(t, "fills: 8\n")
	for _, tt := range []struct {
		src  Sources
		want int
	}{
		{Sources{Environ: []string{"MODHAVEN_CONFIG=" + file}}, 7},
		{Sources{Environ: []string{"MODHAVEN_CONFIG=" + file}, File: other}, 8},
		{Sources{Environ: []string{"MODHAVEN_CONFIG="}}, 128},
	} {
		tt.src.GoEnv = DefaultGoEnv()
		c, err := Load(tt.src)
		if err != nil || c.Fills != tt.want {
			t.Errorf("Load(%+v): fills = %d, error %v; want %d", tt.src, c.Fills, err, tt.want)
		}
	}
}

// Every key must have a manual and be settable from each source to a value that is kept.
func TestEveryKey(t *testing.T) {
	values := map[string]string{
		"listen": "127.0.0.1:8", "state": "/s", "upstreams": "https://a|direct", "sumdb": "off", "private": "corp.example",
		"sumdb-own": "sum.corp.example", "sumdb-own-key": "/sumdb.key",
		"direct-netrc": "/netrc", "direct-git-config": "/gitconfig", "direct-credentials": "git.corp.example token-file=/t", "preset": "laptop", "tls-acme": "go.corp.example", "tls-self-signed": "go.corp.example",
		"failover": "any", "auth": "none", "access": "dev corp.example", "rate-limit": "50/s", "tls-elsewhere": "on", "tls-cert": "/c", "tls-key": "/k", "fresh": "7m", "refresh-budget": "8s",
		"fills": "9", "idle": "10s", "memory": "11KiB", "connections": "12", "drain": "13s", "log-level": "warn", "log-format": "json",
		"upstream-options": "https://proxy.golang.org attempts=3", "offline": "on", "list-refresh": "14s", "read-ahead": "off", "patience": "15s", "dns": "192.0.2.53",
		"metrics": "off", "otlp": "http://127.0.0.1:4318", "otlp-sample": "16", "access-log": "on",
		"checksum-unreachable": "refuse", "routes": "corp.example direct", "leak-guard": "refuse", "own-domains": "corp.example", "checksum-bypass": "example.com/m 2026-12-31 a reason",
	}
	for _, k := range Keys() {
		v := values[k.Name]
		if v == "" || k.Doc == "" || k.Arg == "" {
			t.Errorf("%s: value in this test %q, manual %q, argument %q; all must be given", k.Name, v, k.Doc, k.Arg)
			continue
		}
		for _, src := range []Sources{
			{Flags: map[string]string{k.Name: v}},
			{Environ: []string{k.Env() + "=" + v}},
			{File: write(t, k.YAML()+": "+v+"\n")},
		} {
			src.GoEnv = DefaultGoEnv()
			c, err := Load(src)
			if err != nil || k.text(c) != v {
				t.Errorf("Load(%+v): %s = %q, error %v; want %q", src, k.Name, k.text(c), err, v)
			}
		}
	}
}

func TestLoadErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		src  Sources
		want []string
	}{
		{"all at once", Sources{
			File:    write(t, "listn: x\nlog_level: loud\nfills: many\nfresh: 5\n"),
			Environ: []string{"MODHAVEN_FAILOVER=maybe", "MODHAVEN_LOG_LEVLE=info", "MODHAVEN_ZZZ=1"},
			Flags:   map[string]string{"memory": "16MB", "drian": "1s"},
		}, []string{
			`modhaven.yaml:1: "listn" is not a key; is listen meant?`,
			`modhaven.yaml:2: log_level: "loud" is not allowed; it is one of: debug, info, warn, error`,
			`modhaven.yaml:3: fills: "many" is not a whole number from 1 to 65536`,
			`modhaven.yaml:4: fresh: "5" is not a duration; write a number and a unit (ms, s, m, h), such as 90s or 1m30s`,
			`MODHAVEN_FAILOVER: "maybe" is not allowed; it is one of: strict, any`,
			`MODHAVEN_LOG_LEVLE: there is no such key; is MODHAVEN_LOG_LEVEL meant?`,
			`MODHAVEN_ZZZ: there is no such key; the keys are ` + strings.Join(append(spellings(Key.Env), EnvFile), ", "),
			`--memory: "16MB" is not a size; write a whole number and a unit (B, KiB, MiB, GiB), such as 16MiB`,
			`--drian: there is no such key; is --drain meant?`,
		}},
		{"limits", Sources{Flags: map[string]string{"fills": "0", "fresh": "-1s", "refresh-budget": "0s", "memory": "-1B", "connections": "1000001"}}, []string{
			`--fresh: "-1s" is too little; the least is 0s`,
			`--refresh-budget: "0s" is too little; the least is 1ms`,
			`--fills: "0" is not a whole number from 1 to 65536`,
			`--memory: "-1B" is not a size; write a whole number and a unit (B, KiB, MiB, GiB), such as 16MiB`,
			`--connections: "1000001" is not a whole number from 1 to 1000000`,
		}},
		{"switches", Sources{Flags: map[string]string{"offline": "yes", "metrics": "", "access-log": "debug", "otlp-sample": "101", "patience": "-1s", "list-refresh": "x"}}, []string{
			`--offline: "yes" is not allowed; it is one of: off, on`,
			`--list-refresh: "x" is not a duration; write a number and a unit (ms, s, m, h), such as 90s or 1m30s`,
			`--patience: "-1s" is too little; the least is 0s`,
			`--metrics: "" is not allowed; it is one of: on, off`,
			`--otlp-sample: "101" is not a whole number from 0 to 100`,
			`--access-log: "debug" is not allowed; it is one of: off, on`,
		}},
		{"duplicate", Sources{File: write(t, "fills: 1\n# again\nfills: 2\n")}, []string{
			`modhaven.yaml:3: fills stands twice; it is in line 1 already`}},
		{"list", Sources{File: write(t, "- fills\n")}, []string{
			`modhaven.yaml:1: the file must have lines of the form KEY: VALUE`}},
		{"word", Sources{File: write(t, "\nfills\n")}, []string{
			`modhaven.yaml:2: the file must have lines of the form KEY: VALUE`}},
		{"documents", Sources{File: write(t, "fills: 1\n---\nfills: 2\n")}, []string{
			`modhaven.yaml: the YAML cannot be read: the file has several documents (---); it must have one`}},
		{"nested", Sources{File: write(t, "private: [a, b]\nauth: {none: 1}\nlisten: &x a:1\nstate: !!str x\n")}, []string{
			`modhaven.yaml:1: private: the value must be a single one, without anchors or tags`,
			`modhaven.yaml:2: auth: the value must be a single one, without anchors or tags`,
			`modhaven.yaml:3: listen: the value must be a single one, without anchors or tags`,
			`modhaven.yaml:4: state: the value must be a single one, without anchors or tags`,
		}},
		{"odd keys", Sources{File: write(t, "1: a\nTLS-CERT: b\n? fills\n: 2\n")}, []string{
			`modhaven.yaml:1: a key is a plain word`,
			`modhaven.yaml:2: "TLS-CERT" is not a key; is tls_cert meant?`,
			`modhaven.yaml:3: a key is a plain word`,
		}},
		{"control characters", Sources{File: write(t, `listen: "a\nb"`)}, []string{
			`modhaven.yaml:1: listen: "a\nb" has a control character or is not UTF-8`}},
		{"home", Sources{File: write(t, "state: ~/modhaven\n")}, []string{
			`modhaven.yaml:1: state: "~/modhaven" begins with ~, which only a shell replaces; write the whole path`}},
		{"huge", Sources{File: write(t, "# "+strings.Repeat("x", maxFile))}, []string{
			`modhaven.yaml: the configuration cannot be read: it has more than 1 MiB`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.src.GoEnv = DefaultGoEnv()
			_, err := Load(tt.src)
			if diff := cmp.Diff(tt.want, problems(err)); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none.yaml")
	_, err := Load(Sources{File: name, GoEnv: DefaultGoEnv()})
	if want := name + ": the configuration cannot be read: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want one that begins with %q", err, want)
	}
}

// What is empty sets nothing.
func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", "\n", "# comment\n", "---\n", "private:\nstate: null\nupstreams: ~\nsumdb: ''\n"} {
		c, err := Load(Sources{File: write(t, text), GoEnv: DefaultGoEnv()})
		if err != nil {
			t.Errorf("Load(%q): %v", text, err)
		}
		for _, k := range Keys() {
			if got := k.text(c); got != k.Default {
				t.Errorf("Load(%q): %s = %q, want the default %q", text, k.Name, got, k.Default)
			}
		}
	}
}

// A value is the text between the YAML syntax, whatever it looks like to YAML.
func TestYAMLText(t *testing.T) {
	for yaml, want := range map[string]string{
		"off": "off", "true": "true", "0x10": "0x10", "1_000": "1_000", "1.50": "1.50", "'a b'": "a b", `"a\u00e9"`: "aé",
		"a # comment": "a", "a#b": "a#b", ">\n  a\n": "a", ".inf": ".inf", "2020-01-01": "2020-01-01", "127.0.0.1:3000": "127.0.0.1:3000",
		"https://u:p@h/x|https://y,direct": "https://u:p@h/x|https://y,direct", "[::1]:3000": "",
	} {
		c, err := Load(Sources{File: write(t, "private: "+yaml+"\n"), GoEnv: DefaultGoEnv()})
		if want == "" {
			if err == nil {
				t.Errorf("private: %s is taken as %q; it is a list to YAML", yaml, c.Private)
			}
			continue
		}
		if err != nil || c.Private != want {
			t.Errorf("private: %s is read as %q, error %v; want %q", yaml, c.Private, err, want)
		}
	}
}

// Deep nesting must not exhaust the memory, nor long files the time: both are refused
// before they are parsed.
func TestHostileYAML(t *testing.T) {
	for _, unit := range []string{"[", "{a: ", "- - ", "a: 1\n", "\"", "&a "} {
		text := strings.Repeat(unit, maxFile/8/len(unit))
		_, err := Load(Sources{File: write(t, text), GoEnv: DefaultGoEnv()})
		if err == nil || !strings.Contains(err.Error(), "more than any configuration") {
			t.Errorf("128 KiB of %q: error %v, want that it is too much", unit, err)
		}
	}
}

func TestManyMistakes(t *testing.T) {
	var b strings.Builder
	for i := range 2 * maxErrors {
		fmt.Fprintf(&b, "zzz%d: 1\n", i)
	}
	_, err := Load(Sources{File: write(t, b.String()), GoEnv: DefaultGoEnv()})
	got := problems(err)
	if len(got) != maxErrors+1 || got[maxErrors] != "modhaven.yaml: further mistakes are not listed" {
		t.Errorf("%d errors, the last %q; want %d and a note", len(got), got[len(got)-1], maxErrors)
	}
}
