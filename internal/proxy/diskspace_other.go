//go:build !unix

package proxy

import "errors"

// diskSpace has no way to do its work here.
func diskSpace(string) (free, all int64, err error) { return 0, 0, errors.ErrUnsupported }
