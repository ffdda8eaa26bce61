package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"

	"github.com/modhaven/modhaven/internal/proxytest"
)

// faultyOn starts an upstream of the tree of small files, in this process.
func faultyOn(t *testing.T, s faultySettings) (u *faultyServer, url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u = newFaultyServer(s, proxytest.NewListener(ln))
	srv := u.server()
	srv.Start()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return u, srv.URL
}

// told asks the control handler.
func told(t *testing.T, u *faultyServer, path string) faultyStats {
	t.Helper()
	w := httptest.NewRecorder()
	u.control(w, httptest.NewRequest(http.MethodPost, path, nil))
	var st faultyStats
	if err := json.NewDecoder(w.Body).Decode(&st); err != nil {
		t.Fatal(err)
	}
	return st
}

// outcomes asks for n small files, each over a connection of its own.
func outcomes(t *testing.T, url string, n int) []int {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	c := http.Client{Transport: tr}
	var got []int
	for i := range n {
		resp, err := c.Get(url + tailPath(i))
		if err != nil {
			got = append(got, 0)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		want, _ := smallFile(tailPath(i))
		switch {
		case err != nil:
			got = append(got, -1)
		case resp.StatusCode == http.StatusOK && !bytes.Equal(b, want):
			got = append(got, -2)
		default:
			got = append(got, resp.StatusCode)
		}
	}
	return got
}

func TestFaultyRepeats(t *testing.T) {
	s := faultySettings{Seed: 3, Run: 5, Faults: mix{Rate: 0.5, Kinds: []string{faultReset, faultRST, faultFIN, fault503, fault429, faultHTML}}}
	u, url := faultyOn(t, s)
	_, again := faultyOn(t, s)
	first := outcomes(t, url, 60)
	if second := outcomes(t, again, 60); !slices.Equal(first, second) {
		t.Errorf("two upstreams of one seed:\n%v\n%v", first, second)
	}
	if bad := 60 - countOf(first, 200); bad < 15 || bad > 45 {
		t.Errorf("%d of 60 failed, want about half", bad)
	}
	st := told(t, u, "/forget")
	drawn := 0
	for _, n := range st.Faults {
		drawn += n
	}
	// The http client asks again by itself only on kept connections, of which there are none.
	if st.Requests != 60 || drawn != 60-countOf(first, 200) || st.Conns != 60 || st.Bytes == 0 {
		t.Errorf("counted %+v; %d failed", st, 60-countOf(first, 200))
	}
	if st = told(t, u, "/"); st.Requests != 0 || st.Bytes != 0 {
		t.Errorf("remembers %+v", st)
	}
}

func countOf(all []int, one int) int {
	n := 0
	for _, x := range all {
		if x == one {
			n++
		}
	}
	return n
}

func TestFaultyStates(t *testing.T) {
	u, url := faultyOn(t, faultySettings{})
	told(t, u, "/sick")
	if got := outcomes(t, url, 2); !slices.Equal(got, []int{503, 503}) {
		t.Errorf("sick: %v", got)
	}
	told(t, u, "/well")
	told(t, u, "/refuse")
	if got := outcomes(t, url, 1); !slices.Equal(got, []int{0}) {
		t.Errorf("refusing: %v", got)
	}
	told(t, u, "/accept")
	if got := outcomes(t, url, 2); !slices.Equal(got, []int{200, 200}) {
		t.Errorf("well: %v", got)
	}
	if st := told(t, u, "/"); st.Sick != 2 || st.Requests != 4 {
		t.Errorf("counted %+v", st)
	}
}

func TestAttemptFails(t *testing.T) {
	const text = "Ip: A B\nIp: 1 2\nTcp: MaxConn AttemptFails EstabResets\nTcp: -1 433 7\n"
	if got, err := attemptFails(text); got != 433 || err != nil {
		t.Errorf("%d, %v; want 433", got, err)
	}
	if _, err := attemptFails("Udp: AttemptFails\nUdp: 1\n"); err == nil {
		t.Error("no error for what is missing")
	}
}

func FuzzAttemptFails(f *testing.F) {
	f.Add("Tcp: AttemptFails\nTcp: 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := attemptFails(text); err == nil && !strings.Contains(text, "AttemptFails") {
			t.Error("found what is not there")
		}
	})
}

// A query for the A record of "a.test", with the additional record of EDNS.
const dnsQuery = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x04test\x00\x00\x01\x00\x01\x00\x00\x29\x05\xac\x00\x00\x00\x00\x00\x00"

func TestDNSAnswer(t *testing.T) {
	const question = "\x01a\x04test\x00\x00\x01\x00\x01"
	ip := net.IPv4(127, 0, 0, 2)
	tests := []struct {
		name, query, want string
		failed            bool
	}{
		{"A", dnsQuery, "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x01\x00\x04\x7f\x00\x00\x02", false},
		{"failed", dnsQuery, "\x12\x34\x81\x82\x00\x01\x00\x00\x00\x00\x00\x00" + question, true},
		{"AAAA", strings.Replace(dnsQuery, "\x00\x01\x00\x01\x00\x00\x29", "\x00\x1c\x00\x01\x00\x00\x29", 1),
			"\x12\x34\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x1c\x00\x01", false},
		{"short", dnsQuery[:20], "", false},
		{"an answer", "\x12\x34\x80" + dnsQuery[3:], "", false},
	}
	for _, tt := range tests {
		if got := dnsAnswer([]byte(tt.query), ip, tt.failed); string(got) != tt.want {
			t.Errorf("%s: %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

func FuzzDNSAnswer(f *testing.F) {
	f.Add([]byte(dnsQuery))
	f.Fuzz(func(t *testing.T, query []byte) {
		if got := dnsAnswer(query, net.IPv4(127, 0, 0, 2), false); got != nil && !bytes.Equal(got[:2], query[:2]) {
			t.Errorf("%q answers %q", got, query)
		}
	})
}

func TestRecovery(t *testing.T) {
	well := time.Unix(1000, 0)
	at := func(ms int, took time.Duration, ok bool) answered {
		return answered{asked: well.Add(time.Duration(ms) * time.Millisecond), took: took, ok: ok}
	}
	tests := []struct {
		name string
		all  []answered
		want time.Duration
	}{
		{"at once", []answered{at(-50, 2*time.Second, false), at(50, 1, true)}, 0},
		{"a failure", []answered{at(50, 1, true), at(700, 1, false), at(800, 1, true)}, 700 * time.Millisecond},
		{"a slow one", []answered{at(900, 2*time.Second, true)}, 900 * time.Millisecond},
		{"nobody asked", nil, 0},
	}
	for _, tt := range tests {
		if got := recovery(tt.all, well, time.Second); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSickRows(t *testing.T) {
	ill, well := time.Unix(1000, 0), time.Unix(1060, 0)
	all := []answered{{asked: ill.Add(-1), ok: true}, {asked: ill.Add(1)}, {asked: ill.Add(2), ok: true}, {asked: well.Add(1), ok: true}}
	if rows := sickRows(all, ill, well, 2); rows[0].met != yes || rows[1].met != yes || rows[2].value != "1 of 2" {
		t.Errorf("%+v", rows)
	}
	if rows := sickRows(all, ill, well, 3); rows[0].met != no {
		t.Errorf("three requests for two: %+v", rows[0])
	}
	if rows := sickRows(nil, ill, well, 0); rows[0].met != no {
		t.Errorf("nobody asked: %+v", rows[0])
	}
}

func TestTailRows(t *testing.T) {
	all := make([]answered, 10000)
	for i := range all {
		all[i] = answered{took: 50 * time.Millisecond, ok: i >= 2}
	}
	if rows := tailRows(all, all, 10500); rows[0].met != yes || rows[2].met != yes || rows[3].value != "1.050" {
		t.Errorf("%+v", rows)
	}
	for i := range 101 {
		all[i] = answered{took: time.Second}
	}
	if rows := tailRows(all, all, 10500); rows[0].met != no || rows[2].met != no {
		t.Errorf("%+v", rows)
	}
}

func TestTally(t *testing.T) {
	var sick, clean tally
	sick.add(outcome{ok: true, took: 3, requests: 330, faults: map[string]int{"503": 2}})
	sick.add(outcome{took: 90, why: "first", faults: map[string]int{"503": 1}})
	sick.add(outcome{took: 90, why: "second"})
	clean.add(outcome{ok: true, took: 2, requests: 300})
	if got := sick.successRow("", "3 of 3"); got.value != "1 of 3" || got.met != no || sick.why != "first" {
		t.Errorf("%+v, why %q", got, sick.why)
	}
	if got := meanRow("", "%.0f s", sick.took, clean.took, 2); got.value != "1.500 (3 s ÷ 2 s)" || got.met != yes {
		t.Errorf("%+v", got)
	}
	if got := meanRow("", "%.0f s", nil, clean.took, 2); got.met != no {
		t.Errorf("nothing succeeded: %+v", got)
	}
	if got, want := listFaults(sick.faults), "3 × 503"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (&tally{}).successRow("", "0 of 0"); got.met != no {
		t.Errorf("no runs at all: %+v", got)
	}
}

func TestSaysWrong(t *testing.T) {
	for text, want := range map[string]bool{
		"verifying m@v1.0.0: checksum mismatch\n": true, "go: zip: checksum error": true, "go: m@v1.0.0: unexpected EOF": false, "": false,
	} {
		if got := saysWrong(text); got != want {
			t.Errorf("saysWrong(%q) = %v", text, got)
		}
	}
}

func TestH1(t *testing.T) {
	dir := t.TempDir()
	r := recipe{Version: module.Version{Path: "example.com/x", Version: "v1.0.0"}, Go: "1.24", Size: 3000, Seed: 1}
	sums, err := r.write(dir)
	if err != nil {
		t.Fatal(err)
	}
	zips, err := readFiles(dir, []string{".zip"})
	if err != nil || len(zips) != 1 {
		t.Fatalf("%d zips, %v", len(zips), err)
	}
	for name, b := range zips {
		good := h1(b)
		if want := "/example.com/x/@v/v1.0.0.zip"; name != want || good == "" || !strings.Contains(sums, good) {
			t.Errorf("%s: %q, want %s with a hash of\n%s", name, good, want, sums)
		}
		b[10] ^= 1 // the time of the first file
		if got := h1(b); got != good {
			t.Errorf("another time gave %q, want %q", got, good)
		}
		b[len(b)/3] ^= 1
		if got := h1(b); got == good {
			t.Error("a flipped byte of a file changed nothing")
		}
	}
}

func TestShare(t *testing.T) {
	for scale, want := range map[float64]int{1: 100, 0.1: 10, 0.001: 2} {
		if got := (&lab{opt: options{scale: scale}}).share(100); got != want {
			t.Errorf("scale %v: %d, want %d", scale, got, want)
		}
	}
	if got := (&lab{opt: options{scale: 1, quick: true}}).share(100); got != 10 {
		t.Errorf("quick: %d, want 10", got)
	}
}

func TestFaultsRecipes(t *testing.T) {
	deps, main := faultsRecipes()
	if len(main.Requires) != faultsModules || len(deps) != faultsModules {
		t.Fatalf("%d requirements, %d modules", len(main.Requires), len(deps))
	}
	large := 0
	for _, d := range deps {
		switch {
		case d.Size == 300e3:
			large++
		case d.Size < 2e3 || d.Size > 60e3:
			t.Errorf("%v has %d bytes", d.Version, d.Size)
		}
	}
	if large != 4 {
		t.Errorf("%d large ones, want 4", large)
	}
}
