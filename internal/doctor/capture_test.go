package doctor

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/doctor/trace"
	"github.com/modhaven/modhaven/internal/pcap"
)

func captureFile(name string) string { return filepath.Join("testdata", "captures", name+".pcap") }

// judged judges captures, and holds the report against the schema and against the secrets that were sent while they were recorded.
func judged(t *testing.T, names ...string) *Report {
	t.Helper()
	var files []string
	for _, n := range names {
		files = append(files, captureFile(n))
	}
	r, err := JudgeCaptures(files, CaptureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkReport(t, r)
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"plantedsecret", base64.StdEncoding.EncodeToString([]byte("user:plantedsecret"))} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%v: the report has %s in it", names, secret)
		}
	}
	return r
}

// TestCaptures judges what was recorded of one fault each: from the client's side, from the server's, and from both.
func TestCaptures(t *testing.T) {
	for _, tt := range []struct{ name, client, server, both string }{
		{name: "ok", client: "MH0001 certain", server: "MH0001 certain", both: "MH0001 certain"},
		{name: "ok-12", client: "MH0001 certain"},
		{name: "ok-http", client: "MH0001 certain"},
		{name: "ok-proxy", client: "MH0001 certain"},
		{name: "refused", client: "MH1801 certain", server: "MH1801 certain", both: "MH1801 certain"},
		{name: "refused-alone", client: "MH1802 likely"},
		{name: "reject", client: "MH1309 certain"},
		{name: "reject-port", client: "MH1301 certain"},
		{name: "reset", client: "MH1302 certain", server: "MH0001 certain", both: "MH1302 certain"},
		{name: "drop", client: "MH1304 likely", server: "MH0001 certain", both: "MH1315 certain"},
		{name: "drop-all", client: "MH1305 possible"},
		{name: "drop-back", client: "MH1305 possible", server: "MH1314 likely", both: "MH1314 certain"},
		{name: "drop-server", client: "MH1305 possible", server: "MH1313 likely", both: "MH1313 likely"},
		{name: "gone", client: "MH1803 likely"},
		{name: "gone-near", client: "MH1401 certain"},
		{name: "accept-close", client: "MH1501 certain"},
		{name: "proxy-407", client: "MH1604 certain"},
		{name: "proxy-403", client: "MH1605 certain"},
		{name: "proxy-502", client: "MH1606 certain"},
		{name: "unknown-ca", client: "MH1713 likely"},
		{name: "unknown-ca-12", client: "MH1705 likely"},
		{name: "expired-12", client: "MH1701 certain"},
		{name: "tls-version", client: "MH1708 certain"},
		{name: "tls-stuck", client: "MH1904 likely"},
		{name: "tls-plain", client: "MH1503 certain"},
		{name: "sni-reset", client: "MH1308 certain", server: "MH1403 possible", both: "MH1308 certain"},
		{name: "sni-drop", client: "MH1403 likely", server: "MH1403 possible", both: "MH1403 likely"}, // the same as mtu-up but for what is in the packet: an alternative says so
		{name: "nxdomain", client: "MH1201 certain"},
		{name: "servfail", client: "MH1203 certain"},
		{name: "dns-drop", client: "MH1205 likely"},
		{name: "dns-closed", client: "MH1206 certain"},
		{name: "mtu-up", client: "MH1403 likely", server: "MH1403 possible", both: "MH1403 likely"},
		{name: "mtu-down", client: "MH1404 certain", server: "MH1408 likely", both: "MH1404 certain"},
		{name: "stall", client: "MH1911 likely"},
		{name: "zero-window", client: "MH1108 certain"},
		{name: "cut", client: "MH1912 likely"},
		{name: "503", client: "MH1905 likely"},
		{name: "401", client: "MH2302 certain"},
		{name: "hang", client: "MH1902 certain"},
		{name: "v6-ok", client: "MH0001 certain", server: "MH0001 certain", both: "MH0001 certain"},
		{name: "v6-refused", client: "MH1801 certain", server: "MH1801 certain", both: "MH1801 certain"},
		{name: "v6-reject", client: "MH1309 certain"},
		{name: "v6-drop", client: "MH1304 likely", server: "MH0001 certain", both: "MH1315 certain"},
		{name: "nat-ok", client: "MH0001 certain", server: "MH0001 certain", both: "MH0001 certain"},
		{name: "nat-refused", client: "MH1801 certain", server: "MH1801 certain", both: "MH1801 certain"},
		{name: "nat-drop", client: "MH1304 likely", server: "MH0001 certain", both: "MH1315 certain"},
		{name: "lossy", client: "MH1405 likely"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check := func(want string, names ...string) {
				if want == "" {
					return
				}
				r := judged(t, names...)
				if got := string(r.Verdict.Code) + " " + string(r.Verdict.Confidence); got != want {
					t.Errorf("%v: %s (%s); want %s", names, got, r.Verdict.Summary, want)
				}
			}
			check(tt.client, tt.name+".client")
			check(tt.server, tt.name+".server")
			check(tt.both, tt.name+".client", tt.name+".server")
			check(tt.both, tt.name+".server", tt.name+".client")
			likeLive(t, tt.name, judged(t, tt.name+".client"))
		})
	}
}

// likeLive compares a verdict with what the doctor said on the machine itself when the fault was recorded: the class is
// the same, or it is one of the alternatives.
func likeLive(t *testing.T, name string, r *Report) {
	t.Helper()
	if strings.HasPrefix(name, "ok") || name == "zero-window" {
		return // it judges the files too, of which these servers have none
	}
	b, err := os.ReadFile(filepath.Join("testdata", "captures", name+".live"))
	if err != nil {
		t.Fatal(err)
	}
	live := Class(strings.Fields(string(b))[0])
	if r.Verdict.Class != live && !slices.ContainsFunc(r.Verdict.Alternatives, func(a Alternative) bool { return a.Class == live }) {
		t.Errorf("live it was %s; from the capture %s, without that as an alternative", b, r.Verdict.Class)
	}
}

// TestCaptureNoise judges a fault among connections that are well, recorded at other times.
func TestCaptureNoise(t *testing.T) {
	file := filepath.Join(t.TempDir(), "all.pcap")
	joinCaptures(t, file, "ok.client", "ok-http.client", "ok-proxy.client", "ok-12.client")
	r, err := JudgeCaptures([]string{file}, CaptureOptions{})
	if err != nil || r.Verdict.Code != Well {
		t.Errorf("connections that are well: %s (%s), %v", r.Verdict.Code, r.Verdict.Summary, err)
	}
	joinCaptures(t, file, "ok.client", "ok-http.client", "refused-alone.client")
	if r, err = JudgeCaptures([]string{file}, CaptureOptions{}); err != nil || r.Verdict.Class != OriginDown {
		t.Errorf("a refused one among them: %s, %v", r.Verdict.Code, err)
	}
	if r, err = JudgeCaptures([]string{file}, CaptureOptions{Filter: recordedAddr + ":443"}); err != nil || r.Verdict.Code != Well {
		t.Errorf("it is filtered out: %s, %v", r.Verdict.Code, err)
	}
	if r, err = JudgeCaptures([]string{file}, CaptureOptions{Filter: ":444"}); err != nil || r.Verdict.Class != OriginDown {
		t.Errorf("it alone is let through: %s, %v", r.Verdict.Code, err)
	}
}

const recordedAddr = "198.51.100.10" // of what was recorded

// joinCaptures writes one capture with the packets of others.
func joinCaptures(t *testing.T, file string, names ...string) {
	t.Helper()
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w, err := pcap.NewWriter(out, pcap.Ethernet)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		eachPacket(t, n, func(p pcap.Packet) {
			if err := w.Write(p); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func eachPacket(t testing.TB, name string, f func(p pcap.Packet)) {
	t.Helper()
	b, err := os.ReadFile(captureFile(name))
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcap.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err != nil {
			return
		}
		f(p)
	}
}

// TestCaptureWithoutDNS leaves out all but TCP and ICMP: the name comes from what is said on the connection.
func TestCaptureWithoutDNS(t *testing.T) {
	for name, want := range map[string]string{"tls-version.client": "proxy.test:443", "503.client": "proxy.test:80", "reject.client": recordedAddr + ":443", "proxy-407.client": "proxy.test:443"} {
		file := filepath.Join(t.TempDir(), "x.pcap")
		out, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := pcap.NewWriter(out, pcap.Ethernet)
		var l pcap.Layers
		eachPacket(t, name, func(p pcap.Packet) {
			if l.Decode(p); l.Kind == pcap.TCP || l.Kind == pcap.ICMP {
				if err := w.Write(p); err != nil {
					t.Fatal(err)
				}
			}
		})
		out.Close()
		r, err := JudgeCaptures([]string{file}, CaptureOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if whole := judged(t, name); r.Verdict.Code != whole.Verdict.Code || r.Targets[1].Name != want {
			t.Errorf("%s without DNS: %s at %s; want %s at %s", name, r.Verdict.Code, r.Targets[1].Name, whole.Verdict.Code, want)
		}
	}
}

// TestCaptureCut judges what there is of a file that is cut off, and says so.
func TestCaptureCut(t *testing.T) {
	b, err := os.ReadFile(captureFile("refused.client"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cut.pcap")
	write := func(b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(b[:len(b)-3])
	r, err := JudgeCaptures([]string{file}, CaptureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict.Code != "MH1801" || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == codeUnread }) {
		t.Errorf("a cut file: %s, %v", r.Verdict.Code, r.Findings)
	}
	for _, tt := range []struct {
		b    []byte
		want string
	}{{nil, "at byte 0: the file is empty"}, {[]byte("not a capture at all"), "at byte 0: this is no capture"}, {b[:30], "at byte 30, packet 1: the file ends in the middle"}} {
		write(tt.b)
		if _, err := JudgeCaptures([]string{file}, CaptureOptions{}); err == nil || !strings.HasPrefix(err.Error(), file+": "+tt.want) {
			t.Errorf("%q: %v; want %s", tt.b, err, tt.want)
		}
	}
	write(b[:24])
	if r, err := JudgeCaptures([]string{file}, CaptureOptions{}); err != nil || r.Verdict.Code != codeNothing {
		t.Errorf("an empty capture: %v, %v", r, err)
	}
}

// FuzzCapture judges whatever packets.
func FuzzCapture(f *testing.F) {
	all, err := filepath.Glob(captureFile("*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range all {
		if b, err := os.ReadFile(name); err == nil && len(b) < 8<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 24 { // most changes would make it no file
			binary.LittleEndian.PutUint32(b, 0xa1b2c3d4)
			binary.LittleEndian.PutUint16(b[4:], 2)
		}
		tr, err := traceOf("x", bytes.NewReader(b), nil)
		if err != nil {
			return
		}
		checkReport(t, judgeTraces([]string{"x"}, []*trace.Trace{tr}))
		checkReport(t, judgeTraces([]string{"x", "y"}, []*trace.Trace{tr, tr}))
	})
}
