//go:build !linux

package doctor

import (
	"context"
	"net/netip"
)

func dropsHere(context.Context, netip.AddrPort) bool { return false }

func listensHere(uint16) bool { return true }
