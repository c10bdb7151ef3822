package tarball

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"sort"
)

// stream is a sequence of bytes that can be read at any offset, and whose ranges
// can be named without reading file content.
type stream interface {
	io.ReaderAt
	size() int64
	pieces(lo, hi int64, f func(piece) error) error // calls f for each stretch of [lo, hi), in order
	name(p piece) string                            // what a piece is of, for errors
	cuts(c cutter) []int64                          // offsets, rising, at which chunks share best
}

// tarStream is the tar archive of a tree under a prefix: a sequence of bytes
// that is never stored. It can be read at any offset, and it can name any range
// of itself without reading file content.
type tarStream struct {
	tree   Tree
	prefix string
	starts []int64 // of every startEvery-th entry's header; the prefix itself begins at 0
	first  int64   // bytes of the prefix's own header
	end    int64   // where the two zero blocks begin
	total  int64   // padded to whole records
}

// startEvery is how many entries have one place in starts: there may be very many.
const startEvery = 16

// newTarStream lays out the archive. prefix is the name of the top directory:
// a clean relative path, "." for the spelling "./name", or "" for no top
// directory at all (GNU tar given the sorted names of the top).
func newTarStream(t Tree, prefix string) (*tarStream, error) {
	if prefix != "" {
		if err := checkName(prefix); err != nil {
			return nil, fmt.Errorf("prefix: %w", err)
		}
	}
	s := &tarStream{tree: t, prefix: prefix, starts: make([]int64, 0, (t.Len()+startEvery-1)/startEvery)}
	if prefix != "" {
		s.first = headerSize(len(prefix)+1, 0)
	}
	off := s.first
	for i := range t.Len() {
		if i%startEvery == 0 {
			s.starts = append(s.starts, off)
		}
		e := t.At(i)
		n, l := s.lengths(e)
		off += headerSize(n, l)
		if e.Content != nil {
			off += padded(e.Content.Size())
		}
		if off < 0 {
			return nil, fmt.Errorf("entry %q: the archive would be larger than 2^63 bytes", e.Name)
		}
	}
	s.end = off
	s.total = (off + 2*blockSize + recordSize - 1) / recordSize * recordSize
	return s, nil
}

// placed is an entry with its place in the tree and in the stream.
type placed struct {
	Entry
	at            int
	start, header int64 // where its header begins, and its length
}

// from yields the entries from the one that the byte lo belongs to.
func (s *tarStream) from(lo int64) iter.Seq[placed] {
	return func(yield func(placed) bool) {
		if len(s.starts) == 0 {
			return
		}
		k := max(sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > lo })-1, 0)
		off := s.starts[k]
		for i := k * startEvery; i < s.tree.Len(); i++ {
			e := s.tree.At(i)
			start, header := off, headerSize(s.lengths(e))
			off += header
			if e.Content != nil {
				off += padded(e.Content.Size())
			}
			if off > lo && !yield(placed{e, i, start, header}) {
				return
			}
		}
	}
}

// lengths of the name and the link target that entry e gets in the archive.
func (s *tarStream) lengths(e Entry) (name, link int) {
	name, link = len(e.Name), len(e.Link)
	if s.prefix != "" {
		name += len(s.prefix) + 1
		if e.Type == Hardlink {
			link += len(s.prefix) + 1
		}
	}
	if e.Type == Dir {
		name++
	}
	return name, link
}

// appendEntryHeader appends the header of entry i, or of the prefix for -1.
func (s *tarStream) appendEntryHeader(b []byte, i int) []byte {
	if i < 0 {
		return appendHeader(b, s.prefix+"/", flagDir, s.tree.TopMode(), "", 0)
	}
	e := s.tree.At(i)
	name, link := e.Name, e.Link
	if s.prefix != "" {
		name = s.prefix + "/" + name
		if e.Type == Hardlink {
			link = s.prefix + "/" + link
		}
	}
	switch e.Type {
	case Dir:
		return appendHeader(b, name+"/", flagDir, e.Mode, "", 0)
	case Symlink:
		return appendHeader(b, name, flagSymlink, e.Mode, link, 0)
	case Hardlink:
		return appendHeader(b, name, flagHardlink, e.Mode, link, 0)
	}
	return appendHeader(b, name, flagRegular, e.Mode, "", e.Content.Size())
}

func (s *tarStream) size() int64 { return s.total }

// piece is a stretch of the stream: either literal bytes or part of a content
// or, with neither, zeros.
type piece struct {
	raw     []byte
	content Content
	off     int64 // in content
	n       int64
	entry   int
}

// pieces calls f for each stretch of [lo, hi), in order.
func (s *tarStream) pieces(lo, hi int64, f func(piece) error) error {
	emit := func(start, n int64, p piece) error { // the stretch [start, start+n), cut to [lo, hi)
		from, to := max(lo, start), min(hi, start+n)
		if from >= to {
			return nil
		}
		if p.raw != nil {
			p.raw = p.raw[from-start : to-start]
		} else {
			p.off = from - start
		}
		p.n = to - from
		return f(p)
	}
	var scratch []byte
	header := func(i int, start, n int64) error {
		if start >= hi || start+n <= lo {
			return nil
		}
		scratch = s.appendEntryHeader(scratch[:0], i)
		return emit(start, n, piece{raw: scratch, entry: i})
	}
	if s.first > 0 {
		if err := header(-1, 0, s.first); err != nil {
			return err
		}
	}
	for e := range s.from(lo) {
		if e.start >= hi {
			break
		}
		if err := header(e.at, e.start, e.header); err != nil {
			return err
		}
		if e.Content == nil {
			continue
		}
		start, size := e.start+e.header, e.Content.Size()
		if err := emit(start, size, piece{content: e.Content, entry: e.at}); err != nil {
			return err
		}
		if err := emit(start+size, padded(size)-size, piece{entry: e.at}); err != nil {
			return err
		}
	}
	return emit(s.end, s.total-s.end, piece{entry: s.tree.Len()})
}

// name of the entry that a piece is of, for errors.
func (s *tarStream) name(p piece) string { return s.tree.nodes.name(p.entry) }

// ReadAt implements io.ReaderAt.
func (s *tarStream) ReadAt(p []byte, off int64) (int, error) { return readAt(s, p, off) }

// readAt reads a stream at an offset. A content that is shorter than its size is
// an error that names the entry.
func readAt(s stream, p []byte, off int64) (int, error) {
	if off >= s.size() {
		return 0, io.EOF
	}
	hi := min(off+int64(len(p)), s.size())
	done := 0
	err := s.pieces(off, hi, func(q piece) error {
		dst := p[done : done+int(q.n)]
		switch {
		case q.raw != nil:
			copy(dst, q.raw)
		case q.content != nil:
			if n, err := q.content.ReadAt(dst, q.off); n < len(dst) {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return fmt.Errorf("entry %q: reading content at offset %d: expected %d bytes, got %d: %w",
					s.name(q), q.off, len(dst), n, err)
			}
		default:
			clear(dst)
		}
		done += len(dst)
		return nil
	})
	if err == nil && done < len(p) {
		err = io.EOF
	}
	return done, err
}

// description is a sum of what the bytes of a stream are: literal bytes as they are,
// contents by digest and range, each with its length. Equal descriptions mean equal bytes.
type description struct {
	hash.Hash
	scratch [1 + 8 + sha256.Size]byte
}

// of adds what a stream is from lo up to hi.
func (d *description) of(s stream, lo, hi int64) error {
	return s.pieces(lo, hi, func(q piece) error {
		switch {
		case q.raw != nil:
			d.length('r', q.n)
			d.Write(q.raw)
		case q.content != nil:
			d.length('c', q.n)
			d.length('o', q.off)
			sum := q.content.Digest().Bytes()
			d.Write(append(d.scratch[:0], sum[:]...))
		default:
			d.length('z', q.n)
		}
		return nil
	})
}

func (d *description) length(kind byte, n int64) {
	d.Write(binary.LittleEndian.AppendUint64(append(d.scratch[:0], kind), uint64(n)))
}

// hashOf is the name of a range of a stream.
func hashOf(s stream, lo, hi int64, tags ...int64) ([sha256.Size]byte, error) {
	d := &description{Hash: sha256.New()}
	for _, t := range tags {
		d.length('t', t)
	}
	err := d.of(s, lo, hi)
	return [sha256.Size]byte(d.Sum(nil)), err
}
