package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
)

// routeTo returns the gateway of the best route to an address, as /proc/net/route has it; none is valid where there is none.
func routeTo(a netip.Addr) netip.Addr {
	b, err := os.ReadFile("/proc/self/net/route")
	if err != nil {
		return netip.Addr{}
	}
	return parseRoutes(string(b), a)
}

func parseRoutes(table string, a netip.Addr) (gateway netip.Addr) {
	best := -1
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		to, ok1 := hexAddr(f[1])
		by, ok2 := hexAddr(f[2])
		mask, ok3 := hexAddr(f[7])
		if !ok1 || !ok2 || !ok3 {
			continue
		}
		m := binary.BigEndian.Uint32(mask.AsSlice())
		bits := 0
		for ; bits < 32 && m&(1<<(31-bits)) != 0; bits++ {
		}
		if netip.PrefixFrom(to, bits).Contains(a) && bits > best {
			best, gateway = bits, netip.Addr{}
			if !by.IsUnspecified() {
				gateway = by
			}
		}
	}
	return gateway
}

// hexAddr reads an address as the kernel prints it, its bytes in reverse.
func hexAddr(s string) (netip.Addr, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}), true
}
