package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/upstream"
)

const up = "https://up.test"

func TestAttempts(t *testing.T) {
	tel := newTelemetry(t, Options{})
	zip := upstream.Attempt{Upstream: up, Class: upstream.Zip, Name: "m/@v/v1.0.0.zip"}
	for _, a := range []upstream.Attempt{
		{Cause: "first", Failure: "reset", First: 20 * time.Millisecond, Bytes: 100},
		{Cause: "retry", Failure: "throttled", First: time.Millisecond},
		{Cause: "retry", First: time.Second, Bytes: 1000},
		{Cause: "retry"}, // nothing is known of the one before
		{Cause: "resume", Bytes: 10},
		{Cause: "hedge"},
	} {
		a.Upstream, a.Class, a.Name = zip.Upstream, zip.Class, zip.Name
		tel.Attempted(t.Context(), a)
	}
	tel.Changed(up, upstream.Zip, "open", "5 failures in a row")
	all := scrape(t, tel)
	for _, test := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"modhaven_upstream_attempts_total", []string{"cause=first", "failure=reset"}, 1},
		{"modhaven_upstream_attempts_total", []string{"cause=retry", "failure=none"}, 2},
		{"modhaven_upstream_retries_total", []string{"reason=reset"}, 1},
		{"modhaven_upstream_retries_total", []string{"reason=throttled"}, 1},
		{"modhaven_upstream_retries_total", []string{"reason=other"}, 1},
		{"modhaven_resumes_total", nil, 1},
		{"modhaven_hedges_total", nil, 1},
		{"modhaven_upstream_bytes_total", nil, 1110},
		{"modhaven_upstream_breaker_changes_total", []string{"state=open"}, 1},
	} {
		m := metric(t, all, test.name, append(test.labels, "upstream="+up, "class=zip")...)
		if got := m.GetCounter().GetValue(); got != test.want {
			t.Errorf("%s%v = %v, want %v", test.name, test.labels, got, test.want)
		}
	}
	if n := metric(t, all, "modhaven_upstream_latency_seconds", "upstream="+up, "class=zip").GetHistogram().GetSampleCount(); n != 3 {
		t.Errorf("%d latencies, want those 3 that had a first byte", n)
	}
}

func someStatus() upstream.Status {
	return upstream.Status{Held: 3, Degraded: true, Since: time.Unix(1700000000, 0), LastError: "connection refused",
		Upstreams: []upstream.UpstreamStatus{{
			Name: up, InFlight: 4, Waiting: 5, Limit: 6, Retries: 7.5, Paused: time.Now().Add(time.Hour),
			Classes: map[upstream.Class]upstream.ClassStatus{
				upstream.Small: {State: "closed"}, upstream.Zip: {State: "open"}, upstream.Sum: {State: "half-open"},
			},
		}, {Name: up, Healthy: true}},
	}
}

func TestGauges(t *testing.T) {
	tel := newTelemetry(t, Options{})
	counted := make(chan struct{})
	tel.Watch(Sources{
		Upstreams: someStatus,
		Load: func() proxy.Load {
			return proxy.Load{Fills: 8, Refreshes: 9, Waiting: 10, Ahead: proxy.AheadStats{Running: 13, Files: 14, Bytes: 15, AskedFiles: 16, AskedBytes: 17, UnaskedFiles: 18, UnaskedBytes: 19}}
		},
		Size: func(context.Context) (Size, error) {
			defer close(counted)
			return Size{Files: 11, Bytes: 12}, nil
		},
	})
	<-counted
	for tel.size.Load() == nil { // a moment later
		runtime.Gosched()
	}
	for _, what := range []proxy.EventKind{proxy.Fetched, proxy.Refreshed, proxy.Failed, proxy.ServedStale, proxy.StoreFailed, proxy.Stored} {
		tel.Record(proxy.Event{What: what, Size: 100})
	}
	all := scrape(t, tel)
	for _, test := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"upstream_breaker_state", []string{"upstream=" + up, "class=small"}, 0},
		{"upstream_breaker_state", []string{"upstream=" + up, "class=sumdb"}, 1},
		{"upstream_breaker_state", []string{"upstream=" + up, "class=zip"}, 2},
		{"upstream_healthy", []string{"upstream=" + up}, 0},
		{"upstream_in_flight", []string{"upstream=" + up}, 4},
		{"upstream_waiting", []string{"upstream=" + up}, 5},
		{"upstream_limit", []string{"upstream=" + up}, 6},
		{"upstream_retry_budget", []string{"upstream=" + up}, 7.5},
		{"held_requests", nil, 3},
		{"degraded", nil, 1},
		{"fills_in_flight", nil, 8},
		{"refreshes_in_flight", nil, 9},
		{"waiting_requests", nil, 10},
		{"ahead_in_flight", nil, 13},
		{"store_files", nil, 11},
		{"store_bytes", nil, 12},
	} {
		if got := metric(t, all, "modhaven_"+test.name, test.labels...).GetGauge().GetValue(); got != test.want {
			t.Errorf("%s%v = %v, want %v", test.name, test.labels, got, test.want)
		}
	}
	if got := metric(t, all, "modhaven_upstream_paused_seconds", "upstream="+up).GetGauge().GetValue(); got < 3000 || got > 3600 {
		t.Errorf("paused for %v s", got)
	}
	for what, want := range map[string][2]float64{"fetched": {14, 15}, "asked": {16, 17}, "unasked": {18, 19}} {
		for i, name := range []string{"ahead_files_total", "ahead_bytes_total"} {
			if got := metric(t, all, "modhaven_"+name, "what="+what).GetCounter().GetValue(); got != want[i] {
				t.Errorf("%s of %s = %v, want %v", name, what, got, want[i])
			}
		}
	}
	for name, want := range map[string]float64{"stale_answers_total": 1, "store_errors_total": 1, "store_written_files_total": 1, "store_written_bytes_total": 100} {
		if got := metric(t, all, "modhaven_"+name).GetCounter().GetValue(); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

// TestMeasureIsBounded: counting what is stored takes a fiftieth of the time at most, and ends with the Telemetry.
func TestMeasureIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []time.Time
		tel, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		tel.Watch(Sources{Size: func(ctx context.Context) (Size, error) {
			began = append(began, time.Now())
			switch len(began) {
			case 1:
				return Size{Files: 1}, nil
			case 2:
				time.Sleep(time.Minute)
				return Size{}, errors.New("disk trouble")
			}
			<-ctx.Done()
			return Size{}, ctx.Err()
		}})
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if len(began) != 3 || began[1].Sub(began[0]) != sizeEvery || began[2].Sub(began[1]) < sizeShare*time.Minute {
			t.Errorf("counted at %v", began)
		}
		if size := tel.size.Load(); size == nil || size.Files != 1 {
			t.Errorf("a count that failed replaced the one before: %+v", size)
		}
		if err := tel.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStatus(t *testing.T) {
	tel := newTelemetry(t, Options{Version: "v1.2.3"})
	if degraded, _ := tel.Degraded(); degraded {
		t.Error("degraded before anything is known")
	}
	status := someStatus()
	status.Upstreams[0].Paused = time.Time{}
	status.Since = status.Since.UTC()
	tel.Watch(Sources{Upstreams: func() upstream.Status { return status }, Load: func() proxy.Load { return proxy.Load{Fills: 2} }})
	tel.Observe(hit())
	w := httptest.NewRecorder()
	h := server.New(server.Options{Status: http.HandlerFunc(tel.ServeStatus), Degraded: tel.Degraded})
	h.ServeHTTP(w, httptest.NewRequest("GET", "/status", nil))
	var got Status
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%v: %v %s", err, w.Header(), w.Body)
	}
	if got.Version != "v1.2.3" || got.Started.IsZero() || got.Requests.Hits != 1 || got.Requests.HitRatio != 1 || got.Load.Fills != 2 {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(status, got.Upstream); diff != "" {
		t.Error(diff)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if want := "ok, degraded: connection refused, since 2023-11-14T22:13:20Z\n"; w.Code != 200 || w.Body.String() != want {
		t.Errorf("/readyz: %d %q, want %q", w.Code, w.Body, want)
	}
}

// TestAccessLog: one line a request, however long a client's name for itself.
func TestAccessLog(t *testing.T) {
	var b bytes.Buffer
	tel := newTelemetry(t, Options{Access: true, Log: slog.New(slog.NewJSONHandler(&b, nil))})
	a := hit()
	a.Agent = strings.Repeat("é\n", 1000)
	tel.Observe(a)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || strings.Count(b.String(), "\n") != 1 {
		t.Fatalf("%v: %s", err, b.String())
	}
	for key, want := range map[string]any{"msg": "answered", "method": "GET", "path": "/" + a.Path, "status": 200.0, "bytes": 80.0, "cache": "hit", "client": "127.0.0.1:1234"} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	if agent, _ := line["agent"].(string); len(agent) > maxAgent+3 || !strings.HasPrefix(agent, "é") {
		t.Errorf("agent %q", agent)
	}
	quiet := newTelemetry(t, Options{Log: slog.New(slog.NewJSONHandler(&b, nil))})
	b.Reset()
	quiet.Observe(a)
	if b.Len() != 0 {
		t.Errorf("logged though that is off: %s", b.String())
	}
}
