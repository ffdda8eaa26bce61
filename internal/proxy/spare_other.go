//go:build !linux

package proxy

import (
	"errors"
	"os"
)

// create has no way to do its work here.
func (s *spare) create() (*os.File, error) { return nil, errors.ErrUnsupported }
