package e2e_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// newVault is a forge with the password that the tests of credentials hand out.
func newVault(t *testing.T) *forge {
	g := newForge(t)
	g.SetPassword("pass-word")
	g.Answer("api", giveToken)
	return g
}

// giveToken is GitHub's call for a token of an App's installation.
func giveToken(w http.ResponseWriter, r *http.Request) {
	jwt, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.URL.Path != "/api/v3/app/installations/77/access_tokens" || !ok || strings.Count(jwt, ".") != 2 {
		http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(map[string]any{"token": "pass-word", "expires_at": time.Now().Add(time.Hour)})
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

func appKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return file(t, "app.pem", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
}

// A spy looks for secrets in the arguments of all processes, and in the variables of those below a server.
type spy struct {
	stop, done chan struct{}
	looks      int
	found      []string
}

func startSpy(secret string) *spy {
	s := &spy{stop: make(chan struct{}), done: make(chan struct{})}
	words := [][]byte{[]byte(secret), []byte(base64.StdEncoding.EncodeToString([]byte("robot:" + secret))), []byte(base64.StdEncoding.EncodeToString([]byte("x-access-token:" + secret)))}
	go func() {
		defer close(s.done)
		often := time.NewTicker(5 * time.Millisecond) // the servers and git need the processor too
		defer often.Stop()
		for {
			s.look(words)
			select {
			case <-s.stop:
				return
			case <-often.C:
			}
		}
	}()
	return s
}

func (s *spy) look(words [][]byte) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range files {
		args, _ := os.ReadFile(name)
		if len(args) > 0 {
			s.looks++
		}
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "environ"))
		if !bytes.Contains(env, []byte("GOMODCACHE=")) || !bytes.Contains(env, []byte("/direct/")) {
			env = nil
		}
		for _, w := range words {
			if bytes.Contains(args, w) || bytes.Contains(env, w) {
				s.found = append(s.found, strings.ReplaceAll(string(args), "\x00", " "))
			}
		}
	}
}

func (s *spy) want(t *testing.T) {
	t.Helper()
	close(s.stop)
	<-s.done
	if s.looks == 0 || len(s.found) > 0 {
		t.Errorf("in %d looks at processes the secret was in %q", s.looks, s.found)
	}
}

// TestCredentials: each kind of credential fetches a private module, and is in no argument, variable of git's, log, answer or file of the state.
func TestCredentials(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are looked at in /proc")
	}
	t.Parallel()
	g := newVault(t)
	g.Module("team/lib", "v1.0.0")
	token := file(t, "token", "pass-word\n")
	command := file(t, "command", "#!/bin/sh\ncat '"+token+"'\n")
	store := file(t, "store", "https://robot:pass-word@"+forgeHost+"\n")
	for kind, options := range map[string]string{
		"file":    "user=robot token-file=" + token,
		"env":     "token-env=GIT_TOKEN",
		"command": "token-command=" + command,
		"helper":  `helper="store --file=` + store + `"`,
		"app":     "github-app=4711 installation=77 app-key=" + appKey(t),
	} {
		hv := g.startWith([]string{"GIT_TOKEN=pass-word"}, "--upstreams", "direct", "--private", forgeHost, "--direct-credentials", forgeHost+" "+options, "--log-level", "debug")
		s := startSpy("pass-word")
		a := hv.get(forgeHost + "/team/lib/@v/list")
		zip := hv.get(forgeHost + "/team/lib/@v/v1.0.0.zip")
		s.want(t)
		if a.body != "v1.0.0\n" || zip.StatusCode != http.StatusOK {
			t.Errorf("%s: got %s %q, %s\n%s", kind, a.Status, a.body, zip.Status, hv.out.String())
		}
		hv.stop()
		if strings.Contains(hv.out.String(), "pass-word") {
			t.Errorf("%s: the log has the secret:\n%s", kind, hv.out.String())
		}
		wantNoSecret(t, hv.state, "pass-word")
	}
}

func wantNoSecret(t *testing.T, dir, secret string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s has the secret", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCredentialChanges: a file counts when it is changed; one that is wrong, or missing, is a true answer; another host's is not shown.
func TestCredentialChanges(t *testing.T) {
	t.Parallel()
	g := newVault(t)
	g.Module("team/lib", "v1.0.0")
	token := file(t, "token", "mistaken")
	hv := g.startWith(nil, "--upstreams", "direct", "--private", forgeHost+",*."+forgeHost, "--fresh", "0s",
		"--direct-credentials", forgeHost+" token-file="+token+"; other."+forgeHost+":8443 token-file="+token)
	wantAnswer := func(what, path string, status int, says string) {
		t.Helper()
		a := hv.get(path)
		if a.StatusCode != status || !strings.Contains(a.body, says) || strings.Contains(a.body, token) {
			t.Errorf("%s: got %s %q, want %d %q", what, a.Status, a.body, status, says)
		}
	}
	const list = forgeHost + "/team/lib/@v/list"
	wantAnswer("a wrong token", list, 403, "authentication failed for "+forgeHost+": the credential for it was refused")
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	wantAnswer("no token", list, 503, forgeHost+": its credential cannot be had now; the server's log says why")
	if !strings.Contains(hv.out.String(), token+": no such file") {
		t.Errorf("the log does not say why:\n%s", hv.out.String())
	}
	if err := os.WriteFile(token, []byte("pass-word"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantAnswer("of another host", "other."+forgeHost+"/team/lib/@v/list", 403, "authentication failed for other."+forgeHost+": no credential is configured")
	wantAnswer("the right token", list, 200, "v1.0.0")
}

// An sshd is a real one on loopback, which serves the repositories of a forge to whoever has its user's key.
type sshd struct {
	addr           string
	key, otherKey  string // private keys: the right one and one that is not known
	known, changed string // known_hosts files: with the host's key and with another one
	log            buffer
}

func newSSHD(t *testing.T, g *forge) *sshd {
	t.Helper()
	bin, err := exec.LookPath("sshd")
	if err != nil {
		bin = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(bin); err != nil {
		t.Skipf("sshd is not installed: %v", err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"host", "otherhost", "key", "otherkey"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at(name)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{addr: ln.Addr().String(), key: at("key"), otherKey: at("otherkey"), known: at("known hosts"), changed: at("changed")}
	ln.Close()
	port := s.addr[strings.LastIndex(s.addr, ":")+1:]
	read := func(name string) string {
		b, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	texts := map[string]string{
		"serve": "#!/bin/sh\neval \"$(echo \"$SSH_ORIGINAL_COMMAND\" | sed \"s,'/,'" + g.Root + "/,\")\"\n",
		"config": "Port " + port + "\nListenAddress 127.0.0.1\nHostKey " + at("host") + "\nAuthorizedKeysFile " + at("key.pub") + "\nForceCommand " + at("serve") +
			"\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\n",
		"known hosts": "[127.0.0.1]:" + port + " " + read("host.pub"),
		"changed":     "[127.0.0.1]:" + port + " " + read("otherhost.pub"),
		"nobody":      "",
	}
	for name, text := range texts {
		if err := os.WriteFile(at(name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where it separates privileges
			t.Skip("sshd needs /run/sshd: ", err)
		}
	}
	cmd := exec.Command(bin, "-D", "-e", "-f", at("config"))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { cmd.Process.Kill(); <-ended; cmd.Wait() })
	listening := make(chan bool, 1)
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			s.log.Write(append(lines.Bytes(), '\n'))
			if strings.HasPrefix(lines.Text(), "Server listening") {
				listening <- true
			}
		}
		close(listening)
	}()
	if !<-listening {
		t.Fatalf("sshd does not listen:\n%s", s.log.String())
	}
	return s
}

// TestSSH: with a host's key that is known and a right key of ours git fetches by SSH alone; all else is a true refusal.
func TestSSH(t *testing.T) {
	t.Parallel()
	g := newVault(t)
	g.Module("team/lib", "v1.0.0")
	s := newSSHD(t, g)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	token := file(t, "token", "pass-word") // for the page that says where the repository is
	for _, x := range []struct {
		name, key, known string
		status           int
		says             string
	}{
		{"right", s.key, s.known, 200, "v1.0.0"},
		{"another key", s.otherKey, s.known, 403, "SSH authentication failed"},
		{"a changed host", s.key, s.changed, 403, "another SSH host key than the one that is configured"},
		{"an unknown host", s.key, file(t, "known_hosts", ""), 503, "SSH host key is not known"},
	} {
		hv := g.startWith(nil, "--upstreams", "direct", "--private", forgeHost, "--direct-credentials",
			forgeHost+" token-file="+token+` ssh-key="`+x.key+`" known-hosts="`+x.known+`" ssh-address=ssh://`+me.Username+"@"+s.addr)
		a := hv.get(forgeHost + "/team/lib/@v/list")
		if a.StatusCode != x.status || !strings.Contains(a.body, x.says) {
			t.Errorf("%s: got %s %q, want %d %q\n%s\n%s", x.name, a.Status, a.body, x.status, x.says, hv.out.String(), s.log.String())
		}
	}
	if n := g.Asked(); n > 0 {
		t.Errorf("git came over https %d times", n)
	}
}

// TestSelfSigned: the go command trusts the server by what it printed, and downloads over HTTP/2.
func TestSelfSigned(t *testing.T) {
	t.Parallel()
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	u := proxytest.New(t, proxytest.WithSumDB(db))
	state := filepath.Join(t.TempDir(), "state")
	hv := serveOver(t, state, u.URL, "--sumdb", db.Key, "--tls-self-signed", "on")
	ca := filepath.Join(state, "tls", "ca.pem")
	env := append(proxytest.GoEnv(t, hv.URL, db.Key), "SSL_CERT_FILE="+ca)
	checkDownloads(t, goOK(t, env, downloads(t)...))
	_, stderr, err := proxytest.Go(t, t.TempDir(), append(env, "GODEBUG=http2debug=1"), "list", "-m", "-versions", "example.com/plain")
	if err != nil || !strings.Contains(stderr, "http2: ") {
		t.Errorf("the go command does not speak HTTP/2: %v, %s", err, stderr)
	}
	before := trusted(t, hv, ca)
	if out := hv.out.String(); !strings.Contains(out, "export SSL_CERT_FILE=$PWD/modhaven-ca.pem") || !strings.Contains(out, ca) {
		t.Errorf("it does not say how to trust it:\n%s", out)
	}
	hv.stop()
	again := serveOver(t, state, u.URL, "--tls-self-signed", "on")
	if after := trusted(t, again, ca); !bytes.Equal(before, after) {
		t.Error("the authority is another one after a restart")
	}
}

// trusted gets the authority as a client does, and with it asks over HTTP/2.
func trusted(t *testing.T, hv *haven, ca string) []byte {
	t.Helper()
	want, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	client := trusting(t, want)
	for path, proto := range map[string]int{"/ca.pem": 2, "/healthz": 2} {
		resp, err := client.Get(hv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		b.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.ProtoMajor != proto || resp.StatusCode != 200 || path == "/ca.pem" && !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s: %s by %s, %q", path, resp.Status, resp.Proto, b.Bytes())
		}
	}
	return want
}
