package dlib

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"math"
	"math/bits"
)

// encodeRGB writes m as the JPEG that loses least: red, green and blue as they
// are (no conversion, no subsampling; Adobe's APP14 marker says so, as in
// Supplement #4 of the TIFF specification's DCT notes and as libjpeg reads it),
// every quantisation step 1. What remains is rounding: at most a step or two of
// 256 a pixel. image/jpeg would halve the colour resolution.
//
// All arithmetic is in integers, so that the bytes, and with them descriptors,
// are the same on every architecture.
func encodeRGB(m image.Image) ([]byte, error) {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	if w < 1 || h < 1 || w > 65535 || h > 65535 {
		return nil, fmt.Errorf("a picture of %d×%d pixels cannot be handed to dlib: expected 1 to 65535 each way", w, h)
	}
	rgba, ok := m.(*image.RGBA)
	if !ok {
		rgba = image.NewRGBA(image.Rect(0, 0, w, h))
		draw.Draw(rgba, rgba.Bounds(), m, b.Min, draw.Src)
	}
	e := &encoder{}
	e.headers(w, h)
	var last [3]int32
	var block [64]int32
	for y := 0; y < h; y += 8 {
		for x := 0; x < w; x += 8 {
			for c := range 3 {
				load(&block, rgba, x, y, w, h, c)
				last[c] = e.block(&block, last[c])
			}
		}
	}
	e.flush()
	e.out.Write([]byte{0xff, 0xd9}) // EOI
	return e.out.Bytes(), nil
}

// load takes 8×8 samples of channel c, centred on zero; beyond the edge the
// last pixel repeats.
func load(block *[64]int32, m *image.RGBA, x0, y0, w, h, c int) {
	for y := range 8 {
		row := m.PixOffset(m.Rect.Min.X, m.Rect.Min.Y+min(y0+y, h-1))
		for x := range 8 {
			block[8*y+x] = int32(m.Pix[row+4*min(x0+x, w-1)+c]) - 128
		}
	}
}

// cosines is the orthonormal 8-point DCT (ITU-T T.81, A.3.3) times 2^15.
var cosines = func() (t [8][8]int64) {
	for u := range 8 {
		for x := range 8 {
			v := math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) / 2
			if u == 0 {
				v = math.Sqrt2 / 4
			}
			t[u][x] = int64(math.Round(v * (1 << 15)))
		}
	}
	return t
}()

// transform replaces the samples by their DCT coefficients, rounded once.
func transform(b *[64]int32) {
	var rows [64]int64
	for y := range 8 {
		for u := range 8 {
			var s int64
			for x := range 8 {
				s += cosines[u][x] * int64(b[8*y+x])
			}
			rows[8*y+u] = s
		}
	}
	for u := range 8 {
		for v := range 8 {
			var s int64
			for y := range 8 {
				s += cosines[v][y] * rows[8*y+u]
			}
			b[8*v+u] = int32((s + 1<<29) >> 30)
		}
	}
}

// zigzag is figure A.6 of ITU-T T.81: the order in which coefficients are written.
var zigzag = [64]int{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// huffman is a table in the form of a DHT segment: how many codes of each
// length, and the symbols in order of their codes.
type huffman struct {
	counts  [16]byte
	symbols []byte
}

// dcTable gives every size of a DC difference (0 to 11 bits) a code of four bits.
var dcTable = huffman{
	counts:  [16]byte{3: 12},
	symbols: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
}

// acTable gives the symbols for short runs and small sizes, which full quality
// is made of, six bits, and all others nine; 42/64 + 120/512 is less than 1, so
// no code is all ones. The file lives for one call: a better table saves nothing.
var acTable = func() huffman {
	t := huffman{}
	var long []byte
	for run := range 16 {
		for size := 1; size <= 10; size++ {
			s := byte(run<<4 | size)
			if run < 5 && size < 9 {
				t.symbols = append(t.symbols, s)
			} else {
				long = append(long, s)
			}
		}
	}
	t.symbols = append(t.symbols, 0x00, 0xf0) // end of block; sixteen zeros
	t.counts[5] = byte(len(t.symbols))
	t.symbols = append(t.symbols, long...)
	t.counts[8] = byte(len(long))
	return t
}()

// code is a Huffman code.
type code struct {
	bits uint32
	n    uint
}

// codes derives them from the table, as annex C of ITU-T T.81 does.
func (t huffman) codes() (out [256]code) {
	var next uint32
	i := 0
	for n := range 16 {
		for range t.counts[n] {
			out[t.symbols[i]] = code{next, uint(n + 1)}
			next++
			i++
		}
		next <<= 1
	}
	return out
}

var dcCodes, acCodes = dcTable.codes(), acTable.codes()

// encoder writes the file; acc holds n bits that do not fill a byte yet.
type encoder struct {
	out bytes.Buffer
	acc uint64
	n   uint
}

func (e *encoder) segment(marker byte, body ...byte) {
	e.out.Write([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)})
	e.out.Write(body)
}

func (e *encoder) headers(w, h int) {
	e.out.Write([]byte{0xff, 0xd8})                                                // SOI
	e.segment(0xee, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0 /* no YCbCr */) // APP14
	steps := make([]byte, 65)
	for i := range steps[1:] {
		steps[1+i] = 1
	}
	e.segment(0xdb, steps...)                                                                                 // DQT
	e.segment(0xc0, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 3, 'R', 0x11, 0, 'G', 0x11, 0, 'B', 0x11, 0) // SOF0
	for class, t := range []huffman{dcTable, acTable} {
		e.segment(0xc4, append(append([]byte{byte(class << 4)}, t.counts[:]...), t.symbols...)...) // DHT
	}
	e.segment(0xda, 3, 'R', 0, 'G', 0, 'B', 0, 0, 63, 0) // SOS
}

// block writes one block and gives its DC coefficient.
func (e *encoder) block(b *[64]int32, lastDC int32) int32 {
	transform(b)
	size, extra := magnitude(b[0] - lastDC)
	e.put(dcCodes[size])
	e.put(code{extra, uint(size)})
	run := 0
	for _, at := range zigzag[1:] {
		// A rounded corner case may reach 1024, one more than the format has.
		v := min(max(b[at], -1023), 1023)
		if v == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			e.put(acCodes[0xf0])
		}
		size, extra := magnitude(v)
		e.put(acCodes[run<<4|size])
		e.put(code{extra, uint(size)})
		run = 0
	}
	if run > 0 {
		e.put(acCodes[0x00])
	}
	return b[0]
}

// magnitude splits v into its size in bits and the bits that follow the code
// (table F.1 of ITU-T T.81): v itself, or v-1 in two's complement.
func magnitude(v int32) (size int, extra uint32) {
	a := v
	if v < 0 {
		a = -v
		v--
	}
	size = bits.Len32(uint32(a))
	return size, uint32(v) & (1<<size - 1)
}

func (e *encoder) put(c code) {
	e.acc = e.acc<<c.n | uint64(c.bits)
	e.n += c.n
	for e.n >= 8 {
		e.n -= 8
		v := byte(e.acc >> e.n)
		e.out.WriteByte(v)
		if v == 0xff {
			e.out.WriteByte(0)
		}
	}
}

// flush fills the last byte with ones.
func (e *encoder) flush() {
	if e.n > 0 {
		pad := 8 - e.n
		e.put(code{1<<pad - 1, pad})
	}
}
