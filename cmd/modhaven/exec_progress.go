package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modhaven/modhaven/internal/msg"
	"github.com/schollz/progressbar/v3"
)

// A download is shown once it is large or takes long.
const (
	shownFrom  = 4 << 20 // bytes
	shownAfter = time.Second
	redrawn    = 200 * time.Millisecond
)

// figures is how many columns the bar and the numbers take; the name has the others.
const figures = 54

// A progress shows the downloads that are under way on one line of a terminal, and takes
// the line away when there are none. Its methods may be called at once.
//
// The command writes to the same terminal whenever it likes. So the cursor always stands at
// the begin of the line, where what comes next covers it.
type progress struct {
	out  io.Writer
	tty  *terminal // nil: nothing is shown
	msg  *msg.Printer
	stop chan struct{}
	once sync.Once
	over sync.WaitGroup

	mu    sync.Mutex // guards the rest
	all   []*download
	shown *download // the one that the line is about; nil while there is no line
}

// A download is a file on its way from an upstream.
type download struct {
	name  string
	start time.Time
	done  atomic.Int64 // bytes
	size  atomic.Int64 // 0 while it is not known
	bar   *progressbar.ProgressBar
}

// update tells the bar how far the download is, and returns whether there is more to come.
func (d *download) update() (moving bool) {
	done, size := d.done.Load(), d.size.Load()
	if size > 0 {
		d.bar.ChangeMax64(size)
		if done >= size { // a bar that knows of its end is used up, and bytes may have to come again
			return false
		}
	}
	_ = d.bar.Set64(done)
	return true
}

// newProgress returns a progress on tty; one that shows nothing where that is nil. Close it.
func newProgress(out io.Writer, tty *terminal, m *msg.Printer) *progress {
	p := &progress{out: out, tty: tty, msg: m, stop: make(chan struct{})}
	if tty != nil {
		p.over.Go(p.run)
	}
	return p
}

func (p *progress) run() {
	tick := time.NewTicker(redrawn)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if p.tty.ours() {
				p.draw(now, p.tty.columns())
			}
		case <-p.stop:
			p.clear()
			return
		}
	}
}

// close takes the line away. It may be called more than once.
func (p *progress) close() {
	p.once.Do(func() { close(p.stop) })
	p.over.Wait()
}

// begin adds a download.
func (p *progress) begin(name string) *download {
	d := &download{name: name, start: time.Now(), bar: newBar()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, d)
	return d
}

// end takes it out.
func (p *progress) end(d *download) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = slices.DeleteFunc(p.all, func(e *download) bool { return e == d })
}

// draw brings the line up to date for a terminal of that width.
func (p *progress) draw(now time.Time, columns int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var large []*download
	for _, d := range p.all {
		moving := d.update() // also where it is not shown yet, for the speed
		if moving && (d.done.Load() >= shownFrom || now.Sub(d.start) >= shownAfter) {
			large = append(large, d)
		}
	}
	if len(large) == 0 || columns < figures {
		p.erase()
		return
	}
	// The largest of them is shown, and stays until it is done.
	d := slices.MaxFunc(large, func(a, b *download) int { return cmp.Compare(a.size.Load(), b.size.Load()) })
	if slices.Contains(large, p.shown) {
		d = p.shown
	}
	p.write(d, len(large)-1, columns)
}

// write shows d.
func (p *progress) write(d *download, others, columns int) {
	name := d.name
	if others > 0 {
		name += " " + p.msg.Sprintf("and %d more", others)
	}
	d.bar.Describe(shorten(name, columns-figures))
	p.shown = d
	fmt.Fprint(p.out, eraseLine, d.bar.String(), "\r")
}

// newBar returns a bar that writes nothing itself. Until it is told a size it only shows
// that something moves.
func newBar() *progressbar.ProgressBar {
	return progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionSetWidth(16),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetSpinnerChangeInterval(0), // or it starts a goroutine
		progressbar.OptionSetRenderBlankState(true),   // the time begins now
	)
}

// shorten cuts the begin of a text off, where a module's path says least, so that at most n
// columns remain.
func shorten(text string, n int) string {
	cut := len(text) - max(n, 0)
	switch {
	case cut <= 0:
		return text
	case n < 8:
		return ""
	}
	return "..." + text[cut+3:]
}

const eraseLine = "\r\x1b[2K"

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

func (p *progress) erase() {
	if p.shown != nil {
		fmt.Fprint(p.out, eraseLine)
		p.shown = nil
	}
}
