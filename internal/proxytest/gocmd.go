package proxytest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// NoTelemetry sees to it that a go command with that configuration directory, such as HOME/.config, starts no process that writes there
// after the test.
func NoTelemetry(t TB, config string) {
	t.Helper()
	dir := filepath.Join(config, "go", "telemetry")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mode"), []byte("off"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// GoEnv returns the whole environment for a go command that reaches the given
// proxies and checksum database (values of GOPROXY and GOSUMDB) and nothing else. Its
// caches are new and empty but for the build cache, which is the user's. More can be
// appended: of two values the last counts.
func GoEnv(t TB, proxies, sumdb string) []string {
	t.Helper()
	home := t.TempDir()
	NoTelemetry(t, filepath.Join(home, ".config"))
	buildCache := os.Getenv("GOCACHE")
	if dir, err := os.UserCacheDir(); buildCache == "" && err == nil {
		buildCache = filepath.Join(dir, "go-build")
	}
	const nobody = "http://127.0.0.1:1" // loopback is never asked through a proxy
	env := []string{
		"HOME=" + home, "USERPROFILE=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, ".config"),
		"GOPATH=" + filepath.Join(home, "go"), "GOMODCACHE=" + filepath.Join(home, "go", "pkg", "mod"),
		"GOCACHE=" + buildCache,
		"GOENV=off", "GOWORK=off", "GO111MODULE=on", "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local",
		"GOPROXY=" + proxies, "GOSUMDB=" + sumdb, "GOPRIVATE=", "GONOPROXY=", "GONOSUMDB=", "GOINSECURE=",
		"GOVCS=*:off", "GOAUTH=off", "CGO_ENABLED=0", "LC_ALL=C",
		"HTTP_PROXY=" + nobody, "HTTPS_PROXY=" + nobody, "NO_PROXY=",
	}
	for _, key := range []string{"PATH", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

// Go runs the go command in dir and returns what it printed. It is killed when the test ends.
func Go(t TB, dir string, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if err != nil {
		err = fmt.Errorf("go %q: %w", args, err)
	}
	return out.String(), errs.String(), err
}

// GoModule writes files, given as name and content in turn, to a new directory.
func GoModule(t TB, nameAndContent ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i+1 < len(nameAndContent); i += 2 {
		name := filepath.Join(dir, filepath.FromSlash(nameAndContent[i]))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(nameAndContent[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
