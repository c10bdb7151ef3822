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

	start    int64   // where in the stream the block begins
	n        int     // how many symbols it has: literals and matches
	tokens   []token // with runs of literals in bytes
	bytes    []byte
	counted  int                        // how many of bytes have been counted
	known    literalCounts              // of what is being added
	next     int                        // which of its literals in runs comes next
	symbols  [symbolMask + 1]uint16     // how often tokens have each symbol
	inRuns   literalCounter             // and literals in runs
	distFreq [distSymbolMask + 1]uint16 // and each distance symbol, of which distances are sent
	litFreq  [litLens]uint16            // symbols as they are sent

	litLengths  [litLens]uint8
	distLengths [distances]uint8
	litCodes    [litLens]code
	distCodes   [distances]code
	words       [symbolMask + 1]uint32       // codes of symbols with their extra bits: bits<<5 | count
	distWords   [distSymbolMask + 1]distWord // of distances; what is sent of a literal's is nothing
	wide        wideCodes                    // of literals in runs
}

// distWord is what is sent of a distance: the code, then dist-base.
type distWord struct {
	base, code uint16
	n, all     uint8 // bits of the code, and with those after it
}

func newDeflater(out *bitWriter, src io.ReaderAt) *deflater {
	return &deflater{out: out, src: src, base: windowBase, tokens: make([]token, 0, blockTokens)}
}

// add takes more tokens, and codes every block that they fill. Runs are of literals
// in buf. What is known of their counts begins so many of these before; it may be nothing.
func (d *deflater) add(tokens []token, buf []byte, known literalCounts, before int) {
	d.known, d.next = known, before
	defer d.count()
	for i := 0; i < len(tokens); {
		if !tokens[i].isRun() {
			n := d.addSome(tokens[i:min(len(tokens), i+d.room())])
			i += n
			d.added(n)
			continue
		}
		at, n := tokens[i].run()
		i++
		for n > 0 {
			k := min(n, d.room())
			d.tokens = append(d.tokens, literalRun(len(d.bytes), k))
			d.bytes = append(d.bytes, buf[at:at+k]...)
			d.next += k
			at += k
			n -= k
			d.added(k)
		}
	}
}

// addSome takes the tokens before the first run, and gives their number.
func (d *deflater) addSome(tokens []token) int {
	for i, t := range tokens {
		if t.isRun() {
			tokens = tokens[:i]
			break
		}
		d.symbols[t.symbol()]++
		d.distFreq[t.distSymbol()]++
	}
	d.tokens = append(d.tokens, tokens...)
	return len(tokens)
}

// room is how many symbols may be added before something has to be decided.
func (d *deflater) room() int { return min(askEvery-d.n%askEvery, blockTokens-d.n) }

// added notes n more symbols, and codes the block if it ends with them.
func (d *deflater) added(n int) {
	d.n += n
	if d.n == blockTokens || d.n%askEvery == 0 && d.endEarly() {
		d.flush(false)
	}
}

// matches is how many of the block's symbols are matches, and covered how many
// bytes all of them stand for.
func (d *deflater) matches() (matches int, covered int64) {
	bytes := 0
	for n, f := range d.symbols[isMatch:] {
		matches += int(f)
		bytes += int(f) * (n + minMatch)
	}
	return matches, int64(d.n - matches + bytes)
}

// decided is gzip's position, counted from the block's start, when it has just
// made the last token: it has moved on by one byte.
func (d *deflater) decided(covered int64) int64 {
	last := d.tokens[len(d.tokens)-1]
	if !last.isMatch() {
		return covered
	}
	return covered - int64(last.length()) + 1
}

// endEarly reports whether gzip ends the block here because it compresses well:
// fewer than half of the tokens are matches, and the guess, at eight bits for
// each token and five and the extra bits for each distance, is less than half
// of the input, in which the last token counts for one byte.
func (d *deflater) endEarly() bool {
	guess := d.n * 8
	for s, f := range d.distFreq[:distances] {
		guess += int(f) * (5 + int(distExtra[s]))
	}
	matches, covered := d.matches()
	return matches < d.n/2 && int64(guess>>3) < d.decided(covered)/2
}

// flush codes what has been added as a block, as the last one if final.
func (d *deflater) flush(final bool) {
	d.count()
	for b := range literals {
		d.litFreq[b] = d.symbols[b] + d.inRuns.of(b)
	}
	clear(d.litFreq[literals:])
	d.litFreq[endOfBlock]++
	for n, f := range d.symbols[isMatch:] {
		d.litFreq[literals+1+int(lengthSymbol[n])] += f
	}
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
	_, size := d.matches()
	decided := d.start + size // gzip's position when it ended the block
	if !final {
		decided = d.start + d.decided(size)
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

	d.start += size
	d.n, d.tokens, d.bytes, d.counted = 0, d.tokens[:0], d.bytes[:0], 0
	clear(d.symbols[:])
	clear(d.inRuns[:])
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
	for b := range literals {
		d.words[b] = uint32(lit[b].bits)<<5 | uint32(lit[b].n)
	}
	d.wide.set(lit)
	for n := range isMatch {
		s := lengthSymbol[n]
		c := lit[literals+1+int(s)]
		extra := uint32(n) - uint32(lengthBase[s])
		d.words[isMatch+n] = (uint32(c.bits)|extra<<c.n)<<5 | uint32(c.n+lengthExtra[s])
	}
	for s, c := range dist {
		d.distWords[s] = distWord{distBase[s] + 1, c.bits, c.n, c.n + distExtra[s]}
	}
	for rest := d.tokens; len(rest) > 0; {
		if rest[0].isRun() {
			at, n := rest[0].run()
			d.encodeRun(at, at+n)
			rest = rest[1:]
			continue
		}
		// A token is 48 bits at most: this many fit into what bitWriter spares.
		n := min(len(rest), askEvery)
		if len(d.bytes) > 0 {
			for i, t := range rest[:n] {
				if t.isRun() {
					n = i
					break
				}
			}
		}
		d.encodeSome(rest[:n])
		rest = rest[n:]
	}
	d.out.put(uint32(lit[endOfBlock].bits), uint(lit[endOfBlock].n))
}

// spareBits is what encodeSome may write beyond bitBuffer, in bytes.
const spareBits = askEvery*6 + 16

func (d *deflater) encodeSome(tokens []token) {
	w := d.out
	// Whole bytes are moved out without asking whether there are many: that
	// is cheaper than a branch nobody can predict. For the same reason literals
	// and matches are coded alike, but for three literals in a row.
	buf, at, acc, n := w.open()
	for len(tokens) > 0 {
		// Here n is 7 at most, so that three literals fit, or one match.
		if len(tokens) >= 3 && (tokens[0]|tokens[1]|tokens[2]).dist() == 0 {
			x, y, z := d.words[tokens[0].symbol()], d.words[tokens[1].symbol()], d.words[tokens[2].symbol()]
			tokens = tokens[3:]
			acc |= uint64(x>>5) << (n & 63)
			n += uint(x & 31)
			acc |= uint64(y>>5) << (n & 63)
			n += uint(y & 31)
			acc |= uint64(z>>5) << (n & 63)
			n += uint(z & 31)
			binary.LittleEndian.PutUint64(buf[at:], acc)
			at += int(n >> 3)
			acc >>= n &^ 7 & 63
			n &= 7
			continue
		}
		some := min(3, len(tokens))
		for _, t := range tokens[:some] {
			x := d.words[t.symbol()]
			acc |= uint64(x>>5) << (n & 63)
			n += uint(x & 31)
			s := &d.distWords[t.distSymbol()]
			acc |= (uint64(s.code) | uint64(t.dist()-uint32(s.base))<<(s.n&63)) << (n & 63)
			n += uint(s.all)
			binary.LittleEndian.PutUint64(buf[at:], acc)
			at += int(n >> 3)
			acc >>= n &^ 7 & 63
			n &= 7
		}
		tokens = tokens[some:]
	}
	w.buf, w.bits, w.n = buf[:at], acc, n
	w.flushFull()
}

// encodeRun is encodeSome for the literals from d.bytes[at] up to end.
func (d *deflater) encodeRun(at, end int) {
	if hasWide {
		first := min((at+3)&^3, end) // of four that come together
		d.encodeLiterals(d.bytes[at:first])
		at = d.encodeWide(first, end)
	}
	d.encodeLiterals(d.bytes[at:end])
}

func (d *deflater) encodeLiterals(run []byte) {
	w := d.out
	buf, at, acc, n := w.open()
	put := func() {
		binary.LittleEndian.PutUint64(buf[at:], acc)
		at += int(n >> 3)
		acc >>= n &^ 7 & 63
		n &= 7
	}
	words := (*[literals]uint32)(d.words[:])
	for len(run) >= 6 {
		// Three by three, each 45 bits at most.
		p, q, r := words[run[0]], words[run[1]], words[run[2]]
		x, k := uint64(p>>5), uint(p&31)
		x |= uint64(q>>5) << (k & 63)
		k += uint(q & 31)
		x |= uint64(r>>5) << (k & 63)
		k += uint(r & 31)
		p, q, r = words[run[3]], words[run[4]], words[run[5]]
		y, l := uint64(p>>5), uint(p&31)
		y |= uint64(q>>5) << (l & 63)
		l += uint(q & 31)
		y |= uint64(r>>5) << (l & 63)
		l += uint(r & 31)
		run = run[6:]
		acc |= x << (n & 63)
		n += k
		if n+l > 63 {
			put()
		}
		acc |= y << (n & 63)
		n += l
		put()
	}
	for _, b := range run {
		x := d.words[b]
		acc |= uint64(x>>5) << (n & 63)
		n += uint(x & 31)
		put()
	}
	w.buf, w.bits, w.n = buf[:at], acc, n
	w.flushFull()
}
