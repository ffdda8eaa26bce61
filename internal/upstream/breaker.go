package upstream

import "time"

const (
	openAfter   = 5  // failures one after the other
	openNever   = 2  // where it has never given anything, and others can be asked
	window      = 20 // of the last attempts, half of which are failures within windowTime
	windowTime  = 10 * time.Second
	goodChecks  = 2 // that a breaker closes after, where others can be asked meanwhile
	leastAbsent = 30 * time.Second
)

// A breaker decides from attempts whether an upstream is asked for a class of files at all. Attempts open it, checks close
// it. It is guarded by its upstream's mu.
type breaker struct {
	open   bool
	since  time.Time // of the present state; zero at first
	why    string    // the last failure
	passes int       // good checks since it opened

	row      int // failures without a success
	recent   [window]outcome
	next     int
	attempts int64
	failures int64

	lastSuccess time.Time
}

type outcome struct {
	at     time.Time
	failed bool
}

func (b *breaker) note(now time.Time, failed bool) {
	b.attempts++
	b.recent[b.next] = outcome{now, failed}
	b.next = (b.next + 1) % window
}

// success notes an attempt to which the upstream gave what it has.
func (b *breaker) success(now time.Time) {
	b.note(now, false)
	b.row, b.lastSuccess = 0, now
}

// failure notes an attempt that failed, and reports whether the breaker opened of it. lost says that another upstream
// was there to answer.
func (b *breaker) failure(now time.Time, why string, lost bool) (opened bool) {
	b.note(now, true)
	b.failures++
	b.row++
	b.why = why
	never := lost && b.row >= openNever && b.lastSuccess.IsZero()
	if b.open || b.row < openAfter && !never && !b.sick(now) {
		return false
	}
	b.trip(now)
	return true
}

func (b *breaker) trip(now time.Time) { b.open, b.since, b.passes = true, now, 0 }

// sick reports whether half of a full window failed within its time.
func (b *breaker) sick(now time.Time) bool {
	failed := 0
	for _, o := range b.recent {
		if o.at.IsZero() || now.Sub(o.at) > windowTime {
			return false
		}
		if o.failed {
			failed++
		}
	}
	return failed >= window/2
}

// halfWell reports whether at least half of the last attempts succeeded: then repeating them gets there.
func (b *breaker) halfWell() bool {
	failed, n := 0, 0
	for _, o := range b.recent {
		if o.at.IsZero() {
			continue
		}
		n++
		if o.failed {
			failed++
		}
	}
	return 2*failed <= n
}

// pass notes a good check and reports whether the breaker closed. Where nobody else can be asked it closes at
// once, else when it has been away for a while and is there for good.
func (b *breaker) pass(now time.Time, alone bool) (closed bool) {
	if !b.open {
		return false
	}
	b.passes++
	if !alone && (b.passes < goodChecks || now.Sub(b.since) < leastAbsent) {
		return false
	}
	b.open, b.since, b.row, b.recent = false, now, 0, [window]outcome{}
	return true
}

// miss notes a failed check.
func (b *breaker) miss(why string) { b.passes, b.why = 0, why }
