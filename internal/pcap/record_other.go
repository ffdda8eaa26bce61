//go:build !linux

package pcap

import "context"

func record(context.Context, Recording, *Writer, func()) (Stats, error) { return Stats{}, ErrNotHere }
