package credential

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func parse(t *testing.T, lines ...string) []Host {
	t.Helper()
	var words [][]string
	for _, l := range lines {
		words = append(words, strings.Split(l, "|"))
	}
	hosts, err := Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	return hosts
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestParse(t *testing.T) {
	for line, says := range map[string]string{
		"git.corp.example|token-file=/t":                                          "",
		"Git.Corp.Example:443|user=u|token-env=T":                                 "",
		"git.corp.example:8443|token-command=a b c|every=1h":                      "",
		"git.corp.example|helper=store":                                           "",
		"github.com|github-app=1|installation=2|app-key=/k":                       "",
		"h|github-app=Iv1.a|installation=2|app-key=/k|api=https://h/api":          "",
		"h|ssh-key=/k|known-hosts=/h":                                             "",
		"h|ssh-key=/k|known-hosts=/h|ssh-address=ssh://me@other:2222|token-env=T": "",

		"*|token-env=T":                "it is no host",
		"https://h|token-env=T":        "it is no host",
		"h/path|token-env=T":           "it is no host",
		"user:secret@h|token-env=T":    "it is no host",
		"-h|token-env=T":               "it is no host",
		"|token-env=T":                 "it is no host",
		"h":                            "no option says where",
		"h|token=secret":               `"token" is no option`,
		"h|secret":                     "not NAME=VALUE",
		"h|token-env=":                 "not NAME=VALUE",
		"h|token-env=a|token-env=b":    "stands twice",
		"h|token-env=a|token-file=b":   "more than one",
		"h|user=u":                     "no option says where",
		"h|user=u|helper=x":            "user belongs to a token",
		"h|user=a:b|token-env=T":       "colon",
		"h|token-env=T|every=1h":       "every belongs",
		"h|token-command=x|every=soon": "no duration",
		"h|github-app=1":               "needs all of",
		"h|github-app=1|installation=x|app-key=/k":                         "installation is a number",
		"h|github-app=1|installation=1|app-key=/k|api=http://h":            "address of a GitHub App's API",
		"h|token-env=T|api=https://h":                                      "address of a GitHub App's API",
		"h|ssh-key=/k":                                                     "belong together",
		"h|known-hosts=/k|token-env=T":                                     "belong together",
		"h|token-env=T|ssh-address=ssh://a@b":                              "belongs to ssh-key",
		"h|ssh-key=/k|known-hosts=/h|ssh-address=https://a@b":              "not ssh://",
		"h|ssh-key=/k|known-hosts=/h|ssh-address=ssh://a:secret@b":         "not ssh://",
		"h|ssh-key=/k|known-hosts=/h|ssh-address=ssh://-oProxyCommand=x@b": "not ssh://",
		"h|ssh-key=/k|known-hosts=/h|ssh-address=ssh://a@b/path":           "not ssh://",
		"h|ssh-key=/k${x}|known-hosts=/h":                                  "cannot be told",
	} {
		_, err := Parse([][]string{strings.Split(line, "|")})
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v, want %q", line, err, says)
		}
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), "/run/secrets/", ""), "secret") {
			t.Errorf("%q: the error shows what may be a secret: %v", line, err)
		}
	}
	if _, err := Parse([][]string{{"H:443", "token-env=A"}, {"h", "token-env=B"}}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a host that stands twice: %v", err)
	}
}

// TestSources has each kind give its secret, and what is wrong be in the log without one.
func TestSources(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are shell scripts")
	}
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "token"), "t0ken\n")
	command := write(t, filepath.Join(dir, "command"), "#!/bin/sh\necho \"$1-$FROM\"\necho secret-noise >&2\n")
	fails := write(t, filepath.Join(dir, "fails"), "#!/bin/sh\necho secret\necho secret >&2\nexit 3\n")
	helper := write(t, filepath.Join(dir, "helper"), "#!/bin/sh\ncat >"+dir+"/asked\necho username=me\necho password=for-$1\n")
	var log strings.Builder
	h, err := New(parse(t, "file|token-file="+file, "env|user=u|token-env=FROM", "command|token-command="+command+" word", "helper:99|helper="+helper,
		"unset|token-env=UNSET", "fails|token-command="+fails, "empty|token-env=EMPTY", "lines|token-env=LINES", "nohelp|helper=/nonexistent/helper"),
		Options{Environ: []string{"FROM=env-token", "EMPTY= ", "LINES=secret\nsecret", "PATH=" + os.Getenv("PATH")}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]Secret{
		"file": {defaultUser, "t0ken"}, "FILE:443": {defaultUser, "t0ken"}, "env": {"u", "env-token"}, "command": {defaultUser, "word-env-token"}, "helper:99": {"me", "for-get"},
	} {
		if got, err := h.Get(t.Context(), host); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", host, got, err, want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "asked")); string(b) != "protocol=https\nhost=helper:99\n\n" || err != nil {
		t.Errorf("the helper was asked %q, %v", b, err)
	}
	for _, host := range []string{"unset", "fails", "empty", "lines", "nohelp"} {
		_, err := h.Get(t.Context(), host)
		if want := host + ": its credential cannot be had now; the server's log says why"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", host, err, want)
		}
	}
	for _, host := range []string{"helper", "file:8443", "other", ""} {
		if _, err := h.Get(t.Context(), host); !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, want := range []string{"UNSET is not set", "exit status 3", "it is empty", "several lines"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log has a secret: %s", log.String())
	}
	// What a file says counts at once, and who was refused may ask again only where it says something else.
	if h.Refused(t.Context(), "file", Secret{defaultUser, "t0ken"}) {
		t.Error("the same token is no better the second time")
	}
	write(t, file, "other")
	if !h.Refused(t.Context(), "file", Secret{defaultUser, "t0ken"}) {
		t.Error("the file has another token")
	}
	if got, _ := h.Get(t.Context(), "file"); got.Password != "other" {
		t.Errorf("got %q after the change", got)
	}
}

func TestMissingFile(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, line := range []string{"h|token-file=" + none, "h|ssh-key=" + none + "|known-hosts=" + none, "h|github-app=1|installation=1|app-key=" + none} {
		if _, err := New(parse(t, line), Options{}); err == nil || !strings.Contains(err.Error(), none) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestKeeper remembers for as long as was said, and asks again after a refusal, but not for every one.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		k := &keeper{now: time.Now, turn: make(chan struct{}, 1), ask: func(context.Context) (Secret, time.Time, error) {
			asked++
			return Secret{"u", fmt.Sprint(asked)}, time.Now().Add(time.Hour), nil
		}}
		want := func(what, password string) Secret {
			t.Helper()
			s, err := k.get(t.Context())
			if s.Password != password || err != nil {
				t.Errorf("%s: %q, %v, want %q", what, s, err, password)
			}
			return s
		}
		want("first", "1")
		time.Sleep(time.Hour - 1)
		old := want("remembered", "1")
		time.Sleep(time.Nanosecond)
		fresh := want("asked again", "2")
		if k.refused(t.Context(), fresh) {
			t.Error("what was just asked for was forgotten")
		}
		time.Sleep(pause)
		if !k.refused(t.Context(), old) {
			t.Error("there is another one than the old")
		}
		want("after the old was refused", "2")
		if !k.refused(t.Context(), fresh) {
			t.Error("there is another one to ask for")
		}
		want("after a refusal", "3")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		k.turn <- struct{}{}
		if _, err := k.get(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("whose client left: %v", err)
		}
	})
}

// github is a server with the one call of GitHub's API that is used.
type github struct {
	*httptest.Server
	mu     sync.Mutex
	key    *rsa.PublicKey
	tokens int
	said   string // what was wrong with the last call
	life   time.Duration
}

func newGitHub(t *testing.T, key *rsa.PublicKey) *github {
	g := &github{key: key, life: time.Hour}
	g.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if err := g.check(r); err != nil {
			g.said = err.Error()
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"message":"A JSON web token could not be decoded"}`)
			return
		}
		g.tokens++
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]any{"token": fmt.Sprintf("ghs_%d", g.tokens), "expires_at": time.Now().Add(g.life).UTC().Format(time.RFC3339)})
	}))
	t.Cleanup(g.Close)
	return g
}

// check verifies the call as GitHub does.
func (g *github) check(r *http.Request) error {
	if r.Method != http.MethodPost || r.URL.Path != "/api/v3/app/installations/77/access_tokens" {
		return fmt.Errorf("%s %s", r.Method, r.URL)
	}
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		return errors.New("no token")
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(g.key, crypto.SHA256, sum[:], sig); err != nil {
		return err
	}
	var c struct {
		Iss      string
		Iat, Exp int64
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	now := time.Now().Unix()
	if err != nil || c.Iss != "4711" || c.Iat > now || c.Exp <= now || c.Exp > now+600 {
		return fmt.Errorf("claims %s: %v", b, err)
	}
	return nil
}

func TestApp(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := newGitHub(t, &key.PublicKey)
	file := filepath.Join(t.TempDir(), "key.pem")
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	var log strings.Builder
	h, err := New(parse(t, "github.corp.example|github-app=4711|installation=77|app-key="+file+"|api="+g.URL+"/api/v3/"),
		Options{HTTP: g.Client(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if s, err := h.Get(t.Context(), "github.corp.example"); s != (Secret{"x-access-token", "ghs_1"}) || err != nil {
			t.Fatalf("got %q, %v (%s)", s, err, g.said)
		}
	}
	// A token that ends soon is not kept.
	h.by["github.corp.example"].until = time.Time{}
	g.mu.Lock()
	g.life = early
	g.mu.Unlock()
	for _, want := range []string{"ghs_2", "ghs_3"} {
		if s, err := h.Get(t.Context(), "github.corp.example"); s.Password != want || err != nil {
			t.Errorf("got %q, %v, want %s", s, err, want)
		}
	}
	// The key is read anew; one that GitHub does not know is refused, with its words.
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	if _, err := h.Get(t.Context(), "github.corp.example"); err == nil {
		t.Error("a wrong key has a token")
	}
	if !strings.Contains(log.String(), "401 Unauthorized A JSON web token could not be decoded") || strings.Contains(log.String(), "eyJ") || strings.Contains(log.String(), "ghs_") {
		t.Errorf("the log says %s", log.String())
	}
}

// TestAppAddress has the API of GitHub, and of a server of one's own, found by the host.
func TestAppAddress(t *testing.T) {
	for host, want := range map[string]string{
		"github.com":               "https://api.github.com/app/installations/2/access_tokens",
		"github.corp.example":      "https://github.corp.example/api/v3/app/installations/2/access_tokens",
		"github.corp.example:8443": "https://github.corp.example:8443/api/v3/app/installations/2/access_tokens",
	} {
		if got := newApp(&parse(t, host+"|github-app=1|installation=2|app-key=/k")[0], nil).addr; got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// TestSSHConfig has the real ssh read what is written for it.
func TestSSHConfig(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("this needs ssh: ", err)
	}
	dir := filepath.Join(t.TempDir(), `it's odd 100% $HOME `+"`x`")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	key, known := write(t, filepath.Join(dir, "key"), ""), write(t, filepath.Join(dir, "known hosts"), "")
	h, err := New(parse(t, "git.corp.example|ssh-key="+key+"|known-hosts="+known+"|ssh-address=ssh://me@ssh.corp.example:2222", "plain|ssh-key="+key+"|known-hosts="+known), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.SSH()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.Instead, h.Names()); got != "map[https://git.corp.example/:ssh://me@ssh.corp.example:2222/ https://plain/:ssh://git@plain/] []" {
		t.Errorf("got %s", got)
	}
	config := write(t, filepath.Join(dir, "config"), s.Config)
	for host, want := range map[string][]string{
		"ssh.corp.example": {"userknownhostsfile " + known, "identityfile " + strings.ReplaceAll(key, "%", "%%"), "stricthostkeychecking true", "identitiesonly yes", "batchmode yes"},
		"other.example":    {"userknownhostsfile none", "identityfile none", "stricthostkeychecking true"},
	} {
		out, err := exec.Command(ssh, "-G", "-F", config, host).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh -G: %v\n%s", err, out)
		}
		text := strings.ReplaceAll(strings.ReplaceAll(string(out), `"`, ""), "%%", "%")
		for _, line := range want {
			if !strings.Contains(text, strings.ReplaceAll(line, "%%", "%")+"\n") {
				t.Errorf("%s: ssh does not see %q in\n%s", host, line, out)
			}
		}
		if strings.Contains(text, "identityfile "+key) == (host == "other.example") {
			t.Errorf("%s: which key is shown to it?\n%s", host, out)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("h", "token-env=T")
	f.Add("h:1", "ssh-address=ssh://a@b:22")
	f.Fuzz(func(t *testing.T, host, option string) {
		hosts, err := Parse([][]string{{host, option, "ssh-key=/k", "known-hosts=/h"}})
		if err != nil {
			return
		}
		for _, h := range hosts {
			for _, text := range []string{h.Name, h.SSHAddress} {
				if text == "" || strings.ContainsAny(text, "\n\r\t \"'\\*?") || strings.HasPrefix(text, "-") {
					t.Errorf("%q %q: %q", host, option, text)
				}
			}
		}
	})
}

func FuzzReadHelper(f *testing.F) {
	f.Add("username=a\npassword=b\npassword_expiry_utc=1\n")
	f.Fuzz(func(t *testing.T, text string) {
		late := time.Unix(2_000_000_000, 0)
		s, until := readHelper([]byte(text), late)
		if until.After(late) || strings.Contains(s.User+s.Password, "\n") {
			t.Errorf("%q: %q until %v", text, s, until)
		}
	})
}
