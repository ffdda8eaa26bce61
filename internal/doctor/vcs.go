package doctor

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// gitPatience is how long git may take to say what a repository has.
const gitPatience = 6 * time.Second

// vcsFacts are what version control showed of a module.
type vcsFacts struct {
	target *target
	module string
	page   *exchange // the answer to ?go-get=1; nil for hosts that the go command knows
	root   string    // the module path of the repository
	repo   string    // its address
	vcs    string
	absent string // a program that is not there
	git    string // what git said, where it failed
	failed bool
	took   time.Duration
}

// planVCS makes the host of the module a target, where the go command would fetch it from there.
func (e *examination) planVCS() {
	if e.Module == "" {
		return
	}
	direct := e.m.private(e.Module)
	if len(e.entries) == 1 && e.entries[0].URL == goproxy.Direct {
		direct = true
	}
	if direct {
		host, _, _ := strings.Cut(e.Module, "/")
		e.target(roleVCS, &url.URL{Scheme: "https", Host: host})
	}
}

// knownHosts are those whose repositories the go command finds by their names alone.
var knownHosts = map[string]int{"github.com": 3, "bitbucket.org": 3}

func (e *examination) walkVCS(ctx context.Context, t *target) {
	if !t.reach(ctx) {
		return
	}
	t.tls = examineTLS(ctx, t, e.Now())
	if t.tls.err != nil || t.tls.verify != nil {
		return
	}
	f := &vcsFacts{target: t, module: e.Module, vcs: "git"}
	t.vcs = f
	if n := knownHosts[t.host]; n > 0 {
		parts := strings.Split(e.Module, "/")
		f.root = strings.Join(parts[:min(n, len(parts))], "/")
		f.repo = "https://" + f.root
	} else {
		f.find(ctx, t, e.Module)
	}
	if f.repo != "" {
		f.ask(ctx, e)
	}
}

// find reads the page that says where the repository is (https://go.dev/ref/mod#vcs-find).
func (f *vcsFacts) find(ctx context.Context, t *target, path string) {
	c := newClient(t, true)
	defer c.tr.CloseIdleConnections()
	_, rest, _ := strings.Cut(path, "/")
	f.page = c.get(ctx, "the go-import page", "/"+rest+"?go-get=1", "")
	t.web = f.page
	for _, m := range parseImports(f.page.body) {
		if path == m.root || strings.HasPrefix(path, m.root+"/") {
			f.root, f.vcs, f.repo = m.root, m.vcs, m.repo
		}
	}
}

// An importTag is a go-import meta tag.
type importTag struct{ root, vcs, repo string }

// parseImports reads the meta tags of a page, as far as it can be read.
func parseImports(b []byte) (all []importTag) {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for range 10000 {
		t, err := d.RawToken()
		if err != nil {
			return all
		}
		e, ok := t.(xml.StartElement)
		if ok && strings.EqualFold(e.Name.Local, "body") {
			return all
		}
		if !ok || !strings.EqualFold(e.Name.Local, "meta") {
			continue
		}
		attr := map[string]string{}
		for _, a := range e.Attr {
			attr[strings.ToLower(a.Name.Local)] = a.Value
		}
		if w := strings.Fields(attr["content"]); attr["name"] == "go-import" && len(w) == 3 {
			all = append(all, importTag{w[0], w[1], w[2]})
		}
	}
	return all
}

// ask has git say what the repository has, with the credentials that it would use.
func (f *vcsFacts) ask(ctx context.Context, e *examination) {
	if f.vcs != "git" {
		if _, err := exec.LookPath(f.vcs); err != nil {
			f.absent = f.vcs
		}
		return
	}
	git, err := exec.LookPath("git")
	if err != nil {
		f.absent = "git"
		return
	}
	u, err := url.Parse(f.repo)
	if err != nil || u.Scheme != "https" && u.Scheme != "ssh" && u.Scheme != "http" && u.Scheme != "git" && u.Scheme != "git+ssh" {
		f.failed, f.git = true, "the address of the repository has no scheme that is allowed"
		return
	}
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	start := time.Now()
	cmd := exec.CommandContext(ctx, git, "ls-remote", "-q", "--", f.repo, "HEAD")
	cmd.Env = append(append([]string{}, e.Environ...), "GIT_TERMINAL_PROMPT=0", "GCM_INTERACTIVE=never", "LC_ALL=C", "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=5")
	cmd.WaitDelay = 200 * time.Millisecond
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	f.took = time.Since(start)
	if err == nil {
		return
	}
	f.failed, f.git = true, oneLine(scrub(stderr.String()))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		f.git = "no answer in time"
	}
}

// wantsCredential reports whether git failed for want of one. It has no other way to say so than words.
func (f *vcsFacts) wantsCredential() bool {
	for _, words := range []string{"could not read Username", "could not read Password", "terminal prompts disabled", "Authentication failed", "Permission denied (publickey", "HTTP Basic: Access denied"} {
		if strings.Contains(f.git, words) {
			return true
		}
	}
	return false
}

// missing reports whether the page says that there is no such module.
func (f *vcsFacts) missing() bool {
	return f.repo == "" && f.page != nil && f.page.end == "" && (absent(f.page.status) || f.page.status == http.StatusOK)
}
