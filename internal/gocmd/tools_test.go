package gocmd

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// tool returns where a program is. It skips the test where it is not installed.
func tool(t *testing.T, name, packaged string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed, and the test is about it (apt-get install %s)", name, packaged)
	return ""
}

// runs starts a server program, which ends with the test, and waits until it listens.
func runs(t *testing.T, addr string, cmd *exec.Cmd) {
	t.Helper()
	said := &bounded{max: 64 << 10}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for limit := time.Now().Add(time.Minute); ; runtime.Gosched() {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", cmd.Path, said.b.String())
		default:
		}
		if time.Now().After(limit) {
			t.Fatalf("%s does not listen", cmd.Path)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// output runs a program, which must succeed.
func (g *forge) output(dir, name string, args ...string) string {
	g.tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HGRCPATH=", "HGUSER=T <t@example.com>", "HGPLAIN=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.tb.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// An sshd is a server for SSH that lets one key in.
type sshd struct{ dir, port, login string }

// key is the file of a private key: "mine", which is let in, or "other".
func (s sshd) key(name string) string { return filepath.Join(s.dir, name) }

// config is the configuration of ssh for it, as a host by a name.
func (s sshd) config(name, key string) string {
	return fmt.Sprintf("Host %s\n\tUserKnownHostsFile %s\n\tIdentityFile %s\n\tHostKeyAlias known\n\tIdentitiesOnly yes\n\tStrictHostKeyChecking yes\n\tBatchMode yes\n",
		name, filepath.Join(s.dir, "known"), s.key(key))
}

// command is that with which git reaches it as the forge.
func (s sshd) command(t *testing.T, key string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ssh.conf")
	write(t, name, s.config(hostName, key)+"\tHostName 127.0.0.1\n\tPort "+s.port+"\n")
	return "ssh -F " + name
}

func (g *forge) sshd(t *testing.T) sshd {
	t.Helper()
	bin := tool(t, "sshd", "openssh-server")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" { // else sshd needs none
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skipf("sshd needs /run/sshd: %v", err)
		}
	}
	dir, port := t.TempDir(), freePort(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, key := range []string{"host", "mine", "other"} {
		g.output(dir, tool(t, "ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", at(key))
	}
	public := func(key string) string {
		b, err := os.ReadFile(at(key + ".pub"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	write(t, at("authorized"), fmt.Sprintf("environment=\"HOME=%s\" %s", dir, public("mine"))) // no shell reads the user's own settings
	write(t, at("known"), "known "+public("host"))
	write(t, at("sshd.conf"), fmt.Sprintf("ListenAddress 127.0.0.1:%s\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nPermitUserEnvironment yes\n",
		port, at("host"), at("authorized")))
	runs(t, "127.0.0.1:"+port, exec.Command(bin, "-D", "-e", "-f", at("sshd.conf")))
	return sshd{dir, port, me.Username}
}

// TestSameSSH has the files that come over SSH, from a real server of it, be those that the go command gets by itself; and another key is refused.
func TestSameSSH(t *testing.T) {
	g := newForge(t)
	s := g.sshd(t)
	r := g.Module("plain", "v1.0.0", "v1.1.0")
	r.Commit([]string{"v2.0.0"}, "go.mod", "module "+r.Path+"/v2\n")
	g.Page("plain", fmt.Sprintf("%s git ssh://%s@%s%s", r.Path, s.login, hostName, r.Bare))
	f := g.fetcher(Options{Env: []string{"GIT_SSH_COMMAND=" + s.command(t, "mine")}})
	asked := g.Asked()
	sameAll(t, g, f, map[string][]string{r.Path: {"v1.0.0", "latest"}, r.Path + "/v2": {"main"}})
	if n := g.Asked() - asked; n != 0 {
		t.Errorf("git asked %d times over HTTPS", n)
	}
	stranger := g.fetcher(Options{Env: []string{"GIT_SSH_COMMAND=" + s.command(t, "other")}})
	_, err := read(stranger.List(t.Context(), hostName+"/plain"))
	wantError(t, stranger, "list", err, failing{path: hostName + "/plain", want: "refused", says: []string{"SSH authentication failed"}})
}

// TestSameHg has modules of Mercurial be those that the go command gets by itself.
func TestSameHg(t *testing.T) {
	g := newForge(t)
	hg := tool(t, "hg", "mercurial")
	path, tree := hostName+"/hg/lib", filepath.Join(t.TempDir(), "lib")
	g.output("", hg, "init", tree)
	commit := func(tag string, nameAndContent ...string) {
		for i := 0; i < len(nameAndContent); i += 2 {
			write(t, filepath.Join(tree, nameAndContent[i]), nameAndContent[i+1])
		}
		g.output(tree, hg, "commit", "-A", "-m", "c", "-d", "1767323045 0")
		if tag != "" {
			g.output(tree, hg, "tag", "-d", "1767323046 0", tag)
		}
	}
	commit("v1.0.0", "go.mod", "module "+path+"\n", "a.go", "package a\n", "LICENSE", "do what you like\n")
	commit("v1.1.0", "b.go", "package a\n", "sub/go.mod", "module "+path+"/sub\n")
	g.output(tree, hg, "bookmark", "-r", "0", "side")
	port := freePort(t)
	runs(t, "127.0.0.1:"+port, exec.Command(hg, "serve", "-R", tree, "-a", "127.0.0.1", "-p", port, "--prefix", "hgweb/lib"))
	to := &url.URL{Scheme: "http", Host: "127.0.0.1:" + port}
	behind := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: &http.Transport{DisableKeepAlives: true}}
	g.Answer("hgweb", behind.ServeHTTP)
	g.Page("hg/lib", path+" hg https://"+hostName+"/hgweb/lib")
	f := g.fetcher(Options{})
	sameAll(t, g, f, map[string][]string{path: {"v1.1.0", "side"}})
	_, err := fetch(f, file(path, "v1.2.0", goproxy.Zip))
	wantError(t, f, "zip", err, failing{path: path, want: "absent"})
}

// TestSameSvn has a module of Subversion, which is let be used for private modules alone, be that which the go command gets by itself.
func TestSameSvn(t *testing.T) {
	g := newForge(t)
	admin, svn := tool(t, "svnadmin", "subversion"), tool(t, "svn", "subversion")
	s := g.sshd(t)
	path, repo, tree := hostName+"/old/lib", filepath.Join(t.TempDir(), "repo"), filepath.Join(t.TempDir(), "tree")
	g.output("", admin, "create", repo)
	g.output("", svn, "checkout", "file://"+repo, tree)
	write(t, filepath.Join(tree, "go.mod"), "module "+path+"\n")
	write(t, filepath.Join(tree, "a.go"), "package a\n")
	g.output(tree, svn, "add", "go.mod", "a.go")
	g.output(tree, svn, "commit", "--username", "t", "-m", "c")
	g.Page("old/lib", fmt.Sprintf("%s svn svn+ssh://%s@localhost%s", path, s.login, repo))
	o := Options{Helper: helper(t), SSHConfig: s.config("localhost", "mine") + "\tPort " + s.port + "\n", Inside: hostName + ",localhost"}
	sameAll(t, g, g.fetcher(o), map[string][]string{path: {"latest"}})
	o.Inside, o.Dir = "localhost", ""
	stranger := g.fetcher(o)
	_, err := read(stranger.List(t.Context(), path))
	wantError(t, stranger, "of one that is not private", err, failing{path: path, want: "refused", says: []string{"the server may not use svn"}})
}

// TestSvnThroughGuard has svn over https connect where the guard allows it alone: only a file tells it of a proxy.
func TestSvnThroughGuard(t *testing.T) {
	g := newForge(t)
	tool(t, "svn", "subversion")
	path := hostName + "/old/lib"
	g.Page("old/lib", path+" svn https://"+innerHost+"/svn/lib")
	f := g.fetcher(Options{Inside: hostName})
	_, err := read(f.List(t.Context(), path))
	wantError(t, f, "list", err, failing{path: path, want: "refused", says: []string{innerHost + " is not connected to: its address 10.1.2.3 is one of the inside"}})
}

func TestSvnServers(t *testing.T) {
	for want, env := range map[string][]string{
		"": {"no_proxy=x"},
		"[global]\nhttp-proxy-host = p\nhttp-proxy-port = 3128\nhttp-proxy-username = u\nhttp-proxy-password = w\nhttp-proxy-exceptions = a.b, *.a.b, c, *.c\n": {"HTTPS_PROXY=http://u:w@p:3128", "NO_PROXY=.a.b, c,"},
		"[global]\nhttp-proxy-host = q\nhttp-proxy-port = 80\n": {"HTTPS_PROXY=http://p:1", "https_proxy=http://q"},
	} {
		if got := svnServers(env); got != want {
			t.Errorf("%q: got %q, want %q", env, got, want)
		}
	}
}

func TestAnyForInside(t *testing.T) {
	for inside, want := range map[string]string{
		"":                                 "*:git|hg",
		"a.example, b.example/x,a.example": "a.example:all,b.example/x:all,*:git|hg",
		"*":                                "*:all",
	} {
		if got := anyForInside(inside); got != want {
			t.Errorf("%q: got %q, want %q", inside, got, want)
		}
	}
}
