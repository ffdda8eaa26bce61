package goproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// CheckMod says whether b can be a go.mod. Its text is not judged: real ones name other modules than
// their path, need a newer Go or do not parse, and the go command has the last word.
func CheckMod(b []byte) error {
	if IsHTML(b) {
		return &Wrong{Reason: "an HTML page came, not a go.mod"}
	}
	return nil
}

// CheckInfo says whether b is the .info of the given version, of any version of path where version
// is "". The rules are the go command's (cmd/go/internal/modfetch, proxyRepo.Stat).
func CheckInfo(b []byte, path, version string) error {
	if IsHTML(b) {
		return &Wrong{Reason: "an HTML page came, not a version's .info"}
	}
	var info struct {
		Version string
		Time    time.Time
		Origin  *struct{ VCS, URL, Subdir, Hash, TagPrefix, TagSum, Ref, RepoSum string } // or the client cannot read it
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return &Wrong{Reason: fmt.Sprintf("the .info is not valid: %v", err)}
	}
	if version != "" && info.Version != version {
		return &Wrong{Reason: fmt.Sprintf("the .info of %s@%.100q came when %s was asked", path, info.Version, version)}
	}
	if version == "" && !Fits(path, info.Version) {
		return &Wrong{Reason: fmt.Sprintf("the .info names version %.100q, which is not a canonical version of %s", info.Version, path)}
	}
	return nil
}

// CleanList returns a list of versions without the lines that would break a client: versions that do not
// fit the path (https://go.dev/ref/mod#goproxy-protocol). A list without such lines is returned as it came.
func CleanList(b []byte, path string) ([]byte, error) {
	if IsHTML(b) {
		return nil, &Wrong{Reason: "an HTML page came, not a list of versions"}
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, &Wrong{Reason: "the list of versions has NUL bytes"}
	}
	clean := make([]byte, 0, len(b))
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) > 0 && !Fits(path, string(f[0])) {
			continue
		}
		clean = append(clean, line...)
	}
	if len(clean) == len(b) {
		return b, nil
	}
	return clean, nil
}

// Latest picks from a list what "latest" means: the highest release, else the highest
// pre-release, else the youngest pseudo-version; "" where there is none. Its age is the time beside it, where the
// list has one, as for the go command.
func Latest(list []byte) string {
	var release, pre, pseudo string
	var youngest time.Time
	for line := range bytes.Lines(list) {
		f := strings.Fields(string(line))
		if len(f) == 0 {
			continue
		}
		v := f[0]
		switch {
		case module.IsPseudoVersion(v):
			t, err := pseudoTime(f)
			if err == nil && (pseudo == "" || t.After(youngest)) {
				pseudo, youngest = v, t
			}
		case strings.Contains(v, "-"):
			pre = later(pre, v)
		default:
			release = later(release, v)
		}
	}
	switch {
	case release != "":
		return release
	case pre != "":
		return pre
	}
	return pseudo
}

// pseudoTime returns the time of a line that has a pseudo-version.
func pseudoTime(fields []string) (time.Time, error) {
	if len(fields) > 1 {
		return time.Parse(time.RFC3339, fields[1])
	}
	return module.PseudoVersionTime(fields[0])
}

// IsHTML reports whether b begins as a page does, which no file of the protocol can.
func IsHTML(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n\ufeff")
	return len(b) > 0 && b[0] == '<'
}

// later returns the higher of two versions; "" is lower than any.
func later(a, b string) string {
	if a == "" || semver.Compare(a, b) < 0 {
		return b
	}
	return a
}
