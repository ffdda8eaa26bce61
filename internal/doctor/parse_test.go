package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestParseResolvConf(t *testing.T) {
	got := parseResolvConf("# x\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nsearch a b\nnameserver bad\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n")
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[fe80::1%eth0]:53"), netip.MustParseAddrPort("192.0.2.2:53")}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := parseResolvConf(""); len(got) != 1 || got[0].String() != "127.0.0.1:53" {
		t.Errorf("without servers: %v", got)
	}
}

func TestParseHosts(t *testing.T) {
	got := parseHosts("127.0.0.1 localhost # name\n\n192.0.2.7\tProxy.Example proxy\nbad name\n192.0.2.8 proxy\n")
	if a := got["proxy"]; len(a) != 2 || a[0].String() != "192.0.2.7" {
		t.Errorf("proxy: %v", a)
	}
	if a := got["proxy.example"]; len(a) != 1 {
		t.Errorf("proxy.example: %v", a)
	}
	if len(got["name"]) > 0 {
		t.Error("a comment and a line without an address are read")
	}
}

func TestParseNetrc(t *testing.T) {
	got := parseNetrc("machine a login b password c\nmacdef init\nmachine x login y password z\n\nmachine d\n login e password f\ndefault\nmachine i login j password k\n")
	want := []netrcEntry{{"a", "b", "c"}, {"d", "e", "f"}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestParseRoutes(t *testing.T) {
	const table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	for addr, want := range map[string]string{"198.51.100.1": "192.0.2.1", "192.0.2.9": "invalid IP"} {
		if got := parseRoutes(table, netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("to %s by %s, want %s", addr, got, want)
		}
	}
}

func TestScrub(t *testing.T) {
	for in, want := range map[string]string{
		`Get "https://me:hush@h.example/x?token=hush": EOF`: `Get "https://…@h.example/x?…`,
		"plain text":                    "plain text",
		"https://h.example/m?go-get=1":  "https://h.example/m?go-get=1",
		"ssh://git:pw@h.example/a@b ok": "ssh://…@b ok",
		"fatal: 'https://u@h/x/' no":    "fatal: 'https://…@h/x/' no",
	} {
		if got := scrub(in); !strings.HasPrefix(got, want) || strings.Contains(got, "hush") {
			t.Errorf("scrub(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	name := dnsmessage.MustNewName("proxy.example.com.")
	m := &dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
		Answers: []dnsmessage.Resource{
			{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}},
			{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AAAAResource{AAAA: [16]byte{1}}},
		},
	}
	f.Add(pack(m))
	f.Add([]byte("<html>"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := parseReply(b, 7, dnsmessage.TypeA)
		if ok != (a.reply != "") {
			t.Errorf("an answer without a reply, or the reverse: %+v", a)
		}
		if a.reply == gotAddrs && (len(a.addrs) == 0 || slices.ContainsFunc(a.addrs, func(x netip.Addr) bool { return !x.IsValid() })) {
			t.Errorf("addresses without one: %+v", a)
		}
		if len(a.addrs) > len(b)/4 {
			t.Errorf("%d addresses from %d bytes", len(a.addrs), len(b))
		}
	})
}

func FuzzParseTexts(f *testing.F) {
	f.Add("nameserver 192.0.2.1\n")
	f.Add("192.0.2.7 proxy # x\n")
	f.Add("machine a login b password c\nmacdef m\n\ndefault\n")
	f.Add("eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
	f.Add("# example.com/m v1.0.0\n## explicit\n")
	f.Add(`<meta name="go-import" content="a.example/x git https://a.example/x.git">`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := parseResolvConf(s); len(got) == 0 || len(got) > 3 {
			t.Errorf("%d DNS servers", len(got))
		}
		for name, addrs := range parseHosts(s) {
			if name != strings.ToLower(name) || len(addrs) == 0 {
				t.Errorf("%q: %v", name, addrs)
			}
		}
		for _, e := range parseNetrc(s) {
			if e.machine == "" || e.login == "" || e.password == "" {
				t.Errorf("an entry that is not whole: %q", e.machine)
			}
		}
		if g := parseRoutes(s, netip.MustParseAddr("192.0.2.1")); g.IsValid() && g.IsUnspecified() {
			t.Error("a gateway without an address")
		}
		if vendorDiffers([]byte("module m\n"), []byte(s)) != "" {
			t.Error("nothing is required, and something is missing")
		}
		for _, m := range parseImports([]byte(s)) {
			if m.root == "" || m.vcs == "" || m.repo == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}
