package doctor

import (
	"os"
	"strconv"
	"strings"
)

// listensHere reports whether a program of this machine listens on a port. It says so too where that is not known.
func listensHere(port uint16) bool {
	for _, file := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		b, err := os.ReadFile(file)
		if err != nil && file == "/proc/self/net/tcp" || listedAsListening(string(b), port) {
			return true
		}
	}
	return false
}

// listedAsListening reads a table of sockets, proc(5).
func listedAsListening(table string, port uint16) bool {
	const listening = "0A"
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != listening {
			continue
		}
		_, p, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(p, 16, 16); err == nil && uint16(n) == port {
			return true
		}
	}
	return false
}
