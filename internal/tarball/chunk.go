package tarball

import (
	"fmt"
	"sync"
)

const (
	// warmUp is how many bytes before its chunk a parse begins. It starts there
	// in a made-up state, and after so many bytes is nearly always in the one
	// that the parse of the whole stream is in too.
	warmUp = 1024

	// chunkBehind and chunkAhead are how far around a chunk its parse can see.
	chunkBehind = maxDist + warmUp
	chunkAhead  = searchAhead + 8

	// maxChunk keeps what a parse sees short enough for the matchers.
	maxChunk = headMax - windowSize - insertStep - chunkBehind - chunkAhead

	// minChunk keeps any match from reaching over a whole chunk.
	minChunk = 1024
)

// chunkName names what the parse of a chunk depends on; see hashOf.
type chunkName [32]byte

// span is a chunk's place in a stream: it stands for [start, end), and its
// parse sees [lo, hi).
type span struct {
	lo, start, end, hi int64
}

func newSpan(start, end, total int64) span {
	return span{lo: max(0, start-chunkBehind), start: start, end: end, hi: min(total, end+chunkAhead)}
}

func (s span) name(from stream) (chunkName, error) {
	first := int64(0)
	if s.lo == 0 {
		first = 1 // the very first byte of a stream is never matched
	}
	h, err := hashOf(from, s.lo, s.hi, s.start-s.lo, s.end-s.lo, first)
	return chunkName(h), err
}

// chunk is a parsed chunk. Positions are indexes of buf, which holds what the
// parse saw; toks go from enter.done() to exit.done().
type chunk struct {
	span
	buf         []byte
	enter, exit state
	toks        []token
	counts      literalCounts // of toks; nothing for one that is taken once

	mu    sync.Mutex
	seams []*seam
}

// seam is the way into a chunk from a state other than the one that its parse
// came in by: tokens of its own, then the chunk's from index next on.
type seam struct {
	from state
	toks []token
	next int
	exit state
}

// begin is the state in which a parse of a stream starts. Gzip's hash chains
// end with position 0, so that the first byte is never matched: it is treated
// as looked at, and is not inserted.
func begin() state { return state{pos: 1, waiting: true, length: minMatch - 1} }

// load reads what the chunk's parse sees.
func (c *chunk) load(s stream, at span) error {
	c.span, c.seams, c.toks, c.counts = at, c.seams[:0], c.toks[:0], c.counts[:0]
	n := int(at.hi - at.lo)
	if cap(c.buf) < n {
		c.buf = make([]byte, n)
	}
	c.buf = c.buf[:n]
	// No more tokens than bytes, so that the list never grows by being copied.
	if n := int(at.end - at.start); cap(c.toks) < n {
		c.toks = make([]token, 0, n+maxMatch)
	}
	return readFull(s, c.buf, at.lo)
}

func readFull(s stream, p []byte, off int64) error {
	if n, err := s.ReadAt(p, off); n < len(p) {
		return fmt.Errorf("reading %d bytes at offset %d of the archive: %w", len(p), off, err)
	}
	return nil
}

// parse fills in tokens and states.
func (c *chunk) parse(w *worker) {
	start, end := int(c.start-c.lo), int(c.end-c.lo)
	var s state
	if warm := start - warmUp; c.lo == 0 && warm <= 0 {
		s = begin()
	} else {
		s = fresh(warm)
	}
	p := parser{worker: w, chunk: c}
	w.few.reset(c.buf, c.firstInserted(s.pos))
	if s.pos < start {
		// What is found on the way in is not kept: another chunk has it.
		s, c.toks = p.parse(s, start, c.toks)
		c.toks = c.toks[:0]
	}
	c.enter = s
	c.exit, c.toks = p.parse(s, end, c.toks)
}

// count fills in counts, for those that share the chunk.
func (c *chunk) count() { c.counts = c.counts.count(c.toks, c.buf) }

// parser parses a chunk with one matcher as long as that is quick, then with the
// other.
type parser struct {
	*worker
	chunk *chunk
	dense bool // the other one
}

func (p *parser) parse(s state, end int, out []token) (state, []token) {
	if !p.dense {
		var ok bool
		if s, out, ok = parseSparse(&p.few, s, end, out); ok {
			return s, out
		}
		p.dense = true
		p.m.reset(p.chunk.buf, p.chunk.firstInserted(s.pos), int(p.chunk.end-p.chunk.lo))
	}
	return parse(&p.m, s, end, out)
}

// firstInserted is the first position that a search from pos on can find.
func (c *chunk) firstInserted(pos int) int {
	if c.lo == 0 {
		return max(1, pos-1-maxDist)
	}
	return max(0, pos-1-maxDist)
}
