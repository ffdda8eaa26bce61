package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/proxytest"
)

const ownName = "sum.corp.example"

// corpLib is a private module, which the public checksum database does not know.
func corpLib(code string) proxytest.Module {
	return proxytest.Module{Path: "corp.example/lib", Version: "v1.0.0", Files: map[string]string{"go.mod": "module corp.example/lib\n", "lib.go": code}}
}

// ownKey has the program make keys, and returns the file of the signer key and the verifier key.
func ownKey(t *testing.T) (file, verifier string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "sumdb.key")
	out, err := exec.CommandContext(t.Context(), program, "sumdb", "key", ownName, "--out", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, verifier, ok := strings.Cut(string(out), "GOSUMDB=")
	if !ok {
		t.Fatalf("sumdb key printed %q", out)
	}
	return file, strings.TrimSpace(verifier)
}

// TestOwnDatabase has the unmodified go command verify private and public modules with a checksum database of one's own.
func TestOwnDatabase(t *testing.T) {
	t.Parallel()
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	u := proxytest.New(t, proxytest.Modules(corpLib("package lib\n")))
	u.Inside()
	keyFile, key := ownKey(t)
	state := filepath.Join(t.TempDir(), "state")
	args := []string{"--sumdb", db.Spec(), "--private", "corp.example", "--sumdb-own", ownName, "--sumdb-own-key", keyFile}
	hv := serveOver(t, state, u.URL, args...)
	env := proxytest.GoEnv(t, hv.URL, key)

	checkDownloads(t, goOK(t, env, downloads(t)...))
	dir := proxytest.GoModule(t, "go.mod", "module example.test/main\n\ngo 1.21\n", "main.go", "package main\n\nimport _ \"corp.example/lib\"\n\nfunc main() {}\n")
	for _, args := range [][]string{{"get", "corp.example/lib@latest"}, {"mod", "tidy"}, {"mod", "verify"}, {"build", "./..."}} {
		if out, stderr, err := proxytest.Go(t, dir, env, args...); err != nil {
			t.Fatalf("go %q: %v\n%s%s\n%s", args, err, out, stderr, hv.out.String())
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "go.sum")); err != nil || strings.Count(string(b), "corp.example/lib v1.0.0") != 2 {
		t.Errorf("go.sum: %q, %v", b, err)
	}
	if n := u.Requests("sumdb/*corp.example*") + db.Requests("*corp.example*"); n != 0 {
		t.Errorf("the private name was sent to the public database %d times", n)
	}
	if out, err := exec.CommandContext(t.Context(), program, "sumdb", "audit", hv.URL+"/sumdb/"+ownName, "--key", key).CombinedOutput(); err != nil {
		t.Errorf("the audit: %v\n%s", err, out)
	}

	// What was recorded stays, with nobody to ask; and whoever hands out something else is found out.
	record := hv.get("sumdb/" + ownName + "/lookup/corp.example/lib@v1.0.0").body
	u.Refuse()
	db.Refuse()
	hv.stop()
	hv = serveOver(t, state, u.URL, args...)
	line, _, _ := strings.Cut(record, "\n\n")
	if again := hv.get("sumdb/" + ownName + "/lookup/corp.example/lib@v1.0.0").body; !strings.HasPrefix(again, line+"\n\n") {
		t.Errorf("the record was %q and is %q", record, again)
	}
	liar := proxytest.New(t, proxytest.NoFixtures(), proxytest.Modules(corpLib("package lib // swapped\n")))
	liar.Inside()
	_, stderr, err := goIn(t, proxytest.GoEnv(t, liar.URL, key+" "+hv.URL+"/sumdb/"+ownName), "mod", "download", "corp.example/lib@v1.0.0")
	if err == nil || !strings.Contains(stderr, "SECURITY ERROR") {
		t.Errorf("a swapped private module: %v, %s", err, stderr)
	}
}

// TestOwnDatabaseRefuses: what nothing proves is never recorded, and what there is not is not found.
func TestOwnDatabaseRefuses(t *testing.T) {
	t.Parallel()
	db := proxytest.NewSumDB(t, "sum.example.com/db")
	u := proxytest.New(t, proxytest.Modules(
		corpLib("package lib\n"),
		proxytest.Module{Path: "example.com/unproven", Version: "v1.0.0", Files: map[string]string{"go.mod": "module example.com/unproven\n"}},
	))
	u.Inside()
	keyFile, _ := ownKey(t)
	hv := serve(t, u.URL, "--sumdb", db.Spec(), "--private", "corp.example", "--sumdb-own", ownName, "--sumdb-own-key", keyFile,
		"--checksum-bypass", "example.com/excepted 2999-01-01 a test")
	lookup := func(what string) answer { return hv.get("sumdb/" + ownName + "/lookup/" + what) }
	latest := func() string { return hv.get("sumdb/" + ownName + "/latest").body }
	empty := latest()
	for what, want := range map[string]struct {
		status int
		word   string
	}{
		"example.com/unproven@v1.0.0": {503, "cannot be recorded"}, // its database says no, but the last place to ask for it is out of reach
		"example.com/excepted@v1.0.0": {404, "GONOSUMDB"},
		"corp.example/lib@v1.9.0":     {404, "not found"},
		"corp.example/lib@main":       {400, "not a canonical version"},
		"example.com/plain":           {400, "MODULE@VERSION"},
	} {
		if a := lookup(what); a.StatusCode != want.status || !strings.Contains(a.body, want.word) {
			t.Errorf("%s: got %s %q, want %d and %q", what, a.Status, a.body, want.status, want.word)
		}
	}
	db.Refuse()
	if a := lookup("example.com/plain@v1.0.0"); a.StatusCode != 503 || !strings.Contains(a.body, "cannot be recorded") {
		t.Errorf("with the public database away: got %s %q", a.Status, a.body)
	}
	if latest() != empty {
		t.Errorf("something was recorded: %q", latest())
	}
	if a := lookup("corp.example/lib@v1.0.0"); a.StatusCode != 200 || !strings.Contains(a.body, "corp.example/lib v1.0.0/go.mod h1:") {
		t.Errorf("a private module meanwhile: got %s %q", a.Status, a.body)
	}
	db.Accept()
	if a := lookup("example.com/plain@v1.0.0"); a.StatusCode != 200 {
		t.Errorf("with the public database back: got %s %q", a.Status, a.body)
	}
	if a := hv.get("sumdb/" + ownName + "/supported"); a.StatusCode != 200 {
		t.Errorf("supported: %s", a.Status)
	}
	if a := hv.get("sumdb/other.example/supported"); a.StatusCode != 404 {
		t.Errorf("another database: %s", a.Status)
	}
}
