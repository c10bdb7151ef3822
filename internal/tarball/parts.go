package tarball

import (
	"fmt"
	"io"
	"sort"
)

// Part is a stretch of a [Stream]: bytes as they are, or all of a content.
type Part struct {
	Name    string // for errors
	Raw     []byte
	Content Content // nil: Raw
}

func (p Part) size() int64 {
	if p.Content != nil {
		return p.Content.Size()
	}
	return int64(len(p.Raw))
}

// Stream is a sequence of bytes that other formats than GNU tar's are laid out
// in: it can be read at any offset, and compressed as an archive is, see [Job].
type Stream struct {
	parts  []Part
	starts []int64
	total  int64
}

// NewStream puts parts one behind the other. They must not be changed afterwards.
func NewStream(parts ...Part) (*Stream, error) {
	s := &Stream{}
	for _, p := range parts {
		n := p.size()
		if n == 0 {
			continue
		}
		if n < 0 || s.total+n < 0 {
			return nil, fmt.Errorf("%q: the stream would be larger than 2^63 bytes", p.Name)
		}
		s.parts, s.starts = append(s.parts, p), append(s.starts, s.total)
		s.total += n
	}
	return s, nil
}

// Size is the number of bytes.
func (s *Stream) Size() int64 { return s.total }

// ReadAt implements io.ReaderAt.
func (s *Stream) ReadAt(p []byte, off int64) (int, error) { return readAt(s, p, off) }

// WriteTo writes all of it.
func (s *Stream) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, io.NewSectionReader(s, 0, s.total))
}

func (s *Stream) size() int64         { return s.total }
func (s *Stream) name(p piece) string { return s.parts[p.entry].Name }

func (s *Stream) pieces(lo, hi int64, f func(piece) error) error {
	i := max(sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > lo })-1, 0)
	for ; i < len(s.parts) && s.starts[i] < hi; i++ {
		p, start := s.parts[i], s.starts[i]
		from, to := max(lo, start), min(hi, start+p.size())
		if from >= to {
			continue
		}
		q := piece{entry: i, n: to - from}
		if p.Content != nil {
			q.content, q.off = p.Content, from-start
		} else {
			q.raw = p.Raw[from-start : to-start]
		}
		if err := f(q); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stream) cuts(c cutter) []int64 {
	var cuts []int64
	last := int64(0)
	for i, p := range s.parts {
		at := s.starts[i]
		if at-last >= c.chunk {
			cuts = append(cuts, at)
			last = at
		}
		if p.Content == nil || !c.isLarge(p.size()) {
			continue
		}
		cuts = c.inside(cuts, at, p.size())
		last = cuts[len(cuts)-1]
	}
	return cuts
}
