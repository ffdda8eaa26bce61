package upstream

import (
	"context"
	"net/http"
)

// A SumPlace is somewhere to ask for a checksum database: an upstream, and what stands before the database's own
// names there: "sumdb/NAME/" on a proxy, "" on the database.
type SumPlace struct {
	Upstream *Upstream
	Prefix   string
}

// Sums asks places for a checksum database, each of which stands in for the others. A proxy without a copy says 404, which
// only counts when all say so.
type Sums struct {
	g      *group
	prefix map[*Upstream]string
}

// Sums returns who asks places, in their order.
func (p *Pool) Sums(places []SumPlace) *Sums {
	s := &Sums{g: &group{pool: p}, prefix: map[*Upstream]string{}}
	for _, place := range places {
		s.g.add(place.Upstream, Sum)
		s.prefix[place.Upstream] = place.Prefix
	}
	return s
}

// Get returns what the database calls name, of at most max bytes, once check finds nothing wrong with it. Its errors are
// those of goproxy.Source. Where ctx has goproxy.WithStale no place is waited for.
func (s *Sums) Get(ctx context.Context, name string, max int64, check func([]byte) error) ([]byte, error) {
	q := s.g.ask(ctx, request{method: http.MethodGet, class: Sum, name: name, max: max, check: check}, false)
	q.prefix = s.prefix
	rep, err := q.run(ctx)
	if err != nil {
		return nil, err
	}
	return rep.body, nil
}
