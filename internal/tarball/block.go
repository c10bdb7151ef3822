package tarball

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	blockTokens = windowSize - 1 // a block is full with 32,767 tokens
	askEvery    = 4096           // tokens after which gzip considers ending a block early
)

// deflater makes blocks of tokens and codes them. Where a block ends, and
// which of the three kinds it becomes, depends only on the tokens, their
// positions, and where gzip's window is.
type deflater struct {
	out  *bitWriter
	src  io.ReaderAt           // the stream, for stored blocks
	base func(pos int64) int64 // of gzip's window; see tail.go
	err  error                 // the first of src

	pos      int64 // where in the stream the next token begins
	last     int64 // where the last token began
	start    int64 // where the block began
	tokens   []token
	matches  int
	litFreq  [litLens]uint16
	distFreq [32]uint16 // distances of them; two more save a check

	litLengths  [litLens]uint8
	distLengths [distances]uint8
	litCodes    [litLens]code
	distCodes   [distances]code
	litWords    [256]uint32 // codes of literals: bits<<5 | count
	lenWords    [256]uint32 // codes of lengths less 3, with their extra bits
}

func newDeflater(out *bitWriter, src io.ReaderAt) *deflater {
	return &deflater{out: out, src: src, base: windowBase, tokens: make([]token, 0, blockTokens)}
}

// add takes more tokens, and codes every block that they fill.
func (d *deflater) add(tokens []token) {
	for len(tokens) > 0 {
		n := min(len(tokens), askEvery-len(d.tokens)%askEvery, blockTokens-len(d.tokens))
		d.count(tokens[:n])
		d.tokens = append(d.tokens, tokens[:n]...)
		tokens = tokens[n:]
		if len(d.tokens) == blockTokens || len(d.tokens)%askEvery == 0 && d.endEarly() {
			d.flush(false)
		}
	}
}

// count counts the symbols of tokens, at least one.
func (d *deflater) count(tokens []token) {
	pos := d.pos
	for _, t := range tokens {
		if t.isLiteral() {
			d.litFreq[uint8(t>>16)]++
			pos++
			continue
		}
		d.litFreq[literals+1+int(lengthSymbol[t.symbol()])]++
		d.distFreq[distSymbol(t.dist())&31]++
		d.matches++
		pos += int64(t.symbol()) + minMatch
	}
	d.pos = pos
	d.last = pos - int64(tokens[len(tokens)-1].length())
}

// endEarly tells whether gzip ends the block here because it compresses well:
// fewer than half of the tokens are matches, and the guess, at eight bits for
// each token and five and the extra bits for each distance, is less than half
// of the input, in which the last token counts for one byte.
func (d *deflater) endEarly() bool {
	guess := len(d.tokens) * 8
	for s, f := range d.distFreq[:distances] {
		guess += int(f) * (5 + int(distExtra[s]))
	}
	return d.matches < len(d.tokens)/2 && int64(guess>>3) < (d.last+1-d.start)/2
}

// flush codes what has been added as a block, as the last one if final.
func (d *deflater) flush(final bool) {
	d.litFreq[endOfBlock]++
	lit := coder{freq: d.litFreq[:], lengths: d.litLengths[:]}
	lit.build(lengthExtra[:], literals+1, fixedLitLengths[:], maxBits)
	dist := coder{freq: d.distFreq[:distances], lengths: d.distLengths[:]}
	dist.build(distExtra[:], 0, fixedDistLengths[:], maxBits)

	// The lengths of both codes are themselves coded.
	var lensFreq [lenCodes]uint16
	var lensLengths [lenCodes]uint8
	countRun := func(s uint8, _ int) { lensFreq[s]++ }
	runs(d.litLengths[:lit.top+1], countRun)
	runs(d.distLengths[:dist.top+1], countRun)
	lens := coder{freq: lensFreq[:], lengths: lensLengths[:]}
	lens.build(repeatExtra[:], 0, nil, maxLenBits)
	sent := lenCodes
	for sent > 4 && lensLengths[lenOrder[sent-1]] == 0 {
		sent--
	}

	// Compared in whole bytes, the three bits of the block's header included.
	dynamic := (lit.dynBits + dist.dynBits + lens.dynBits + 5 + 5 + 4 + 3*sent + 3 + 7) >> 3
	fixed := (lit.fixedBits + dist.fixedBits + 3 + 7) >> 3
	best := min(dynamic, fixed)
	size := d.pos - d.start
	decided := d.last + 1 // gzip's position when it ended the block
	if final {
		decided = d.pos
	}

	last := uint32(0)
	if final {
		last = 1
	}
	switch {
	case size+4 <= int64(best) && d.start >= d.base(decided):
		d.stored(last, size)
	case fixed == best:
		d.out.put(1<<1|last, 3)
		d.encode(fixedLit[:], fixedDist[:])
	default:
		d.out.put(2<<1|last, 3)
		d.out.put(uint32(lit.top+1-257), 5)
		d.out.put(uint32(dist.top+1-1), 5)
		d.out.put(uint32(sent-4), 4)
		for _, s := range lenOrder[:sent] {
			d.out.put(uint32(lensLengths[s]), 3)
		}
		var lensCodes [lenCodes]code
		assign(lensLengths[:], lensCodes[:])
		send := func(s uint8, extra int) {
			d.out.put(uint32(lensCodes[s].bits), uint(lensCodes[s].n))
			d.out.put(uint32(extra), uint(repeatExtra[s]))
		}
		runs(d.litLengths[:lit.top+1], send)
		runs(d.distLengths[:dist.top+1], send)
		assign(d.litLengths[:], d.litCodes[:])
		assign(d.distLengths[:], d.distCodes[:])
		d.encode(d.litCodes[:], d.distCodes[:])
	}

	d.start = d.pos
	d.tokens = d.tokens[:0]
	d.matches = 0
	clear(d.litFreq[:])
	clear(d.distFreq[:])
}

// stored copies the block's bytes as they are.
func (d *deflater) stored(last uint32, size int64) {
	d.out.put(last, 3)
	d.out.align()
	var header [4]byte
	binary.LittleEndian.PutUint16(header[:], uint16(size))
	binary.LittleEndian.PutUint16(header[2:], ^uint16(size))
	d.out.bytes(header[:])
	raw := make([]byte, size)
	if n, err := d.src.ReadAt(raw, d.start); n < len(raw) && d.err == nil {
		d.err = fmt.Errorf("reading %d bytes at offset %d of the stream: %w", size, d.start, err)
	}
	d.out.bytes(raw)
}

// encode sends the block's tokens and the end of block.
func (d *deflater) encode(lit, dist []code) {
	lit, dist = lit[:litLens], dist[:distances]
	for n := range d.lenWords {
		s := lengthSymbol[n]
		c := lit[literals+1+int(s)]
		extra := uint32(n) - uint32(lengthBase[s])
		d.lenWords[n] = (uint32(c.bits)|extra<<c.n)<<5 | uint32(c.n+lengthExtra[s])
	}
	for b := range d.litWords {
		d.litWords[b] = uint32(lit[b].bits)<<5 | uint32(lit[b].n)
	}
	for rest := d.tokens; len(rest) > 0; {
		// A token is 48 bits at most: this many fit into what bitWriter spares.
		n := min(len(rest), askEvery)
		d.encodeSome(dist, rest[:n])
		rest = rest[n:]
	}
	d.out.put(uint32(lit[endOfBlock].bits), uint(lit[endOfBlock].n))
}

// spareBits is what encodeSome may write beyond bitBuffer, in bytes.
const spareBits = askEvery*6 + 16

func (d *deflater) encodeSome(dist []code, tokens []token) {
	w := d.out
	buf := w.buf[:cap(w.buf)]
	at, acc, n := len(w.buf), w.bits, w.n
	// Whole bytes are moved out without asking whether there are many: that
	// is cheaper than a branch nobody can predict.
	binary.LittleEndian.PutUint64(buf[at:], acc)
	at += int(n >> 3)
	acc >>= n &^ 7 & 63
	n &= 7
	for len(tokens) > 0 {
		// Here n is 7 at most, so that three literals fit, or one match.
		if len(tokens) >= 3 && (tokens[0]|tokens[1]|tokens[2])&0xffff == 0 {
			x, y, z := d.litWords[uint8(tokens[0]>>16)], d.litWords[uint8(tokens[1]>>16)], d.litWords[uint8(tokens[2]>>16)]
			acc |= uint64(x>>5) << (n & 63)
			n += uint(x & 31)
			acc |= uint64(y>>5) << (n & 63)
			n += uint(y & 31)
			acc |= uint64(z>>5) << (n & 63)
			n += uint(z & 31)
			tokens = tokens[3:]
		} else {
			t := tokens[0]
			tokens = tokens[1:]
			if t.isLiteral() {
				x := d.litWords[uint8(t>>16)]
				acc |= uint64(x>>5) << (n & 63)
				n += uint(x & 31)
			} else {
				x := d.lenWords[uint8(t>>16)]
				acc |= uint64(x>>5) << (n & 63)
				n += uint(x & 31)
				s := distSymbol(t.dist())
				c := dist[s]
				extra := uint64(t.dist() - 1 - int(distBase[s]))
				acc |= (uint64(c.bits) | extra<<(c.n&63)) << (n & 63)
				n += uint(c.n) + uint(distExtra[s])
			}
		}
		binary.LittleEndian.PutUint64(buf[at:], acc)
		at += int(n >> 3)
		acc >>= n &^ 7 & 63
		n &= 7
	}
	w.buf, w.bits, w.n = buf[:at], acc, n
	w.flushFull()
}
