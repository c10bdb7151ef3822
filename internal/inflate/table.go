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
// one of length 1. If codes is not nil, it is given the codes of the bytes.
func build(table []entry, first int, lengths []uint8, symbols []entry, codes *codes) bool {
	var count [maxBits + 1]int
	for _, n := range lengths {
		count[n]++
	}
	used := len(lengths) - count[0]
	var next [maxBits + 2]int // where in sorted the next symbol of a length belongs
	free := 1                 // codes of the length that are left
	for n := 1; n <= maxBits; n++ {
		next[n+1] = next[n] + count[n]
		if free = free<<1 - count[n]; free < 0 {
			return false
		}
	}
	if free > 0 && used > 0 && (used != 1 || count[1] != 1) {
		return false
	}
	var sorted [maxLits + 2]uint16
	for s, n := range lengths {
		if n > 0 {
			sorted[next[n]] = uint16(s)
			next[n]++
		}
	}
	if codes != nil {
		codes.forget()
	}
	// Codes come by length. A table for one bit more is the last one twice, as
	// the first bit is the lowest; what is in it for bits that are not a code yet
	// is overwritten, or special.
	table[0] = special
	end, last := 1<<first, -1
	rest, code := sorted[:used], uint16(0)
	for n := 1; n <= maxBits; n++ {
		if n <= first {
			copy(table[1<<(n-1):1<<n], table[:1<<(n-1)])
		}
		for _, s := range rest[:count[n]] {
			at := int(bits.Reverse16(code)) >> (16 - n)
			code++
			if codes != nil {
				codes.set(int(s), at, n)
			}
			if n <= first {
				table[at] = symbols[s] + entry(n)<<8 + entry(n)
				continue
			}
			if start := at & (1<<first - 1); start != last {
				table[start] = entry(end)<<16 | special | subtable | entry(first)
				last, end = start, end+1<<(maxBits-first)
			}
			e := symbols[s] + entry(n-first)<<8 + entry(n-first)
			second := table[end-1<<(maxBits-first) : end]
			for i := at >> first; i < len(second); i += 1 << (n - first) {
				second[i] = e
			}
		}
		rest = rest[count[n]:]
		code <<= 1
	}
	return true
}
