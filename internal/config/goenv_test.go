package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modhaven/modhaven/internal/goproxy"
	"github.com/modhaven/modhaven/internal/proxytest"
)

// place writes a file below dir, with its directories.
func place(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o777); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestGoEnvLayers(t *testing.T) {
	dir := t.TempDir()
	user := place(t, dir, "user", "# a comment\nGOPROXY=https://user.example\nlower=x\nno line\nGOPRIVATE=user.example\n")
	root := place(t, dir, "root/go.env", "GOPROXY=https://root.example\nGOSUMDB=off\nGOPRIVATE=root.example\n")
	place(t, dir, "root/pkg/tool/x", "")
	exe := place(t, dir, "root/bin/go"+exeSuffix(), "")
	rooted := place(t, dir, "rooted", "GOROOT="+filepath.Join(dir, "root")+"\n")
	link := filepath.Join(dir, "links")
	if err := os.MkdirAll(link, 0o777); err != nil {
		t.Fatal(err)
	}
	linked := os.Symlink(exe, filepath.Join(link, "go"+exeSuffix())) == nil
	for _, tt := range []struct {
		name, env, variable string
		want                GoSetting
		links               bool
	}{
		{"environment", "GOENV=" + user + " GOPROXY=https://env.example", "GOPROXY", GoSetting{"https://env.example", "the environment"}, false},
		{"empty in the environment", "GOENV=" + user + " GOPROXY=", "GOPROXY", GoSetting{"https://user.example", user}, false},
		{"user's file before GOROOT", "GOENV=" + user + " GOROOT=" + filepath.Join(dir, "root"), "GOPROXY", GoSetting{"https://user.example", user}, false},
		{"GOROOT", "GOENV=off GOROOT=" + filepath.Join(dir, "root"), "GOPROXY", GoSetting{"https://root.example", root}, false},
		{"GOROOT of the user's file", "GOENV=" + rooted, "GOSUMDB", GoSetting{"off", root}, false},
		{"go in PATH", "GOENV=off PATH=" + dir + string(os.PathListSeparator) + filepath.Dir(exe), "GOSUMDB", GoSetting{"off", root}, false},
		{"link in PATH", "GOENV=off PATH=" + link, "GOSUMDB", GoSetting{"off", root}, true},
		{"nothing", "GOENV=off", "GOPROXY", GoSetting{goproxy.DefaultUpstreams, "Go's defaults"}, false},
		{"nothing", "GOENV=off", "GOSUMDB", GoSetting{goproxy.DefaultSumDB, "Go's defaults"}, false},
		{"nothing", "GOENV=off", "GONOPROXY", GoSetting{}, false},
		{"GONOPROXY from GOPRIVATE", "GOENV=" + user, "GONOPROXY", GoSetting{"user.example", user}, false},
		{"GONOSUMDB from GOPRIVATE", "GOENV=off GOPRIVATE=a.example", "GONOSUMDB", GoSetting{"a.example", "the environment"}, false},
		{"GONOSUMDB itself", "GOENV=off GOPRIVATE=a.example GONOSUMDB=b.example", "GONOSUMDB", GoSetting{"b.example", "the environment"}, false},
		{"missing file", "GOENV=" + filepath.Join(dir, "none"), "GOPROXY", GoSetting{goproxy.DefaultUpstreams, "Go's defaults"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.links && !linked {
				t.Skip("this system makes no symbolic links")
			}
			got := ReadGoEnv(strings.Split(tt.env, " ")).Get(tt.variable)
			if real, err := filepath.EvalSymlinks(filepath.Dir(got.From)); err == nil && tt.links {
				got.From = filepath.Join(real, filepath.Base(got.From))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s with %s (-want +got):\n%s", tt.variable, tt.env, diff)
			}
		})
	}
}

// What is read here must be what the go command itself says.
func TestGoEnvAgrees(t *testing.T) {
	exe, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command: ", err)
	}
	home := t.TempDir()
	proxytest.NoTelemetry(t, filepath.Join(home, ".config"))
	goenv := place(t, home, "env", "GOPROXY=https://user.example,direct\nGOPRIVATE=*.user.example\r\nGONOSUMDB= x \nGOSUMDB\n=a\nGOSUMDB==b\n")
	variables := []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB"}
	for _, extra := range [][]string{
		nil,
		{"GOENV=off"},
		{"GOPROXY=off", "GOPRIVATE=a.example,b.example"},
		{"GOPROXY=", "GOSUMDB=off"},
		{"GOENV=off", "GONOPROXY=none"},
	} {
		env := append([]string{"HOME=" + home, "GOENV=" + goenv, "PATH=" + filepath.Dir(exe), "GOTOOLCHAIN=local"}, extra...)
		cmd := exec.Command(exe, append([]string{"env"}, variables...)...)
		cmd.Env, cmd.Dir = env, home
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go env: %v", err)
		}
		want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		var got []string
		e := ReadGoEnv(env)
		for _, v := range variables {
			got = append(got, e.Get(v).Value)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with %q (-go +read):\n%s", extra, diff)
		}
	}
}

func FuzzGoEnv(f *testing.F) {
	f.Add("GOPROXY=a\n#\nX==\n")
	f.Fuzz(func(t *testing.T, data string) {
		for name, v := range parseGoEnv(data) {
			if name[0] < 'A' || name[0] > 'Z' || strings.Contains(name, "=") || strings.Contains(v, "\n") || !strings.Contains(data, name+"="+v) {
				t.Errorf("%q: %q = %q", data, name, v)
			}
		}
	})
}
