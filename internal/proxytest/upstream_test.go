package proxytest

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestUpstreamHeaders(t *testing.T) {
	u := New(t)
	c := u.Client()
	tests := []struct{ name, ctype string }{
		{"example.com/plain/@v/list", "text/plain; charset=UTF-8"},
		{"example.com/plain/@v/v1.0.0.info", "application/json"},
		{"example.com/plain/@latest", "application/json"},
		{"example.com/plain/@v/v1.0.0.mod", "text/plain; charset=UTF-8"},
		{plainZip, "application/zip"},
	}
	for _, test := range tests {
		resp, body, err := get(t, c, u.URL+"/"+test.name)
		if err != nil {
			t.Fatal(err)
		}
		tag := resp.Header.Get("ETag")
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != test.ctype || tag == "" || int(resp.ContentLength) != len(body) {
			t.Errorf("%s: got %s %v", test.name, resp.Status, resp.Header)
		}
		if resp, _, err := get(t, c, u.URL+"/"+test.name, "If-None-Match", tag); err != nil || resp.StatusCode != 304 {
			t.Errorf("%s: with its ETag: %v %v", test.name, resp, err)
		}
		head, err := c.Head(u.URL + "/" + test.name)
		if err != nil {
			t.Fatal(err)
		}
		head.Body.Close()
		if head.ContentLength != resp.ContentLength || head.Header.Get("ETag") != tag {
			t.Errorf("%s: HEAD gave %v", test.name, head.Header)
		}
	}
}

func TestUpstreamStatuses(t *testing.T) {
	upstreams := map[int]*Upstream{404: New(t), 403: New(t, Forbid()), 410: New(t, Gone())}
	for want, u := range upstreams {
		c := u.Client()
		for _, name := range []string{
			"nowhere.test/@v/list", "nowhere.test/@latest", "example.com/plain/@v/v9.0.0.mod", "example.com/plain/@v/v1.0.0.ziphash",
			"example.com/plain/@v/main", "example.com/Upper/@v/list", "sumdb/sum.example.com/supported", "", "@v/list",
		} {
			resp, body, err := get(t, c, u.URL+"/"+name)
			if err != nil || resp.StatusCode != want || !strings.Contains(body, "not found") {
				t.Errorf("%s: got %v %q %v, want %d", name, resp, body, err, want)
			}
		}
	}
	resp, err := upstreams[404].Client().Post(upstreams[404].URL+"/"+plainZip, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 405 {
		t.Errorf("POST: %s", resp.Status)
	}
}

func TestUpstreamRanges(t *testing.T) {
	whole := string(Fixture(t, "example.com/plain", "v1.0.0").Zip)
	n := len(whole)
	tests := []struct {
		ranges        Ranges
		header        string
		status        int
		body, content string
	}{
		{RangesHonoured, "bytes=10-19", 206, whole[10:20], "bytes 10-19/#"},
		{RangesHonoured, "bytes=10-", 206, whole[10:], "bytes 10-$/#"},
		{RangesIgnored, "bytes=10-", 200, whole, ""},
		{RangesWrong, "bytes=10-19", 206, whole[:10], "bytes 10-19/#"},
		{RangesWrong, "bytes=10-", 206, whole[:n-10], "bytes 10-$/#"},
		{RangesShifted, "bytes=10-19", 206, whole[:20], "bytes 0-19/#"},
		{RangesResized, "bytes=10-19", 206, whole[10:20], "bytes 10-19/+"},
		{RangesRefused, "bytes=10-19", 416, "no ranges\n", "bytes */#"},
		{RangesWrong, "", 200, whole, ""},
	}
	for _, test := range tests {
		u := New(t, WithRanges(test.ranges))
		resp, body, err := get(t, u.Client(), u.URL+"/"+plainZip, "Range", test.header)
		if err != nil {
			t.Fatal(err)
		}
		content := strings.NewReplacer("$", itoa(n-1), "#", itoa(n), "+", itoa(n+1)).Replace(test.content)
		if resp.StatusCode != test.status || body != test.body || resp.Header.Get("Content-Range") != content {
			t.Errorf("%v %q: got %s, %d bytes, %q; want %d, %d bytes, %q", test.ranges, test.header,
				resp.Status, len(body), resp.Header.Get("Content-Range"), test.status, len(test.body), content)
		}
	}
}

func TestUpstreamIfRange(t *testing.T) {
	u := New(t)
	for tag, want := range map[string]int{`"old"`: 200, Fixture(t, "example.com/plain", "v1.0.0").zipTag: 206} {
		resp, _, err := get(t, u.Client(), u.URL+"/"+plainZip, "Range", "bytes=1-", "If-Range", tag)
		if err != nil || resp.StatusCode != want {
			t.Errorf("If-Range %s: got %v, %v, want %d", tag, resp, err, want)
		}
	}
}

func TestUpstreamGzip(t *testing.T) {
	u := New(t, Gzip())
	name := u.URL + "/example.com/plain/@v/v1.0.0.mod"
	resp, body, err := get(t, u.Client(), name, "Accept-Encoding", "gzip")
	if err != nil || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("got %v, %v", resp, err)
	}
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if want := Fixture(t, "example.com/plain", "v1.0.0").Mod; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	plain, _, err := get(t, u.Client(), name, "Accept-Encoding", "identity")
	if err != nil || plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("ETag") == resp.Header.Get("ETag") {
		t.Errorf("without gzip: %v, %v", plain, err)
	}
	zip, _, err := get(t, u.Client(), u.URL+"/"+plainZip, "Accept-Encoding", "gzip")
	if err != nil || zip.Header.Get("Content-Encoding") != "" {
		t.Errorf("a zip: %v, %v", zip, err)
	}
}

func TestUpstreamOddities(t *testing.T) {
	u := New(t, Chunked(), NoETag(), SpacedInfo(), RedirectZips())
	c := u.Client()
	resp, body, err := get(t, c, u.URL+"/example.com/plain/@v/v1.0.0.info")
	if err != nil || resp.ContentLength != -1 || resp.Header.Get("ETag") != "" {
		t.Errorf("got %v, %v", resp, err)
	}
	if !strings.Contains(body, "{\n") || !strings.HasSuffix(body, "}\n") {
		t.Errorf("an .info without other spacing: %q", body)
	}
	resp, body, err = get(t, c, u.URL+"/"+plainZip)
	if err != nil || resp.Request.URL.Host == strings.TrimPrefix(u.URL, "http://") || body != string(Fixture(t, "example.com/plain", "v1.0.0").Zip) {
		t.Errorf("zip: %d bytes from %v, %v", len(body), resp.Request.URL, err)
	}
	if u.Requests(plainZip) != 1 || u.Storage.Requests(plainZip) != 1 {
		t.Errorf("%d requests and %d at the storage, want 1 and 1", u.Requests(plainZip), u.Storage.Requests(plainZip))
	}
	if resp, _, err := get(t, c, u.Storage.URL+"/"+plainZip); err != nil || resp.StatusCode != 403 {
		t.Errorf("without signature: %v, %v", resp, err)
	}
}

func TestAddRemove(t *testing.T) {
	u := New(t, NoFixtures())
	c := u.Client()
	list := u.URL + "/example.com/new/@v/list"
	if resp, _, err := get(t, c, list); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("before: %v, %v", resp, err)
	}
	u.Add(Module{Path: "example.com/new", Version: "v1.1.0"})
	u.Add(Module{Path: "example.com/new", Version: "v1.0.0"})
	u.Add(Module{Path: "example.com/new", Version: "v1.0.0", Mod: "module other\n"})
	if _, body, err := get(t, c, list); err != nil || body != "v1.0.0\nv1.1.0\n" {
		t.Errorf("list %q, %v", body, err)
	}
	if _, body, err := get(t, c, u.URL+"/example.com/new/@v/v1.0.0.mod"); err != nil || body != "module other\n" {
		t.Errorf("replaced .mod %q, %v", body, err)
	}
	u.Remove("example.com/new", "v1.1.0")
	if _, body, err := get(t, c, list); err != nil || body != "v1.0.0\n" {
		t.Errorf("list %q, %v", body, err)
	}
}
