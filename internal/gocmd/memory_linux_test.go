package gocmd

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// swollen is a pack (gitformat-pack(5)) of some 16 KiB with two files: one of 16 MiB, and one that is the first so many times over, which git
// has to have in memory whole.
func swollen(times int) []byte {
	const size = 0xffffff // what one instruction may copy
	var pack bytes.Buffer
	pack.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x02")
	object := func(kind byte, size int, base uint64, content []byte) {
		head := kind<<4 | byte(size&0xf)
		for size >>= 4; size > 0; size >>= 7 {
			pack.WriteByte(head | 0x80)
			head = byte(size & 0x7f)
		}
		pack.WriteByte(head)
		if base > 0 { // how far back it begins, seven bits a byte, each but the last one more than it says
			back := []byte{byte(base & 0x7f)}
			for base >>= 7; base > 0; base >>= 7 {
				base--
				back = append([]byte{byte(base&0x7f) | 0x80}, back...)
			}
			pack.Write(back)
		}
		z := zlib.NewWriter(&pack)
		z.Write(content)
		z.Close()
	}
	start := pack.Len()
	object(3, size, 0, make([]byte, size))
	delta := binary.AppendUvarint(binary.AppendUvarint(nil, size), uint64(size*times))
	delta = append(delta, bytes.Repeat([]byte{0xf0, 0xff, 0xff, 0xff}, times)...)
	object(6, len(delta), uint64(pack.Len()-start), delta)
	sum := sha1.Sum(pack.Bytes())
	return append(pack.Bytes(), sum[:]...)
}

// TestSwollen has a repository that is small on the way, and large in git's memory, end git and nothing else.
func TestSwollen(t *testing.T) {
	g := newForge(t)
	good := g.Module("good", "v1.0.0")
	r := g.Module("swollen", "v1.0.0")
	git := func(in []byte, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Stdin = r.Bare, bytes.NewReader(in)
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	const times = 20
	git(swollen(times), "index-pack", "--stdin")
	tree := git([]byte("100644 blob "+git(nil, "rev-parse", "v1.0.0:go.mod")+"\tgo.mod\n100644 blob "+zeros(1)+"\tone\n100644 blob "+zeros(times)+"\tmany\n"), "mktree")
	git(nil, "update-ref", "refs/tags/v1.1.0", git(nil, "commit-tree", "-m", "c", tree))

	f := g.fetcher(Options{Memory: 256 << 20})
	_, err := fetch(f, file(r.Path, "v1.1.0", goproxy.Zip))
	wantError(t, f, "swollen", err, failing{path: r.Path, want: "refused", says: []string{"it needs more memory than direct may use", "Out of memory"}})
	wantNoProcess(t, f)
	well(t, f, good.Path)
	if _, err := fetch(f, file(r.Path, "v1.0.0", goproxy.Zip)); err != nil {
		t.Errorf("another version of it: %v", err)
	}
	if _, err := fetch(g.fetcher(Options{}), file(r.Path, "v1.1.0", goproxy.Zip)); err != nil {
		t.Errorf("with enough memory: %v", err)
	}
}

// zeros is the name of a blob of n times 0xffffff zeros.
func zeros(n int) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", n*0xffffff)
	for range n {
		h.Write(make([]byte, 0xffffff))
	}
	return hex.EncodeToString(h.Sum(nil))
}
