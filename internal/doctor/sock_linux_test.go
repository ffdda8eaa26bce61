package doctor

import "testing"

func FuzzParseExtended(f *testing.F) {
	f.Add([]byte{111, 0, 0, 0, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 192, 0, 2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := parseExtended(b)
		if m.from.IsValid() && len(b) < 24 {
			t.Errorf("an address from %d bytes", len(b))
		}
		if m.String() == "" {
			t.Error("a message without words")
		}
	})
}

func TestParseExtended(t *testing.T) {
	m := parseExtended([]byte{111, 0, 0, 0, 2, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 192, 0, 2, 1})
	if got, want := m.String()+" "+m.from.String(), "ICMP port unreachable (type 3 code 3) 192.0.2.1"; got != want || !m.icmp || m.prohibited() {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestParseNetstat(t *testing.T) {
	const text = "TcpExt: A TCPRetransFail B\nTcpExt: 1 22 3\nIpExt: TCPRetransFail\nIpExt: 9\n"
	if n, ok := parseNetstat(text, "TCPRetransFail"); n != 22 || !ok {
		t.Errorf("%d, %t, want 22", n, ok)
	}
	if _, ok := parseNetstat(text, "C"); ok {
		t.Error("a number that is not there is found")
	}
	if _, ok := parseNetstat("TcpExt: A B\nTcpExt: 1\n", "B"); ok {
		t.Error("a number of a short line is found")
	}
}
