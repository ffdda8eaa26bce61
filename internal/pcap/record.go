package pcap

import (
	"context"
	"errors"
)

// What keeps a machine from recording.
var (
	ErrNotAllowed = errors.New("recording needs root, or the capability CAP_NET_RAW")
	ErrNotHere    = errors.New("recording works on Linux only")
)

// A Recording says what is recorded.
type Recording struct {
	Interface string               // "" for all of them
	Keep      func(l *Layers) bool // which packets; nil for all
	Most      int64                // bytes of the file after which it ends
}

// Stats say what was recorded.
type Stats struct {
	Packets, Bytes int64
	Dropped        int64 // packets that came too fast
	Full           bool  // it ended since the file was full
}

// Record writes packets that pass an interface of this machine to w, whose link is SLL2, until ctx is done or the file is full. It
// returns ErrNotAllowed where this process may not do so and ErrNotHere where it cannot be done. ready is called once when it begins.
func Record(ctx context.Context, o Recording, w *Writer, ready func()) (Stats, error) {
	return record(ctx, o, w, ready)
}
