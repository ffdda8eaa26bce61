package server_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/server"
)

// TestClosedWindow has an HTTP/2 client that lets nothing through, not even the few bytes of a small answer (RFC 9113,
// 6.9.2): its stream is reset, or it would hold a goroutine for as long as it likes.
func TestClosedWindow(t *testing.T) {
	src := ample{body: "v1.0.0\n", ended: make(chan error, 1)}
	h := server.New(server.Options{Source: src, Stall: 50 * time.Millisecond})
	for _, path := range []string{"/example.com/m/@v/list", "/example.com/m/@v/v1.0.0.zip", "/healthz", "/nothing"} {
		t.Run(path, func(t *testing.T) {
			url, _ := listen(t, h)
			c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			const settings, headers, reset, window = 4, 1, 3, 4          // the last is of SETTINGS_INITIAL_WINDOW_SIZE
			request := []byte{0x80 | 2, 0x80 | 6, 0x04, byte(len(path))} // :method GET, :scheme http, a literal :path (RFC 7541)
			request = append(append(request, path...), 0x01, 1, 'x')     // a literal :authority
			write := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
			write = append(write, frame(settings, 0, 0, []byte{0, window, 0, 0, 0, 0})...)
			write = append(write, frame(headers, 0x1|0x4, 1, request)...)
			if _, err := c.Write(write); err != nil {
				t.Fatal(err)
			}
			for {
				var head [9]byte
				if _, err := io.ReadFull(c, head[:]); err != nil {
					t.Fatal(err)
				}
				body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
				if _, err := io.ReadFull(c, body); err != nil {
					t.Fatal(err)
				}
				switch stream := binary.BigEndian.Uint32(head[5:]); {
				case head[3] == reset && stream == 1:
					return
				case head[3] == 0 && len(body) > 0:
					t.Fatalf("%d bytes came through a closed window", len(body))
				}
			}
		})
	}
}

// frame is a frame of HTTP/2.
func frame(kind, flags byte, stream uint32, body []byte) []byte {
	b := []byte{0, 0, byte(len(body)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), body...)
}
