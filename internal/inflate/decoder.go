package inflate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// CorruptError is a deflate stream that no compressor writes.
type CorruptError struct {
	Offset int64 // in the output, at which it was noticed
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("deflate: corrupt stream after %d bytes of output: %s", e.Offset, e.Reason)
}

const (
	history  = 32 << 10 // bytes that a distance can reach
	maxMatch = 258
	// slack is how far a copy may write beyond what it has to, and what the
	// fast loop leaves of the window.
	slack      = 32
	windowSize = history + 96<<10
	// ahead is how many bytes of input the fast loop wants before it.
	ahead = 16
)

// Reasons, which do not tell which loop came upon them.
const (
	badLength   = "an unknown length, or bits that are not a code"
	badDistance = "an unknown distance, or bits that are not a code"
	badMatch    = "a match before the start of the output"
)

// decoder is a deflate stream on its way out.
type decoder struct {
	in   *bufio.Reader
	bits uint64 // the lowest n, fewer than 8 between calls
	n    uint

	phase  func(*decoder) error // what comes next; nil at the end
	final  bool                 // the block is the last one
	stored int                  // bytes of a stored block that are still to come

	window []byte
	r, w   int   // [r:w] of it waits to be read
	base   int64 // bytes of output before the window
	err    error // after what waits

	lit  [litEntries]entry
	dist [distEntries]entry

	hint *hint // what the output may be; nil: nobody said
}

func (d *decoder) reset(in *bufio.Reader) {
	if d.window == nil {
		d.window = make([]byte, windowSize+maxMatch+slack)
	}
	d.in, d.bits, d.n = in, 0, 0
	d.phase, d.final = (*decoder).block, false
	d.r, d.w, d.base, d.err = 0, 0, 0, nil
	d.hint = nil
}

func (d *decoder) read(p []byte) (int, error) {
	for d.r == d.w {
		if d.err != nil {
			return 0, d.err
		}
		if d.phase == nil {
			d.err = io.EOF
			continue
		}
		if d.w >= windowSize {
			copy(d.window, d.window[d.w-history:d.w])
			d.base += int64(d.w - history)
			if d.hint != nil {
				d.hint.slide(d.w)
			}
			d.r, d.w = history, history
		}
		d.err = d.phase(d)
		if d.hint != nil {
			d.hint.check(d.window[:d.w], d.r)
		}
	}
	n := copy(p, d.window[d.r:d.w])
	d.r += n
	return n, nil
}

func (d *decoder) corrupt(reason string) error {
	return &CorruptError{d.base + int64(d.w), reason}
}

// take gives the next k bits, 16 at most.
func (d *decoder) take(k uint) (uint, error) {
	for d.n < k {
		c, err := d.in.ReadByte()
		if err != nil {
			return 0, noEOF(err)
		}
		d.bits |= uint64(c) << d.n
		d.n += 8
	}
	v := uint(d.bits & (1<<k - 1))
	d.skip(k)
	return v, nil
}

// skip takes k bits of those that are there.
func (d *decoder) skip(k uint) {
	d.bits >>= k
	d.n -= k
}

// block reads the header of a block (RFC 1951, 3.2.3).
func (d *decoder) block() error {
	if d.final {
		d.phase = nil
		return nil
	}
	h, err := d.take(3)
	if err != nil {
		return err
	}
	d.final = h&1 == 1
	switch h >> 1 {
	case 0:
		d.bits, d.n = 0, 0 // to the next whole byte
		var size [4]byte
		if _, err := io.ReadFull(d.in, size[:]); err != nil {
			return noEOF(err)
		}
		n := binary.LittleEndian.Uint16(size[:])
		if n != ^binary.LittleEndian.Uint16(size[2:]) {
			return d.corrupt("the two lengths of a stored block differ")
		}
		d.stored, d.phase = int(n), (*decoder).copyStored
	case 1:
		var lengths [288 + 32]uint8
		for i := range lengths {
			switch {
			case i < 144:
				lengths[i] = 8
			case i < 256:
				lengths[i] = 9
			case i < 280:
				lengths[i] = 7
			case i < 288:
				lengths[i] = 8
			default:
				lengths[i] = 5
			}
		}
		return d.codes(lengths[:288], lengths[288:])
	case 2:
		return d.dynamic()
	default:
		return d.corrupt("a block of a reserved type")
	}
	return nil
}

// lensOrder is the order in which the lengths of the code of code lengths are
// sent (RFC 1951, 3.2.7).
var lensOrder = [lensSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// maxHeader is how many bytes the codes of a block can take: each length a code and
// extra bits of 7.
const maxHeader = (14+3*lensSymbols+(lensBits+7)*(maxLits+maxDists))/8 + 1

// header reads bits from bytes that are not taken from the input yet.
type header struct {
	in   []byte
	bits uint64
	n    uint
	end  bool // more bits were asked for than there are
}

// fill makes n large enough for a code and its extra bits, if there are so many.
func (h *header) fill() {
	if len(h.in) >= 8 {
		h.bits |= binary.LittleEndian.Uint64(h.in) << (h.n & 63)
		h.in = h.in[(63-h.n)>>3:]
		h.n |= 56
		return
	}
	for ; h.n < 56 && len(h.in) > 0; h.in = h.in[1:] {
		h.bits |= uint64(h.in[0]) << h.n
		h.n += 8
	}
}

func (h *header) take(k uint) uint {
	if k > h.n {
		h.end, h.n = true, k
	}
	v := uint(h.bits & (1<<k - 1))
	h.bits >>= k
	h.n -= k
	return v
}

// dynamic reads the codes of a block.
func (d *decoder) dynamic() error {
	in, err := d.in.Peek(maxHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	h := header{in: in, bits: d.bits, n: d.n}
	h.fill()
	nlit, ndist, nlens := int(h.take(5))+257, int(h.take(5))+1, int(h.take(4))+4
	if nlit > maxLits || ndist > maxDists {
		return d.corrupt("more codes than there are symbols")
	}
	var lens [lensSymbols]uint8
	for _, s := range lensOrder[:nlens] {
		h.fill()
		lens[s] = uint8(h.take(3))
	}
	if h.end {
		return io.ErrUnexpectedEOF
	}
	var table [1 << lensBits]entry
	if !build(table[:], lensBits, lens[:], plain[:], nil) {
		return d.corrupt("the code of code lengths is invalid")
	}
	var lengths [maxLits + maxDists]uint8
	for i := 0; i < nlit+ndist; {
		h.fill()
		e := table[h.bits&(1<<lensBits-1)]
		if e&special != 0 && h.n >= lensBits {
			return d.corrupt("bits that are not a code")
		}
		s, times, what := e.value(), 1, uint8(0)
		h.take(e.code())
		switch {
		case h.end || e&special != 0:
		case s < 16:
			what = uint8(s)
		case s == 17:
			times = 3 + int(h.take(3))
		case s == 18:
			times = 11 + int(h.take(7))
		case i == 0:
			return d.corrupt("a code length is repeated before the first one")
		default:
			what, times = lengths[i-1], 3+int(h.take(2))
		}
		if h.end || e&special != 0 {
			return io.ErrUnexpectedEOF
		}
		if i+times > nlit+ndist {
			return d.corrupt("more code lengths than codes")
		}
		for range times {
			lengths[i] = what
			i++
		}
	}
	// Whole bytes were not taken.
	if _, err := d.in.Discard(len(in) - len(h.in) - int(h.n>>3)); err != nil {
		return err
	}
	d.n = h.n & 7
	d.bits = h.bits & (1<<d.n - 1)
	return d.codes(lengths[:nlit], lengths[nlit:nlit+ndist])
}

func (d *decoder) codes(lit, dist []uint8) error {
	if !build(d.lit[:], litBits, lit, litSymbols[:], d.hint.codes()) || !build(d.dist[:], distBits, dist, distSymbols[:], nil) {
		return d.corrupt("code lengths that do not form a code")
	}
	d.phase = (*decoder).symbols
	return nil
}

// copyStored goes on with a stored block.
func (d *decoder) copyStored() error {
	n, err := d.in.Read(d.window[d.w:min(d.w+d.stored, len(d.window)-slack)])
	d.w += n
	if d.stored -= n; d.stored == 0 {
		d.phase = (*decoder).block
		return nil
	}
	return noEOF(err)
}

// lookup decodes the next code bit by bit, as far as there are bits: it takes
// no byte from the input that it does not need.
func (d *decoder) lookup(table []entry, first uint) (entry, error) {
	for {
		e := table[d.bits&(1<<first-1)]
		skip := uint(0)
		if e&(special|subtable) == special|subtable {
			skip = first
			e = table[int(e.value())+int(d.bits>>first&(1<<(maxBits-first)-1))]
		}
		// An entry that needs more bits than there are may be another's.
		if need := skip + e.code(); need <= d.n && need > 0 {
			d.skip(skip)
			return e, nil
		}
		if d.n > maxBits {
			return special, nil // no code has these bits
		}
		c, err := d.in.ReadByte()
		if err != nil {
			return 0, noEOF(err)
		}
		d.bits |= uint64(c) << d.n
		d.n += 8
	}
}

// value takes a code that was looked up, with its extra bits.
func (d *decoder) value(e entry) (uint, error) {
	d.skip(e.code())
	k := e.drop() - e.code()
	x, err := d.take(k)
	return e.value() + x, err
}

// symbols goes on with a compressed block: until it ends, the window is full,
// or an error comes. The fast loop does all but the first and last few bytes.
func (d *decoder) symbols() error {
	for d.w < windowSize {
		if d.w+maxMatch+slack < windowSize {
			if more, err := d.fast(); err != nil || !more {
				return err
			}
		}
		e, err := d.lookup(d.lit[:], litBits)
		if err != nil {
			return err
		}
		switch {
		case e&isByte != 0:
			d.skip(e.code())
			d.window[d.w] = byte(e.value())
			d.w++
			continue
		case e&blockEnd != 0:
			d.skip(e.code())
			d.phase = (*decoder).block
			return nil
		case e&special != 0:
			return d.corrupt(badLength)
		}
		length, err := d.value(e)
		if err != nil {
			return err
		}
		if e, err = d.lookup(d.dist[:], distBits); err != nil {
			return err
		}
		if e&special != 0 {
			return d.corrupt(badDistance)
		}
		dist, err := d.value(e)
		if err != nil {
			return err
		}
		if int(dist) > d.w {
			return d.corrupt(badMatch)
		}
		copyMatch(d.window, d.w, int(dist), int(length))
		d.w += int(length)
	}
	return nil
}

// fast goes on as long as there is plenty of input in the buffer and of space
// in the window. It gives false when the block has ended.
func (d *decoder) fast() (more bool, err error) {
	if buffered := d.in.Buffered(); buffered < 64 {
		if _, err := d.in.Peek(64); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return false, err
		}
	}
	in, err := d.in.Peek(d.in.Buffered())
	if err != nil {
		return false, err
	}
	if len(in) < 2*ahead {
		return true, nil
	}
	out := d.window
	at, w := 0, d.w
	b, n := d.bits, d.n
	lit, dist := &d.lit, &d.dist
	more, bad := true, ""
	last, end := len(in)-ahead, windowSize-maxMatch-slack
	hint, run, guessable := d.hint, w, 0
	if hint != nil {
		guessable = min(hint.end, end)
	}
	b |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
	at += int((63 - n) >> 3)
	n |= 56
	// The next code is always looked up before bits are added behind it, so that
	// nothing waits for them.
	e := lit[b&(1<<litBits-1)]
loop:
	for at < last && w < end {
		// 56 bits and more: enough for three literals of the first table and a code.
		b |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
		at += int((63 - n) >> 3)
		n |= 56
		if e&isByte != 0 {
			out[w] = byte(e >> 16)
			w++
			b >>= e & 63
			n -= uint(e & 63)
			e = lit[b&(1<<litBits-1)]
			if e&isByte != 0 {
				out[w] = byte(e >> 16)
				w++
				b >>= e & 63
				n -= uint(e & 63)
				e = lit[b&(1<<litBits-1)]
				if e&isByte != 0 {
					out[w] = byte(e >> 16)
					w++
					b >>= e & 63
					n -= uint(e & 63)
					if w-run >= guessAfter && w < guessable {
						at, w, b, n = hint.follow(in, at, out[:guessable], w, b, n)
					}
					e = lit[b&(1<<litBits-1)]
					continue
				}
			}
		}
		if e&special != 0 {
			if e&subtable != 0 {
				b >>= litBits
				n -= litBits
				e = lit[e.value()+uint(b&(1<<(maxBits-litBits)-1))]
			}
			switch {
			case e&isByte != 0:
				out[w] = byte(e >> 16)
				w++
				b >>= e & 63
				n -= uint(e & 63)
				e = lit[b&(1<<litBits-1)]
				continue
			case e&blockEnd != 0:
				b >>= e & 63
				n -= uint(e & 63)
				d.phase, more = (*decoder).block, false
				break loop
			case e&special != 0:
				bad = badLength
				break loop
			}
		}
		length := int(e.extra(b))
		b >>= e & 63
		n -= uint(e & 63)

		e = dist[b&(1<<distBits-1)]
		b |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
		at += int((63 - n) >> 3)
		n |= 56
		if e&special != 0 {
			if e&subtable != 0 {
				b >>= distBits
				n -= distBits
				e = dist[e.value()+uint(b&(1<<(maxBits-distBits)-1))]
			}
			if e&special != 0 {
				bad = badDistance
				break loop
			}
		}
		back := int(e.extra(b))
		b >>= e & 63
		n -= uint(e & 63)
		e = lit[b&(1<<litBits-1)]
		if back > w {
			bad = badMatch
			break loop
		}
		if back >= 16 { // most of them
			copyFar(out, w, back, length)
		} else {
			copyMatch(out, w, back, length)
		}
		w += length
		run = w
	}
	// Whole bytes go back to the input.
	at -= int(n >> 3)
	n &= 7
	d.bits, d.n, d.w = b&(1<<n-1), n, w
	if bad != "" {
		return false, d.corrupt(bad)
	}
	_, err = d.in.Discard(at)
	return more, err
}

// copyMatch writes length bytes to window[w:] from dist before; it may write up
// to slack more.
func copyMatch(window []byte, w, dist, length int) {
	src, dst := window[w-dist:], window[w:]
	switch {
	case dist >= 16:
		copyFar(window, w, dist, length)
	case dist >= 8:
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(src[i:]))
		}
	case dist == 1:
		v := uint64(src[0]) * 0x0101010101010101
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], v)
		}
	default:
		for i := range dst[:length] {
			dst[i] = src[i]
		}
	}
}

// copyFar does so from 16 or more before. Nine of ten matches have at most 32 bytes,
// which are copied without a question.
func copyFar(window []byte, w, dist, length int) {
	from := w - dist
	*(*[16]byte)(window[w:]) = *(*[16]byte)(window[from:])
	*(*[16]byte)(window[w+16:]) = *(*[16]byte)(window[from+16:])
	for i := 32; i < length; i += 16 {
		*(*[16]byte)(window[w+i:]) = *(*[16]byte)(window[from+i:])
	}
}
