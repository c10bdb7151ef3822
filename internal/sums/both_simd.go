//go:build goexperiment.simd && amd64 && go1.26 && !go1.27

package sums

import (
	"crypto/fips140"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"simd/archsimd"
	"sync"
)

// A program that has to use the validated module's sums gets those.
var hasTwo = archsimd.X86.SHA() && archsimd.X86.AVX() && !fips140.Enabled()

// worthwhile is how many bytes of each it takes for moving the states to cost less
// than is gained.
const worthwhile = 4 << 10

// WriteBoth writes p to a and q to b, which are two and come from [sha256.New].
func WriteBoth(a hash.Hash, p []byte, b hash.Hash, q []byte) {
	if hasTwo && min(len(p), len(q)) >= worthwhile {
		n, m := two(a, p, b, q)
		p, q = p[n:], q[m:]
	}
	a.Write(p)
	b.Write(q)
}

var states = sync.Pool{New: func() any { return new([2]state) }}

// two writes as much of p and q as makes whole blocks of both, and gives how much that
// was: nothing where the states of a and b are not as expected.
func two(a hash.Hash, p []byte, b hash.Hash, q []byte) (n, m int) {
	s := states.Get().(*[2]state)
	defer states.Put(s)
	n, ok := s[0].begin(a, p)
	if !ok {
		return 0, 0
	}
	if m, ok = s[1].begin(b, q); !ok {
		return n, 0
	}
	long := min(len(p)-n, len(q)-m) / sha256.BlockSize * sha256.BlockSize
	rounds(&s[0].words, &s[1].words, p[n:n+long], q[m:m+long])
	s[0].end(a, long)
	s[1].end(b, long)
	return n + long, m + long
}

// state is a sum that has begun, as crypto/sha256 writes it down: a mark, the words, a
// block that is not full yet, and the number of bytes in all.
type state struct {
	words [sha256.Size / 4]uint32
	raw   [stateSize]byte
}

const (
	stateMark = "sha\x03"
	lengthAt  = len(stateMark) + sha256.Size + sha256.BlockSize
	stateSize = lengthAt + 8
)

// begin fills up the block that h has begun, with the first n bytes of p, and reads the
// state. It is false where h writes down its state in another way.
func (s *state) begin(h hash.Hash, p []byte) (n int, ok bool) {
	if !s.read(h) {
		return 0, false
	}
	if begun := int(binary.BigEndian.Uint64(s.raw[lengthAt:]) % sha256.BlockSize); begun > 0 {
		n = sha256.BlockSize - begun
		h.Write(p[:n])
		ok = s.read(h)
		return n, ok
	}
	return 0, true
}

func (s *state) read(h hash.Hash) bool {
	raw, err := h.(encoding.BinaryAppender).AppendBinary(s.raw[:0])
	if err != nil || len(raw) != stateSize || string(raw[:len(stateMark)]) != stateMark {
		return false
	}
	for i := range s.words {
		s.words[i] = binary.BigEndian.Uint32(raw[len(stateMark)+4*i:])
	}
	return true
}

// end gives h the new words and n more bytes.
func (s *state) end(h hash.Hash, n int) {
	for i, w := range s.words {
		binary.BigEndian.PutUint32(s.raw[len(stateMark)+4*i:], w)
	}
	length := s.raw[lengthAt:]
	binary.BigEndian.PutUint64(length, binary.BigEndian.Uint64(length)+uint64(n))
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.raw[:]); err != nil {
		panic("crypto/sha256 refuses its own state: " + err.Error())
	}
}

// rounds takes whole blocks of p into a, and as many of q into b (FIPS 180-4, 6.2.2).
// The two are independent, so the processor works on both.
func rounds(a, b *[8]uint32, p, q []byte) {
	a0, a1 := load(a)
	b0, b1 := load(b)
	order := archsimd.LoadInt8x16(&bigEndian)
	for len(p) >= sha256.BlockSize && len(q) >= sha256.BlockSize {
		x, y := (*[sha256.BlockSize]byte)(p), (*[sha256.BlockSize]byte)(q)
		p, q = p[sha256.BlockSize:], q[sha256.BlockSize:]
		wasA0, wasA1, wasB0, wasB1 := a0, a1, b0, b1

		// The message's schedule: 16 words of each, of which the oldest four make
		// room for the next.
		v0, w0 := words(x, 0, order), words(y, 0, order)
		v1, w1 := words(x, 16, order), words(y, 16, order)
		v2, w2 := words(x, 32, order), words(y, 32, order)
		v3, w3 := words(x, 48, order), words(y, 48, order)
		for k := 0; ; k += 4 {
			c := (*[4][4]uint32)(constants[k:])
			a0, a1 = four(a0, a1, v0, &c[0])
			b0, b1 = four(b0, b1, w0, &c[0])
			a0, a1 = four(a0, a1, v1, &c[1])
			b0, b1 = four(b0, b1, w1, &c[1])
			a0, a1 = four(a0, a1, v2, &c[2])
			b0, b1 = four(b0, b1, w2, &c[2])
			a0, a1 = four(a0, a1, v3, &c[3])
			b0, b1 = four(b0, b1, w3, &c[3])
			if k == 12 {
				break
			}
			v0, w0 = next(v0, v1, v2, v3), next(w0, w1, w2, w3)
			v1, w1 = next(v1, v2, v3, v0), next(w1, w2, w3, w0)
			v2, w2 = next(v2, v3, v0, v1), next(w2, w3, w0, w1)
			v3, w3 = next(v3, v0, v1, v2), next(w3, w0, w1, w2)
		}
		a0, a1 = a0.Add(wasA0), a1.Add(wasA1)
		b0, b1 = b0.Add(wasB0), b1.Add(wasB1)
	}
	store(a, a0, a1)
	store(b, b0, b1)
}

// four does four rounds: abef and cdgh are the state as the instruction wants it.
func four(abef, cdgh, words archsimd.Uint32x4, constants *[4]uint32) (newABEF, newCDGH archsimd.Uint32x4) {
	sum := words.Add(archsimd.LoadUint32x4(constants))
	cdgh = cdgh.SHA256TwoRounds(abef, sum)
	high := sum.AsUint64x2().InterleaveHi(sum.AsUint64x2()).AsUint32x4()
	abef = abef.SHA256TwoRounds(cdgh, high)
	return abef, cdgh
}

// next is the schedule's four words after the sixteen given.
func next(w0, w1, w2, w3 archsimd.Uint32x4) archsimd.Uint32x4 {
	seventh := w3.AsUint8x16().ConcatShiftBytesRight(4, w2.AsUint8x16()).AsUint32x4()
	return w0.SHA256Message1(w1).Add(seventh).SHA256Message2(w3)
}

// words are four of a block.
func words(b *[sha256.BlockSize]byte, at int, order archsimd.Int8x16) archsimd.Uint32x4 {
	return archsimd.LoadUint8x16((*[16]byte)(b[at:])).PermuteOrZero(order).AsUint32x4()
}

// bigEndian turns each four bytes around.
var bigEndian = [16]int8{3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12}

func load(h *[8]uint32) (abef, cdgh archsimd.Uint32x4) {
	return archsimd.LoadUint32x4(&[4]uint32{h[5], h[4], h[1], h[0]}), archsimd.LoadUint32x4(&[4]uint32{h[7], h[6], h[3], h[2]})
}

func store(h *[8]uint32, abef, cdgh archsimd.Uint32x4) {
	var x, y [4]uint32
	abef.Store(&x)
	cdgh.Store(&y)
	*h = [8]uint32{x[3], x[2], y[3], y[2], x[1], x[0], y[1], y[0]}
}

// constants are those of FIPS 180-4, 4.2.2, four to a line.
var constants = [16][4]uint32{
	{0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5},
	{0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5},
	{0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3},
	{0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174},
	{0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc},
	{0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da},
	{0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7},
	{0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967},
	{0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13},
	{0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85},
	{0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3},
	{0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070},
	{0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5},
	{0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3},
	{0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208},
	{0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2},
}
