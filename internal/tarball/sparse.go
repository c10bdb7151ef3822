package tarball

import (
	"encoding/binary"
	"math/bits"
)

// sparse finds the same matches as [matcher] where there are few, as in float
// weights, for a third of the cost: one small table says of nearly every position
// that the three bytes there have not come in the last 32 KiB, which rules out a
// match of any length.
//
// Gzip's own chains are not kept. Whether a candidate lies within the first 128 of
// its chain is found by counting, only for the few candidates that would be taken.
//
// It gives up where there is more to find than it is good for. Whoever uses it then
// goes on with a matcher from the state that has been reached.
type sparse struct {
	whole wholeStep

	buf    []byte // must go on for searchAhead bytes after any position searched
	first  int    // the first position that was inserted
	next   int    // the first that has not been; it is a multiple of insertStep but at first
	debt   int    // about how many positions more than expected had to be searched
	gaveUp bool

	heads [1 << sparseBits]head
	dists [windowSize]uint16              // of the last 32 KiB of positions: to the one before in its bucket, or none
	may   [windowSize / insertStep]uint64 // a bit for each: there may be a match
}

const (
	sparseBits = 17
	sparseWalk = 256            // candidates after which a search gives up
	sparseMany = insertStep / 4 // positions of a step that may have a match: with more it is no better than a matcher
	sparseDebt = 1024           // how much debt there may be: stretches with many matches come and go
)

// reset makes ready for buf, in which no match begins before position first.
func (m *sparse) reset(buf []byte, first int) {
	clear(m.heads[:])
	m.buf, m.first, m.next, m.debt, m.gaveUp = buf, first, first&^(insertStep-1), 0, false
}

// ready makes sure that p is inserted, or gives up.
func (m *sparse) ready(p int) {
	for m.next <= p && !m.gaveUp {
		may := m.whole.insertFew(m)
		m.may[m.next&windowMask/insertStep] = m.likely(may)
		m.next += insertStep
		m.debt = max(0, m.debt+bits.OnesCount64(may)-sparseMany)
		m.gaveUp = m.debt > sparseDebt
	}
}

// likely leaves out of may, of the next step, where neither of the nearest two candidates
// is one and there is no third: nearly all of them, which cost a search each otherwise.
// There is no branch that depends on the data.
func (m *sparse) likely(may uint64) (left uint64) {
	buf, dists := m.buf, &m.dists
	for ; may != 0; may &= may - 1 {
		i := bits.TrailingZeros64(may)
		p := m.next + i
		v := binary.LittleEndian.Uint32(buf[p:])
		first := int(dists[p&windowMask])
		differ := (binary.LittleEndian.Uint32(buf[p-first:]) ^ v) & enoughBytes(first)
		next := int(dists[(p-first)&windowMask])
		beyond := (maxDist - first - next) >> 31 // -1 if the second one is
		second := first + next&^beyond
		differ = min(differ, (binary.LittleEndian.Uint32(buf[p-second:])^v)&enoughBytes(second)|uint32(beyond))
		third := second + int(dists[(p-second)&windowMask])
		differ = min(differ, uint32((maxDist-third)>>31))
		left |= (uint64(differ) - 1) >> 63 << i
	}
	return left
}

// enoughBytes has the bits of the bytes that have to be the same at this distance: four
// where three are too few.
func enoughBytes(dist int) uint32 { return 1<<24 - 1 | uint32((tooFar-dist)>>31) }

// insert inserts the positions of the next step.
func (m *sparse) insert() (may uint64) {
	dists := (*[insertStep]uint16)(m.dists[m.next&windowMask:])
	return insertSparse(&m.heads, dists, (*[insertStep + minMatch]byte)(m.buf[m.next:]), uint32(m.next+windowSize))
}

// insertSparse inserts the positions of a step. The result has a bit for each that may
// have a match, the first one lowest.
func insertSparse(heads *[1 << sparseBits]head, dists *[insertStep]uint16, buf *[insertStep + minMatch]byte, at uint32) (may uint64) {
	base := at << headPos
	for i := range dists {
		// Odd factors leave 24 bits apart: bucket and tag together tell them.
		h := binary.LittleEndian.Uint32(buf[i:i+4]) * knuth
		newest := &heads[h>>7%(1<<sparseBits)]
		next, dist, mayMatch := newest.next(base, h&headTag)
		*newest, dists[i] = next, dist
		may = may*2 + mayMatch
		base += 1 << headPos
	}
	return bits.Reverse64(may)
}

// barren is the first position from p on, end at most, at which there may be a
// match or which has not been inserted.
func (m *sparse) barren(p, end int) int {
	end = min(end, m.next)
	for p < end {
		if w := m.may[p&windowMask/insertStep] >> (p % insertStep); w != 0 {
			return min(p+bits.TrailingZeros64(w), end)
		}
		p += insertStep - p%insertStep
	}
	return min(p, end)
}

// search is [matcher.search]. Where it gives up, its result means nothing.
func (m *sparse) search(p, have int) (length, dist int) {
	m.ready(p)
	if m.may[p&windowMask/insertStep]>>(p%insertStep)&1 == 0 || m.gaveUp {
		return have, 0
	}
	buf := m.buf
	v := binary.LittleEndian.Uint32(buf[p:])
	chain := maxChain
	if have >= goodLength {
		chain = maxChain / 4
	}
	length = have
	far := max(m.first, p-maxDist)
	c := p
	for steps := 1; ; steps++ {
		if steps%4 == 0 {
			m.debt++
		}
		if steps == sparseWalk {
			m.gaveUp = true
			return have, 0
		}
		c -= int(m.dists[c&windowMask])
		if c < far {
			return length, dist
		}
		x := binary.LittleEndian.Uint32(buf[c:]) ^ v
		if x<<8 != 0 {
			continue
		}
		n := minMatch
		if x == 0 {
			n = matchLength(buf, c, p)
		} else if p-c > tooFar {
			continue
		}
		if n <= length {
			continue
		}
		// Gzip looks at so many of its chain, and no further away than maxDist, at
		// which only the newest is.
		if p-c == maxDist {
			chain = 1
		}
		if p-c > chain {
			m.debt += (p - c) / 128
			if countSame(buf, c, p, chain) > chain {
				return length, dist
			}
		}
		length, dist = n, p-c
		if n >= niceLength {
			return length, dist
		}
	}
}

// parseSparse is [parse] until the matcher gives up: then it is false, and all has
// to go on from the state with another one.
func parseSparse(m *sparse, s state, end int, out []token) (state, []token, bool) {
	done := s.done() // literals that follow each other are put together
	for s.pos < end {
		length, dist := minMatch-1, 0
		if s.waiting && s.length < minMatch {
			m.ready(s.pos)
			s.pos = m.barren(s.pos, end)
			if (s.pos == end || s.pos >= m.next) && !m.gaveUp {
				continue
			}
		}
		if s.length < maxLazy {
			if length, dist = m.search(s.pos, s.length); dist == 0 {
				length = minMatch - 1
			}
		}
		if m.gaveUp {
			break
		}
		// As in advance.
		if s.length >= minMatch && length <= s.length {
			out = append(appendLiterals(out, m.buf, done, s.pos-1), match(s.length, s.dist))
			s = fresh(s.pos - 1 + s.length)
			done = s.pos
			continue
		}
		s = state{pos: s.pos + 1, waiting: true, length: length, dist: dist}
	}
	return s, appendLiterals(out, m.buf, done, s.done()), !m.gaveUp
}

// countEach counts the positions from lo up to p that share gzip's hash of three
// bytes with p. Where there are not more than enough, the result may be any number
// that is not more than enough; where there are, it may stop early.
func countEach(buf []byte, lo, p, enough int) int {
	// Most often the lowest eight of the hash's 15 bits tell enough.
	if n := countLow(buf, lo, p, enough); n <= enough {
		return n
	}
	return countExact(buf, lo, p, enough)
}

// ones is 1 in each byte.
const ones = 0x0101010101010101

// notZero has 1 in each byte of which x has another than zero.
func notZero(x uint64) uint64 { return (x&(127*ones) + 127*ones | x) >> 7 & ones }

// sum adds the bytes of x.
func sum(x uint64) int {
	const halves = 0x00ff00ff00ff00ff
	return int((x&halves + x>>8&halves) * 0x0001000100010001 >> 48)
}

// countLow is countEach by the lowest eight bits of the hash b0<<10 ^ b1<<5 ^ b2: it
// may count too many.
func countLow(buf []byte, lo, p, enough int) int {
	low := uint64(gzipHash(buf[p:])&0xff) * ones
	n := (p - lo) % 8 // the last ones are not looked at
	for p-lo >= 8 && n <= enough {
		rounds := min((p-lo)/8, 255) // to which each byte of others can count
		others := uint64(0)
		bytes := buf[lo : lo+8*rounds+2]
		for len(bytes) >= 10 {
			b1, b2 := binary.LittleEndian.Uint64(bytes[1:]), binary.LittleEndian.Uint64(bytes[2:])
			others += notZero(b2 ^ b1<<5&(7<<5*ones) ^ low)
			bytes = bytes[8:]
		}
		lo += 8 * rounds
		n += 8*rounds - sum(others)
	}
	return n
}

// countExact is countEach by the lowest and the highest eight of the 15 bits.
func countExact(buf []byte, lo, p, enough int) int {
	h := gzipHash(buf[p:])
	low, high := uint64(h&0xff)*ones, uint64(h>>7)*ones
	n := 0
	for p-lo >= 8 && n <= enough {
		rounds := min((p-lo)/8, 255)
		others := uint64(0)
		bytes := buf[lo : lo+8*rounds+2]
		for len(bytes) >= 10 {
			b0, b1, b2 := binary.LittleEndian.Uint64(bytes), binary.LittleEndian.Uint64(bytes[1:]), binary.LittleEndian.Uint64(bytes[2:])
			others += notZero((b2 ^ b1<<5&(7<<5*ones) ^ low) | (b2>>7&ones ^ b1>>2&(63*ones) ^ b0<<3&(31<<3*ones) ^ high))
			bytes = bytes[8:]
		}
		lo += 8 * rounds
		n += 8*rounds - sum(others)
	}
	for ; lo < p && n <= enough; lo++ {
		if gzipHash(buf[lo:]) == h {
			n++
		}
	}
	return n
}

// gzipHash is gzip's hash of the first three bytes.
func gzipHash(b []byte) uint32 {
	_ = b[2]
	return (uint32(b[0])<<(2*hashShift) ^ uint32(b[1])<<hashShift ^ uint32(b[2])) & hashMask
}
