package proxy

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// hashStored reads a .mod or a .zip that is stored, past all memory, and returns its hash as in go.sum. The error is a
// *goproxy.Wrong where that cannot be such a file, and else the store's. A zip that contradicts itself has a hash all the same,
// beside the error.
func (s *Service) hashStored(ctx context.Context, f goproxy.File) (string, error) {
	c, err := s.openStored(ctx, f)
	if err != nil {
		return "", err
	}
	defer c.Body.Close()
	if f.Kind != goproxy.Mod {
		return s.zipHash(ctx, c)
	}
	b, err := io.ReadAll(c.Body)
	if err != nil {
		return "", err
	}
	return modHash(b)
}

// openStored opens a file that is stored, past all memory. What cannot be it by its size is a *goproxy.Wrong.
func (s *Service) openStored(ctx context.Context, f goproxy.File) (*goproxy.Content, error) {
	c, err := s.o.Store.Open(ctx, fileName(f))
	if err != nil {
		return nil, err
	}
	if c.Size < leastSize[f.Kind] || c.Size > f.Kind.MaxSize() {
		c.Body.Close()
		return nil, &goproxy.Wrong{Reason: fmt.Sprintf("%d bytes cannot be a .%s", c.Size, f.Kind)}
	}
	return c, nil
}

// modHash returns the hash of a go.mod.
func modHash(b []byte) (string, error) {
	if err := goproxy.CheckMod(b); err != nil {
		return "", err
	}
	return dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
}

// zipHash returns the hash of a zip; where it contradicts itself, beside an error.
func (s *Service) zipHash(ctx context.Context, c *goproxy.Content) (string, error) {
	body, ok := c.Body.(io.ReaderAt)
	if !ok {
		return "", fmt.Errorf("a body of the type %T, which cannot seek", c.Body)
	}
	src := &until{ctx, io.NewSectionReader(body, 0, c.Size)}
	scan, err := s.scanners.scan(src, maxUnpacked, func(int64) {})
	if err != nil {
		return "", err
	}
	z, err := zip.NewReader(scan.reader(body), c.Size)
	if err != nil {
		return "", &goproxy.Wrong{Reason: fmt.Sprintf("no valid zip: %v", err)}
	}
	h1, err := scan.h1(z)
	if err != nil {
		return "", &goproxy.Wrong{Reason: fmt.Sprintf("the zip cannot be unpacked: %v", err)}
	}
	if why := scan.contradicts(z); why != "" {
		return h1, &goproxy.Wrong{Reason: "the zip contradicts itself: " + why}
	}
	return h1, nil
}

// until is a Reader that fails once its context has ended.
type until struct {
	ctx context.Context
	r   io.Reader
}

func (u *until) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(b)
}
