package tarball

import (
	"encoding/binary"
	"math"
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
// good match); the first of the longest wins. On data such as float weights
// nearly all of these share three bytes and no more, and walking them is what
// the time goes to.
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
// inserted: it is kept in p's own link. Insertion therefore runs ahead of the
// search, in a loop without a branch that depends on the data. That loop also
// notes where there can be no match at all, which on weights is nearly
// everywhere: those positions are never searched.
//
// Positions are indexes of buf. Nothing here depends on where in a stream buf
// lies; that position 0 of a stream is never matched is up to the caller, who
// does not insert it.
type matcher struct {
	buf   []byte // must go on for searchAhead bytes after any position searched
	first int    // the first position that was inserted
	next  int    // the first that has not been
	limit int    // from here on buf may still change: no position is inserted before its turn

	// base is added to positions in the tables, and grows with every buf, so
	// that what was inserted from another one is too far away to count.
	base int64

	three [1 << hashBits]bucket // by gzip's hash of three bytes
	four  [1 << wideBits]bucket // by a hash of four bytes
	links [windowSize]link      // of the last 32 KiB of positions
}

// bucket is what is known of the positions that share a hash, from the lowest
// bits on, for three bytes and for four:
//
//	32  the newest position               32  the newest position
//	 8  its tag                           16  its tag
//	 8  its gap, in units of 256 bytes    16  its gap
//	16  insertions, modulo 2^16
//
// The gap is the distance from the newest position to the one before it, and
// the tag tells what the hash does not of the newest position's bytes.
type bucket uint64

// link is what was known of a position when it was inserted, from the lowest
// bits on:
//
//	16  distance to the one before in its bucket of three
//	16  whether there may be a match, and of which kind
//	16  distance to the one before in its bucket of four
//	16  its bucket of three's count, itself included
//
// Distances of 65,535 or more are all none.
type link uint64

func (l link) three() int   { return int(l & none) }
func (l link) four() int    { return int(l >> 32 & none) }
func (l link) rank() uint16 { return uint16(l >> 48) }

const (
	mayBeThree link = 1 << 16 // of three bytes, no more than tooFar away
	mayBeFour  link = 1 << 17 // of four bytes or more
	none            = 0xffff
)

// insertAhead is how far insertion may run ahead: a link must not be taken
// over while a distance of 32,506 still reaches it. It divides windowSize, so
// that what is inserted in one go lies side by side in links.
const insertAhead = 128

// reset makes ready for buf, with nothing inserted before position from. What
// is in buf before limit must not change any more.
func (m *matcher) reset(buf []byte, from, limit int) {
	m.base += int64(len(m.buf) + 2*none)
	if m.base+int64(len(buf)) > math.MaxInt32 || m.base == 2*none {
		m.base = 2 * none
		clear(m.three[:])
		clear(m.four[:])
	}
	m.buf, m.first, m.next, m.limit = buf, from, from, limit
}

const knuth = 2654435761 // for multiplicative hashes

// insertTo inserts all positions before p.
func (m *matcher) insertTo(p int) {
	for m.next < p {
		n := min(p-m.next, insertAhead-m.next%insertAhead)
		if run := m.sameAsBefore(n); run >= minRun {
			m.insertRun(run)
			m.next += run
			continue
		}
		// Up to where a run may begin: a step of runStep cannot miss one of minRun.
		for at := runStep; at < n; at += runStep {
			if w := binary.LittleEndian.Uint64(m.buf[m.next+at:]); w == bits.RotateLeft64(w, 8) {
				n = at + 1
			}
		}
		m.insert(n)
		m.next += n
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

// insertRun is insert where the position before has the same bytes as each of the
// n positions: their buckets are known, and so is what is in them.
func (m *matcher) insertRun(n int) {
	c := uint32(m.buf[m.next])
	last := bucket(int64(m.next+n-1) + m.base)
	three := &m.three[(c<<(2*hashShift)^c<<hashShift^c)&hashMask]
	four := &m.four[c*0x01010101*knuth>>(32-wideBits)]
	link := link(*three)&(0xffff<<48) | 1<<32 | mayBeFour | mayBeThree | 1
	links := m.links[m.next&windowMask:][:n]
	for i := range links {
		link += 1 << 48
		links[i] = link
	}
	*three = bucket(link)&(0xffff<<48) | *three&(0xff<<32) | last
	*four = 1<<48 | *four&(0xffff<<32) | last
}

// insert inserts the next n positions, whose links lie side by side. There is
// one loop for each hash: both in one need more registers than there are.
func (m *matcher) insert(n int) {
	at := uint32(int64(m.next) + m.base)
	links := m.links[m.next&windowMask:][:n]
	buf := m.buf[m.next:]

	// Gzip's hash takes up one byte after the other.
	h, v := uint32(buf[0])<<hashShift^uint32(buf[1]), uint32(buf[0])<<8|uint32(buf[1])
	for i, c := range buf[2:][:len(links)] {
		h = (h<<hashShift ^ uint32(c)) & hashMask
		v = v<<8 | uint32(c)
		b := &m.three[h]
		old := *b
		dist := min(at-uint32(old), none)
		tag := v << 8 * knuth >> 24
		// There may be a match if the newest is near and has the same bytes,
		// or the one before it is near too.
		other := (tag ^ uint32(old>>32)&0xff) - 1
		older := dist + uint32(old>>32)&0xff00 - tooFar - 1
		may := (dist - tooFar - 1) & (other | older) >> 31
		now := old&(0xffff<<48) + 1<<48 | bucket(dist&0xff00|tag)<<32 | bucket(at)
		*b = now
		links[i] = link(now)&(0xffff<<48) | link(may<<16|dist)
		at++
	}
	newest := bucket(int64(m.next) + m.base)
	v = uint32(buf[0])<<8 | uint32(buf[1])<<16 | uint32(buf[2])<<24
	for i, c := range buf[3:][:len(links)] {
		v = v>>8 | uint32(c)<<24
		h := v * knuth
		b := &m.four[h>>(32-wideBits)]
		old := *b
		now := bucket(h&0xffff)<<32 | newest
		apart := now - old&(1<<48-1) // the distance, if the tags are the same
		dist := min(uint32(apart), none)
		may := link(dist+uint32(old>>48)-maxDist-1) >> 31
		if apart <= maxDist {
			may = 1
		}
		*b = bucket(dist)<<48 | now
		links[i] |= link(dist)<<32 | may<<17
		newest++
	}
}

// ready makes sure that p is inserted, and more if that is possible.
func (m *matcher) ready(p int) {
	if p >= m.next {
		m.insertTo(p + 1)
		m.insertTo(min(p+insertAhead, m.limit))
	}
}

// barren is the first position from p on, end at most, at which there may be a
// match or which has not been inserted.
func (m *matcher) barren(p, end int) int {
	end = min(end, m.next)
	for p < end && m.links[p&windowMask]&(mayBeFour|mayBeThree) == 0 {
		p++
	}
	return p
}

// search looks for a match at p that is longer than have (2 or more), as gzip
// does when have is the length of the match that it found one position before.
// It gives length and distance, or have and 0 when there is none.
//
// The length may go beyond the end of the stream, into whatever buf has there,
// just as gzip's does.
func (m *matcher) search(p, have int) (length, dist int) {
	m.ready(p)
	l := m.links[p&windowMask]
	if l&(mayBeFour|mayBeThree) == 0 {
		return have, 0
	}

	// Gzip's chain ends before a distance of 32,506, except that the newest
	// position of the bucket may be exactly that far away.
	far := p - maxDist + 1
	if l.three() >= maxDist {
		if l.three() > maxDist {
			return have, 0
		}
		far--
	}

	buf := m.buf
	v := binary.LittleEndian.Uint32(buf[p:])
	chain := uint16(maxChain)
	if have >= goodLength {
		chain = maxChain / 4
	}
	if l&mayBeFour != 0 {
		if n, d := m.longest(p, have, far, chain); d > 0 {
			return n, d
		}
	}
	if have > 2 {
		return have, 0
	}

	// Matches of three bytes, the nearest first.
	near := max(far, p-tooFar)
	for c, left := p-l.three(), chain; c >= near && left > 0; left-- {
		if (binary.LittleEndian.Uint32(buf[c:])^v)<<8 == 0 {
			return minMatch, p - c
		}
		c -= m.links[c&windowMask].three()
	}
	return have, 0
}

// longest looks for a match of four bytes or more at p that is longer than
// have, no further back than far, among the first so many of gzip's chain.
//
// A match longer than the best so far also has the four bytes that end with
// the one after it. Where those are the rarer ones, going by the distance to
// the next of them, their chain is followed instead of that of the first four.
func (m *matcher) longest(p, have, far int, chain uint16) (best, dist int) {
	buf, first := m.buf, m.links[p&windowMask]
	far = max(far, m.first)
	count := first.rank() - 1
	head := binary.LittleEndian.Uint32(buf[p:])
	best = have
	last := max(best-3, 0) // where those four bytes begin
	tail := binary.LittleEndian.Uint32(buf[p+last:])

	// The chain that is followed is that of the four bytes at off.
	off, c := 0, p-first.four()
	if t, ok := m.before(p, last, p); ok && t < c {
		off, c = last, t
	}
	for steps := 0; c >= far; steps++ {
		if steps == 4*maxChain {
			return m.asGzip(p, c, best, dist, far, chain)
		}
		x := m.links[(c+off)&windowMask]
		if off == 0 && count-x.rank() >= chain && binary.LittleEndian.Uint32(buf[c:]) == head {
			break // gzip's walk ends before it comes to this one
		}
		next := c - x.four()
		if binary.LittleEndian.Uint32(buf[c+last:]) == tail && binary.LittleEndian.Uint32(buf[c:]) == head {
			if count-m.links[c&windowMask].rank() >= chain {
				break
			}
			if n := matchLength(buf, c, p); n > best {
				best, dist = n, p-c
				if n < niceLength && head == bits.RotateLeft32(head, 8) {
					if back := m.alongRun(p, c, n, far, int(chain-1-(count-m.links[c&windowMask].rank()))); back > 0 {
						c -= back
						n = matchLength(buf, c, p)
						best, dist = n, p-c
					}
				}
				if n >= niceLength {
					break
				}
				last = n - 3
				tail = binary.LittleEndian.Uint32(buf[p+last:])
				off, next = 0, c-m.links[c&windowMask].four()
				if t, ok := m.before(p, last, c); ok && t < next {
					off, next = last, t
				}
			}
		}
		c = next
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
// four bytes off bytes further on as p has; false when it is not easily found.
func (m *matcher) before(p, off, c int) (int, bool) {
	if p+off >= m.next {
		return 0, false
	}
	for at, left := p+off, maxChain/4; left > 0; left-- {
		if at -= m.links[at&windowMask].four(); at-off < c {
			return at - off, true
		}
	}
	return 0, false
}

// asGzip goes on with longest from c on, just as gzip does: that takes a bounded
// number of steps, whatever the data.
func (m *matcher) asGzip(p, from, best, dist, far int, chain uint16) (int, int) {
	buf := m.buf
	for c, left := p-m.links[p&windowMask].three(), chain; c >= far && left > 0; left-- {
		if c <= from && binary.LittleEndian.Uint32(buf[c:]) == binary.LittleEndian.Uint32(buf[p:]) {
			if n := matchLength(buf, c, p); n > best {
				best, dist = n, p-c
				if n >= niceLength {
					break
				}
			}
		}
		c -= m.links[c&windowMask].three()
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
