package doctor

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/modhaven/modhaven/internal/doctor/trace"
	"github.com/modhaven/modhaven/internal/pcap"
)

// BenchmarkGigabyte judges a capture of a gigabyte: downloads over some 50,000 connections, 1,000 of them at once, of which every hundredth is
// refused and every tenth does not end. It fails where that takes more than what docs/doctor.md says: 20 seconds, and 200 MiB of
// memory for the whole program.
//
//	go test -run '^$' -bench Gigabyte -benchtime 1x ./internal/doctor
func BenchmarkGigabyte(b *testing.B) {
	const (
		size    = 1_000_000_000
		longest = 20 * time.Second
		most    = 200 << 20
	)
	b.SetBytes(size)
	for b.Loop() {
		start := time.Now()
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeDownloads(w, size)) }()
		t, err := traceOf("large", r, nil)
		if err != nil {
			b.Fatal(err)
		}
		report := judgeTraces([]string{"large"}, []*trace.Trace{t})
		if report.Verdict.Code == Well || t.Bytes < size*9/10 || t.Wrong != nil {
			b.Errorf("%s of %d bytes, %v", report.Verdict.Code, t.Bytes, t.Wrong)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if took := time.Since(start); took > longest || m.Sys > most {
			b.Errorf("it took %s and %d MiB", took.Round(time.Millisecond), m.Sys>>20)
		}
		b.ReportMetric(float64(m.Sys>>20), "MiB")
		b.ReportMetric(float64(t.Packets), "packets")
	}
}

// A download is one connection of a capture that is made up.
type download struct {
	n                    uint32 // of the connection
	step                 int
	clientSeq, serverSeq uint32
}

// writeDownloads writes a capture of about so many bytes.
func writeDownloads(to io.Writer, size int64) error {
	buffered := bufio.NewWriterSize(to, 1<<20)
	w, err := pcap.NewWriter(buffered, pcap.Ethernet)
	if err != nil {
		return err
	}
	all := make([]download, 1000)
	next := uint32(0)
	begin := func(d *download) { *d = download{n: next, clientSeq: next * 7, serverSeq: next * 11}; next++ }
	for i := range all {
		begin(&all[i])
		all[i].step = -i % 40 // they do not go in step
	}
	at, written := int64(1_700_000_000e9), int64(0)
	frame := make([]byte, 0, 2000)
	for written < size {
		for i := range all {
			d := &all[i]
			if d.step < 0 {
				d.step++
				continue
			}
			var over bool
			frame, over = d.packet(frame[:0])
			at += 20_000
			if err := w.Write(pcap.Packet{Time: at, Data: frame}); err != nil {
				return err
			}
			if written += int64(len(frame)) + 16; over {
				begin(d)
			}
		}
	}
	return buffered.Flush()
}

const (
	flagFIN, flagSYN, flagRST, flagACK = 1, 2, 4, 16

	segments = 14 // of an answer
)

var segment = make([]byte, 1400)

// packet is the next one of the connection.
func (d *download) packet(b []byte) (frame []byte, over bool) {
	step := d.step
	d.step++
	refused, endless := d.n%100 == 99, d.n%10 == 9
	switch {
	case step == 0:
		return d.tcp(b, true, flagSYN, nil), false
	case step == 1 && refused:
		return d.tcp(b, false, flagRST|flagACK, nil), true
	case step == 1:
		return d.tcp(b, false, flagSYN|flagACK, nil), false
	case step == 2:
		return d.tcp(b, true, flagACK, nil), false
	case step == 3:
		return d.tcp(b, true, flagACK, fmt.Appendf(nil, "GET /example.com/m%d/@v/list HTTP/1.1\r\nHost: proxy.test\r\n\r\n", d.n)), false
	case step == 4:
		return d.tcp(b, false, flagACK, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", segments*len(segment))), false
	case step < 5+2*segments && step%2 == 1:
		return d.tcp(b, false, flagACK, segment), false
	case step < 5+2*segments:
		return d.tcp(b, true, flagACK, nil), endless && step > 20
	case step == 5+2*segments:
		return d.tcp(b, true, flagFIN|flagACK, nil), false
	case step == 6+2*segments:
		return d.tcp(b, false, flagFIN|flagACK, nil), false
	}
	return d.tcp(b, true, flagACK, nil), true
}

// tcp appends a packet of one side, and moves that side's sequence number on.
func (d *download) tcp(b []byte, fromClient bool, flags byte, data []byte) []byte {
	client := [4]byte{10, byte(d.n / 50000), byte(d.n / 200), byte(d.n)}
	clientPort, server := uint16(1024+d.n%60000), [4]byte{192, 0, 2, 1}
	from, to, fromPort, toPort := client, server, clientPort, uint16(80)
	seq, ack := &d.clientSeq, d.serverSeq
	if !fromClient {
		from, to, fromPort, toPort = server, client, 80, clientPort
		seq, ack = &d.serverSeq, d.clientSeq
	}
	b = append(b, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(40+len(data)))
	b = append(b, 0, 0, 0x40, 0, 64, 6, 0, 0)
	b = append(append(b, from[:]...), to[:]...)
	b = binary.BigEndian.AppendUint16(b, fromPort)
	b = binary.BigEndian.AppendUint16(b, toPort)
	b = binary.BigEndian.AppendUint32(b, *seq)
	if flags&flagACK == 0 {
		ack = 0
	}
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0)
	*seq += uint32(len(data))
	if flags&(flagSYN|flagFIN) != 0 {
		*seq++
	}
	return append(b, data...)
}
