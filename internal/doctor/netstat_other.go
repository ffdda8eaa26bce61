//go:build !linux

package doctor

import (
	"context"
	"errors"
	"net/netip"
)

func dropsHere(context.Context, netip.AddrPort) bool { return false }

// ExamineListening needs Linux.
func ExamineListening(context.Context, string, uint16) (*Report, error) {
	return nil, errors.New("--listen: it reads what Linux tells of its sockets, and this is another system; from a client modhaven doctor says whether something listens")
}

func listensHere(uint16) bool { return true }
