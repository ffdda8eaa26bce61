package doctor

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// settings judges what needs no packet.
func (e *examination) settings(context.Context) []Finding {
	var all []Finding
	add := func(code Code, s Severity, c Confidence, v Vars, evidence ...string) {
		fd := newFinding(code, StageSettings, c, v)
		fd.Severity = s
		fd.Targets = []string{roleSettings}
		for _, t := range evidence {
			if complete(t, v) {
				fd.Evidence = append(fd.Evidence, Text{t, v})
			}
		}
		all = append(all, fd)
	}
	m := e.m
	if m.goErr != "" {
		add("MH1101", Warn, Certain, Vars{"why": m.goErr})
	}
	e.judgeList(add)
	e.judgeSumDB(add)
	e.judgeProxies(add)
	e.judgeDisk(add)
	e.judgeVendor(add)
	return all
}

type adder func(Code, Severity, Confidence, Vars, ...string)

// gone are module proxies that their owners ended.
var gone = map[string]bool{"gocenter.io": true, "athens.azurefd.net": true}

func (e *examination) judgeList(add adder) {
	m := e.m
	from := Vars{"from": m.from("GOPROXY"), "value": redactList(m.env["GOPROXY"])}
	const says = "{from} says GOPROXY={value}"
	if !m.private(e.Module) && m.given == "" { // for Modhaven itself these are settings like others
		if len(e.entries) == 0 && m.env["GOPROXY"] != "" {
			add("MH1002", Fail, Certain, from.with(Vars{"why": "the list is empty"}), says)
		}
		if len(e.entries) > 0 && e.entries[0].URL == goproxy.Off {
			add("MH1001", Fail, Certain, from, says)
		}
	}
	for _, n := range e.entries {
		u, err := url.Parse(n.URL)
		switch {
		case n.URL == goproxy.Direct || n.URL == goproxy.Off:
		case err != nil:
			add("MH1002", Fail, Certain, from.with(Vars{"why": "an entry is no address"}))
		case u.Scheme == "file":
			if _, err := os.Stat(filepath.FromSlash(u.Path)); err != nil {
				add("MH1015", Warn, Certain, from.with(Vars{"value": u.Path}))
			}
		case u.Scheme != "http" && u.Scheme != "https":
			add("MH1002", Fail, Certain, from.with(Vars{"why": "the scheme of " + goproxy.Redact(n.URL) + " must be https, http or file"}), says)
		case u.Host == "":
			add("MH1002", Fail, Certain, from.with(Vars{"why": goproxy.Redact(n.URL) + " has no host"}), says)
		case gone[strings.ToLower(u.Hostname())]:
			add("MH1008", Warn, Certain, from.with(Vars{"host": u.Hostname(), "better": without(e.entries, n.URL)}), says)
		case u.User != nil && u.Scheme == "http" && !isLocal(u.Hostname()):
			add("MH1014", Info, Certain, Vars{"entry": goproxy.Redact(n.URL)})
		}
	}
}

func isLocal(host string) bool {
	return host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
}

// without returns a list without one of its entries.
func without(all []entry, out string) string {
	var b strings.Builder
	sep := ""
	for _, n := range all {
		if n.URL == out {
			continue
		}
		b.WriteString(sep + goproxy.Redact(n.URL))
		sep = map[bool]string{true: "|", false: ","}[n.AnyError]
	}
	if b.Len() == 0 {
		return goproxy.DefaultUpstreams
	}
	return b.String()
}

func (e *examination) judgeSumDB(add adder) {
	m := e.m
	spec := m.env["GOSUMDB"]
	v := Vars{"from": m.from("GOSUMDB"), "value": scrub(spec)}
	const says = "{from} says GOSUMDB={value}"
	needed := Fail
	if e.m.unverified(e.Module) {
		needed = Info
	}
	switch _, err := goproxy.ParseSumDB(spec); {
	case strings.HasPrefix(strings.TrimSpace(spec), "gosum.io+"):
		add("MH1007", needed, Certain, v, says)
	case err != nil && spec != "":
		add("MH1006", needed, Certain, v.with(Vars{"why": errText(err)}), says)
	case spec == goproxy.Off && m.from("GOSUMDB") != fromDefaults && m.given == "":
		add("MH1013", Info, Certain, v, says)
	}
	if only := m.env["GONOSUMDB"]; only != "" && m.environ["GONOSUMDB"] != "" && m.env["GONOPROXY"] == "" {
		add("MH1016", Info, Certain, Vars{"value": only})
	}
}

func (e *examination) judgeProxies(add adder) {
	seen := map[string]bool{}
	for _, t := range e.targets {
		name := e.m.proxyName(t.url.Scheme)
		if _, err := e.m.proxyFor(t.url); err != nil && !seen[name] {
			seen[name] = true
			add("MH1009", Fail, Certain, Vars{"name": name, "why": errText(checkProxy(e.m.environ[name]))})
		}
	}
}

// minFree is less than what a build of some size downloads.
const minFree = 20 << 20

// judgeDisk sees whether what is downloaded can be written.
func (e *examination) judgeDisk(add adder) {
	for _, name := range []string{"GOMODCACHE", "GOTMPDIR"} {
		dir := e.m.env[name]
		if dir == "" {
			continue
		}
		there := existing(dir)
		if err := writable(there); err != nil {
			code := Code("MH1102")
			if isFull(err) {
				code = "MH1103"
			}
			add(code, Fail, Certain, Vars{"name": name, "value": dir, "why": reasonOf(err), "free": "0 bytes"})
			continue
		}
		if free, ok := freeBytes(there); ok && free < minFree {
			add("MH1103", Fail, Certain, Vars{"name": name, "value": dir, "free": bytesText(free)})
		}
	}
}

// existing returns the nearest directory above that there is.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// writable tries to write a small file.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".modhaven-doctor-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

func reasonOf(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return errText(err)
}

// judgeVendor compares vendor/modules.txt with go.mod where the go command uses it.
func (e *examination) judgeVendor(add adder) {
	asked := strings.Contains(" "+e.m.env["GOFLAGS"]+" ", " -mod=vendor ")
	root := e.m.env["GOMOD"]
	if root == "" || root == os.DevNull {
		return
	}
	root = filepath.Dir(root)
	listed, err := os.ReadFile(filepath.Join(root, "vendor", "modules.txt"))
	if err != nil {
		if asked {
			add("MH1005", Fail, Certain, Vars{"why": "vendor/modules.txt is not there"}, "GOFLAGS has -mod=vendor")
		}
		return
	}
	if strings.Contains(e.m.env["GOFLAGS"], "-mod=mod") {
		return
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return
	}
	if why := vendorDiffers(mod, listed); why != "" {
		add("MH1005", Fail, Certain, Vars{"why": why})
	}
}
