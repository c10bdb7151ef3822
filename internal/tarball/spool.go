package tarball

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"facerec/internal/atomicfile"
	"facerec/internal/release"
	"facerec/internal/sums"
)

// spoolExtent is how much of the spool one writer takes at a time, in bytes. It is
// written while it is in the processor's cache: with a megabyte, writing took twice
// the time.
const spoolExtent = 256 << 10

// sumStep is how many bytes are read between sums. It divides spoolExtent.
const sumStep = 64 << 10

// Spool keeps contents in one temporary file that has no name, and the same
// bytes only once. It is safe for concurrent use. What Add returned is valid
// until Close.
type Spool struct {
	f *os.File

	mu    sync.Mutex
	end   int64
	free  []int64 // extents of spoolExtent bytes that duplicates gave back
	known release.DigestNumbers
	added []*[addedBlock]spooled // what each number of known stands for
	large []largeContent

	// Small contents lie side by side in the order in which they came, and are
	// mostly read in that order: the last of them wait to be written together, and
	// what lies next to one that is read is kept for those that follow.
	wait   []byte // up to spoolBatch
	waitAt int64  // where it belongs
	pages  [4]spoolPage
	turn   int // the page that is replaced next
}

// spoolBatch is how many bytes wait to be written, and spoolPage a stretch of the
// file. Contents and reads up to spoolSmall bytes go by way of these.
const (
	spoolBatch = 256 << 10
	spoolSmall = 16 << 10
)

// addedBlock is how many contents are allocated together.
const addedBlock = 256

type spoolPage struct {
	at  int64
	buf []byte // nothing: the page is not in use
}

// NewSpool makes a spool in dir, or in the system's directory for temporary files
// when dir is "". It lives until Close, or until the process ends in whatever way.
func NewSpool(dir string) (*Spool, error) {
	f, err := atomicfile.Scratch(dir)
	if err != nil {
		return nil, fmt.Errorf("making the spool: %w", err)
	}
	return &Spool{f: f}, nil
}

// Close gives back the disk space. Contents that came from the spool cannot be
// read any more.
func (s *Spool) Close() error { return s.f.Close() }

// Size is the number of bytes that the spool takes on disk.
func (s *Spool) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end
}

// buffers for reading: as large as one extent, so that what fits into one is
// compared with what is known before any byte of it is written.
var spoolBuffers = sync.Pool{New: func() any { b := make([]byte, spoolExtent); return &b }}

// Add reads r to its end. When the bytes have been added before, what was
// returned then is returned again. An error of r is passed on, and leaves the
// spool as it was.
func (s *Spool) Add(r io.Reader) (Content, error) { return s.AddAlong(r, nil) }

// AddAlong is Add for a part of a stream whose bytes r writes to whole, as they are read:
// both sums are made together. whole may be nil.
func (s *Spool) AddAlong(r io.Reader, whole *sums.Behind) (Content, error) {
	p := spoolBuffers.Get().(*[]byte)
	defer spoolBuffers.Put(p)
	buf := *p
	n, last, err := readStep(r, buf)
	if err != nil {
		return nil, err
	}
	if last {
		return s.finish(release.DigestBytes(buf[:n]), nil, buf[:n])
	}
	h := sha256.New()
	whole.Along(h, buf[:n])
	var extents []int64
	for {
		for n < len(buf) && !last {
			var k int
			if k, last, err = readStep(r, buf[n:]); err != nil {
				s.giveBack(extents)
				return nil, err
			}
			whole.Along(h, buf[n:n+k])
			n += k
		}
		if last {
			return s.finish(release.DigestOf([sha256.Size]byte(h.Sum(nil))), extents, buf[:n])
		}
		off := s.take()
		extents = append(extents, off)
		if err := s.write(buf[:n], off); err != nil {
			s.giveBack(extents)
			return nil, err
		}
		n = 0
	}
}

// readStep reads sumStep bytes, or the last ones.
func readStep(r io.Reader, buf []byte) (n int, last bool, err error) {
	n, err = io.ReadFull(r, buf[:sumStep])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, true, nil
	}
	return n, false, err
}

// finish writes the last bytes of a content, which come after full extents, unless
// it is known.
func (s *Spool) finish(d release.Digest, extents []int64, rest []byte) (Content, error) {
	size := int64(len(extents))*spoolExtent + int64(len(rest))
	s.mu.Lock()
	if n, ok := s.known.Find(d); ok {
		defer s.mu.Unlock()
		s.free = append(s.free, extents...)
		return s.number(n), nil
	}
	if size <= spoolSmall {
		defer s.mu.Unlock()
		if err := s.put(rest); err != nil {
			return nil, err
		}
		at := s.end
		s.end += size
		return s.keep(d, at, size), nil
	}
	full := len(extents) // of which each can be used again
	if len(rest) > 0 {
		extents = append(extents, s.end)
		s.end += int64(len(rest))
	}
	s.mu.Unlock()

	if len(rest) > 0 {
		if err := s.write(rest, extents[full]); err != nil {
			return nil, err
		}
	}

	// Only now that all is written may others be given it. When two came with
	// the same bytes at the same time, the first wins.
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.known.Find(d); ok {
		s.free = append(s.free, extents[:full]...)
		return s.number(n), nil
	}
	if len(extents) == 1 {
		return s.keep(d, extents[0], size), nil
	}
	s.large = append(s.large, largeContent{size, slices.Clip(extents)})
	return s.keep(d, int64(len(s.large)-1), size), nil
}

// keep remembers a content that is new; the lock is held.
func (s *Spool) keep(d release.Digest, at, size int64) Content {
	n, _ := s.known.Number(d)
	if n%addedBlock == 0 {
		s.added = append(s.added, new([addedBlock]spooled))
	}
	c := s.number(n)
	*c = spooled{s: s, at: at, size: uint32(min(size, inExtents)), number: uint32(n)}
	return c
}

// number is a content that is known; the lock is held.
func (s *Spool) number(n int) *spooled { return &s.added[n/addedBlock][n%addedBlock] }

// put lets bytes wait to be written at the spool's end; the lock is held.
func (s *Spool) put(b []byte) error {
	if s.waitAt+int64(len(s.wait)) != s.end || len(s.wait)+len(b) > spoolBatch {
		if _, err := s.f.WriteAt(s.wait, s.waitAt); err != nil {
			return fmt.Errorf("writing the spool: %w", err)
		}
		s.wait, s.waitAt = s.wait[:0], s.end
		s.forgetPages()
	}
	s.wait = append(s.wait, b...)
	return nil
}

// write writes bytes where nobody else writes.
func (s *Spool) write(b []byte, off int64) error {
	if _, err := s.f.WriteAt(b, off); err != nil {
		return fmt.Errorf("writing the spool: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetPages()
	return nil
}

// forgetPages is for when the file has changed; the lock is held.
func (s *Spool) forgetPages() {
	for i := range s.pages {
		s.pages[i].buf = s.pages[i].buf[:0]
	}
}

// read reads bytes that have been added.
func (s *Spool) read(p []byte, off int64) (int, error) {
	if len(p) > spoolSmall {
		if n, ok := s.waiting(p, off); ok {
			return n, nil
		}
		return s.f.ReadAt(p, off)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.fromWaiting(p, off); ok {
		return n, nil
	}
	for i := range s.pages {
		if g := &s.pages[i]; off >= g.at && off+int64(len(p)) <= g.at+int64(len(g.buf)) {
			return copy(p, g.buf[off-g.at:]), nil
		}
	}
	g := &s.pages[s.turn]
	s.turn = (s.turn + 1) % len(s.pages)
	if g.buf == nil {
		g.buf = make([]byte, 4*spoolSmall)
	}
	n, err := s.f.ReadAt(g.buf[:cap(g.buf)], off)
	g.at, g.buf = off, g.buf[:n]
	if n < len(p) {
		return copy(p, g.buf), err
	}
	return copy(p, g.buf), nil
}

func (s *Spool) waiting(p []byte, off int64) (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fromWaiting(p, off)
}

// fromWaiting reads bytes that have not been written; the lock is held.
func (s *Spool) fromWaiting(p []byte, off int64) (int, bool) {
	if off < s.waitAt || off+int64(len(p)) > s.waitAt+int64(len(s.wait)) {
		return 0, false
	}
	return copy(p, s.wait[off-s.waitAt:]), true
}

// take reserves a whole extent.
func (s *Spool) take() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		off := s.free[n-1]
		s.free = s.free[:n-1]
		return off
	}
	off := s.end
	s.end += spoolExtent
	return off
}

func (s *Spool) giveBack(extents []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, extents...)
}

// spooled is a content in a spool. There may be very many.
type spooled struct {
	s      *Spool
	at     int64  // in the file; in large for what has more than one extent
	size   uint32 // inExtents for these
	number uint32 // among those that are known
}

// largeContent is where a content of more than one extent is.
type largeContent struct {
	size    int64
	extents []int64 // all but the last are of full size
}

const inExtents = spoolExtent + 1

func (c *spooled) Size() int64 {
	if c.size < inExtents {
		return int64(c.size)
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.large[c.at].size
}

func (c *spooled) Digest() release.Digest {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.known.At(int(c.number))
}

// extent is where in the file an extent is.
func (c *spooled) extent(i int64) int64 {
	if c.size < inExtents {
		return c.at
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.s.large[c.at].extents[i]
}

func (c *spooled) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("reading the spool at offset %d", off)
	}
	done, size := 0, c.Size()
	for done < len(p) {
		at := off + int64(done)
		if at >= size {
			return done, io.EOF
		}
		within := at % spoolExtent
		n := min(int64(len(p)-done), spoolExtent-within, size-at)
		k, err := c.s.read(p[done:done+int(n)], c.extent(at/spoolExtent)+within)
		done += k
		if int64(k) < n {
			return done, fmt.Errorf("reading the spool: %w", err)
		}
	}
	return done, nil
}

// AddFile adds the contents of a regular file of the disk.
func (s *Spool) AddFile(path string) (Content, error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return s.Add(f)
}
