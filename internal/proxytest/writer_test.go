package proxytest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestSpeed runs the writer alone, by a clock that nothing disturbs.
func TestSpeed(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 10_000)
	tests := []struct {
		name  string
		fault Fault
		want  time.Duration
	}{
		{"full", Fault{}, 0},
		{"delay", Delay(3 * time.Second), 3 * time.Second},
		{"slow", Slow(1000), 10 * time.Second},
		{"slower than a piece", Slow(10), 1000 * time.Second},
		{"fast", Slow(10_000_000), time.Millisecond},
		{"trickle", Trickle(time.Minute), 10_000 * time.Minute},
		{"both", Delay(time.Second).And(Slow(1000)), 11 * time.Second},
		{"until truncated", Slow(1000).And(Truncate(5000)), 5 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				rec := httptest.NewRecorder()
				req := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
				newWriter(rec, req, newPlan(test.fault), nil).serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if n, err := w.Write(body); n != len(body) || err != nil {
						t.Errorf("wrote %d bytes, %v", n, err)
					}
				}))
				if got := time.Since(begin).Round(10 * time.Microsecond); got != test.want {
					t.Errorf("took %v, want %v", got, test.want)
				}
			})
		})
	}
}
