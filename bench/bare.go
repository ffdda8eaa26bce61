package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// bareSettings is what the bare handler is started with: the opponent that does nothing
// but write bytes from memory. Where Headers has an entry for a path these headers are
// set too; without, net/http sets what it must.
type bareSettings struct {
	Dir     string
	Paths   []string // with a leading slash, files below Dir
	Headers map[string]http.Header
}

func runBare(ctx context.Context, settings []byte, stdout io.Writer) error {
	var s bareSettings
	if err := json.Unmarshal(settings, &s); err != nil {
		return err
	}
	files := make(map[string]bareFile)
	for _, p := range s.Paths {
		b, err := os.ReadFile(filepath.Join(s.Dir, filepath.FromSlash(p)))
		if err != nil {
			return err
		}
		files[p] = bareFile{b, s.Headers[p]}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(ln, bareHandler(files)) //nolint:gosec // G114: without deadlines, which would cost the opponent time
	if err := sayHello(stdout, ln, nil); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

type bareFile struct {
	body   []byte
	header http.Header
}

func bareHandler(files map[string]bareFile) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		h := w.Header()
		for k, v := range f.header {
			h[k] = v
		}
		_, _ = w.Write(f.body)
	})
}

func (l *lab) startBare(s bareSettings) (*server, error) {
	srv, _, _, err := l.startRole("bare", s)
	return srv, err
}
