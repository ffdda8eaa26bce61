package doctor

import (
	"context"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// counting is held while packets are counted that this machine cannot send: the numbers are
// those of all its connections.
var counting sync.Mutex

// dropsHere reports whether the kernel fails to send to an address: it counts the SYNs that it could not send again.
func dropsHere(ctx context.Context, addr netip.AddrPort) bool {
	counting.Lock()
	defer counting.Unlock()
	before, ok := retransFail()
	if !ok {
		return false
	}
	d := connect(ctx, addr, sockOptions{}, 1300*time.Millisecond)
	after, _ := retransFail()
	return d.outcome == silent && after > before
}

func retransFail() (int64, bool) { return netstat("TCPRetransFail") }

// netstat returns a number that the kernel counts of TCP.
func netstat(name string) (int64, bool) {
	b, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return 0, false
	}
	return parseNetstat(string(b), name)
}

// parseNetstat finds a number of TCP in a file of two lines for each protocol, one of names and one of numbers.
func parseNetstat(text, name string) (int64, bool) {
	const protocol = "TcpExt:"
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != protocol {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, n := range names {
			if n == name && i < len(f) {
				v, err := strconv.ParseInt(f[i], 10, 64)
				return v, err == nil
			}
		}
	}
	return 0, false
}
