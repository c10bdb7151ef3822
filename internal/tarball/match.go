package tarball

import (
	"encoding/binary"
	"math/bits"
)

// The figures of deflate (RFC 1951) and of GNU gzip at level 6.
const (
	windowSize = 1 << 15                              // bytes that a distance can reach in deflate
	minMatch   = 3                                    // shortest match
	maxMatch   = 258                                  // longest match
	lookahead  = maxMatch + minMatch + 1              // gzip wants this many bytes ahead of it, or the end
	maxDist    = windowSize - lookahead               // 32,506: the furthest that gzip looks back
	tooFar     = 4096                                 // matches of length 3 from further away are dropped
	goodLength = 8                                    // with a match of this length at hand, search a quarter as long
	maxLazy    = 16                                   // with a match of this length at hand, search no more
	niceLength = 128                                  // a match of this length ends the search
	maxChain   = 128                                  // candidates that a search looks at
	hashBits   = 15                                   // of gzip's hash of three bytes
	hashShift  = (hashBits + minMatch - 1) / minMatch // how far each byte is moved
	hashMask   = 1<<hashBits - 1
)

const (
	windowMask  = windowSize - 1
	wideBits    = 16           // of our hash of four bytes
	searchAhead = maxMatch + 8 // bytes after a position that a search may read
)

// matcher finds the match that gzip would find at a position of buf.
//
// Gzip keeps, for each hash of three bytes, the chain of positions that have
// it, newest first, and looks at 128 of them at most (32 when it already has a
// good match); the first of the longest wins. Most of those share three bytes and
// no more, and walking them is what the time would go to.
//
// Here the chains are of positions that share a hash of four bytes, which are
// far fewer. A match of four bytes or more can only be with one of them. What
// the walk along gzip's chain would also have decided is whether a candidate
// still lies within the first 128: that is known from counting, since a bucket
// counts its insertions, and each position keeps the count from when its turn
// was. Only when no match of four bytes is found, and one of three would do,
// is gzip's own chain walked, within the 4,096 bytes where that counts.
//
// All positions are inserted, whether a match covers them or not, so what a
// search at p finds at the heads of its chains is the same whenever p is
// inserted: it is kept for each position. Insertion therefore runs ahead of the
// search, in loops without a branch that depends on the data. They also note where
// there can be no match of four bytes. Where that is not enough to keep walks short, there
// are chains of eight bytes as well; see [eights]. The tables are small, as they are touched at
// random: a position is known by its lowest bits where that is enough.
//
// Positions are indexes of buf. Nothing here depends on where in a stream buf
// lies; that position 0 of a stream is never matched is up to the caller, who
// does not insert it.
type matcher struct {
	whole wholeStep

	buf   []byte // must go on for searchAhead bytes after any position searched
	first int    // the first position that was inserted
	next  int    // the first that has not been
	limit int    // from here on buf may still change: no position is inserted before its turn

	three [1 << hashBits]uint32 // by gzip's hash of three bytes: insertions, and the newest position, both modulo 2^16
	four  [1 << wideBits]head   // by a hash of four bytes

	// Of the last 32 KiB of positions:
	ranks  [windowSize]uint16              // their bucket of three's insertions, themselves included
	threes [windowSize]uint16              // distance to the one before in that bucket, less 1, modulo 2^16; see threeBefore
	fours  [windowSize]uint16              // distance to the one before in their bucket of four; none for none
	may    [windowSize / insertStep]uint64 // a bit for each: there may be a match of four bytes or more

	eights   *eights // nil where they are not worth their cost
	unused   *eights // for when they are
	judged   int     // where that was considered last
	inserted int     // positions since, without those in runs
	steps    int     // of searches since, which eights may have made shorter
}

// head is the newest position of a bucket, from the lowest bits on:
//
//	 7  a tag: what the bucket's number does not tell of its bytes, or some of it
//	 5  its distance to the one before in the bucket, in KiB
//	20  the position, plus windowSize; 0 for none
type head uint32

const (
	tagBits  = 7
	headTag  = 1<<tagBits - 1
	olderKiB = 1<<5 - 1  // the longest distance to the one before
	headPos  = 12        // where the position begins
	headMax  = 1<<20 - 1 // bytes that buf may have, windowSize and what is inserted ahead included
	none     = 1<<15 - 1 // of a distance: so much or more
)

// next is the head of the bucket when the position at base>>headPos has come, whose tag
// this is; the other bits of base are zero.
// dist is the distance to the one before, or none, and may is 1 if there may be a
// match: the one before is near and has the same tag, or the one before that is near
// too.
func (h head) next(base, tag uint32) (next head, dist uint16, may uint64) {
	old := uint32(h)
	d := (base + (1<<headPos - 1) - old) >> headPos
	// What is so is negative here.
	near := d - maxDist - 1
	same := (old^tag)&headTag - 1
	older := near + old<<3&(olderKiB<<10)
	may = uint64(near&(same|older)) >> 31
	d = min(d, none)
	return head(base | d>>3&(olderKiB<<tagBits) | tag), uint16(d), may
}

// insertStep is how many positions are inserted in one go. Insertion runs ahead by one
// or two: a link must not be taken over while a distance of 32,506 still reaches it. It
// divides windowSize, so that what is inserted in one go lies side by side.
const insertStep = 64

// reset makes ready for buf, with nothing inserted before position from. What
// is in buf before limit must not change any more.
func (m *matcher) reset(buf []byte, from, limit int) {
	clear(m.three[:])
	clear(m.four[:])
	m.buf, m.first, m.next, m.limit = buf, from, from, limit
	m.eights, m.judged, m.inserted, m.steps = nil, from, 0, 0
}

const knuth = 2654435761 // for multiplicative hashes

// insertTo inserts all positions before p.
func (m *matcher) insertTo(p int) {
	for m.next < p {
		at := m.next % insertStep
		n := min(p-m.next, insertStep-at)
		run := m.sameAsBefore(n)
		may := ^uint64(0)
		inRun := run >= minRun && (run == n || !vectors)
		switch {
		case inRun:
			n = run
			m.insertRun(n)
		case vectors && n == insertStep:
			may = m.whole.insert(m)
		default:
			n = m.beforeRun(n)
			may = m.insert(n)
		}
		word := &m.may[m.next&windowMask/insertStep]
		*word = *word&(1<<at-1) | may<<at
		if vectors && m.eights != nil {
			m.insertEights(m.next, n, inRun)
		}
		m.next += n
		if vectors && !inRun {
			m.inserted += n
		}
	}
}

const (
	runStep = 16
	minRun  = 16 // positions with which a run is worth its own loop
)

// sameAsBefore is for how many of the next n positions the four bytes from the
// position on, and the byte before it, are all the same.
func (m *matcher) sameAsBefore(n int) int {
	if m.next <= m.first {
		return 0
	}
	b := m.buf[m.next-1:]
	same := uint64(b[0]) * 0x0101010101010101
	for run := 0; ; run += 8 {
		w := binary.LittleEndian.Uint64(b[run:]) ^ same
		if w != 0 {
			return min(max(run+bits.TrailingZeros64(w)/8-4, 0), n)
		}
		if run >= n {
			return n
		}
	}
}

// beforeRun is how many of the next n positions come before one where a run may
// begin: a step of runStep cannot miss one of minRun.
func (m *matcher) beforeRun(n int) int {
	for at := runStep; at < n; at += runStep {
		if w := binary.LittleEndian.Uint64(m.buf[m.next+at:]); w == bits.RotateLeft64(w, 8) {
			return at + 1
		}
	}
	return n
}

// insertRun is insert where the position before has the same bytes as each of the
// n positions: their buckets are known, and so is what is in them.
func (m *matcher) insertRun(n int) {
	c := uint32(m.buf[m.next])
	last := uint32(m.next + n - 1)
	i := m.next & windowMask
	three := &m.three[(c<<(2*hashShift)^c<<hashShift^c)&hashMask]
	count := uint16(*three >> 16)
	ranks, threes, fours := m.ranks[i:][:n], m.threes[i:][:n], m.fours[i:][:n]
	for k := range ranks {
		count++
		ranks[k], threes[k], fours[k] = count, 0, 1
	}
	*three = uint32(count)<<16 | last&0xffff
	four := &m.four[c*0x01010101*knuth>>(32-wideBits)]
	*four = head((last+windowSize)<<headPos) | *four&headTag
}

// insert inserts the next n positions, all of one step. The result has a bit for each
// that may have a match of four bytes, the first one lowest.
func (m *matcher) insert(n int) uint64 {
	i := m.next & windowMask
	buf := m.buf[m.next:][:n+minMatch]
	insertThree(&m.three, m.ranks[i:][:n], m.threes[i:][:n], buf, uint32(m.next))
	return insertFour(&m.four, m.fours[i:][:n], buf, uint32(m.next+windowSize)) >> (insertStep - n)
}

// There is a function for each hash: both in one loop need more registers than there
// are, and what lives on behind a loop takes some of them away from it.

//go:noinline
func insertThree(table *[1 << hashBits]uint32, ranks, threes []uint16, buf []byte, at uint32) {
	// Gzip's hash takes up one byte after the other.
	h := uint32(buf[0])<<hashShift ^ uint32(buf[1])
	threes = threes[:len(ranks)]
	for i, c := range buf[2:][:len(ranks)] {
		h = h<<hashShift ^ uint32(c)
		b := &table[h&hashMask]
		old := *b
		threes[i] = uint16(at - 1 - old)
		count := old>>16 + 1
		ranks[i] = uint16(count)
		*b = count<<16 | at&0xffff
		at++
	}
}

//go:noinline
func insertFour(heads *[1 << wideBits]head, fours []uint16, buf []byte, at uint32) (may uint64) {
	base := at << headPos
	v := uint32(buf[0])<<8 | uint32(buf[1])<<16 | uint32(buf[2])<<24
	for i, c := range buf[3:][:len(fours)] {
		v = v>>8 | uint32(c)<<24
		h := v * knuth
		newest := &heads[h>>(32-wideBits)]
		next, dist, mayMatch := newest.next(base, h>>9&headTag)
		*newest, fours[i] = next, dist
		may = may*2 + mayMatch
		base += 1 << headPos
	}
	return bits.Reverse64(may)
}

// ready makes sure that p is inserted, and a step more if that is possible: most matches
// end there.
func (m *matcher) ready(p int) {
	if p+insertStep >= m.next {
		m.insertPast(p)
	}
}

//go:noinline
func (m *matcher) insertPast(p int) {
	if vectors && m.next-m.judged >= judgeEvery {
		m.judge()
	}
	m.insertTo(max(p+1, min((p+insertStep)|(insertStep-1)+1, m.limit)))
}

// threeBefore is the position before c in its bucket of three. Where that is more
// than 64 KiB away it may be any position in place of it, but never one whose three
// bytes are those of c, since there is none.
func (m *matcher) threeBefore(c int) int { return c - 1 - int(m.threes[c&windowMask]) }

// promising is false where a search at p, which must be ready, finds nothing.
func (m *matcher) promising(p, have int) bool {
	return m.mayMatch(p) != 0 || have < minMatch && m.threes[p&windowMask] < tooFar
}

// mayMatch is 0 where there is no match of four bytes or more at p, else 1.
func (m *matcher) mayMatch(p int) uint64 {
	return m.may[uint(p)&windowMask/insertStep] >> (uint(p) % insertStep) & 1
}

// goesOn is false where a match that ends with the four bytes at last is known not to be:
// these must have a match too, and so must the four that begin before.
func (m *matcher) goesOn(last int) bool {
	return last >= m.next || m.mayMatch(last)&m.mayMatch(last-1) != 0
}

// search looks for a match at p that is longer than have (2 or more), as gzip
// does when have is the length of the match that it found one position before.
// It gives length and distance, or have and 0 when there is none.
//
// The length may go beyond the end of the stream, into whatever buf has there,
// just as gzip's does.
func (m *matcher) search(p, have int) (length, dist int) {
	m.ready(p)
	four := m.mayMatch(p) != 0
	if have >= minMatch && (!four || have > minMatch && !m.goesOn(p+have-minMatch)) {
		return have, 0
	}

	// Gzip's chain ends before a distance of 32,506, except that the newest
	// position of the bucket may be exactly that far away.
	newest := m.threeBefore(p)
	far := max(p-maxDist+1, m.first)
	if newest < far {
		if newest < p-maxDist || newest < m.first {
			return have, 0
		}
		far = newest
	}

	buf := m.buf
	v := binary.LittleEndian.Uint32(buf[p:])
	chain := uint16(maxChain)
	if have >= goodLength {
		chain = maxChain / 4
	}
	if four {
		var n, d int
		if vectors && m.eights != nil {
			n, d = m.longestOfEight(p, have, far, chain)
		} else {
			n, d = m.longest(p, have, far, chain, niceLength)
		}
		if d > 0 {
			return n, d
		}
	}
	if have > 2 {
		return have, 0
	}

	// Matches of three bytes, the nearest first.
	near := max(far, p-tooFar)
	for c, left := newest, chain; c >= near && left > 0; left-- {
		if (binary.LittleEndian.Uint32(buf[c:])^v)<<8 == 0 {
			return minMatch, p - c
		}
		c = m.threeBefore(c)
	}
	return have, 0
}

// longest looks for a match of four bytes or more at p that is longer than
// have, no further back than far, among the first so many of gzip's chain. The first one
// that has enough is taken.
//
// A match longer than the best so far also has the four bytes that end with
// the one after it. Where those are the rarer ones, going by the distance to
// the next of them, their chain is followed instead of that of the first four.
func (m *matcher) longest(p, have, far int, chain uint16, enough int) (best, dist int) {
	buf := m.buf
	count := m.ranks[p&windowMask] - 1
	head := binary.LittleEndian.Uint32(buf[p:])
	best = have
	last := max(best-3, 0) // where those four bytes begin
	tail := binary.LittleEndian.Uint32(buf[p+last:])

	// The chain that is followed is that of the four bytes at off.
	off, c := 0, p-int(m.fours[p&windowMask])
	if t, ok := m.before(&m.fours, p, last, p); ok && t < c {
		off, c = last, t
	}
	steps := 0
	for ; c >= far; steps++ {
		if steps == 4*maxChain {
			return m.asGzip(p, c, best, dist, far, chain)
		}
		if steps&7 == 7 && off == 0 && count-m.ranks[c&windowMask] >= chain && binary.LittleEndian.Uint32(buf[c:]) == head {
			break // gzip's walk ends before it comes to this one
		}
		next := c - int(m.fours[(c+off)&windowMask])
		if binary.LittleEndian.Uint32(buf[c+last:]) == tail && binary.LittleEndian.Uint32(buf[c:]) == head {
			if count-m.ranks[c&windowMask] >= chain {
				break
			}
			if n := matchLength(buf, c, p); n > best {
				best, dist = n, p-c
				if n < niceLength && head == bits.RotateLeft32(head, 8) {
					if back := m.alongRun(p, c, n, far, int(chain-1-(count-m.ranks[c&windowMask]))); back > 0 {
						c -= back
						n = matchLength(buf, c, p)
						best, dist = n, p-c
					}
				}
				if n >= enough {
					break
				}
				last = n - 3
				if !m.goesOn(p + last) {
					break
				}
				tail = binary.LittleEndian.Uint32(buf[p+last:])
				off, next = 0, c-int(m.fours[c&windowMask])
				if t, ok := m.before(&m.fours, p, last, c); ok && t < next {
					off, next = last, t
				}
			}
		}
		c = next
	}
	if vectors && best >= eight-1 {
		m.steps += steps
	}
	return best, dist
}

// alongRun is for a match of n bytes from c on and p on that begins with four of
// the same. Where all are the same and p has more of them, each position before c,
// while the run at c goes back, has a match that is longer by one, until there are
// as many as at p or a match is nice. The result is how far back the last of these
// is, no further than far and no more than so many candidates.
func (m *matcher) alongRun(p, c, n, far, candidates int) int {
	buf := m.buf
	same := uint64(buf[p]) * 0x0101010101010101
	run := 4 // at p, as long as it matters
	for run < niceLength {
		w := binary.LittleEndian.Uint64(buf[p+run:]) ^ same
		if w != 0 {
			run += bits.TrailingZeros64(w) / 8
			break
		}
		run += 8
	}
	back := min(min(run, niceLength)-n, c-far, candidates)
	for k := 1; k <= back; k++ {
		if buf[c-k] != buf[p] {
			return k - 1
		}
	}
	return back
}

// before gives the newest position before c, below p, that may have the same
// bytes off bytes further on as p has, by their chain; false when it is not easily found.
func (m *matcher) before(links *[windowSize]uint16, p, off, c int) (int, bool) {
	if p+off >= m.next {
		return 0, false
	}
	for at, left := p+off, maxChain/16; left > 0; left-- { // more cost more than they save
		if at -= int(links[at&windowMask]); at-off < c {
			return at - off, true
		}
	}
	return 0, false
}

// asGzip goes on with longest from c on, just as gzip does: that takes a bounded
// number of steps, whatever the data.
func (m *matcher) asGzip(p, from, best, dist, far int, chain uint16) (int, int) {
	buf := m.buf
	for c, left := m.threeBefore(p), chain; c >= far && left > 0; left-- {
		if c <= from && binary.LittleEndian.Uint32(buf[c:]) == binary.LittleEndian.Uint32(buf[p:]) {
			if n := matchLength(buf, c, p); n > best {
				best, dist = n, p-c
				if n >= niceLength {
					break
				}
			}
		}
		c = m.threeBefore(c)
	}
	return best, dist
}

// matchLength counts the bytes, 258 at most, that are the same from c and from
// p on. The first four are known to be.
func matchLength(buf []byte, c, p int) int {
	a, b := buf[c:c+searchAhead], buf[p:p+searchAhead]
	for n := 4; n < maxMatch; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return min(n+bits.TrailingZeros64(x)/8, maxMatch)
		}
	}
	return maxMatch
}
