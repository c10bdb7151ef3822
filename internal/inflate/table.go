package inflate

import "math/bits"

const (
	maxBits     = 15 // of a code
	litBits     = 11 // that the first lookup of a literal or length takes
	distBits    = 8  // and that of a distance
	lensBits    = 7  // and that of a code length: all of them
	maxLits     = 286
	maxDists    = 30
	lensSymbols = 19
	endOfBlock  = 256
)

// entry is all that there is to know of the bits that led to it, from the
// lowest bits on:
//
//	 6  how many bits the code takes, and its extra bits
//	 2  -
//	 4  how many bits the code takes
//	 1  it is not a length or distance, nor a literal
//	 1  it is where the second table for these bits begins
//	 1  it is the end of the block
//	 1  it is a literal
//	16  literal, length or distance without extra bits, or where that table is
//
// With none of the flags after "not" set, no code has these bits.
type entry uint32

const (
	special  entry = 1 << 12
	subtable entry = 1 << 13
	blockEnd entry = 1 << 14
	isByte   entry = 1 << 15
)

func (e entry) drop() uint  { return uint(e & 63) }
func (e entry) code() uint  { return uint(e >> 8 & 15) }
func (e entry) value() uint { return uint(e >> 16) }

// extra takes the value out of the bits that begin with its code.
func (e entry) extra(b uint64) uint {
	return e.value() + uint((b&(1<<(e.drop()&63)-1))>>e.code())
}

// The largest number of entries: a second table has the bits that the first
// leaves, and at least two codes.
const (
	litEntries  = 1<<litBits + maxLits/2<<(maxBits-litBits)
	distEntries = 1<<distBits + 32/2<<(maxBits-distBits)
)

// Base values and extra bits of lengths and distances (RFC 1951, 3.2.5). A
// symbol's entry lacks only its code's length.
var (
	litSymbols  [288]entry
	distSymbols [32]entry
	plain       [lensSymbols]entry
)

func init() {
	for i := range litSymbols {
		litSymbols[i] = entry(i)<<16 | isByte
	}
	litSymbols[endOfBlock] = special | blockEnd
	base := 3
	for i := range 29 {
		extra := max(0, i/4-1)
		if i == 28 {
			base, extra = 258, 0
		}
		litSymbols[257+i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
	}
	litSymbols[286], litSymbols[287] = special, special
	base = 1
	for i := range maxDists {
		extra := max(0, i/2-1)
		distSymbols[i] = entry(base)<<16 | entry(extra)
		base += 1 << extra
	}
	distSymbols[30], distSymbols[31] = special, special
	for i := range plain {
		plain[i] = entry(i) << 16
	}
}

// build fills a table whose first lookup takes first bits, from the lengths of
// the symbols' codes, 0 for a symbol without. It reports whether the lengths are
// those of a code: neither too many, nor too few but for no symbol at all or
// one of length 1.
func build(table []entry, first int, lengths []uint8, symbols []entry) bool {
	var count [maxBits + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	var next [maxBits + 2]int
	used, code := 0, 0
	for n := 1; n <= maxBits; n++ {
		code <<= 1
		next[n] = code
		code += count[n]
		if code > 1<<n {
			return false
		}
		used += count[n]
	}
	if code != 1<<maxBits && used > 0 && (used != 1 || count[1] != 1) {
		return false
	}
	for i := range table[:1<<first] {
		table[i] = special
	}
	end := 1 << first // of the tables so far
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		n := int(n)
		code := int(bits.Reverse16(uint16(next[n]))) >> (16 - n) // first bit lowest
		next[n]++
		if n <= first {
			e := symbols[s] + entry(n)<<8 + entry(n)
			for i := code; i < 1<<first; i += 1 << n {
				table[i] = e
			}
			continue
		}
		at := &table[code&(1<<first-1)]
		if *at&subtable == 0 {
			*at = entry(end)<<16 | special | subtable | entry(first)
			second := table[end:][:1<<(maxBits-first)]
			for i := range second {
				second[i] = special
			}
			end += len(second)
		}
		e := symbols[s] + entry(n-first)<<8 + entry(n-first)
		for i := code >> first; i < 1<<(maxBits-first); i += 1 << (n - first) {
			table[int(at.value())+i] = e
		}
	}
	return true
}
