package upstream

import (
	"math"
	"time"
)

const (
	// settle is for how long a file comes before its speed is believed.
	settle = 100 * time.Millisecond
	// soon is within what a file should be there: whatever takes longer is worth more streams.
	soon = 500 * time.Millisecond
	// firstStreams is how many there are at once after the first one, and by what they are multiplied.
	firstStreams = 4
	// mostStreams is the default of the option segments.
	mostStreams = 8
	// longestPart is for how long one stream brings a part, so that readers are not far behind what is there.
	longestPart = 2 * time.Second
)

// A pace is how fast a file comes while as many streams bring it.
type pace struct {
	since   time.Time // zero until something comes
	came    int64
	writing time.Duration // by all streams: that long they did not wait for the upstream

	before float64 // bytes a second when there were fewer streams; 0 at first
	fewer  int     // streams then
}

// restart begins another measurement, at since or, where that is zero, with what comes next.
func (p *pace) restart(since time.Time) { p.since, p.came, p.writing = since, 0, 0 }

// add notes n bytes. The first ones begin a measurement and say nothing: nobody knows since when they were on their way.
func (p *pace) add(now time.Time, n int, writing time.Duration) {
	if p.since.IsZero() {
		p.since = now
		return
	}
	p.came += int64(n)
	p.writing += writing
}

// rate returns bytes a second, 0 while it is too early to tell.
func (p *pace) rate(now time.Time, streams int) float64 {
	took := now.Sub(p.since)
	if took < settle {
		return 0
	}
	took = max(took-p.writing/time.Duration(streams), time.Millisecond)
	return float64(p.came) / took.Seconds()
}

// step notes that there will be more than n streams, which bring rate.
func (p *pace) step(rate float64, n int) {
	p.before, p.fewer = rate, n
	p.restart(time.Time{})
}

// gained reports whether n streams bring at least half of what n times one could bring more than the fewer before.
func (p *pace) gained(rate float64, n int) bool {
	hope := p.before * float64(n) / float64(p.fewer)
	return rate >= (p.before+hope)/2
}

// enough returns how many streams bring what is left soon, each at that rate.
func enough(each float64, left int64) int {
	return int(min(math.Ceil(float64(left)/(each*soon.Seconds())), math.MaxInt32))
}

// shares returns into how many parts to divide what is left: so many for each of the streams, all of them full.
func shares(each float64, left int64, streams int) int {
	rounds := math.Ceil(float64(left) / (float64(streams) * max(each*longestPart.Seconds(), leastPart)))
	return int(min(float64(streams)*rounds, float64(left/leastPart)))
}
