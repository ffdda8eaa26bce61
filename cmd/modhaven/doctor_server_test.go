package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/modhaven/modhaven/internal/doctor"
)

// TestReportAsk: whatever answers in place of a report, it is said what that means, and nothing of it reaches the terminal as it came.
func TestReportAsk(t *testing.T) {
	for _, tt := range []struct {
		name     string
		status   int
		body     string
		modhaven bool // as its root says
		want     doctor.Code
		why      string
	}{
		{"a page", 200, "<html>", false, doctor.Foreign, ""},
		{"another schema", 200, `{"schema":"modhaven.doctor/9"}`, true, doctor.Speechless, "is not a report of the schema"},
		{"401", 401, "who are you?", true, doctor.NotAllowed, ""},
		{"403", 403, "no", true, doctor.NotAllowed, ""},
		{"404 of one of before", 404, "not found", true, doctor.TooOld, ""},
		{"404 of another proxy", 404, "not found", false, doctor.Foreign, ""},
		{"a redirect", 302, "", false, doctor.Foreign, ""},
		{"429", 429, "the doctor was asked too often", true, doctor.Speechless, "429 Too Many Requests"},
		{"503", 503, "evil \x1b[2J http://me:hush@h/", true, doctor.Speechless, "503 Service Unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/doctor" && r.URL.Query().Get("module") == "example.com/m@v1.0.0" && r.Header.Get("Authorization") == "Bearer planted":
					w.Header().Set("Content-Type", "text/plain")
					w.WriteHeader(tt.status)
					io.WriteString(w, tt.body)
				case r.URL.Path == "/" && tt.modhaven:
					io.WriteString(w, greeting+". Use it")
				default:
					http.NotFound(w, r)
				}
			}))
			t.Cleanup(s.Close)
			r, m := askAt(t, s.URL).report(t.Context(), "example.com/m@v1.0.0")
			said := m.vars["why"] + m.vars["words"] + m.vars["status"]
			if r != nil || m.code != tt.want || !strings.Contains(m.vars["why"], tt.why) {
				t.Errorf("got %v, %+v, want %s", r, m, tt.want)
			}
			if strings.ContainsAny(said, "\x1b\n") || strings.Contains(said, "hush") || strings.Contains(said, "planted") {
				t.Errorf("it says %q", said)
			}
		})
	}
}

// TestReportAskHang: a server that says nothing is left when the time is over.
func TestReportAskHang(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel() // it is asked now
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	if r, m := askAt(t, s.URL).report(ctx, ""); r != nil || m.code != doctor.Speechless || m.vars["why"] != "no answer in time" {
		t.Errorf("got %v, %+v", r, m)
	}
}

func askAt(t *testing.T, addr string) *reportAsk {
	t.Helper()
	base, err := url.Parse(addr)
	if err != nil {
		t.Fatal(err)
	}
	return &reportAsk{base: base, client: probeClient(false), token: "planted"}
}
