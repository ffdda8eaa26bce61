package upstream

import "time"

// A budget bounds the load that is made beyond what was asked for: a share of the questions and, for quiet times, so
// many a second. It is guarded by its upstream's mu.
type budget struct {
	share float64 // tokens for each question
	floor float64 // tokens a second
	most  float64

	tokens float64
	last   time.Time
}

func newBudget(share, floor float64) budget {
	return budget{share: share, floor: floor, most: 10*floor + 100*share, tokens: 3 * floor}
}

// asked adds what a question pays.
func (b *budget) asked() { b.tokens = min(b.most, b.tokens+b.share) }

// take spends a token, or reports that there is none.
func (b *budget) take(now time.Time) bool {
	if !b.last.IsZero() {
		b.tokens = min(b.most, b.tokens+b.floor*now.Sub(b.last).Seconds())
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
