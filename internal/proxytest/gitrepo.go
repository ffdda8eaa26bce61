package proxytest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Repo is a repository of a Git, with a work tree.
type Repo struct {
	Path string // of the module at its root
	Tree string // the work tree
	Bare string // what is served

	g *Git
}

// Repo makes a repository that is served as HOST/name.git and is a module's at HOST/name.
func (g *Git) Repo(name string) *Repo {
	g.t.Helper()
	r := &Repo{Path: GitHost + "/" + name, Tree: filepath.Join(g.t.TempDir(), "tree"), Bare: filepath.Join(g.Root, name+".git"), g: g}
	g.run("", "init", "-q", "--bare", "-b", "main", r.Bare)
	g.run("", "init", "-q", "-b", "main", r.Tree)
	r.Git("remote", "add", "origin", r.Bare)
	g.Page(name, r.Path+" git https://"+r.Path+".git")
	return r
}

// Module makes a repository with a module, and a commit and a tag for each version, in which the constant Version is the version.
func (g *Git) Module(name string, versions ...string) *Repo {
	g.t.Helper()
	r := g.Repo(name)
	for _, v := range versions {
		r.Commit([]string{v}, "go.mod", "module "+r.Path+"\n\ngo 1.21\n", "lib.go", "package lib\n\nconst Version = \""+v+"\"\n")
	}
	return r
}

// Commit makes a commit of files, given as name and content in turn, with tags, which move where they are there already, and publishes all.
func (r *Repo) Commit(tags []string, nameAndContent ...string) (hash string) {
	r.g.t.Helper()
	for i := 0; i+1 < len(nameAndContent); i += 2 {
		name := filepath.Join(r.Tree, filepath.FromSlash(nameAndContent[i]))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			r.g.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(nameAndContent[i+1]), 0o644); err != nil {
			r.g.t.Fatal(err)
		}
	}
	r.g.clock++
	r.Git("add", "-A")
	r.Git("commit", "-q", "--allow-empty", "-m", "c", "--date", fmt.Sprintf("2026-01-02T03:04:%02dZ", r.g.clock%60))
	for _, tag := range tags {
		r.Git("tag", "-f", tag)
	}
	r.Push()
	return strings.TrimSpace(r.Git("rev-parse", "HEAD"))
}

// Push publishes branches and tags.
func (r *Repo) Push() {
	r.g.t.Helper()
	r.Git("push", "-q", "-f", "--all", "origin")
	r.Git("push", "-q", "-f", "--tags", "origin")
}

// Git runs git in the work tree, and returns what it printed.
func (r *Repo) Git(args ...string) string {
	r.g.t.Helper()
	return r.g.run(r.Tree, args...)
}

func (g *Git) run(dir string, args ...string) string {
	g.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com",
		"GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("proxytest: git %q: %v: %s", args, err, errs.String())
	}
	return string(out)
}
