package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// A programError says why a program cannot be run, in the reader's language.
type programError struct {
	status int // as of a shell
	text   string
}

func (e *programError) Error() string { return e.text }

// lookProgram returns the file to run for name, as a shell finds it. Its errors are *programError.
func (p *process) lookProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", &programError{exitCannotRun, p.msg.Sprintf("%s: it is only in the working directory; to run it from there write ./ before the name", name)}
	case filepath.Base(name) != name:
		return "", p.notRun(name, err)
	case inPath(name):
		return "", &programError{exitCannotRun, p.msg.Sprintf("%s: the file in PATH is not executable", name)}
	}
	return "", &programError{exitNotFound, p.msg.Sprintf("%s: there is no such command in PATH", name)}
}

// inPath reports whether a file of that name is in PATH, executable or not.
func inPath(name string) bool {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if info, err := os.Stat(filepath.Join(dir, name)); dir != "" && err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}

// notRun makes a *programError of why a program was not found by its path, or did not start.
func (p *process) notRun(name string, err error) error {
	info, gone := os.Stat(name)
	switch {
	case gone == nil && info.IsDir():
		return &programError{exitCannotRun, p.msg.Sprintf("%s: it is a directory", name)}
	case errors.Is(err, fs.ErrPermission):
		return &programError{exitCannotRun, p.msg.Sprintf("%s: it is not executable", name)}
	case errors.Is(err, syscall.ENOEXEC):
		return &programError{exitCannotRun, p.msg.Sprintf("%s: it is neither a program nor a script that begins with #!", name)}
	case errors.Is(err, fs.ErrNotExist) && gone == nil:
		return &programError{exitCannotRun, p.msg.Sprintf("%s: the interpreter that it needs is not there; see its first line", name)}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return &programError{exitNotFound, p.msg.Sprintf("%s: there is no such file", name)}
	}
	return &programError{exitCannotRun, name + ": " + strings.TrimPrefix(err.Error(), "fork/exec "+name+": ")}
}
