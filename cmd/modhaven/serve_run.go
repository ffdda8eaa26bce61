package main

import (
	"context"
	"errors"
	"io"

	"github.com/modhaven/modhaven/internal/config"
)

// runServe runs the server until ctx ends. It is written together with wire.go.
func runServe(_ context.Context, _ *config.Config, _, _ io.Writer) error {
	return errors.New("serve: not built yet")
}
