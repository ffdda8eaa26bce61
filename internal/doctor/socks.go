package doctor

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// What SOCKS has of numbers (RFC 1928 and 1929).
const (
	socksVersion  = 5
	socksOpen     = 0 // nothing is asked for
	socksPassword = 2 // a user and password are
	socksConnect  = 1
	socksName     = 3
	socksIPv4     = 1
	socksIPv6     = 4
)

// socks reports whether the target is reached by a proxy that speaks SOCKS.
func (t *target) socks() bool { return t.via != nil && strings.HasPrefix(t.via.Scheme, "socks5") }

// askSOCKS asks for a connection as the go command does: by the name, which the proxy looks up. What the proxy answers is
// written down as the status of an HTTP proxy that says the same.
func (t *target) askSOCKS(conn net.Conn, f *tunnelFacts) error {
	r := bufio.NewReader(conn)
	ways := []byte{socksVersion, 1, socksOpen}
	if t.via.User != nil {
		ways = []byte{socksVersion, 2, socksOpen, socksPassword}
	}
	var way [2]byte
	if err := talk(conn, r, ways, way[:]); err != nil {
		return err
	}
	if way[0] != socksVersion {
		return fmt.Errorf("the proxy does not speak SOCKS 5: its answer begins with byte %d", way[0])
	}
	switch way[1] {
	case socksOpen:
	case socksPassword:
		if ok, err := t.logIn(conn, r); err != nil {
			return err
		} else if !ok {
			f.code, f.status = http.StatusProxyAuthRequired, "SOCKS: the user and password are refused"
			return nil
		}
	default:
		f.code, f.status = http.StatusProxyAuthRequired, "SOCKS: no way to log in that suits the proxy"
		return nil
	}
	port, err := strconv.ParseUint(t.port, 10, 16)
	if err != nil {
		return err
	}
	ask := append([]byte{socksVersion, socksConnect, 0, socksName, byte(len(t.host))}, t.host...)
	var head [4]byte
	if err := talk(conn, r, binary.BigEndian.AppendUint16(ask, uint16(port)), head[:]); err != nil {
		return err
	}
	f.code, f.status = socksStatus(head[1])
	if f.code != http.StatusOK {
		return nil
	}
	return skipAddress(r, head[3])
}

// talk sends a message and reads the answer.
func talk(conn net.Conn, r io.Reader, message, answer []byte) error {
	if _, err := conn.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(r, answer)
	return err
}

func (t *target) logIn(conn net.Conn, r io.Reader) (ok bool, err error) {
	user := t.via.User.Username()
	password, _ := t.via.User.Password()
	if len(user) > 255 || len(password) > 255 {
		return false, nil
	}
	message := append([]byte{1, byte(len(user))}, user...)
	message = append(append(message, byte(len(password))), password...)
	var answer [2]byte
	err = talk(conn, r, message, answer[:])
	return answer[1] == 0, err
}

// socksStatus is a reply as an HTTP proxy would say it.
func socksStatus(reply byte) (code int, status string) {
	switch words := map[byte]string{
		1: "general failure", 2: "not allowed by a rule", 3: "network unreachable", 4: "host unreachable", 5: "connection refused",
		6: "TTL expired", 7: "command not supported", 8: "address type not supported",
	}; reply {
	case 0:
		return http.StatusOK, "SOCKS: connected"
	case 1, 3, 4, 5, 6:
		return http.StatusBadGateway, "SOCKS: " + words[reply]
	default:
		return http.StatusForbidden, fmt.Sprintf("SOCKS: %s (reply %d)", words[reply], reply)
	}
}

// skipAddress reads the address that the proxy connects from.
func skipAddress(r *bufio.Reader, kind byte) error {
	n := map[byte]int{socksIPv4: 4, socksIPv6: 16}[kind]
	if kind == socksName {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		n = int(b)
	}
	_, err := io.CopyN(io.Discard, r, int64(n)+2)
	return err
}
