package sumlog

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// A Record is what the log says of one version.
type Record struct {
	module.Version
	// Text is the two lines that go.sum has of it, of the zip and of the go.mod, each with its end.
	Text []byte
}

// A Differs says that the log has other lines of a version already. It keeps those.
type Differs struct {
	module.Version
	ID        int64
	Have, New []byte
}

func (e *Differs) Error() string {
	return fmt.Sprintf("%s: the checksum database has other hashes of it (record %d):\n%swhile these were to be added:\n%sA version never changes; publish a new one", e.Version, e.ID, e.Have, e.New)
}

// maxElement is how long a file's name can be.
const maxElement = 255

// check wants what may be appended.
func (r Record) check() error {
	v, err := parseText(r.Text)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Version, err)
	}
	if v != r.Version {
		return fmt.Errorf("%s: the lines are those of %s", r.Version, v)
	}
	if !goproxy.Fits(v.Path, v.Version) {
		return fmt.Errorf("%s: not a canonical version of that module", v)
	}
	if len(r.Text) > maxRecord {
		return fmt.Errorf("%s: a record of %d bytes, at most %d are possible", v, len(r.Text), maxRecord)
	}
	name, err := lookupName(v)
	if err != nil {
		return fmt.Errorf("%s: %w", v, err)
	}
	for element := range strings.SplitSeq(name, "/") {
		if len(element) > maxElement {
			return fmt.Errorf("%s: %s needs a file name of %d bytes, at most %d are possible", v, path.Base(name), len(element), maxElement)
		}
	}
	return nil
}

// parseText reads the two lines.
func parseText(text []byte) (module.Version, error) {
	first, second, _ := strings.Cut(string(text), "\n")
	second, ok := strings.CutSuffix(second, "\n")
	f, g := strings.Split(first, " "), strings.Split(second, " ")
	if !ok || len(f) != 3 || len(g) != 3 || f[0] != g[0] || f[1]+"/go.mod" != g[1] || !isHash(f[2]) || !isHash(g[2]) {
		return module.Version{}, fmt.Errorf("%.200q are not the two lines of go.sum, MODULE VERSION h1:HASH and MODULE VERSION/go.mod h1:HASH", text)
	}
	return module.Version{Path: f[0], Version: f[1]}, nil
}

func isHash(s string) bool {
	s, ok := strings.CutPrefix(s, "h1:")
	b, err := base64.StdEncoding.DecodeString(s)
	return ok && err == nil && len(b) == tlog.HashSize && base64.StdEncoding.EncodeToString(b) == s // which no line end in between is
}

// lookupName returns the name of the answer about a version.
func lookupName(v module.Version) (string, error) {
	p, err := module.EscapePath(v.Path)
	if err != nil {
		return "", err
	}
	version, err := module.EscapeVersion(v.Version)
	return lookupDir + p + "@" + version, err
}

// records are those of a tile.
type records struct {
	data []byte
	ends []int // of each record's text; an empty line follows
}

func (r *records) cost() int64 { return int64(len(r.data) + 8*len(r.ends)) }

// text returns a record's text, by its number in the tile.
func (r *records) text(i int) []byte {
	start := 0
	if i > 0 {
		start = r.ends[i-1] + 1
	}
	return r.data[start:r.ends[i]]
}

// splitRecords reads a tile of w records, which may be a wider form of the tile.
func splitRecords(data []byte, w int) (*records, error) {
	r := &records{ends: make([]int, 0, w)}
	for at := 0; len(r.ends) < w; {
		n := bytes.Index(data[at:], []byte("\n\n"))
		if n < 0 {
			return nil, fmt.Errorf("it ends after %d of %d records", len(r.ends), w)
		}
		r.ends = append(r.ends, at+n+1)
		at += n + 2
	}
	r.data = data[:r.ends[w-1]+1]
	return r, nil
}
