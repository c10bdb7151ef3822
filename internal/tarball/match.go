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
	neverSeen   = -1 << 30     // a position further back than any distance
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
// still lies within the first 128: that is known from counting, since bucket b
// has seen count[b] insertions in all, and rank[c] when it was candidate c's
// turn. Only when no match of four bytes is found, and one of three would
// do, is gzip's own chain walked, within the 4,096 bytes where that counts.
//
// All positions are inserted, whether a match covers them or not, so what a
// search at p finds at the heads of its chains is the same whenever p is
// inserted: it is kept in p's own link. Insertion therefore runs ahead of the
// search, in a loop without a branch that depends on the data.
//
// Positions are indexes of buf. Nothing here depends on where in a stream buf
// lies; that position 0 of a stream is never matched is up to the caller, who
// does not insert it.
type matcher struct {
	buf   []byte // must go on for searchAhead bytes after any position searched
	next  int    // the first position that has not been inserted
	limit int    // from here on buf may still change: no position is inserted before its turn

	count [1 << hashBits]uint16 // insertions into each bucket, modulo 2^16
	head  [1 << hashBits]int32  // newest position in a bucket
	wide  [1 << wideBits]int32  // newest position of each hash of four bytes
	links [windowSize]link      // of the last 32 KiB of positions
}

// link is what was known of a position when it was inserted.
type link struct {
	prev  int32  // the one before in its bucket
	prevW int32  // the one before with the same hash of four bytes
	rank  uint16 // its bucket's count, itself included
}

// insertAhead is how far insertion may run ahead: a link must not be taken
// over while a distance of 32,506 still reaches it.
const insertAhead = 192

// reset makes ready for buf, with nothing inserted before position from. What
// is in buf before limit must not change any more.
func (m *matcher) reset(buf []byte, from, limit int) {
	m.buf, m.next, m.limit = buf, from, limit
	for i := range m.head {
		m.head[i] = neverSeen
	}
	for i := range m.wide {
		m.wide[i] = neverSeen
	}
}

// bucketOf is gzip's hash of the first three bytes of v, in reading order.
func bucketOf(v uint32) uint32 {
	return (v<<(2*hashShift) ^ v>>8<<hashShift&(0xff<<hashShift) ^ v>>16&0xff) & hashMask
}

// wideOf hashes all four bytes of v (Knuth's multiplicative method).
func wideOf(v uint32) uint32 { return v * 2654435761 >> (32 - wideBits) }

// insertTo inserts all positions before p.
func (m *matcher) insertTo(p int) {
	if m.next >= p {
		return
	}
	buf := m.buf[:p+3]
	for q := m.next; q < p; q++ {
		v := binary.LittleEndian.Uint32(buf[q:])
		b, w := bucketOf(v), wideOf(v)
		m.count[b]++
		m.links[q&windowMask] = link{m.head[b], m.wide[w], m.count[b]}
		m.head[b], m.wide[w] = int32(q), int32(q)
	}
	m.next = p
}

// search looks for a match at p that is longer than have (2 or more), as gzip
// does when have is the length of the match that it found one position before.
// It gives length and distance, or have and 0 when there is none.
//
// The length may go beyond the end of the stream, into whatever buf has there,
// just as gzip's does.
func (m *matcher) search(p, have int) (length, dist int) {
	if p >= m.next {
		m.insertTo(p + 1)
		m.insertTo(min(p+insertAhead, m.limit))
	}
	l := &m.links[p&windowMask]
	newest, c := int(l.prev), int(l.prevW)

	// Gzip's chain ends before a distance of 32,506, except that the newest
	// position of the bucket may be exactly that far away.
	far := p - maxDist + 1
	if newest < far {
		if newest != far-1 {
			return have, 0
		}
		far = newest
	}

	buf, count := m.buf, l.rank-1
	v := binary.LittleEndian.Uint32(buf[p:])
	chain := uint16(maxChain)
	if have >= goodLength {
		chain = maxChain / 4
	}
	best := have
	for c >= far {
		if binary.LittleEndian.Uint32(buf[c:]) == v {
			if count-m.links[c&windowMask].rank >= chain {
				break // gzip's walk ends before it comes to this one
			}
			if best < 4 || binary.LittleEndian.Uint32(buf[c+best-3:]) == binary.LittleEndian.Uint32(buf[p+best-3:]) {
				if n := matchLength(buf, c, p); n > best {
					best, dist = n, p-c
					if n >= niceLength {
						break
					}
				}
			}
		}
		c = int(m.links[c&windowMask].prevW)
	}
	if best > 2 {
		return best, dist
	}

	// Matches of three bytes, the nearest first.
	near := max(far, p-tooFar)
	for c, left := newest, chain; c >= near && left > 0; left-- {
		if (binary.LittleEndian.Uint32(buf[c:])^v)<<8 == 0 {
			return minMatch, p - c
		}
		c = int(m.links[c&windowMask].prev)
	}
	return have, 0
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
