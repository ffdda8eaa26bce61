//go:build !linux

package doctor

import "syscall"

// Elsewhere than on Linux the kernel does not tell an unprivileged program who refused a connection.
const deepProbes = false

type socket struct{}

func (s *socket) watch(sockOptions) func(string, string, syscall.RawConn) error { return nil }
func (s *socket) close()                                                        {}
func (s *socket) icmp() (msg icmpError, ok bool)                                { return msg, false }
func (s *socket) flow() (f flow, ok bool)                                       { return f, false }
