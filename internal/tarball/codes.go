package tarball

import "math/bits"

// The alphabets of deflate (RFC 1951, 3.2.5 and 3.2.7).
const (
	literals   = 256
	endOfBlock = 256
	litLens    = literals + 1 + 29 // literals, end of block, lengths
	distances  = 30
	lenCodes   = 19 // code lengths, and three ways to repeat them
	repeatLast = 16 // the last length, 3 to 6 times
	zerosShort = 17 // zero, 3 to 10 times
	zerosLong  = 18 // zero, 11 to 138 times
	maxBits    = 15 // of a literal, length or distance code
	maxLenBits = 7  // of a code length code
)

// Extra bits that follow each symbol.
var (
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distExtra   = [distances]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	repeatExtra = [lenCodes]uint8{repeatLast: 2, zerosShort: 3, zerosLong: 7}
)

// lenOrder is the order in which the lengths of the code length code are sent.
var lenOrder = [lenCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// lengthSymbol is the symbol of each length less 3, counted from 257, and
// lengthBase the smallest length less 3 of each symbol.
var lengthSymbol, lengthBase = lengthTables()

func lengthTables() (sym [256]uint8, base [29]uint8) {
	n := 0
	for s := range 28 {
		base[s] = uint8(n)
		for range 1 << lengthExtra[s] {
			if n < 256 {
				sym[n] = uint8(s)
			}
			n++
		}
	}
	// 258 has a symbol of its own, though the one before could express it.
	sym[maxMatch-minMatch], base[28] = 28, maxMatch-minMatch
	return sym, base
}

// distBase is the smallest distance less 1 of each distance symbol.
var distBase = func() (base [distances]uint16) {
	n := 0
	for s := range base {
		base[s] = uint16(n)
		n += 1 << distExtra[s]
	}
	return base
}()

// distSymbol is the symbol of a distance.
func distSymbol(dist int) uint8 {
	d := uint32(dist - 1)
	if d < 4 {
		return uint8(d)
	}
	// Two symbols for each power of two, told apart by the bit below the top.
	n := uint8(bits.Len32(d))
	return 2*(n-1) + uint8(d>>(n-2)&1)
}

// code is one symbol's code, its bits reversed into the order of sending.
type code struct {
	bits uint16
	n    uint8
}

// assign gives canonical codes to lengths (RFC 1951, 3.2.2).
func assign(lengths []uint8, out []code) {
	var count, next [maxBits + 2]uint16
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	for n := 1; n <= maxBits; n++ {
		next[n+1] = (next[n] + count[n]) << 1
	}
	for i, n := range lengths {
		out[i] = code{n: n}
		if n > 0 {
			out[i].bits = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
}

// The fixed codes (RFC 1951, 3.2.6).
var fixedLitLengths, fixedLit = func() (l [litLens + 2]uint8, c [litLens + 2]code) {
	for i := range l {
		switch {
		case i < 144, i >= 280:
			l[i] = 8
		case i < 256:
			l[i] = 9
		default:
			l[i] = 7
		}
	}
	assign(l[:], c[:])
	return l, c
}()

var fixedDistLengths, fixedDist = func() (l [distances]uint8, c [distances]code) {
	for i := range l {
		l[i] = 5
	}
	assign(l[:], c[:])
	return l, c
}()
