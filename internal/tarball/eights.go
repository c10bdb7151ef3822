package tarball

import (
	"encoding/binary"
	"math/bits"
)

// eights are for contents in which matches are long and candidates many, as in lists of
// words: most steps of a search there lead to nothing longer than what is at hand. A match
// of eight bytes or more is with one of the few positions that share a hash of eight bytes.
// What a matcher knows of four bytes it knows of eight with these: for each position the
// distance to the one before, and whether there may be a match.
//
// To insert into one more table costs more than it saves with most contents, so that
// [matcher.judge] decides, and only where whole steps are inserted together.
type eights struct {
	heads [1 << wideBits]head

	// Of the last 32 KiB of positions, as in a matcher:
	links [windowSize]uint16
	may   [windowSize / insertStep]uint64
}

const (
	eight      = 8
	eightMul   = 0x85ebca6b // an odd number, for the first four of eight bytes
	judgeEvery = 16 << 10   // positions after which eights are considered
)

// hardSearch is how many steps of searches for each inserted position make eights cheaper,
// as measured with lists of words, sources, programs and tables of locales.
var hardSearch = 0.75

// judge decides whether there are eights from here on.
func (m *matcher) judge() {
	if vectors && m.eights == nil && float64(m.steps) > hardSearch*float64(m.inserted) {
		if m.unused == nil {
			m.unused = new(eights)
		}
		m.eights = m.unused
		clear(m.eights.heads[:])
		for p := max(m.first, m.next-windowSize); p < m.next; {
			n := min(m.next-p, insertStep-p%insertStep)
			m.insertEights(p, n, false) // the one before a run may not be in the chain
			p += n
		}
	}
	m.judged, m.inserted, m.steps = m.next, 0, 0
}

// insertEights inserts the n positions from p on, all of one step, into eights. In a run,
// the position before has the same four bytes as each of them.
func (m *matcher) insertEights(p, n int, inRun bool) {
	e, i := m.eights, p&windowMask
	var may uint64
	if inRun && binary.LittleEndian.Uint64(m.buf[p+n-1:]) == binary.LittleEndian.Uint64(m.buf[p:]) {
		insertEightRun(&e.heads, e.links[i:][:n], m.buf[p:], uint32(p+n-1+windowSize))
		may = ^uint64(0) >> (insertStep - n)
	} else if n == insertStep {
		may = m.whole.insertEights(e, i, (*[insertStep + eight - 1]byte)(m.buf[p:]), uint32(p+windowSize))
	} else {
		may = insertEight(&e.heads, e.links[i:][:n], m.buf[p:][:n+eight-1], uint32(p+windowSize)) >> (insertStep - n)
	}
	at, word := p%insertStep, &e.may[i/insertStep]
	*word = *word&(1<<at-1) | may<<at
}

// insertEight is insertFour for eights.
func insertEight(heads *[1 << wideBits]head, links []uint16, buf []byte, at uint32) (may uint64) {
	base := at << headPos
	for i := range links {
		h := hashEight(buf[i:])
		newest := &heads[h>>(32-wideBits)]
		next, dist, mayMatch := newest.next(base, h>>9&headTag)
		*newest, links[i] = next, dist
		may = may*2 + mayMatch
		base += 1 << headPos
	}
	return bits.Reverse64(may)
}

// insertEightRun is insertEight where each position has the same eight bytes as the one
// before, and last is the last one.
func insertEightRun(heads *[1 << wideBits]head, links []uint16, buf []byte, last uint32) {
	for i := range links {
		links[i] = 1
	}
	newest := &heads[hashEight(buf)>>(32-wideBits)]
	*newest = head(last<<headPos) | *newest&headTag
}

func hashEight(b []byte) uint32 {
	b = b[:eight]
	return (binary.LittleEndian.Uint32(b)*eightMul ^ binary.LittleEndian.Uint32(b[4:])) * knuth
}

// mayEight is false where there is no match of eight bytes or more at p, as far as that is
// known.
func (m *matcher) mayEight(p int) bool {
	return p >= m.next || m.eights.may[uint(p)&windowMask/insertStep]>>(uint(p)%insertStep)&1 != 0
}

// longestOfEight is longest, with eights.
func (m *matcher) longestOfEight(p, have, far int, chain uint16) (best, dist int) {
	switch {
	case have >= eight-1 && p+have-(eight-1) < m.next:
		return m.walkEights(p, have, far, chain)
	case have >= eight-1:
		return m.longest(p, have, far, chain, niceLength)
	case m.mayEight(p):
		if n, d := m.walkEights(p, eight-1, far, chain); d > 0 {
			return n, d
		}
	}
	return m.longest(p, have, far, chain, eight-1)
}

// walkEights is longest where one byte more than have is eight or more. It follows the
// chain of the last eight of these, which must be inserted.
func (m *matcher) walkEights(p, have, far int, chain uint16) (best, dist int) {
	buf, links := m.buf, &m.eights.links
	count := m.ranks[p&windowMask] - 1
	head := binary.LittleEndian.Uint32(buf[p:])
	best = have
	last := best - (eight - 1) // where those eight begin
	if !m.mayEight(p + last) {
		return best, 0
	}
	tail := binary.LittleEndian.Uint64(buf[p+last:])

	// The chain that is followed is that of the eight bytes at off.
	steps, off := 0, last
	for c := p - int(links[(p+off)&windowMask]); c >= far; steps++ {
		if steps == 4*maxChain {
			return m.asGzip(p, c, best, dist, far, chain)
		}
		if steps&7 == 7 && off == 0 && count-m.ranks[c&windowMask] >= chain && binary.LittleEndian.Uint32(buf[c:]) == head {
			break // gzip's walk ends before it comes to this one
		}
		next := c - int(links[(c+off)&windowMask])
		if binary.LittleEndian.Uint64(buf[c+last:]) == tail && binary.LittleEndian.Uint32(buf[c:]) == head {
			if count-m.ranks[c&windowMask] >= chain {
				break
			}
			if n := matchLength(buf, c, p); n > best {
				best, dist = n, p-c
				if n < niceLength && head == bits.RotateLeft32(head, 8) {
					if back := m.alongRun(p, c, n, far, int(chain-1-(count-m.ranks[c&windowMask]))); back > 0 {
						c -= back
						next = c - int(links[(c+off)&windowMask])
						n = matchLength(buf, c, p)
						best, dist = n, p-c
					}
				}
				if n >= niceLength {
					break
				}
				last = n - (eight - 1)
				if !m.mayEight(p + last) {
					break
				}
				tail = binary.LittleEndian.Uint64(buf[p+last:])
				if t, ok := m.before(links, p, last, c); ok && t <= next {
					off, next = last, t
				}
			}
		}
		c = next
	}
	m.steps += steps
	return best, dist
}
