package telemetry

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/modhaven/modhaven/internal/proxy"
	"github.com/modhaven/modhaven/internal/server"
	"github.com/modhaven/modhaven/internal/upstream"
)

// Status is what /status answers, in JSON. A field may be added, none changes its meaning.
type Status struct {
	Version  string          `json:"version"`
	Started  time.Time       `json:"started"`
	Uptime   float64         `json:"uptime"` // seconds
	Upstream upstream.Status `json:"upstream"`
	Requests Requests        `json:"requests"`
	Load     proxy.Load      `json:"load"`
	Store    Store           `json:"store"`
	Trust    Trust           `json:"trust"`
	// Leaks are hosts that look internal and that no rule covers, at most a hundred.
	Leaks []upstream.Leak `json:"leaks,omitempty"`
}

// Requests counts those for modules and checksums since the start. Requests of machines that watch are not among them.
type Requests struct {
	Total  int64 `json:"total"`
	Hits   int64 `json:"hits"`
	Misses int64 `json:"misses"`
	Stale  int64 `json:"stale"`
	Failed int64 `json:"failed"` // 5xx
	Bytes  int64 `json:"bytes"`
	// HitRatio is the share of hits among hits and misses and stale answers, 0 before there are any.
	HitRatio float64 `json:"hitRatio"`
}

// Store is how much is stored, all 0 before it was counted once, and how often the store did not work.
type Store struct {
	Size
	Errors int64 `json:"errors"`
}

// Trust is what is known of the hashes of what was served.
type Trust struct {
	// Unverified counts the files that no checksum database proves, private ones among them, and that nobody found wrong.
	Unverified int64 `json:"unverified"`
	// Unnoted counts the answers since the start that the history of who was served what lacks.
	Unnoted int64 `json:"unnoted"`
	// Own is the checksum database of one's own; nil where there is none.
	Own *OwnSumDB `json:"own,omitempty"`
}

// OwnSumDB is a checksum database of one's own.
type OwnSumDB struct {
	Name    string `json:"name"`
	Records int64  `json:"records"`
}

// Status returns what is known now.
func (t *Telemetry) Status() Status {
	s := Status{
		Version:  t.o.Version,
		Started:  t.started,
		Uptime:   time.Since(t.started).Seconds(),
		Upstream: t.upstreams(),
		Requests: t.requests.sum(),
		Load:     t.load(),
		Store:    Store{Errors: value(t.work.storeErrors)},
		Trust:    t.trust(),
	}
	s.Leaks, _ = t.leaks()
	if size := t.size.Load(); size != nil {
		s.Store.Size = *size
	}
	return s
}

// Degraded reports whether some group of upstreams has none that works, and why.
func (t *Telemetry) Degraded() (bool, string) {
	s := t.upstreams()
	if !s.Degraded {
		return false, ""
	}
	why := s.LastError
	if why == "" {
		why = "no upstream works"
	}
	if !s.Since.IsZero() {
		why += ", since " + s.Since.UTC().Format(time.RFC3339)
	}
	return true, why
}

// ServeStatus answers /status.
func (t *Telemetry) ServeStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(t.Status()) // the client left: nobody to tell
}

// sum adds the counters up: nothing is counted twice for it while requests are answered.
func (r *requests) sum() Requests {
	var s Requests
	for e := server.EndpointOther + 1; e < server.Endpoints; e++ {
		for i := range r.counters[e] {
			for c := range server.Caches {
				if k := r.counters[e][i][c].Load(); k != nil {
					s.add(i, c, value(k.total))
				}
			}
		}
		for c := range server.Caches {
			s.Bytes += r.bytesOf(e, c)
		}
	}
	if all := s.Hits + s.Misses + s.Stale; all > 0 {
		s.HitRatio = float64(s.Hits) / float64(all)
	}
	return s
}

func (s *Requests) add(status int, c server.Cache, n int64) {
	s.Total += n
	if status == len(statuses) || statuses[status] >= http.StatusInternalServerError {
		s.Failed += n
	}
	switch c {
	case server.CacheHit:
		s.Hits += n
	case server.CacheMiss:
		s.Misses += n
	case server.CacheStale:
		s.Stale += n
	}
}

// bytesOf returns the bytes of an endpoint's answers; those of all statuses count together.
func (r *requests) bytesOf(e server.Endpoint, c server.Cache) int64 {
	for i := range r.counters[e] {
		if k := r.counters[e][i][c].Load(); k != nil {
			return value(k.bytes)
		}
	}
	return 0
}

func value(c prometheus.Counter) int64 {
	var m dto.Metric
	if c.Write(&m) != nil {
		return 0
	}
	return int64(m.GetCounter().GetValue())
}
