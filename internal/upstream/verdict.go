package upstream

import (
	"errors"

	"github.com/modhaven/modhaven/internal/goproxy"
)

// once reports whether no upstream is asked twice or waited for: there is an older answer, nobody has asked for it yet, or the
// list goes on.
func (q *question) once() bool { return q.stale || q.ahead() || q.goesOn() }

// ahead reports whether nobody has asked for it yet.
func (q *question) ahead() bool {
	select {
	case <-q.urgent:
		q.urgent = nil
	default:
	}
	return q.urgent != nil
}

// goesOn reports whether the list says to ask the next group, whatever others of this one said: its last member has answered
// that the thing does not exist.
func (q *question) goesOn() bool {
	last := q.of(q.g.members[len(q.g.members)-1])
	return q.g.onward && errors.As(last.final, new(*goproxy.NotFound))
}

// absent returns the absence that is final although not all have answered: those that come first in the list have said so,
// and the others, which only stand in for them, are out of use. A proxy without a copy of a checksum database proves nothing.
func (q *question) absent() (first *goproxy.NotFound) {
	if q.rq.class == Sum {
		return nil
	}
	for _, u := range q.g.members {
		a := q.of(u)
		said := notFound(a.final)
		if first == nil {
			first = said
		}
		if said == nil && (first == nil || a.answered() || u.usable(q.rq.class)) {
			return nil
		}
	}
	return first
}

// notFound returns the absence that err is, nil where it is none.
func notFound(err error) *goproxy.NotFound {
	var nf *goproxy.NotFound
	errors.As(err, &nf)
	return nf
}

// goingOn is trouble that does not keep the next group from being asked.
type goingOn struct{ error }

func (e goingOn) Unwrap() error { return e.error }

// verdict says what came of it when nobody gave it. It is absence only when all say so that are in use, and the first of
// the list is among them.
func (q *question) verdict() error {
	if absent := q.absent(); absent != nil {
		return absent
	}
	var absent *goproxy.NotFound
	var failures []error
	for i := range q.asked {
		a := &q.asked[i]
		switch nf := notFound(a.final); {
		case nf != nil:
			if absent == nil {
				absent = nf
			}
		case a.final != nil:
			failures = append(failures, a.final)
		case a.err != nil:
			failures = append(failures, a.err)
		default:
			_, err := a.u.outage(q.rq.class)
			failures = append(failures, err)
		}
	}
	switch {
	case len(failures) == 0:
		return absent
	case q.goesOn():
		return goingOn{join(failures)}
	}
	return join(failures)
}
