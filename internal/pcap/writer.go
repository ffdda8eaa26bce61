package pcap

import (
	"encoding/binary"
	"io"
)

// A Writer writes a capture in the format of libpcap, with times in nanoseconds.
type Writer struct {
	w io.Writer
	b []byte
}

// NewWriter writes the header of a file whose packets begin as link says.
func NewWriter(w io.Writer, link Link) (*Writer, error) {
	h := binary.LittleEndian.AppendUint32(nil, 0xa1b23c4d)
	h = binary.LittleEndian.AppendUint16(h, 2)
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = binary.LittleEndian.AppendUint64(h, 0)
	h = binary.LittleEndian.AppendUint32(h, maxPacket)
	h = binary.LittleEndian.AppendUint32(h, uint32(link))
	_, err := w.Write(h)
	return &Writer{w: w}, err
}

// Write writes one packet. Its number and link are not written.
func (w *Writer) Write(p Packet) error {
	h := binary.LittleEndian.AppendUint32(w.b[:0], uint32(p.Time/1e9))
	h = binary.LittleEndian.AppendUint32(h, uint32(p.Time%1e9))
	h = binary.LittleEndian.AppendUint32(h, uint32(len(p.Data)))
	h = binary.LittleEndian.AppendUint32(h, uint32(max(p.Size, len(p.Data))))
	w.b = append(h, p.Data...)
	_, err := w.w.Write(w.b)
	return err
}
