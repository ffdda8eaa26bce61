package proxy

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/modhaven/modhaven/internal/inflate"
)

// A zipScan is what reading a zip once, front to back, tells: the entries as their own headers and bytes
// have them, and hashes. The central directory at the end may say otherwise; agrees compares.
type zipScan struct {
	entries []scanned
	crc     uint32 // Castagnoli's, of all bytes
	usual   bool   // every entry was understood up to the central directory
	agreed  bool   // and that lists just these
}

type scanned struct {
	name         string
	head         [headSize]byte // its local header, without name and extra field
	data         int64          // offset of its bytes
	extra        uint16         // bytes of the extra field before them
	packed, size uint64
	crc          uint32
	sum          [sha256.Size]byte
}

// errUnusual ends the entry-by-entry reading of a zip that may be fine, but whose parts cannot be told apart from the
// front: it is judged as a whole once it is there.
var errUnusual = errors.New("unusual zip")

const (
	sigEntry      = 0x04034b50
	sigDescriptor = 0x08074b50
	sigDirectory  = 0x02014b50
	sigEnd        = 0x06054b50 // of an empty zip

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3

	headSize = 30

	scanBuffer = 64 << 10
)

// A scanner is what reading a zip takes, and serves one zip after the other.
type scanner struct {
	br      *bufio.Reader
	inflate *inflate.Decoder
	sum     hash.Hash
	crc     hash.Hash32
}

// scanners keep scanners that nobody uses, so that the next zip needs none of its own.
type scanners struct{ idle sync.Pool }

func (p *scanners) take() *scanner {
	if s, ok := p.idle.Get().(*scanner); ok {
		return s
	}
	return &scanner{bufio.NewReaderSize(nil, scanBuffer), inflate.NewDecoder(), sha256.New(), crc32.NewIEEE()}
}

func (p *scanners) put(s *scanner) {
	s.br.Reset(nil)
	p.idle.Put(s)
}

// scan reads a zip to its end. After each entry whose CRC agrees it calls safe with how far the zip is
// good. Bytes that cannot be an entry, or that unpack to more than most with those before, end the reading of entries,
// never the scan; an error is r's.
func (p *scanners) scan(r io.Reader, most int64, safe func(n int64)) (*zipScan, error) {
	scanner := p.take()
	defer p.put(scanner)
	all := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	src := &offsetReader{r: io.TeeReader(r, all), br: scanner.br}
	src.br.Reset(readFunc(src.fill))
	s := &zipScan{}
	err := s.readEntries(&entryReader{scanner, src, most}, safe)
	if err == nil {
		s.usual = true
	}
	if src.err == nil || src.err == io.EOF { //nolint:errorlint // trouble may wrap io.EOF, and is not the end
		_, err := io.Copy(io.Discard, src.br)
		if err != nil {
			return nil, err
		}
	} else {
		return nil, src.err
	}
	s.crc = all.Sum32()
	return s, nil
}

// readFunc is an io.Reader made of a function.
type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// offsetReader knows how many bytes were consumed from it, and keeps the error of what it reads.
type offsetReader struct {
	r    io.Reader
	br   *bufio.Reader
	read int64
	err  error
}

func (o *offsetReader) fill(b []byte) (int, error) {
	n, err := o.r.Read(b)
	o.read += int64(n)
	if err != nil {
		o.err = err
	}
	return n, err
}

func (o *offsetReader) Read(b []byte) (int, error) { return o.br.Read(b) }
func (o *offsetReader) offset() int64              { return o.read - int64(o.br.Buffered()) }

func (s *zipScan) readEntries(e *entryReader, safe func(int64)) error {
	for {
		var sig [4]byte
		if _, err := io.ReadFull(e.src, sig[:]); err != nil {
			return errUnusual
		}
		switch binary.LittleEndian.Uint32(sig[:]) {
		case sigEntry:
			entry, err := e.next()
			if err != nil {
				return err
			}
			s.entries = append(s.entries, entry)
			safe(e.src.offset())
		case sigDirectory, sigEnd:
			return nil
		default:
			return errUnusual
		}
	}
}

// entryReader reads one entry after the other.
type entryReader struct {
	*scanner
	src  *offsetReader
	left int64 // bytes that may still be unpacked
}

func (e *entryReader) next() (scanned, error) {
	var h [26]byte // the local header behind its signature
	if _, err := io.ReadFull(e.src, h[:]); err != nil {
		return scanned{}, errUnusual
	}
	le := binary.LittleEndian
	flags, method := le.Uint16(h[2:]), le.Uint16(h[4:])
	crc, packed, size := le.Uint32(h[10:]), le.Uint32(h[14:]), le.Uint32(h[18:])
	name := make([]byte, le.Uint16(h[22:]))
	if _, err := io.ReadFull(e.src, name); err != nil {
		return scanned{}, errUnusual
	}
	if _, err := e.src.br.Discard(int(le.Uint16(h[24:]))); err != nil {
		return scanned{}, errUnusual
	}
	described := flags&flagDescriptor != 0
	if flags&flagEncrypted != 0 || packed == 1<<32-1 || size == 1<<32-1 || described && method != zip.Deflate {
		return scanned{}, errUnusual
	}
	entry := scanned{name: string(name), data: e.src.offset(), extra: le.Uint16(h[24:])}
	le.PutUint32(entry.head[:], sigEntry)
	copy(entry.head[4:], h[:])
	if err := e.body(&entry, method, int64(packed)); err != nil {
		return scanned{}, err
	}
	if described {
		var err error
		if crc, packed, size, err = e.descriptor(); err != nil {
			return scanned{}, err
		}
	}
	if entry.crc != crc || entry.packed != uint64(packed) || entry.size != uint64(size) {
		return scanned{}, errUnusual
	}
	return entry, nil
}

// body reads an entry's bytes: hashes, sizes.
func (e *entryReader) body(entry *scanned, method uint16, packed int64) error {
	e.sum.Reset()
	e.crc.Reset()
	n, err := e.unpack(io.MultiWriter(e.sum, e.crc), method, packed)
	if e.left -= n; err != nil {
		return errUnusual
	}
	entry.size, entry.packed = uint64(n), uint64(e.src.offset()-entry.data)
	entry.crc = e.crc.Sum32()
	e.sum.Sum(entry.sum[:0])
	return nil
}

// unpack writes an entry's content to w. A bomb is an error.
func (e *entryReader) unpack(w io.Writer, method uint16, packed int64) (int64, error) {
	switch {
	case method == zip.Deflate:
		return e.inflate.Decode(w, e.src.br, e.left)
	case method == zip.Store && packed <= e.left:
		return io.Copy(w, io.LimitReader(e.src, packed))
	}
	return 0, errUnusual
}

// maxUnpacked is the most bytes that all files of a module may have together.
const maxUnpacked = 500 << 20

// descriptor reads what follows an entry whose header did not know sizes and CRC. Its signature is optional.
func (e *entryReader) descriptor() (crc, packed, size uint32, err error) {
	var d [16]byte
	if _, err := io.ReadFull(e.src, d[:12]); err != nil {
		return 0, 0, 0, errUnusual
	}
	b, le := d[:12], binary.LittleEndian
	if le.Uint32(b) == sigDescriptor {
		if _, err := io.ReadFull(e.src, d[12:]); err != nil {
			return 0, 0, 0, errUnusual
		}
		b = d[4:]
	}
	return le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), nil
}

// agrees reports whether the central directory lists just the entries that were read.
func (s *zipScan) agrees(z *zip.Reader) bool {
	if s.agreed || !s.usual || len(z.File) != len(s.entries) {
		return s.agreed
	}
	for i, f := range z.File {
		e := &s.entries[i]
		data, err := f.DataOffset()
		if err != nil || f.Name != e.name || data != e.data || f.CRC32 != e.crc ||
			f.CompressedSize64 != e.packed || f.UncompressedSize64 != e.size {
			return false
		}
	}
	s.agreed = true
	return true
}

// reader returns src for a zip.Reader, which reads the header of every entry once more: those that are known come from memory.
func (s *zipScan) reader(src io.ReaderAt) io.ReaderAt {
	return &headReader{ReaderAt: src, entries: s.entries}
}

// A headReader knows the headers of entries that are read in their order.
type headReader struct {
	io.ReaderAt
	entries []scanned
	next    int
}

func (r *headReader) ReadAt(b []byte, off int64) (int, error) {
	if len(b) == headSize && r.next < len(r.entries) {
		if e := &r.entries[r.next]; e.data-int64(e.extra)-int64(len(e.name))-headSize == off {
			r.next++
			return copy(b, e.head[:]), nil
		}
	}
	return r.ReaderAt.ReadAt(b, off)
}

// contradicts says where the central directory disagrees with entries that were read, "" where it does not. Neither
// can be believed then: one flipped bit in a name of the directory breaks no CRC. The order of entries is free.
func (s *zipScan) contradicts(z *zip.Reader) string {
	if !s.usual || s.agreed {
		return "" // what stands where is not known, or it is well
	}
	if len(z.File) != len(s.entries) {
		return fmt.Sprintf("its directory has %d entries, there are %d", len(z.File), len(s.entries))
	}
	at := make(map[int64]*scanned, len(s.entries))
	for i := range s.entries {
		at[s.entries[i].data] = &s.entries[i]
	}
	for _, f := range z.File {
		data, err := f.DataOffset()
		e := at[data]
		switch {
		case err != nil || e == nil:
			return fmt.Sprintf("its directory names %q where there is none", f.Name)
		case f.Name != e.name:
			return fmt.Sprintf("its directory says %q where the entry says %q", f.Name, e.name)
		case f.CRC32 != e.crc || f.CompressedSize64 != e.packed || f.UncompressedSize64 != e.size:
			return fmt.Sprintf("its directory has another size or checksum of %q than the entry", f.Name)
		}
	}
	return ""
}

// h1 returns the zip's hash as dirhash.HashZip does: from what was read where the directory agrees with
// that, else by reading all again.
func (s *zipScan) h1(z *zip.Reader) (string, error) {
	if s.agrees(z) {
		if h, ok := s.h1FromEntries(); ok {
			return h, nil
		}
	}
	files := make([]string, len(z.File))
	byName := make(map[string]*zip.File, len(z.File))
	for i, f := range z.File {
		files[i], byName[f.Name] = f.Name, f
	}
	return dirhash.Hash1(files, func(name string) (io.ReadCloser, error) {
		f := byName[name]
		if f == nil {
			return nil, fmt.Errorf("file %q not found in zip", name)
		}
		return f.Open()
	})
}

// h1FromEntries computes the hash "h1:" of the module reference from the entries' own hashes.
func (s *zipScan) h1FromEntries() (string, bool) {
	order := slices.Clone(s.entries)
	slices.SortFunc(order, func(a, b scanned) int { return strings.Compare(a.name, b.name) })
	h := sha256.New()
	var line bytes.Buffer
	for i, e := range order {
		if strings.Contains(e.name, "\n") || i > 0 && e.name == order[i-1].name {
			return "", false // dirhash refuses the first, and of two equal names it reads one twice
		}
		line.Reset()
		fmt.Fprintf(&line, "%x  %s\n", e.sum, e.name)
		h.Write(line.Bytes())
	}
	return "h1:" + base64.StdEncoding.EncodeToString(h.Sum(nil)), true
}
